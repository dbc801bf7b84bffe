"""Latency of an order at 1, 8 and 50 orders in flight, against a raw loop that commits as much: on each backend.

Each line compares milliseconds: p50 and p99 of five rounds. On SQLite worker, services and client are three processes
on both sides. In memory both sides are one process, and the raw loop stores nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from benchmarks.by_hand import order_by_hand
from benchmarks.latency import IN_FLIGHT, Latencies, closed_loop, in_processes, measure
from benchmarks.sqlite_load import serve
from benchmarks.workflow import Order, orders
from dagger import Dagger

MEMORY_COUNT: Final = 2_000
SQLITE_COUNT: Final = 500
SQLITE_P50_MS_MAX: Final = {50: 25.0}
"""By the number in flight, the p50 that has to hold, in milliseconds."""

loads = pytest.mark.parametrize("in_flight", IN_FLIGHT)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    """New folders."""

    def made() -> Iterator[Path]:
        for number in count():
            folder = tmp_path / str(number)
            folder.mkdir()
            yield folder

    return made()


async def in_memory(in_flight: int) -> Latencies:
    latencies: Latencies = ()
    async with Dagger() as engine, anyio.create_task_group() as services:
        engine.register(orders)
        serve(engine, services)

        async def run(number: int) -> None:
            await engine.wait(await engine.start(orders, Order(f"o-{number}", number)))

        latencies = await closed_loop(run, in_flight, MEMORY_COUNT)
        services.cancel_scope.cancel()
    return latencies


async def by_hand(in_flight: int) -> Latencies:
    async with order_by_hand() as run:
        return await closed_loop(lambda number: run(Order(f"o-{number}", number)), in_flight, MEMORY_COUNT)


@loads
def test_latency_in_memory(benchmark: Any, in_flight: int) -> None:
    measure(
        benchmark,
        f"memory: {in_flight} in flight",
        lambda: asyncio.run(in_memory(in_flight)),
        lambda: asyncio.run(by_hand(in_flight)),
        p50_ms_max=None,
    )


@loads
def test_latency_on_sqlite(benchmark: Any, in_flight: int, folders: Iterator[Path]) -> None:
    def ours() -> Latencies:
        url = f"sqlite:///{next(folders)}/orders.db"
        return in_processes("benchmarks.latency_process", ["worker", "services"], [url], in_flight, SQLITE_COUNT)

    def raw() -> Latencies:
        where = [str(next(folders))]
        return in_processes("benchmarks.sqlite_raw", ["worker", "services"], where, in_flight, SQLITE_COUNT)

    p50_ms_max = SQLITE_P50_MS_MAX.get(in_flight)
    measure(benchmark, f"SQLite: {in_flight} in flight", ours, raw, p50_ms_max=p50_ms_max)
