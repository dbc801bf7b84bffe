"""The programs of the chaos, each a process: `python -m tests.chaos.programs worker URL`, `payment URL`, `shipping URL`
and `submit URL`."""

from __future__ import annotations

import sys
from collections.abc import Callable

import anyio
import anyio.to_thread

from dagger import Dagger
from tests.chaos.workflow import Note, chaos_order, charges, orders, parcels, receipts, requests

AT_ONCE = 10
"""How many orders are submitted at a time; the first of them is submitted twice."""


def worker(url: str) -> None:
    engine = Dagger(url)
    engine.register(chaos_order)
    engine.main()


def payment(url: str) -> None:
    """Answers each charge, under an id: a charge may come again."""

    async def serve(engine: Dagger) -> None:
        async for found in engine.subscribe_batches(charges, group="payment"):
            answers = [Note(one.order, one.number + 1) for one in found]
            await engine.publish_all(receipts, answers, id=lambda one: f"receipt-{one.order}")

    anyio.run(serve, Dagger(url))


def shipping(url: str) -> None:
    """Answers each request with its parcels, one after the other."""

    async def serve(engine: Dagger) -> None:
        async for found in engine.subscribe_batches(requests, group="shipping"):
            answers = [Note(one.order, number) for one in found for number in range(1, one.number + 1)]
            await engine.publish_all(parcels, answers, id=lambda one: f"parcel-{one.order}-{one.number}")

    anyio.run(serve, Dagger(url))


def submit(url: str) -> None:
    """Every order up to the number that each line of the input tells, and every tenth of them twice.

    A submitter that is killed knows nothing when it comes again, and begins with the first order.
    """

    async def run() -> None:
        engine = Dagger(url)
        start = 0
        while line := await anyio.to_thread.run_sync(sys.stdin.readline):
            everything = orders(int(line))
            for at in range(start, len(everything), AT_ONCE):
                some = everything[at : at + AT_ONCE]
                await engine.start_all(chaos_order, some)
                await engine.start(chaos_order, some[0])
            start = len(everything)
        await engine.aclose()

    anyio.run(run)


PROGRAMS: dict[str, Callable[..., None]] = {
    "worker": worker,
    "payment": payment,
    "shipping": shipping,
    "submit": submit,
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
