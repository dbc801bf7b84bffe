"""A process that accepts and works until it is killed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Final

import anyio

from dagger.engine.dagger import Dagger
from dagger.testing.contract import shop

IDS: Final = [f"v-{number}" for number in range(30)]


async def work(broker: str, store: str | None) -> None:
    """Accept orders and what pays for them, say so, and work on."""
    engine = Dagger(broker, store)
    async with engine:
        for id in IDS:
            await engine.start(shop.order, shop.Order(id))
            await engine.publish(shop.PAYMENTS, shop.Paid(id, "r"), id=f"p-{id}")
            sys.stdout.write(f"{id}\n")
            sys.stdout.flush()
        await anyio.sleep_forever()


def main(arguments: Sequence[str]) -> None:
    """Begin; wants the URLs of broker and store, which may be empty."""
    broker, store = arguments
    anyio.run(work, broker, store or None)
