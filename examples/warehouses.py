"""An order of several warehouses: each sends its part as a shipment, which is a workflow of its own.

The order is the parent of its shipments. It waits until all have been sent. A shipment is an instance like any other:
it is found, shown and stopped by its id, such as `o-1/SHIPPING/by_warehouse[0]/Shipment`.

    engine = Dagger()
    engine.register(order)    # which registers the shipments too
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from dagger import Failure, Retry, Topic, command, for_each, listener, process, task, template


@dataclass(frozen=True, slots=True)
class Line:
    """A product, and the warehouse that has it."""

    product: str
    quantity: int
    warehouse: str


@dataclass(frozen=True, slots=True)
class Order:
    """What a customer has ordered."""

    order_id: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """The lines of an order that one warehouse sends."""

    shipment_id: str
    warehouse: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Pick:
    """To a warehouse: pack these lines."""

    shipment_id: str
    warehouse: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Packed:
    """From a warehouse: the parcel is packed."""

    shipment_id: str
    weight_g: int


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel of a shipment."""

    shipment_id: str
    weight_g: int


@dataclass(frozen=True, slots=True)
class Sent:
    """A shipment, and how its parcel can be followed, or why nothing was sent."""

    shipment_id: str
    tracking: str


PICK = Topic("PICK", Pick, key=lambda m: m.shipment_id)
PACKED = Topic("PACKED", Packed, key=lambda m: m.shipment_id)


@command(PICK)
def pick(part: Part) -> Pick:
    """Order the lines from the warehouse."""
    return Pick(part.shipment_id, part.warehouse, part.lines)


@listener(PACKED)
def packed(part: Part, message: Packed) -> Parcel:
    """Wait for the parcel."""
    return Parcel(part.shipment_id, message.weight_g)


@task(retry=Retry(attempts=3, first=timedelta(seconds=10)))
async def hand_over(parcel: Parcel) -> Sent:
    """Hand the parcel over to the carrier."""
    if parcel.weight_g > 30_000:
        raise ValueError(f"a parcel of {parcel.weight_g / 1000:g} kg is too heavy")
    return Sent(parcel.shipment_id, f"T-{parcel.shipment_id}")


def shipment_id(part: Part) -> str:
    """The business key of a shipment, by which its warehouse answers."""
    return part.shipment_id


def order_id(order: Order) -> str:
    """The business key of an order."""
    return order.order_id


def by_warehouse(order: Order) -> list[Part]:
    """The parts of an order, one for each warehouse."""
    names = sorted({line.warehouse for line in order.lines})
    return [
        Part(f"{order.order_id}-{name}", name, tuple(line for line in order.lines if line.warehouse == name))
        for name in names
    ]


def by_hand(failure: Failure[Part]) -> Sent:
    """A shipment that failed is sent by hand."""
    return Sent(failure.input.shipment_id, f"by hand, since {failure.error}")


shipment = template("Shipment", pick >> packed >> hand_over, key=shipment_id)
order = template(
    "WarehouseOrder",
    process("SHIPPING", for_each(by_warehouse, shipment.recover(by_hand, on=ValueError))),
    key=order_id,
)
