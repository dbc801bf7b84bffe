"""The order workflow that the benchmarks run: two commands, two messages."""

from __future__ import annotations

from dataclasses import dataclass

from dagger import Topic, command, listener, process, template


@dataclass(frozen=True)
class Order:
    order_id: str
    total: int


@dataclass(frozen=True)
class Charge:
    order_id: str
    amount: int


@dataclass(frozen=True)
class Paid:
    order_id: str
    receipt: str


@dataclass(frozen=True)
class PaidOrder:
    order: Order
    receipt: str


@dataclass(frozen=True)
class Ship:
    order_id: str
    receipt: str


@dataclass(frozen=True)
class Sent:
    order_id: str
    parcel: str


@dataclass(frozen=True)
class Shipped:
    order: PaidOrder
    parcel: str


charges = Topic("PAYMENT_COMMAND", Charge, key=lambda m: m.order_id)
payments = Topic("PAYMENT_LISTENER", Paid, key=lambda m: m.order_id)
parcels = Topic("SHIPPING_COMMAND", Ship, key=lambda m: m.order_id)
shipments = Topic("SHIPPING_LISTENER", Sent, key=lambda m: m.order_id)


def build_charge(order: Order) -> Charge:
    return Charge(order.order_id, order.total)


def fold_payment(order: Order, message: Paid) -> PaidOrder:
    return PaidOrder(order, message.receipt)


def build_ship(paid: PaidOrder) -> Ship:
    return Ship(paid.order.order_id, paid.receipt)


def fold_shipment(paid: PaidOrder, message: Sent) -> Shipped:
    return Shipped(paid, message.parcel)


def key(order: Order) -> str:
    return order.order_id


charge = command(charges)(build_charge).named("charge")
paid = listener(payments)(fold_payment).named("paid")
ship = command(parcels)(build_ship).named("ship")
shipped = listener(shipments)(fold_shipment).named("shipped")

orders = template("OrderWorkflow", process("PAYMENT", charge >> paid) >> process("SHIPPING", ship >> shipped), key=key)
