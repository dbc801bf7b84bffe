"""The order workflow of the front page, as a user's module would hold it."""

from dataclasses import dataclass

from dagger import Retry, Topic, command, listener, process, task, template


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
class Shipped:
    order_id: str
    receipt: str


charges = Topic("PAYMENT_COMMAND", Charge, key=lambda m: m.order_id)
payments = Topic("PAYMENT_LISTENER", Paid, key=lambda m: m.order_id)


def by_order(order: Order) -> str:
    return order.order_id


@command(charges)
def charge(order: Order) -> Charge:
    return Charge(order.order_id, order.total)


@listener(payments)
def paid(order: Order, message: Paid) -> PaidOrder:
    return PaidOrder(order, message.receipt)


@task(retry=Retry(attempts=5))
async def ship(order: PaidOrder) -> Shipped:
    return Shipped(order.order.order_id, order.receipt)


order_workflow = template(
    "OrderWorkflow",
    process("PAYMENT", charge >> paid) >> process("SHIPPING", ship),
    key=by_order,
)
