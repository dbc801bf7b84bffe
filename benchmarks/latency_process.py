"""A process of the latency benchmark on any backend that processes can share.

`python -m benchmarks.latency_process worker|services BROKER [STORE]` prints `ready`, and works until it is terminated;
`python -m benchmarks.latency_process client BROKER [STORE] IN_FLIGHT COUNT` prints the latencies in seconds, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio

from benchmarks.latency import closed_loop
from benchmarks.sqlite_load import serve
from benchmarks.workflow import Order, orders
from dagger import Dagger


@asynccontextmanager
async def ready(engine: Dagger) -> AsyncGenerator[None]:
    print("ready", flush=True)
    yield


async def answer(engine: Dagger) -> None:
    async with engine.client(), anyio.create_task_group() as services:
        serve(engine, services)
        print("ready", flush=True)


async def submit(engine: Dagger, in_flight: int, count: int) -> None:
    async def run(number: int) -> None:
        await engine.wait(await engine.start(orders, Order(f"o-{number}", number)))

    async with engine.client():
        print(json.dumps(list(await closed_loop(run, in_flight, count))))


def main(role: str, *given: str) -> None:
    where = given[:-2] if role == "client" else given
    engine = Dagger(where[0], store=where[1] if len(where) > 1 else None, lifespan=ready)
    engine.register(orders)
    match role:
        case "worker":
            engine.main()
        case "services":
            asyncio.run(answer(engine))
        case _:
            asyncio.run(submit(engine, *map(int, given[-2:])))


if __name__ == "__main__":
    main(*sys.argv[1:])
