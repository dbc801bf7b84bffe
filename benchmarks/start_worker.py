"""A worker on a file, as a process: prints the seconds from its start to the end of a new order's first step.

With `--idle S` it prints the share of processor time that it took in S seconds with nothing to do.
"""

from __future__ import annotations

import argparse
import asyncio
import time
import uuid

BEGUN = time.perf_counter()

from benchmarks.workflow import Order, orders  # noqa: E402  # the time counts from here
from dagger import Dagger, Status  # noqa: E402  # as above


async def first_step(url: str) -> float:
    async with Dagger(url) as engine:
        run = await engine.start(orders, Order(f"first-{uuid.uuid4()}", 1))
        while run.status is not Status.EXECUTING:  # noqa: ASYNC110  # a step is no event to wait for
            await asyncio.sleep(0.001)
        return time.perf_counter() - BEGUN


async def idle(url: str, seconds: float) -> float:
    async with Dagger(url) as engine:
        engine.register(orders)
        await asyncio.sleep(1)  # what is to be done once is done
        begun = time.process_time()
        await asyncio.sleep(seconds)
        return (time.process_time() - begun) / seconds


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--idle", type=float)
    given = parser.parse_args()
    found = asyncio.run(first_step(given.url) if given.idle is None else idle(given.url, given.idle))
    print(found)


if __name__ == "__main__":
    main()
