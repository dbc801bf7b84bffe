"""The workflows of the suite: every sort of work that leads to effects, with an outcome that no order changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from dagger.core.state import Status
from dagger.dsl import (
    Again,
    Retry,
    Topic,
    any_of,
    command,
    for_each,
    listener,
    process,
    sleep,
    task,
    template,
)
from dagger.engine.worker.context import context

HOUR: Final = timedelta(hours=1)
PARCELS: Final = 3


@dataclass(frozen=True)
class Order:
    """What is ordered."""

    id: str
    total: int = 10


@dataclass(frozen=True)
class Charge:
    """A command."""

    id: str
    total: int


@dataclass(frozen=True)
class Paid:
    """An answer."""

    id: str
    receipt: str


@dataclass(frozen=True)
class Parcel:
    """One of several."""

    id: str
    number: int
    receipt: str


@dataclass(frozen=True)
class Shipped:
    """The last command."""

    id: str
    parcels: int


def by_id(value: Order | Charge | Paid | Shipped) -> str:
    """The key of everything."""
    return value.id


ORDERS: Final = Topic("CONTRACT.orders", Order, key=by_id)
CHARGES: Final = Topic("CONTRACT.charges", Charge, key=by_id)
PAYMENTS: Final = Topic("CONTRACT.payments", Paid, key=by_id)
REFUSALS: Final = Topic("CONTRACT.refusals", Paid, key=by_id)
SHIPMENTS: Final = Topic("CONTRACT.shipments", Shipped, key=by_id)
NOTES: Final = Topic("CONTRACT.notes", Paid, key=by_id)


@command(CHARGES)
def charge(order: Order) -> Charge:
    """Publishes."""
    return Charge(order.id, order.total)


@listener(PAYMENTS)
def paid(order: Order, message: Paid) -> Paid:
    """Waits for the answer."""
    return message


@listener(REFUSALS)
def refused(order: Order, message: Paid) -> Paid:
    """Waits for what never comes, and is stopped."""
    return message


class Jammed(Exception):
    """What the first try of a task raises."""


@task(retry=Retry(attempts=3, first=timedelta(minutes=1)))
async def pack(paid: Paid) -> Paid:
    """Fails once, and is tried again."""
    if context().attempt == 1:
        raise Jammed(paid.id)
    return paid


def parcels_of(paid: Paid) -> list[Parcel]:
    """The items of the loop."""
    return [Parcel(paid.id, number, paid.receipt) for number in range(PARCELS)]


@task
async def hand_over(parcel: Parcel) -> Parcel:
    """A task for each."""
    return parcel


@command(SHIPMENTS)
def announce(parcels: list[Parcel]) -> Shipped:
    """Publishes at the end."""
    return Shipped(parcels[0].id, len(parcels))


order = template(
    "ContractOrder",
    process("PAYMENT", charge >> any_of(paid, refused))
    >> process("SHIPPING", pack >> sleep(HOUR) >> for_each(parcels_of, hand_over) >> announce),
    key=by_id,
)


@dataclass(frozen=True)
class Heard:
    """What was heard so far."""

    id: str
    texts: tuple[str, ...] = ()


def by_name(heard: Heard) -> str:
    """The key."""
    return heard.id


@listener(NOTES)
def hear(heard: Heard, message: Paid) -> Heard | Again[Heard]:
    """Keeps every message, in order, until the last."""
    if message.receipt == "raise":
        raise Jammed(message.id)
    more = Heard(heard.id, (*heard.texts, message.receipt))
    return more if message.receipt == "last" else Again(more)


hears = template("ContractHears", hear, key=by_name)
naps = template("ContractNaps", sleep(HOUR), key=by_id, takes=Order)

ENDED: Final = {status for status in Status if status.is_end}
