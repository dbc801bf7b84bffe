"""A process of the latency benchmark on any backend that processes can share.

`python -m benchmarks.latency_process worker|services BROKER [STORE]` prints `ready`, and works until it is terminated;
`python -m benchmarks.latency_process client BROKER [STORE] IN_FLIGHT COUNT` prints the latencies in seconds, as JSON.
`reporter` is a worker that also prints each end, as `ended ID TIME`, at its commit; `listener` is a client that prints,
by id, when it heard of each end, as JSON. Both by the monotonic clock, which the processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator, Collection
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


async def listen(engine: Dagger, in_flight: int, count: int) -> None:
    heard = dict[str, float]()

    async def run(number: int) -> None:
        id = (await engine.wait(await engine.start(orders, Order(f"o-{number}", number)))).id
        heard[id] = time.monotonic()

    async with engine.client():
        await closed_loop(run, in_flight, count)
        print(json.dumps(heard))


def report(engine: Dagger) -> None:
    """Print each end when it is committed, before other processes are told of it."""
    announce = engine.backend.announce_ended

    def noted(ids: Collection[str]) -> None:
        now = time.monotonic()
        announce(ids)
        for id in ids:
            print("ended", id, now, flush=True)

    engine.backend.announce_ended = noted  # type: ignore[method-assign]  # there is no other place to learn it


def main(role: str, *given: str) -> None:
    where = given[:-2] if role in ("client", "listener") else given
    engine = Dagger(where[0], store=where[1] if len(where) > 1 else None, lifespan=ready)
    engine.register(orders)
    match role:
        case "worker":
            engine.main()
        case "reporter":
            report(engine)
            engine.main()
        case "services":
            asyncio.run(answer(engine))
        case "listener":
            asyncio.run(listen(engine, *map(int, given[-2:])))
        case _:
            asyncio.run(submit(engine, *map(int, given[-2:])))


if __name__ == "__main__":
    main(*sys.argv[1:])
