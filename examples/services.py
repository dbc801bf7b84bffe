"""The services that orders need, each a process of its own: `python -m examples.services payment sqlite:///orders.db`.

They know nothing of workflows. A service gets each message at least once, so it names its answers: one that is given
twice is known for what it is.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

import anyio

from dagger import Dagger
from examples.orders import PAYMENT_COMMAND, PAYMENT_LISTENER, SHIPPING_COMMAND, SHIPPING_LISTENER, Paid, Shipped

Service: TypeAlias = Callable[[Dagger], Coroutine[Any, Any, None]]


async def payment_service(engine: Dagger) -> None:
    """Takes the money for each order."""
    async for charges in engine.subscribe_batches(PAYMENT_COMMAND, group="payment-service"):
        answers = [Paid(charge.order_id, f"r-{charge.order_id}") for charge in charges]
        await engine.publish_all(PAYMENT_LISTENER, answers, id=lambda paid: f"paid-{paid.order_id}")


async def shipping_service(engine: Dagger) -> None:
    """Sends a parcel for each order."""
    async for parcels in engine.subscribe_batches(SHIPPING_COMMAND, group="shipping-service"):
        answers = [
            Shipped(
                parcel.order_id,
                "Post" if parcel.address.country == "DE" else "Parcel Express",
                f"t-{parcel.order_id}",
            )
            for parcel in parcels
        ]
        await engine.publish_all(SHIPPING_LISTENER, answers, id=lambda shipped: f"shipped-{shipped.order_id}")


SERVICES: dict[str, Service] = {"payment": payment_service, "shipping": shipping_service}


def main(name: str, url: str) -> None:
    """Serve until SIGTERM."""
    anyio.run(_serve, SERVICES[name], Dagger(url))


async def _serve(service: Service, engine: Dagger) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(service, engine)
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for _ in signals:
                break
        group.cancel_scope.cancel()
    await engine.aclose()


if __name__ == "__main__":
    main(*sys.argv[1:])
