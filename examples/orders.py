"""An order is paid, then shipped. Two services do the work; the workflow talks to them over topics.

PAYMENT: `charge` asks the payment service for money on PAYMENT_COMMAND, `paid` waits for its answer on
PAYMENT_LISTENER. SHIPPING does the same with the shipping service. Messages find their instance by the id of
the order.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from dagger import Topic, command, listener, process, template

# What an order is.


@dataclass(frozen=True, slots=True)
class Line:
    """One article of an order. Prices are whole cents."""

    sku: str
    name: str
    quantity: int
    price: int


@dataclass(frozen=True, slots=True)
class Address:
    """Where a parcel goes."""

    name: str
    street: str
    postcode: str
    city: str
    country: str


@dataclass(frozen=True, slots=True)
class Order:
    """What a customer wants."""

    order_id: str
    placed: datetime
    email: str
    address: Address
    currency: str
    lines: tuple[Line, ...]

    @property
    def total(self) -> int:
        """What it costs, in cents."""
        return sum(line.quantity * line.price for line in self.lines)


# What is said to the services, and what they answer.


@dataclass(frozen=True, slots=True)
class Charge:
    """To the payment service: take this amount, in cents."""

    order_id: str
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Paid:
    """From the payment service: it was taken."""

    order_id: str
    receipt: str


@dataclass(frozen=True, slots=True)
class Ship:
    """To the shipping service: send these articles to this address."""

    order_id: str
    address: Address
    articles: dict[str, int]


@dataclass(frozen=True, slots=True)
class Shipped:
    """From the shipping service: the parcel is on its way."""

    order_id: str
    carrier: str
    tracking: str


PAYMENT_COMMAND = Topic("PAYMENT_COMMAND", Charge, key=lambda m: m.order_id)
PAYMENT_LISTENER = Topic("PAYMENT_LISTENER", Paid, key=lambda m: m.order_id)
SHIPPING_COMMAND = Topic("SHIPPING_COMMAND", Ship, key=lambda m: m.order_id)
SHIPPING_LISTENER = Topic("SHIPPING_LISTENER", Shipped, key=lambda m: m.order_id)


# What goes from step to step.


@dataclass(frozen=True, slots=True)
class PaidOrder:
    """An order whose money is there."""

    order: Order
    receipt: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """How an order ended: the result of the workflow."""

    order_id: str
    receipt: str
    carrier: str
    tracking: str


# The steps.


@command(PAYMENT_COMMAND)
def charge(order: Order) -> Charge:
    """Ask for the money."""
    return Charge(order.order_id, order.total, order.currency)


@listener(PAYMENT_LISTENER)
def paid(order: Order, message: Paid) -> PaidOrder:
    """Wait for it."""
    return PaidOrder(order, message.receipt)


@command(SHIPPING_COMMAND)
def ship(bought: PaidOrder) -> Ship:
    """Ask for a parcel."""
    order = bought.order
    return Ship(order.order_id, order.address, {line.sku: line.quantity for line in order.lines})


@listener(SHIPPING_LISTENER)
def shipped(bought: PaidOrder, message: Shipped) -> Delivery:
    """Wait until it is on its way."""
    return Delivery(bought.order.order_id, bought.receipt, message.carrier, message.tracking)


order_workflow = template(
    "OrderWorkflow",
    process("PAYMENT", charge >> paid) >> process("SHIPPING", ship >> shipped),
    key=lambda order: order.order_id,
)
