"""Workers that come to harm, each a process: `python -m tests.kafka.programs NAME BROKER STORE`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any

import anyio
import pytest

from dagger import Dagger, command, listener, template
from dagger.backends.kafka.poison import PoisonDetector
from dagger.engine.connect import connect
from dagger.engine.ports import Backend
from dagger.testing.contract import shop
from dagger.testing.contract.harness import Harness, note
from tests.kafka.requests import Send, instead

OPEN = "READERS"


@command(shop.CHARGES)
def charge(order: shop.Order) -> shop.Charge:
    return shop.Charge(order.id, order.total)


@listener(shop.NOTES)
def exits(charge: shop.Order, message: shop.Paid) -> shop.Order:
    """A pure function that ends the process for one order."""
    if message.receipt == "poison":
        os._exit(1)
    return charge


@listener(shop.NOTES)
def hangs(charge: shop.Order, message: shop.Paid) -> shop.Order:
    """A pure function that never returns for one order."""
    if message.receipt == "poison":
        print("hangs", flush=True)  # noqa: T201  # the test waits for it
        time.sleep(3600)
    return charge


exiting = template("Exits", charge >> exits, key=shop.by_id)
hanging = template("Hangs", charge >> hangs, key=shop.by_id)


def worker(broker: str, store: str) -> None:
    """Works until it is killed."""
    engine = Dagger(broker, store)
    engine.register(exiting)
    engine.register(hanging)
    engine.main()


def open_transaction(broker: str, store: str) -> None:
    """Publishes for a record, and never ends the transaction."""

    async def never(send: Send, request: Any) -> None:
        print("open", flush=True)  # noqa: T201  # the test waits for it
        await anyio.sleep_forever()

    async def run(backend: Backend) -> None:
        async with backend.open(), backend.log.join():
            harness = Harness(backend)
            records = await harness.records(1)
            with pytest.MonkeyPatch.context() as patch:
                instead(patch, "EndTxnRequest", never)
                await harness.commit(records, [note(OPEN, "k", b"never ended")])

    anyio.run(run, connect(broker, store))


def unclaimed(broker: str, store: str) -> None:
    """The same, broken: it begins transactions before it has claimed its lanes."""

    async def claims(self: PoisonDetector) -> bool:
        return True

    PoisonDetector.claim = claims  # type: ignore[method-assign]  # in this process
    open_transaction(broker, store)


PROGRAMS: dict[str, Callable[[str, str], None]] = {"worker": worker, "open": open_transaction, "unclaimed": unclaimed}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
