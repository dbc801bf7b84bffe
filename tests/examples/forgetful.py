"""A payment service that takes no money for the first order, and answers the second one twice."""

import sys

import anyio

from dagger import Dagger
from examples.orders import PAYMENT_COMMAND, PAYMENT_LISTENER, Paid


async def serve(engine: Dagger) -> None:
    async for charge in engine.subscribe(PAYMENT_COMMAND, group="payment-service"):
        number = int(charge.order_id.removeprefix("o-"))
        for _ in range(number if number < 3 else 1):
            if number > 1:
                await engine.publish(PAYMENT_LISTENER, Paid(charge.order_id, "r"), id=f"paid-{charge.order_id}")


if __name__ == "__main__":
    anyio.run(serve, Dagger(sys.argv[1]))
