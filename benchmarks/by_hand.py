"""The order workflow written by hand: what the engine is measured against.

`Machine` is a dictionary and ifs: the same events in (payloads as bytes), the same messages out (payloads as bytes,
with the same ids), the same state for whoever looks (status, the step that waits, status and times of each step, the
error of the step that failed), early messages kept, repeated ones dropped. Nothing of it is durable.

`run_asyncio` is the same workflow as coroutines, futures and queues, with services that answer; every message is
encoded and decoded once, as it is on any topic.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from benchmarks.workflow import (
    Charge,
    Order,
    Paid,
    PaidOrder,
    Sent,
    Ship,
    Shipped,
    build_charge,
    build_ship,
    charges,
    fold_payment,
    fold_shipment,
    parcels,
    payments,
    shipments,
)

Message = tuple[str, str, bytes, str]
"""Topic, key, payload, id."""


class Machine:
    """All orders, by id."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self._order = msgspec.msgpack.Decoder(Order).decode
        self._paid = payments.wire.decode
        self._sent = shipments.wire.decode
        self._charge = charges.wire.encode
        self._ship = parcels.wire.encode

    def submitted(self, id: str, payload: bytes, now: int) -> tuple[Message, ...]:
        if id in self.orders:
            return ()
        order = self._order(payload)
        state: dict[str, Any] = {
            "status": "EXECUTING",
            "waits": "PAYMENT/paid",
            "value": order,
            "created": now,
            "now": now,
            "seen": [],
            "early": [],
            "error": None,
            "steps": {"PAYMENT": ["EXECUTING", 1, now, 0]},
        }
        self.orders[id] = state
        steps = state["steps"]
        try:
            message = build_charge(order)
            out = ("PAYMENT_COMMAND", message.order_id, self._charge(message), f"{id}/PAYMENT/charge/1")
        except Exception as error:
            return self._fail(state, "PAYMENT/charge", error, now)
        steps["PAYMENT/charge"] = ["COMPLETED", 1, now, now]
        steps["PAYMENT/paid"] = ["EXECUTING", 1, now, 0]
        return (out,)

    def received(self, topic: str, id: str, payload: bytes, now: int, message_id: str = "") -> tuple[Message, ...]:
        state = self.orders.get(id)
        if state is None or state["status"] != "EXECUTING":
            return ()
        if message_id:
            if message_id in state["seen"]:
                return ()
            state["seen"].append(message_id)
        state["now"] = now
        if topic == "PAYMENT_LISTENER":
            if state["waits"] == "PAYMENT/paid":
                return self._paid_arrived(id, state, payload, now)
        elif topic == "SHIPPING_LISTENER":
            if state["waits"] == "SHIPPING/shipped":
                return self._sent_arrived(state, payload, now)
            state["early"].append((topic, payload, now))
        return ()

    def _paid_arrived(self, id: str, state: dict[str, Any], payload: bytes, now: int) -> tuple[Message, ...]:
        steps = state["steps"]
        try:
            value = fold_payment(state["value"], self._paid(payload))
        except Exception as error:
            return self._fail(state, "PAYMENT/paid", error, now)
        state["value"] = value
        for path in ("PAYMENT/paid", "PAYMENT"):
            step = steps[path]
            step[0], step[3] = "COMPLETED", now
        steps["SHIPPING"] = ["EXECUTING", 1, now, 0]
        try:
            message = build_ship(value)
            out = ("SHIPPING_COMMAND", message.order_id, self._ship(message), f"{id}/SHIPPING/ship/1")
        except Exception as error:
            return self._fail(state, "SHIPPING/ship", error, now)
        steps["SHIPPING/ship"] = ["COMPLETED", 1, now, now]
        steps["SHIPPING/shipped"] = ["EXECUTING", 1, now, 0]
        state["waits"] = "SHIPPING/shipped"
        if state["early"]:
            self._sent_arrived(state, state["early"].pop(0)[1], now)
        return (out,)

    def _sent_arrived(self, state: dict[str, Any], payload: bytes, now: int) -> tuple[Message, ...]:
        try:
            state["value"] = fold_shipment(state["value"], self._sent(payload))
        except Exception as error:
            return self._fail(state, "SHIPPING/shipped", error, now)
        steps = state["steps"]
        for path in ("SHIPPING/shipped", "SHIPPING"):
            step = steps[path]
            step[0], step[3] = "COMPLETED", now
        state["status"], state["waits"] = "COMPLETED", None
        return ()

    def _fail(self, state: dict[str, Any], path: str, error: Exception, now: int) -> tuple[Message, ...]:
        text = f"{type(error).__name__}: {error}"
        state["steps"][path] = ["FAILURE", 1, now, now, text]
        state["status"], state["error"], state["waits"] = "FAILURE", f"{path}: {text}", None
        return ()


async def run_asyncio(orders: list[Order]) -> list[Shipped]:
    """Every order through coroutines; services answer over queues."""
    async with order_by_hand() as run:
        return list(await asyncio.gather(*(run(order) for order in orders)))


@asynccontextmanager
async def order_by_hand() -> AsyncGenerator[Callable[[Order], Awaitable[Shipped]]]:
    """Gives the coroutine function that runs one order; the services run while the context is open."""
    hub = _Queues()
    tasks = [
        asyncio.create_task(hub.payment_service()),
        asyncio.create_task(hub.shipping_service()),
        asyncio.create_task(hub.dispatch("PAYMENT_LISTENER", payments.wire.decode)),
        asyncio.create_task(hub.dispatch("SHIPPING_LISTENER", shipments.wire.decode)),
    ]
    try:
        yield hub.order
    finally:
        for task in tasks:
            task.cancel()


class _Queues:
    """Queues for topics, and futures for those who wait."""

    def __init__(self) -> None:
        names = ("PAYMENT_COMMAND", "PAYMENT_LISTENER", "SHIPPING_COMMAND", "SHIPPING_LISTENER")
        self.queues: dict[str, asyncio.Queue[bytes]] = {name: asyncio.Queue() for name in names}
        self.waiting: dict[tuple[str, str], asyncio.Future[Any]] = {}

    def wait(self, topic: str, key: str) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.waiting[topic, key] = future
        return future

    async def order(self, order: Order) -> Shipped:
        answer = self.wait("PAYMENT_LISTENER", order.order_id)
        await self.queues["PAYMENT_COMMAND"].put(charges.wire.encode(build_charge(order)))
        paid: PaidOrder = fold_payment(order, await answer)
        answer = self.wait("SHIPPING_LISTENER", order.order_id)
        await self.queues["SHIPPING_COMMAND"].put(parcels.wire.encode(build_ship(paid)))
        return fold_shipment(paid, await answer)

    async def dispatch(self, topic: str, decode: Any) -> None:
        queue = self.queues[topic]
        while True:
            message = decode(await queue.get())
            future = self.waiting.pop((topic, message.order_id), None)
            if future is not None:
                future.set_result(message)

    async def payment_service(self) -> None:
        commands, answers = self.queues["PAYMENT_COMMAND"], self.queues["PAYMENT_LISTENER"]
        while True:
            charge: Charge = charges.wire.decode(await commands.get())
            await answers.put(payments.wire.encode(Paid(charge.order_id, f"r-{charge.order_id}")))

    async def shipping_service(self) -> None:
        commands, answers = self.queues["SHIPPING_COMMAND"], self.queues["SHIPPING_LISTENER"]
        while True:
            ship: Ship = parcels.wire.decode(await commands.get())
            await answers.put(shipments.wire.encode(Sent(ship.order_id, f"p-{ship.order_id}")))
