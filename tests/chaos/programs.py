"""The programs of the chaos: `python -m tests.chaos.programs worker URL`, `services URL` and `submit URL COUNT`."""

from __future__ import annotations

import sys
from collections.abc import Callable

import anyio

from dagger import Dagger
from tests.chaos.workflow import Note, chaos_order, charges, orders, parcels, receipts, requests

AT_ONCE = 20
"""How many orders are submitted at a time."""


def worker(url: str) -> None:
    engine = Dagger(url)
    engine.register(chaos_order)
    engine.main()


async def _receipts(engine: Dagger) -> None:
    async for found in engine.subscribe_batches(charges, group="payment"):
        answers = [Note(one.order, one.number + 1) for one in found]
        await engine.publish_all(receipts, answers, id=lambda one: f"receipt-{one.order}")


async def _parcels(engine: Dagger) -> None:
    async for found in engine.subscribe_batches(requests, group="shipping"):
        answers = [Note(one.order, number) for one in found for number in range(1, one.number + 1)]
        await engine.publish_all(parcels, answers, id=lambda one: f"parcel-{one.order}-{one.number}")


def services(url: str) -> None:
    async def serve() -> None:
        engine = Dagger(url)
        async with anyio.create_task_group() as group:
            group.start_soon(_receipts, engine)
            group.start_soon(_parcels, engine)

    anyio.run(serve)


def submit(url: str, count: str) -> None:
    """Every order, from the first on, some of them twice; a submitter that was killed begins again."""

    async def run() -> None:
        engine = Dagger(url)
        everything = orders(int(count))
        for start in range(0, len(everything), AT_ONCE):
            some = everything[start : start + AT_ONCE]
            await engine.start_all(chaos_order, some)
            await engine.start_all(chaos_order, some[::10])
            while await engine.count(status="EXECUTING") > 10 * AT_ONCE:  # noqa: ASYNC110  # no event tells it
                await anyio.sleep(0.02)
        await engine.aclose()

    anyio.run(run)


PROGRAMS: dict[str, Callable[..., None]] = {"worker": worker, "services": services, "submit": submit}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
