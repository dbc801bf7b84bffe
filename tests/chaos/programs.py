"""The programs of the chaos, each a process: `python -m tests.chaos.programs worker URL [URL]`, with the URLs of the
broker and the store, and in the same way `payment`, `shipping` and `submit`."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, Final

import anyio
import anyio.to_thread
import msgspec

from dagger import Dagger
from dagger.errors import BackendUnavailable
from tests.chaos.workflow import Note, Order, chaos_order, charges, orders, parcels, receipts, requests

AT_ONCE: Final = 10
"""How many orders are submitted at a time; the first of them is submitted twice."""
REFUSED: Final = "refused: "
"""Stands in the log where a client was told that something cannot be done now."""
PAUSE_S: Final = 0.2

logger: Final = logging.getLogger("tests.chaos")


async def retry_unavailable(call: Callable[[], Awaitable[Any]]) -> None:
    """Do as the documentation says: try again, for as long as it cannot be done now."""
    while True:
        try:
            await call()
        except BackendUnavailable as error:
            logger.error("%s%s", REFUSED, error)
            await anyio.sleep(PAUSE_S)
        else:
            return


@asynccontextmanager
async def connected(*urls: str) -> AsyncGenerator[Dagger]:
    """An engine of a client."""
    engine = Dagger(*urls)
    async with AsyncExitStack() as stack:
        await retry_unavailable(lambda: stack.enter_async_context(engine.client()))
        yield engine


def worker(*urls: str) -> None:
    engine = Dagger(*urls)
    engine.register(chaos_order)
    engine.main()


def payment(*urls: str) -> None:
    """Answers each charge, under an id: a charge may come again."""

    async def serve() -> None:
        async with connected(*urls) as engine:
            async for found in engine.subscribe_batches(charges, group="payment"):
                answers = [Note(one.order, one.number + 1) for one in found]
                await retry_unavailable(partial(engine.publish_all, receipts, answers, id=_receipt))

    anyio.run(serve)


def shipping(*urls: str) -> None:
    """Answers each request with its parcels, one after the other."""

    async def serve() -> None:
        async with connected(*urls) as engine:
            async for found in engine.subscribe_batches(requests, group="shipping"):
                answers = [Note(one.order, number) for one in found for number in range(1, one.number + 1)]
                await retry_unavailable(partial(engine.publish_all, parcels, answers, id=_parcel))

    anyio.run(serve)


def _receipt(one: Note) -> str:
    return f"receipt-{one.order}"


def _parcel(one: Note) -> str:
    return f"parcel-{one.order}-{one.number}"


def submit(*urls: str) -> None:
    """Every order up to the number that a line of the input tells, or those that it lists; every tenth of them twice.

    A submitter that is killed knows nothing when it comes again, and begins with the first order.
    """

    async def run() -> None:
        start = 0
        async with connected(*urls) as engine:
            while line := await anyio.to_thread.run_sync(sys.stdin.readline):
                wanted = msgspec.json.decode(line, type=int | list[Order])
                some = orders(wanted)[start:] if isinstance(wanted, int) else wanted
                start += len(some) if isinstance(wanted, int) else 0
                for at in range(0, len(some), AT_ONCE):
                    await _start(engine, some[at : at + AT_ONCE])

    anyio.run(run)


async def _start(engine: Dagger, some: list[Order]) -> None:
    await retry_unavailable(lambda: engine.start_all(chaos_order, some))
    await retry_unavailable(lambda: engine.start(chaos_order, some[0]))


PROGRAMS: dict[str, Callable[..., None]] = {
    "worker": worker,
    "payment": payment,
    "shipping": shipping,
    "submit": submit,
}

if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(process)d %(levelname)s %(name)s %(message)s")
    logging.getLogger("dagger").setLevel(logging.INFO)
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
