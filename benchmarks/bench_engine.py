"""The order workflow in memory, with services that answer over topics, against asyncio written by hand."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import anyio

from benchmarks.by_hand import run_asyncio
from benchmarks.measure import at_least, compare
from benchmarks.workflow import Order, Paid, Sent, Shipped, charges, orders, parcels, payments, shipments
from dagger import Dagger

ORDERS = [Order(f"o-{number}", number) for number in range(1000)]


async def pay(engine: Dagger) -> None:
    async for charge in engine.subscribe(charges, group="payment"):
        await engine.publish(payments, Paid(charge.order_id, f"r-{charge.order_id}"))


async def send(engine: Dagger) -> None:
    async for parcel in engine.subscribe(parcels, group="shipping"):
        await engine.publish(shipments, Sent(parcel.order_id, f"p-{parcel.order_id}"))


async def run_engine() -> tuple[list[Shipped], float]:
    """Every order through the engine; the results, and the processor time that it took in seconds."""
    results, took = list[Shipped](), 0.0
    async with Dagger() as engine, anyio.create_task_group() as services:
        engine.register(orders)
        services.start_soon(pay, engine)
        services.start_soon(send, engine)
        begun = time.process_time()
        runs = [await engine.start(orders, order) for order in ORDERS]
        for run in runs:
            await engine.wait(run)
        results = [run.result for run in runs]
        took = time.process_time() - begun
        services.cancel_scope.cancel()
    return results, took


async def run_by_hand() -> tuple[list[Shipped], float]:
    begun = time.process_time()
    results = await run_asyncio(ORDERS)
    return results, time.process_time() - begun


def test_orders_in_memory(benchmark: Any) -> None:
    assert asyncio.run(run_engine())[0] == asyncio.run(run_by_hand())[0]

    def ours() -> float:
        return asyncio.run(run_engine())[1] / len(ORDERS) * 1e6

    def theirs() -> float:
        return asyncio.run(run_by_hand())[1] / len(ORDERS) * 1e6

    name = "engine in memory: an order, against asyncio"
    compare(benchmark, name, ours, theirs, at_least(1 / 3), rounds=25, speed=True)
