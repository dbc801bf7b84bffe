"""An order with everything in it that could be lost, repeated or put out of order."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from dagger import Again, Retry, Topic, any_of, command, context, listener, process, sleep, task, template

PARCELS: Final = 3
"""How many parcels an order has; they come one after the other."""


@dataclass(frozen=True)
class Order:
    id: str
    number: int


@dataclass(frozen=True)
class Note:
    """A message about an order: every topic carries these."""

    order: str
    number: int


@dataclass(frozen=True)
class Paid:
    order: Order
    receipt: int


@dataclass(frozen=True)
class Sent:
    paid: Paid
    parcels: tuple[int, ...]


charges = Topic("CHAOS_CHARGE", Note, key=lambda m: m.order)
receipts = Topic("CHAOS_RECEIPT", Note, key=lambda m: m.order)
requests = Topic("CHAOS_SHIP", Note, key=lambda m: m.order)
parcels = Topic("CHAOS_PARCEL", Note, key=lambda m: m.order)
calls = Topic("CHAOS_CALL", Note, key=lambda m: m.order)
"""What nobody ever publishes: who waits for it waits for the time beside it."""
diary = Topic("CHAOS_DIARY", Note, key=lambda m: m.order)
"""Each order writes 1, 2, 3 into it, in this order."""

PUBLISHED: Final = {charges.name: 1, requests.name: 1, diary.name: 3}
"""Where the workflow publishes, and how many messages for each order."""


@command(charges)
def charge(order: Order) -> Note:
    return Note(order.id, order.number)


@command(diary)
def begun(order: Order) -> Note:
    return Note(order.id, 1)


@listener(receipts)
def paid(order: Order, message: Note) -> Paid:
    return Paid(order, message.number)


@task(retry=Retry(attempts=5, first=timedelta(milliseconds=20), factor=1), timeout=timedelta(minutes=10))
async def check(paid: Paid) -> Paid:
    """Fails once for every third order, and takes a little."""
    await asyncio.sleep(paid.order.number % 5 / 200)
    if paid.order.number % 3 == 0 and context().attempt == 1:
        raise ConnectionError("the first try of every third order fails")
    return paid


@listener(calls)
def called(paid: Paid, message: Note) -> Paid:
    return Paid(paid.order, -1)


@command(diary)
def checked(paid: Paid) -> Note:
    return Note(paid.order.id, 2)


@command(requests)
def ship(paid: Paid) -> Note:
    return Note(paid.order.id, PARCELS)


@task
def pack(paid: Paid) -> Sent:
    return Sent(paid, ())


@listener(parcels)
def arrived(sent: Sent, message: Note) -> Sent | Again[Sent]:
    more = Sent(sent.paid, (*sent.parcels, message.number))
    return more if len(more.parcels) == PARCELS else Again(more)


@command(diary)
def done(sent: Sent) -> Note:
    return Note(sent.paid.order.id, 3)


chaos_order = template(
    "ChaosOrder",
    process("PAYMENT", begun >> charge >> paid, timeout=timedelta(hours=1))
    >> process("CHECK", check)
    >> any_of(called, sleep(timedelta(milliseconds=150)).named("patience")).named("call")
    >> process("SHIPPING", checked >> ship >> pack >> arrived)
    >> done,
    key=lambda order: order.id,
)


def expected(order: Order) -> Sent:
    """What an order must end with."""
    return Sent(Paid(order, order.number + 1), tuple(range(1, PARCELS + 1)))


def orders(count: int) -> list[Order]:
    return [Order(f"order-{number:05}", number) for number in range(count)]
