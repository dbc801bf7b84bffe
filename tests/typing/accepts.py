"""Every documented form of the language, with the type that it has. Checked by mypy and pyright, never run."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from typing import Any, Literal, NoReturn
from uuid import UUID

from typing_extensions import Never, TypeVar, assert_type

from dagger import (
    Again,
    Failure,
    Message,
    Retry,
    Step,
    Switch,
    Template,
    Topic,
    all_of,
    any_of,
    at_least,
    command,
    for_each,
    listener,
    process,
    signal,
    sleep,
    switch,
    task,
    template,
    wait_until,
)

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")

HOUR = timedelta(hours=1)


# --- the shop: values ---


@dataclass(frozen=True)
class Event:
    id: str


@dataclass(frozen=True)
class Order(Event):
    total: int


@dataclass(frozen=True)
class RushOrder(Order):
    fee: int


@dataclass(frozen=True)
class Charge:
    order_id: str
    total: int


@dataclass(frozen=True)
class Paid:
    order_id: str
    receipt: str


@dataclass(frozen=True)
class Refused:
    order_id: str
    reason: str


@dataclass(frozen=True)
class PaidOrder:
    order: Order
    receipt: str


@dataclass(frozen=True)
class Shipped:
    order_id: str


@dataclass(frozen=True)
class Invoice:
    number: int


@dataclass(frozen=True)
class Rejected:
    reason: str


@dataclass(frozen=True)
class Line:
    sku: str


@dataclass(frozen=True)
class Picked:
    sku: str


class Method(Enum):
    CARD = "card"
    CASH = "cash"


# --- topics ---

charges = Topic("PAYMENT_COMMAND", Charge, key=lambda m: m.order_id)
payments = Topic("PAYMENT_LISTENER", Paid, key=lambda m: m.order_id)
refusals = Topic("REFUSALS", Refused, lambda m: m.order_id)
answers = Topic("ANSWERS", (Paid, Refused), key=lambda m: m.order_id)
three = Topic("THREE", (Paid, Refused, Charge), key=lambda m: m.order_id)
four = Topic("FOUR", (Paid, Refused, Charge, Shipped), key=lambda m: m.order_id)
several_keys = Topic("SEVERAL", Paid, key=lambda m: [m.order_id, m.receipt])
events = Topic("EVENTS", Event, key=lambda m: m.id)
texts = Topic("TEXTS", str, key=lambda m: m)
numbered = Topic("NUMBERED", Invoice, key=lambda m: m.number, encode_key=str)
parted = Topic("PARTED", Paid, key=lambda m: m.order_id, partition_key=lambda m: m.receipt)

assert_type(charges, Topic[Charge])
assert_type(payments, Topic[Paid])
assert_type(refusals, Topic[Refused])
assert_type(answers, Topic[Paid | Refused])
assert_type(three, Topic[Paid | Refused | Charge])
assert_type(four, Topic[Paid | Refused | Charge | Shipped])
assert_type(several_keys, Topic[Paid])
assert_type(texts, Topic[str])
assert_type(numbered, Topic[Invoice])
assert_type(parted, Topic[Paid])

annotated: Topic[Paid | Refused] = Topic("ANSWERS", (Paid, Refused), key=lambda m: m.order_id)
subscripted = Topic[Paid | Refused]("ANSWERS", (Paid, Refused), key=lambda m: m.order_id)
assert_type(subscripted, Topic[Paid | Refused])


def paid_key(message: Paid) -> str:
    return message.order_id


def answer_key(message: Paid | Refused) -> str:
    return message.order_id


def answer_keys(message: Paid | Refused) -> list[str]:
    return [message.order_id]


def any_key(message: object) -> str:
    return str(message)


assert_type(Topic("T", Paid, key=paid_key), Topic[Paid])
assert_type(Topic("T", Paid, key=answer_key), Topic[Paid])
assert_type(Topic("T", Paid, key=any_key), Topic[Paid])
assert_type(Topic("T", (Paid, Refused), key=answer_key), Topic[Paid | Refused])
assert_type(Topic("T", (Paid, Refused), key=answer_keys), Topic[Paid | Refused])


# --- the steps ---


@command(charges)
def charge(order: Order) -> Charge:
    return Charge(order.id, order.total)


@command(charges)
def charge_twice(order: Order) -> list[Charge]:
    return [Charge(order.id, order.total), Charge(order.id, order.total)]


@command(charges)
def charge_tuple(order: Order) -> tuple[Charge, ...]:
    return (Charge(order.id, order.total),)


@command(charges)
def charge_enveloped(order: Order) -> Message[Charge]:
    return Message(Charge(order.id, order.total), headers={"source": "shop"}, key=order.id)


@command(charges)
def charge_envelopes(order: Order) -> list[Message[Charge]]:
    return [Message(Charge(order.id, order.total))]


@command(charges)
def charge_mixed(order: Order) -> list[Charge | Message[Charge]]:
    return [Charge(order.id, order.total)]


@command(answers)
def answer(order: Order) -> Paid | Refused:
    return Paid(order.id, "")


@command(answers)
def answer_paid(order: Order) -> Paid:
    return Paid(order.id, "")


@command(events)
def announce(order: Order) -> Order:
    return order


@command(texts)
def say(order: Order) -> str:
    return order.id


@command(texts)
def audit(anything: object) -> str:
    return repr(anything)


assert_type(charge, Step[Order, Order])
assert_type(charge_twice, Step[Order, Order])
assert_type(charge_tuple, Step[Order, Order])
assert_type(charge_enveloped, Step[Order, Order])
assert_type(charge_envelopes, Step[Order, Order])
assert_type(charge_mixed, Step[Order, Order])
assert_type(answer, Step[Order, Order])
assert_type(answer_paid, Step[Order, Order])
assert_type(announce, Step[Order, Order])
assert_type(say, Step[Order, Order])


@listener(payments)
def paid(order: Order, message: Paid) -> PaidOrder:
    return PaidOrder(order, message.receipt)


@listener(payments)
def paid_or_again(order: Order, message: Paid) -> PaidOrder | Again[Order]:
    return PaidOrder(order, message.receipt) if message.receipt else Again(order)


@listener(payments)
def paid_again_first(order: Order, message: Paid) -> Again[Order] | PaidOrder:
    return PaidOrder(order, message.receipt) if message.receipt else Again(order)


@listener(payments)
def same_or_again(order: Order, message: Paid) -> Order | Again[Order]:
    return order if message.receipt else Again(order)


@listener(payments)
def from_object(_: object, message: Paid) -> Paid:
    return message


@listener(payments)
def any_message(order: Order, message: object) -> PaidOrder:
    return PaidOrder(order, repr(message))


@listener(answers)
def answered(order: Order, message: Paid | Refused) -> PaidOrder | Rejected:
    return PaidOrder(order, message.receipt) if isinstance(message, Paid) else Rejected(message.reason)


@listener(payments)
def maybe_paid(order: Order, message: Paid) -> PaidOrder | None:
    return PaidOrder(order, message.receipt) if message.receipt else None


def order_key(order: Order) -> str:
    return order.id


def event_key(event: Event) -> str:
    return event.id


def keys_of(message: Paid) -> Sequence[str]:
    return [message.order_id, message.receipt]


@listener(payments, on=order_key)
def paid_on(order: Order, message: Paid) -> PaidOrder | Again[Order]:
    return PaidOrder(order, message.receipt)


@listener(payments, by=keys_of)
def paid_by(order: Order, message: Paid) -> PaidOrder:
    return PaidOrder(order, message.receipt)


@listener(payments, on=order_key, by=keys_of)
def paid_on_by(order: Order, message: Paid) -> PaidOrder:
    return PaidOrder(order, message.receipt)


assert_type(paid, Step[Order, PaidOrder])
assert_type(paid_or_again, Step[Order, PaidOrder])
assert_type(paid_again_first, Step[Order, PaidOrder])
assert_type(same_or_again, Step[Order, Order])
assert_type(from_object, Step[object, Paid])
assert_type(any_message, Step[Order, PaidOrder])
assert_type(answered, Step[Order, PaidOrder | Rejected])
assert_type(maybe_paid, Step[Order, PaidOrder | None])
assert_type(paid_on, Step[Order, PaidOrder])
assert_type(paid_by, Step[Order, PaidOrder])
assert_type(paid_on_by, Step[Order, PaidOrder])


@signal("approve", bool)
def approved(order: Order, yes: bool) -> Order | Again[Order]:
    return order if yes else Again(order)


@signal("amend", Line)
def amended(order: Order, line: Line) -> PaidOrder:
    return PaidOrder(order, line.sku)


assert_type(approved, Step[Order, Order])
assert_type(amended, Step[Order, PaidOrder])


@task
async def ship(order: PaidOrder) -> Shipped:
    return Shipped(order.order.id)


@task
def ship_sync(order: PaidOrder) -> Shipped:
    return Shipped(order.order.id)


@task(retry=Retry(attempts=5))
async def ship_retried(order: PaidOrder) -> Shipped:
    return Shipped(order.order.id)


@task(retry=Retry(attempts=5, first=timedelta(seconds=1), on=(OSError, ValueError)), timeout=HOUR)
def ship_bounded(order: PaidOrder) -> Shipped:
    return Shipped(order.order.id)


@task(timeout=HOUR)
async def invoice(order: Order) -> Invoice:
    return Invoice(order.total)


@task()
def rejected(order: Order) -> Rejected:
    return Rejected(order.id)


@task
async def notify(order: Order) -> None:
    print(order)


@task
def log(anything: object) -> None:
    print(anything)


@task
def record(event: Event) -> int:
    return len(event.id)


@task
def total(order: Order) -> int:
    return order.total


@task
def reference(order: Order) -> str:
    return order.id


@task
def explode(order: Order) -> NoReturn:
    raise ValueError(order.id)


@task
async def explode_later(order: Order) -> NoReturn:
    raise ValueError(order.id)


@task
def rush(order: Order) -> RushOrder:
    return RushOrder(order.id, order.total, 1)


@task
def deferred(order: Order) -> Awaitable[Invoice]:
    return invoice_of(order)


async def invoice_of(order: Order) -> Invoice:
    return Invoice(order.total)


@task
def with_default(order: Order, copies: int = 1) -> Invoice:
    return Invoice(order.total * copies)


@task
def verdict(order: Order) -> Literal["good", "bad"]:
    return "good" if order.total else "bad"


assert_type(ship, Step[PaidOrder, Shipped])
assert_type(ship_sync, Step[PaidOrder, Shipped])
assert_type(ship_retried, Step[PaidOrder, Shipped])
assert_type(ship_bounded, Step[PaidOrder, Shipped])
assert_type(invoice, Step[Order, Invoice])
assert_type(rejected, Step[Order, Rejected])
assert_type(notify, Step[Order, None])
assert_type(log, Step[object, None])
assert_type(explode, Step[Order, Never])
assert_type(explode_later, Step[Order, Never])
assert_type(deferred, Step[Order, Invoice])
assert_type(task(invoice_of), Step[Order, Invoice])
assert_type(task(retry=Retry())(invoice_of), Step[Order, Invoice])
assert_type(with_default, Step[Order, Invoice])
assert_type(verdict, Step[Order, Literal["good", "bad"]])


@wait_until
def noon(order: Order) -> datetime:
    return datetime(2030, 1, order.total, 12, tzinfo=UTC)


@wait_until
def tomorrow(_: object) -> datetime:
    return datetime(2030, 1, 2, tzinfo=UTC)


assert_type(noon, Step[Order, Order])


# --- raw forms ---

raw_charge = command(charges)
raw_paid = listener(payments)
raw_answer = listener(answers)
raw_on = listener(payments, on=order_key)
raw_by = listener(payments, by=keys_of)
raw_on_by = listener(answers, on=order_key, by=answer_key)
raw_signal = signal("approve", bool)
nap = sleep(HOUR)


def probe(step: Step[A, B]) -> tuple[A, B]:
    """The types of a step, whatever its class."""
    raise NotImplementedError


assert_type(probe(raw_charge), tuple[Charge, Charge])
assert_type(probe(raw_paid), tuple[object, Paid])
assert_type(probe(raw_answer), tuple[object, Paid | Refused])
assert_type(probe(raw_on), tuple[Order, Paid])
assert_type(probe(raw_by), tuple[object, Paid])
assert_type(probe(raw_on_by), tuple[Order, Paid | Refused])
assert_type(probe(raw_signal), tuple[object, bool])

as_step_1: Step[Charge, Charge] = raw_charge
as_step_2: Step[Order, Paid] = raw_paid
as_step_3: Step[RushOrder, Paid] = raw_on
as_step_4: Step[Order, Order] = nap
as_step_5: Step[Order, Paid | None] = raw_paid
as_step_6: Step[RushOrder, Event] = charge



def build_charge(order: Order) -> Charge:
    return Charge(order.id, order.total)


def fold_paid(order: Order, message: Paid) -> PaidOrder | Again[Order]:
    return PaidOrder(order, message.receipt)


assert_type(command(charges)(build_charge), Step[Order, Order])
assert_type(listener(payments)(fold_paid), Step[Order, PaidOrder])
assert_type(listener(payments, on=order_key)(fold_paid), Step[Order, PaidOrder])
assert_type(raw_charge(build_charge), Step[Order, Order])
assert_type(raw_paid(fold_paid), Step[Order, PaidOrder])


# --- chains ---

assert_type(charge >> paid, Step[Order, PaidOrder])
assert_type(charge >> paid >> ship, Step[Order, Shipped])
assert_type(charge >> (paid >> ship), Step[Order, Shipped])
assert_type(raw_charge >> raw_paid, Step[Charge, Paid])
assert_type(raw_charge >> raw_paid >> raw_answer, Step[Charge, Paid | Refused])
assert_type(raw_paid >> raw_signal, Step[object, bool])
assert_type(charge >> raw_paid, Step[Order, Paid])
assert_type(charge >> raw_on, Step[Order, Paid])
assert_type(charge >> approved >> paid, Step[Order, PaidOrder])
assert_type(charge >> noon >> paid, Step[Order, PaidOrder])
assert_type(rush >> paid, Step[Order, PaidOrder])
assert_type(rush >> record, Step[Order, int])
assert_type(rush >> log, Step[Order, None])
assert_type(charge >> audit >> paid, Step[Order, PaidOrder])
assert_type(charge >> tomorrow >> paid, Step[Order, PaidOrder])
assert_type(charge.then_do(paid).then_do(ship), Step[Order, Shipped])

# a sleep at the beginning, in the middle, at the end
assert_type(nap >> charge, Step[Order, Order])
assert_type(sleep(HOUR) >> charge >> paid, Step[Order, PaidOrder])
assert_type(charge >> nap, Step[Order, Order])
assert_type(charge >> sleep(HOUR) >> paid, Step[Order, PaidOrder])
assert_type(charge >> paid >> nap, Step[Order, PaidOrder])
assert_type(nap >> nap >> charge, Step[Order, Order])
assert_type(charge >> (nap >> nap) >> paid, Step[Order, PaidOrder])
assert_type(nap >> raw_charge, Step[Charge, Charge])
assert_type(raw_charge >> nap, Step[Charge, Charge])
assert_type(nap >> raw_paid, Step[object, Paid])
assert_type(raw_paid >> nap, Step[object, Paid])
assert_type(nap.then_do(charge), Step[Order, Order])
assert_type(charge.then_do(nap), Step[Order, Order])
assert_type(nap >> charge >> nap >> paid >> nap >> ship >> nap, Step[Order, Shipped])

# a raw listener at the beginning, in the middle, at the end


@task
def receipt(message: Paid) -> str:
    return message.receipt


@task
def outcome(message: Paid | Refused) -> Shipped | Rejected:
    return Shipped(message.order_id)


assert_type(raw_paid >> receipt, Step[object, str])
assert_type(raw_answer >> outcome, Step[object, Shipped | Rejected])
assert_type(charge >> raw_paid >> receipt, Step[Order, str])
assert_type(raw_paid >> outcome, Step[object, Shipped | Rejected])
assert_type(raw_on >> receipt, Step[Order, str])


# --- methods of every step ---


def dispatch(order: PaidOrder) -> Shipped:
    return Shipped(order.receipt)


def number(paid_order: PaidOrder | None) -> int:
    return 1 if paid_order else 0


def to_rejected(order: Order) -> Rejected:
    return Rejected(order.id)


def from_event(event: Event) -> Rejected:
    return Rejected(event.id)


def rejection_of(anything: object) -> Rejected:
    return Rejected(str(anything))


def length(text: str) -> int:
    return len(text)


@task
def recover_order(failure: Failure[Order]) -> Rejected:
    return Rejected(failure.error + failure.path + failure.input.id)


@task
async def recover_paid_order(failure: Failure[PaidOrder]) -> Rejected:
    return Rejected(failure.input.receipt)


@task
def recover_event(failure: Failure[Event]) -> Invoice:
    return Invoice(len(failure.input.id))


@task
def recover_any(failure: Failure[object]) -> None:
    print(failure)


@task
def recover_charge(failure: Failure[Charge]) -> Rejected:
    return Rejected(failure.error)


@task
def to_order(failure: Failure[Order]) -> Order:
    return failure.input


assert_type(paid.then(dispatch), Step[Order, Shipped])
assert_type(maybe_paid.then(number), Step[Order, int])
assert_type(paid.then(number), Step[Order, int])
assert_type((charge >> paid).then(dispatch).then(rejection_of), Step[Order, Rejected])
assert_type(paid.then(PaidOrder.__str__), Step[Order, str])
assert_type(reference.then(length), Step[Order, int])
assert_type(reference.then(len), Step[Order, int])
assert_type(paid.then(lambda order: order.receipt), Step[Order, str])
assert_type(raw_paid.then(lambda message: message.receipt), Step[object, str])
assert_type(raw_paid.then(rejection_of), Step[object, Rejected])
assert_type(raw_charge.then(rejection_of), Step[Charge, Rejected])
assert_type(nap.then(to_rejected), Step[Order, Rejected])
assert_type(charge >> nap.then(to_rejected), Step[Order, Rejected])

assert_type(ship.retry(Retry()), Step[PaidOrder, Shipped])
assert_type((charge >> paid).retry(Retry(attempts=3)), Step[Order, PaidOrder])
assert_type(raw_paid.retry(Retry()), Step[object, Paid])
assert_type(raw_charge.retry(Retry()), Step[Charge, Charge])
assert_type(charge >> nap.retry(Retry()) >> paid, Step[Order, PaidOrder])

assert_type(ship.timeout(HOUR), Step[PaidOrder, Shipped])
assert_type(paid.timeout(HOUR, otherwise=to_rejected), Step[Order, PaidOrder | Rejected])
assert_type(paid.timeout(HOUR, otherwise=from_event), Step[Order, PaidOrder | Rejected])
assert_type(paid.timeout(HOUR, otherwise=rejection_of), Step[Order, PaidOrder | Rejected])
assert_type(paid.timeout(HOUR, otherwise=rejected), Step[Order, PaidOrder | Rejected])
assert_type(paid.timeout(HOUR, otherwise=charge >> invoice), Step[Order, PaidOrder | Invoice])
assert_type(paid.timeout(HOUR, otherwise=nap), Step[Order, PaidOrder | Order])
assert_type(paid.timeout(HOUR, otherwise=log), Step[Order, PaidOrder | None])
assert_type(paid.timeout(HOUR, otherwise=raw_answer), Step[Order, PaidOrder | Paid | Refused])
assert_type(paid.timeout(HOUR, otherwise=explode), Step[Order, PaidOrder])
assert_type(raw_charge.timeout(HOUR, otherwise=raw_charge), Step[Charge, Charge])
assert_type(raw_charge.timeout(HOUR, otherwise=raw_paid), Step[Charge, Charge | Paid])
assert_type(raw_paid.timeout(HOUR), Step[object, Paid])
assert_type(raw_paid.timeout(HOUR, otherwise=to_rejected), Step[Order, Paid | Rejected])
assert_type(raw_paid.timeout(HOUR, otherwise=rejected), Step[Order, Paid | Rejected])
assert_type(raw_on.timeout(HOUR, otherwise=rejected), Step[Order, Paid | Rejected])
assert_type(raw_signal.timeout(HOUR, otherwise=to_rejected), Step[Order, bool | Rejected])
assert_type(charge >> raw_paid.timeout(HOUR) >> receipt, Step[Order, str])
assert_type(charge >> raw_paid.timeout(HOUR, otherwise=rejected), Step[Order, Paid | Rejected])
assert_type(charge >> nap.timeout(HOUR) >> paid, Step[Order, PaidOrder])
assert_type(nap.timeout(HOUR, otherwise=to_rejected), Step[Order, Order | Rejected])
assert_type(nap.timeout(HOUR, otherwise=rejected), Step[Order, Order | Rejected])

assert_type(charge.recover(recover_order), Step[Order, Order | Rejected])
assert_type((charge >> paid).recover(recover_order), Step[Order, PaidOrder | Rejected])
assert_type(ship.recover(recover_paid_order), Step[PaidOrder, Shipped | Rejected])
assert_type(charge.recover(recover_event), Step[Order, Order | Invoice])
assert_type(charge.recover(recover_any), Step[Order, Order | None])
assert_type(charge.recover(log), Step[Order, Order | None])
assert_type(charge.recover(to_order), Step[Order, Order])
assert_type(charge.recover(raw_paid), Step[Order, Order | Paid])
assert_type(charge.recover(nap >> recover_order), Step[Order, Order | Rejected])
assert_type(charge.recover(recover_order >> nap), Step[Order, Order | Rejected])
assert_type(charge.recover(nap), Step[Order, Order | Failure[Order]])
assert_type(charge.recover(recover_order).recover(recover_event), Step[Order, Order | Rejected | Invoice])
assert_type(charge.recover(recover_order.retry(Retry())), Step[Order, Order | Rejected])
assert_type(raw_charge.recover(recover_charge), Step[Charge, Charge | Rejected])
assert_type(raw_paid.recover(recover_order), Step[Order, Paid | Rejected])
assert_type(raw_on.recover(recover_order), Step[Order, Paid | Rejected])
assert_type(raw_paid.recover(recover_any), Step[object, Paid | None])
assert_type(charge >> raw_paid.recover(recover_order), Step[Order, Paid | Rejected])
assert_type(nap.recover(recover_order), Step[Order, Order | Rejected])
assert_type(log.recover(recover_order), Step[Order, None | Rejected])

assert_type(charge.named("charge-it"), Step[Order, Order])
assert_type((charge >> paid).named("payment"), Step[Order, PaidOrder])
assert_type(charge.named("a").retry(Retry()).timeout(HOUR).named("b"), Step[Order, Order])
assert_type(raw_paid.named("wait") >> receipt, Step[object, str])
assert_type(charge >> raw_paid.named("wait") >> receipt, Step[Order, str])
assert_type(raw_charge.named("c") >> raw_paid, Step[Charge, Paid])
assert_type(charge >> nap.named("pause") >> paid, Step[Order, PaidOrder])
assert_type(nap.named("pause") >> paid, Step[Order, PaidOrder])
assert_type(raw_paid.named("wait")(fold_paid), Step[Order, PaidOrder])


# --- all_of and & ---

PaidAndInvoice = tuple[PaidOrder, Invoice]

assert_type(probe(paid & invoice), tuple[Order, tuple[PaidOrder, Invoice]])
assert_type(probe(paid & invoice & total), tuple[Order, tuple[PaidOrder, Invoice, int]])
assert_type(
    probe(paid & invoice & total & reference & charge & rejected & record & notify & verdict & deferred),
    tuple[
        Order,
        tuple[PaidOrder, Invoice, int, str, Order, Rejected, int, None, Literal["good", "bad"], Invoice],
    ],
)
assert_type(probe(paid & (invoice & total)), tuple[Order, tuple[PaidOrder, tuple[Invoice, int]]])
assert_type(probe((paid & invoice).named("both") & total), tuple[Order, tuple[PaidAndInvoice, int]])
assert_type(probe((paid & invoice).retry(Retry()) & total), tuple[Order, tuple[PaidAndInvoice, int]])
assert_type(probe(process("P", paid & invoice) & total), tuple[Order, tuple[PaidAndInvoice, int]])
assert_type(probe(all_of(paid, invoice)), tuple[Order, tuple[PaidOrder, Invoice]])
assert_type(probe(all_of(paid, invoice) & total), tuple[Order, tuple[PaidOrder, Invoice, int]])
assert_type(probe(all_of(paid, invoice, total)), tuple[Order, tuple[PaidOrder, Invoice, int]])
assert_type(
    probe(all_of(paid, invoice, total, reference)), tuple[Order, tuple[PaidOrder, Invoice, int, str]]
)
assert_type(
    probe(all_of(paid, invoice, total, reference, charge)),
    tuple[Order, tuple[PaidOrder, Invoice, int, str, Order]],
)
assert_type(
    probe(all_of(paid, invoice, total, reference, charge, rejected)),
    tuple[Order, tuple[PaidOrder, Invoice, int, str, Order, Rejected]],
)
assert_type(
    probe(all_of(paid, invoice, total, reference, charge, rejected, notify)),
    tuple[Order, tuple[PaidOrder, Invoice, int, str, Order, Rejected, None]],
)
assert_type(
    probe(all_of(paid, invoice, total, reference, charge, rejected, notify, deferred)),
    tuple[Order, tuple[PaidOrder, Invoice, int, str, Order, Rejected, None, Invoice]],
)

# sleeps and raw listeners in groups
assert_type(probe(nap & paid), tuple[Order, tuple[Order, PaidOrder]])
assert_type(probe(paid & nap), tuple[Order, tuple[PaidOrder, Order]])
assert_type(probe(nap & paid & invoice), tuple[Order, tuple[Order, PaidOrder, Invoice]])
assert_type(probe(paid & nap & invoice), tuple[Order, tuple[PaidOrder, Order, Invoice]])
assert_type(probe(paid & invoice & nap), tuple[Order, tuple[PaidOrder, Invoice, Order]])
assert_type(probe(all_of(nap, paid)), tuple[Order, tuple[Order, PaidOrder]])
assert_type(probe(all_of(paid, nap)), tuple[Order, tuple[PaidOrder, Order]])
assert_type(probe(all_of(nap, paid, invoice)), tuple[Order, tuple[Order, PaidOrder, Invoice]])
assert_type(probe(all_of(paid, invoice, nap)), tuple[Order, tuple[PaidOrder, Invoice, Order]])
assert_type(probe(raw_paid & paid), tuple[Order, tuple[Paid, PaidOrder]])
assert_type(probe(paid & raw_paid), tuple[Order, tuple[PaidOrder, Paid]])
assert_type(probe(raw_paid & raw_answer), tuple[object, tuple[Paid, Paid | Refused]])
assert_type(probe(raw_paid & raw_answer & raw_signal), tuple[object, tuple[Paid, Paid | Refused, bool]])
assert_type(probe(raw_paid & raw_signal & invoice), tuple[Order, tuple[Paid, bool, Invoice]])
assert_type(probe(charge >> (raw_paid & raw_signal)), tuple[Order, tuple[Paid, bool]])
assert_type(probe(all_of(raw_paid, raw_signal)), tuple[object, tuple[Paid, bool]])
assert_type(probe(all_of(raw_paid, raw_signal, invoice)), tuple[Order, tuple[Paid, bool, Invoice]])
assert_type(probe(all_of(invoice, raw_paid, nap)), tuple[Order, tuple[Invoice, Paid, Order]])
assert_type(probe(all_of(raw_paid.timeout(HOUR), invoice)), tuple[Order, tuple[Paid, Invoice]])
assert_type(probe(all_of(raw_paid >> receipt, invoice)), tuple[Order, tuple[str, Invoice]])
assert_type(probe(raw_paid.then(rejection_of) & invoice), tuple[Order, tuple[Rejected, Invoice]])
assert_type(probe(raw_on & raw_paid), tuple[Order, tuple[Paid, Paid]])
assert_type(probe(raw_charge & raw_paid), tuple[Charge, tuple[Charge, Paid]])
assert_type(probe(nap & raw_charge), tuple[Charge, tuple[Charge, Charge]])
assert_type(probe(nap & nap & paid), tuple[Order, tuple[object, object, PaidOrder]])
assert_type(probe(charge >> (paid & nap)), tuple[Order, tuple[PaidOrder, Order]])

# one that takes less specific input beside one that takes more
assert_type(probe(paid & log), tuple[Order, tuple[PaidOrder, None]])
assert_type(probe(log & paid), tuple[Order, tuple[None, PaidOrder]])
assert_type(probe(paid & record), tuple[Order, tuple[PaidOrder, int]])
assert_type(probe(record & paid), tuple[Order, tuple[int, PaidOrder]])
assert_type(probe(record & log & paid), tuple[Order, tuple[int, None, PaidOrder]])
assert_type(probe(all_of(log, paid)), tuple[Order, tuple[None, PaidOrder]])
assert_type(probe(all_of(paid, invoice, log)), tuple[Order, tuple[PaidOrder, Invoice, None]])


@task
def join_two(both: tuple[PaidOrder, Invoice]) -> Shipped:
    order, bill = both
    return Shipped(order.receipt * bill.number)


@task
def join_three(three: tuple[PaidOrder, Invoice, int]) -> Shipped:
    order, bill, count = three
    assert_type(order, PaidOrder)
    assert_type(bill, Invoice)
    assert_type(count, int)
    return Shipped(order.receipt)


def third(three: tuple[PaidOrder, Invoice, int]) -> int:
    return three[2]


assert_type((paid & invoice) >> join_two, Step[Order, Shipped])
assert_type(charge >> (paid & invoice) >> join_two, Step[Order, Shipped])
assert_type((paid & invoice & total) >> join_three, Step[Order, Shipped])
assert_type(all_of(paid, invoice, total) >> join_three, Step[Order, Shipped])
assert_type((paid & invoice & total).then(third), Step[Order, int])
assert_type((paid & invoice & total).then(lambda three: three[0].receipt), Step[Order, str])
assert_type((paid & invoice) >> nap >> join_two, Step[Order, Shipped])
assert_type(nap >> (paid & invoice) >> join_two, Step[Order, Shipped])
assert_type((paid & invoice).recover(recover_order), Step[Order, tuple[PaidOrder, Invoice] | Rejected])
assert_type((paid & invoice).timeout(HOUR), Step[Order, tuple[PaidOrder, Invoice]])
as_group_1: Step[Order, tuple[PaidOrder, Invoice]] = paid & invoice
as_group_2: Step[RushOrder, tuple[PaidOrder, Invoice, int]] = all_of(paid, invoice, total)
as_group_3: Step[Order, tuple[object, Invoice | None]] = paid & invoice


# --- any_of and | ---


@task
def settle(result: PaidOrder | Invoice) -> Shipped:
    return Shipped(str(result))


@task
def settle_wide(result: PaidOrder | Invoice | Rejected) -> Shipped:
    return Shipped(str(result))


assert_type(paid | invoice, Step[Order, PaidOrder | Invoice])
assert_type(paid | invoice | total, Step[Order, PaidOrder | Invoice | int])
assert_type(paid | paid_by, Step[Order, PaidOrder])
assert_type(any_of(paid, invoice), Step[Order, PaidOrder | Invoice])
assert_type(any_of(paid, invoice, total), Step[Order, PaidOrder | Invoice | int])
assert_type(any_of(paid, paid_by, paid_on), Step[Order, PaidOrder])
assert_type(
    any_of(paid, invoice, total, reference, charge, rejected, notify, answered),
    Step[Order, PaidOrder | Invoice | int | str | Order | Rejected | None],
)
assert_type((paid | invoice) >> settle, Step[Order, Shipped])
assert_type((paid | invoice) >> settle_wide, Step[Order, Shipped])
assert_type(any_of(paid, invoice) >> settle, Step[Order, Shipped])
assert_type(paid >> ship | invoice, Step[Order, Shipped | Invoice])
assert_type(paid | nap, Step[Order, PaidOrder | Order])
assert_type(nap | paid, Step[Order, Order | PaidOrder])
assert_type(sleep(HOUR) | paid | invoice, Step[Order, Order | PaidOrder | Invoice])
assert_type(any_of(paid, nap), Step[Order, PaidOrder | Order])
assert_type(any_of(nap, paid), Step[Order, Order | PaidOrder])
assert_type(any_of(raw_paid, invoice), Step[Order, Paid | Invoice])
assert_type(any_of(invoice, raw_paid), Step[Order, Invoice | Paid])
assert_type(raw_paid | invoice, Step[Order, Paid | Invoice])
assert_type(invoice | raw_paid, Step[Order, Invoice | Paid])
assert_type(raw_paid | raw_signal, Step[object, Paid | bool])
assert_type(any_of(raw_paid, raw_signal), Step[object, Paid | bool])
assert_type(any_of(raw_paid, raw_signal, invoice), Step[Order, Paid | bool | Invoice])
assert_type((raw_paid | raw_signal | invoice), Step[Order, Paid | bool | Invoice])
assert_type(record | paid, Step[Order, int | PaidOrder])
assert_type(paid | record, Step[Order, PaidOrder | int])
assert_type(log | paid, Step[Order, None | PaidOrder])
assert_type(raw_answer | raw_paid, Step[object, Paid | Refused])

# a raw listener beside a sleep: the message, or what was given
assert_type(charge >> (raw_paid | nap), Step[Order, Paid | Order])
assert_type(charge >> (nap | raw_paid), Step[Order, Order | Paid])
assert_type(charge >> any_of(raw_paid, sleep(HOUR)), Step[Order, Paid | Order])
assert_type(charge >> any_of(sleep(HOUR), raw_paid), Step[Order, Order | Paid])
assert_type(charge >> (raw_paid | raw_signal | nap), Step[Order, Paid | bool | Order])
assert_type(charge >> (raw_paid.timeout(HOUR) | nap), Step[Order, Paid | Order])
assert_type(charge >> (raw_paid | nap).named("wait"), Step[Order, Paid | Order])
assert_type(charge >> process("WAIT", raw_paid | nap), Step[Order, Paid | Order])


@task
def paid_or_order(result: Paid | Order) -> Shipped:
    return Shipped(str(result))


assert_type(charge >> (raw_paid | nap) >> paid_or_order, Step[Order, Shipped])


# --- at_least ---

assert_type(at_least(1, paid, invoice), Step[Order, list[PaidOrder | Invoice]])
assert_type(at_least(2, paid, invoice, total), Step[Order, list[PaidOrder | Invoice | int]])
assert_type(at_least(2, paid, paid_by, paid_on), Step[Order, list[PaidOrder]])
assert_type(at_least(1, paid, nap), Step[Order, list[PaidOrder | Order]])
assert_type(at_least(1, nap, paid), Step[Order, list[Order | PaidOrder]])
assert_type(at_least(2, paid, raw_paid, invoice), Step[Order, list[PaidOrder | Paid | Invoice]])
assert_type(at_least(1, raw_paid, raw_signal), Step[object, list[Paid | bool]])
assert_type(
    at_least(3, paid, invoice, total, reference, charge, rejected, notify, deferred),
    Step[Order, list[PaidOrder | Invoice | int | str | Order | Rejected | None]],
)


@task
def count_results(results: list[PaidOrder | Invoice]) -> int:
    return len(results)


@task
def count_sequence(results: Sequence[PaidOrder | Invoice | None]) -> int:
    return len(results)


assert_type(at_least(1, paid, invoice) >> count_results, Step[Order, int])
assert_type(at_least(1, paid, invoice) >> count_sequence, Step[Order, int])


# --- process ---

assert_type(process("PAYMENT", charge >> paid), Step[Order, PaidOrder])
assert_type(process("PAYMENT", charge >> paid) >> process("SHIPPING", ship), Step[Order, Shipped])
assert_type(process("PAYMENT", paid, timeout=HOUR), Step[Order, PaidOrder])
assert_type(process("PAYMENT", paid, timeout=None), Step[Order, PaidOrder])
assert_type(process(name="PAYMENT", body=paid), Step[Order, PaidOrder])
assert_type(process("P", paid, timeout=HOUR, otherwise=to_rejected), Step[Order, PaidOrder | Rejected])
assert_type(process("P", paid, timeout=HOUR, otherwise=rejected), Step[Order, PaidOrder | Rejected])
assert_type(process("P", paid, timeout=HOUR, otherwise=from_event), Step[Order, PaidOrder | Rejected])
assert_type(process("P", paid, timeout=HOUR, otherwise=record), Step[Order, PaidOrder | int])
assert_type(process("P", paid, timeout=HOUR, otherwise=nap), Step[Order, PaidOrder | Order])
assert_type(process("P", paid, timeout=HOUR, otherwise=raw_paid), Step[Order, PaidOrder | Paid])
assert_type(process("P", raw_paid, timeout=HOUR, otherwise=to_rejected), Step[Order, Paid | Rejected])
assert_type(process("P", raw_paid, timeout=HOUR, otherwise=rejected), Step[Order, Paid | Rejected])
assert_type(process("P", raw_paid), Step[object, Paid])
assert_type(process("P", raw_charge), Step[Charge, Charge])
assert_type(process("P", raw_charge, timeout=HOUR, otherwise=raw_charge), Step[Charge, Charge])
assert_type(process("P", raw_charge >> raw_paid), Step[Charge, Paid])
assert_type(process("P", nap) >> paid, Step[Order, PaidOrder])
assert_type(charge >> process("P", nap) >> paid, Step[Order, PaidOrder])
assert_type(charge >> process("P", nap >> nap, timeout=HOUR) >> paid, Step[Order, PaidOrder])
assert_type(process("P", nap, timeout=HOUR, otherwise=to_rejected), Step[Order, Order | Rejected])
assert_type(process("P", nap, timeout=HOUR, otherwise=rejected), Step[Order, Order | Rejected])
assert_type(process("OUTER", process("INNER", paid)), Step[Order, PaidOrder])
assert_type(process("P", paid & invoice) >> join_two, Step[Order, Shipped])
assert_type(process("P", paid | invoice) >> settle, Step[Order, Shipped])
assert_type(process("P", paid).recover(recover_order), Step[Order, PaidOrder | Rejected])


# --- switch ---


def method(order: Order) -> Method:
    return Method.CARD if order.total else Method.CASH


def kind(order: Order) -> Literal["small", "large"]:
    return "small" if order.total < 10 else "large"


def size(order: Order) -> Literal[1, 2, 3]:
    return 1 if order.total < 10 else 2


def is_large(order: Order) -> bool:
    return order.total > 10


def region(order: Order) -> str:
    return order.id[:2]


def maybe_method(order: Order) -> Method | None:
    return Method.CARD if order.total else None


def event_kind(event: Event) -> Literal["a", "b"]:
    return "a" if event.id else "b"


assert_type(
    switch(kind).case("small", paid).case("large", invoice),
    Switch[Order, Literal["small", "large"], PaidOrder | Invoice],
)
assert_type(
    switch(method).case(Method.CARD, paid).case(Method.CASH, paid_by), Switch[Order, Method, PaidOrder]
)
assert_type(
    switch(method).case(Method.CARD, paid).case(Method.CASH, invoice) >> settle, Step[Order, Shipped]
)
assert_type(switch(is_large).case(True, paid).case(False, invoice) >> settle, Step[Order, Shipped])
assert_type(switch(kind).case("small", paid).otherwise(invoice), Step[Order, PaidOrder | Invoice])
assert_type(
    switch(region).case("eu", paid).case("us", invoice).case("as", total).otherwise(rejected),
    Step[Order, PaidOrder | Invoice | int | Rejected],
)
assert_type(switch(size).case(1, paid).case(2, invoice).otherwise(nap), Step[Order, PaidOrder | Invoice | Order])
assert_type(switch(maybe_method).case(None, paid).otherwise(invoice), Step[Order, PaidOrder | Invoice])
assert_type(switch(kind).case("small", paid).otherwise(paid_by), Step[Order, PaidOrder])
assert_type(probe(switch(kind).case("small", nap).case("large", rejected)), tuple[Order, Order | Rejected])
assert_type(probe(switch(kind).case("small", raw_paid).case("large", rejected)), tuple[Order, Paid | Rejected])
assert_type(switch(kind).case("small", log).otherwise(record), Step[Order, None | int])
assert_type(switch(kind).case("small", paid & invoice).otherwise(nap), Step[Order, PaidAndInvoice | Order])
assert_type(switch(kind).case("small", explode).otherwise(paid), Step[Order, PaidOrder])
assert_type(charge >> switch(kind).case("small", paid).case("large", invoice), Step[Order, PaidOrder | Invoice])
assert_type(nap >> switch(kind).case("small", paid).case("large", invoice), Step[Order, PaidOrder | Invoice])
assert_type(rush >> switch(event_kind).case("a", record).case("b", log), Step[Order, int | None])
assert_type(switch(kind).case("small", switch(method).case(Method.CARD, paid).otherwise(total)).otherwise(invoice),
    Step[Order, PaidOrder | int | Invoice])
assert_type(
    switch(kind).named("kind").case("small", paid).otherwise(invoice), Step[Order, PaidOrder | Invoice]
)
assert_type(
    switch(kind).case("small", paid).case("large", invoice).retry(Retry()), Step[Order, PaidOrder | Invoice]
)
assert_type(switch(kind).case("small", paid).otherwise(invoice).recover(to_order), Step[Order, PaidOrder | Invoice | Order])
assert_type(switch(kind).case("small", paid).case("large", invoice) | total, Step[Order, PaidOrder | Invoice | int])
assert_type(
    all_of(switch(kind).case("small", paid).case("large", invoice), total).then(rejection_of), Step[Order, Rejected]
)
assert_type(process("CHOOSE", switch(kind).case("small", paid).case("large", invoice)), Step[Order, PaidOrder | Invoice])


# --- for_each ---


def lines(order: Order) -> list[Line]:
    return [Line(order.id)]


def line_tuple(order: Order) -> tuple[Line, ...]:
    return (Line(order.id),)


def line_iterable(order: Order) -> Iterable[Line]:
    yield Line(order.id)


def orders_of(event: Event) -> list[Order]:
    return [Order(event.id, 1)]


@task
async def pick(line: Line) -> Picked:
    return Picked(line.sku)


@command(texts)
def say_line(line: Line) -> str:
    return line.sku


@task
def count(picked: list[Picked]) -> int:
    return len(picked)


assert_type(for_each(lines, pick), Step[Order, list[Picked]])
assert_type(for_each(lines, pick, limit=10), Step[Order, list[Picked]])
assert_type(for_each(lines, pick, limit=None), Step[Order, list[Picked]])
assert_type(for_each(items=lines, body=pick), Step[Order, list[Picked]])
assert_type(for_each(line_tuple, pick), Step[Order, list[Picked]])
assert_type(for_each(line_iterable, pick), Step[Order, list[Picked]])
assert_type(for_each(lines, say_line >> pick), Step[Order, list[Picked]])
assert_type(for_each(lines, nap >> pick), Step[Order, list[Picked]])
assert_type(for_each(lines, pick >> nap), Step[Order, list[Picked]])
assert_type(for_each(lines, nap), Step[Order, list[Line]])
assert_type(for_each(lines, raw_paid), Step[Order, list[Paid]])
assert_type(for_each(lines, log), Step[Order, list[None]])
assert_type(for_each(orders_of, record), Step[Event, list[int]])
assert_type(for_each(orders_of, paid | invoice), Step[Event, list[PaidOrder | Invoice]])
assert_type(for_each(orders_of, paid & invoice), Step[Event, list[tuple[PaidOrder, Invoice]]])
assert_type(for_each(lines, pick) >> count, Step[Order, int])
assert_type(charge >> for_each(lines, process("PICK", pick)) >> count, Step[Order, int])
assert_type(for_each(lines, pick).then(len), Step[Order, int])


# --- templates ---

order_workflow = template(
    "OrderWorkflow",
    process("PAYMENT", charge >> paid) >> process("SHIPPING", ship),
    key=lambda order: order.id,
)
assert_type(order_workflow, Template[Order, Shipped])
assert_type(template("T", charge >> paid, key=order_key), Template[Order, PaidOrder])
assert_type(template("T", charge >> paid, key=order_key, version=2), Template[Order, PaidOrder])
assert_type(template("T", charge >> paid, key=event_key), Template[Order, PaidOrder])
assert_type(template("T", charge >> paid, key=any_key), Template[Order, PaidOrder])
assert_type(template("T", charge >> paid, key=order_key, takes=Order), Template[Order, PaidOrder])
assert_type(template(name="T", body=charge, key=order_key), Template[Order, Order])
assert_type(template("T", paid & invoice, key=order_key), Template[Order, tuple[PaidOrder, Invoice]])
assert_type(template("T", paid & invoice & total, key=order_key), Template[Order, tuple[PaidOrder, Invoice, int]])
assert_type(template("T", paid | invoice, key=order_key), Template[Order, PaidOrder | Invoice])
assert_type(template("T", switch(kind).case("small", paid).case("large", total), key=order_key), Template[Order, PaidOrder | int])
assert_type(template("T", for_each(lines, pick), key=order_key), Template[Order, list[Picked]])
assert_type(template("T", nap, key=order_key), Template[Order, Order])
assert_type(template("T", nap >> charge, key=order_key), Template[Order, Order])
assert_type(template("T", raw_paid, key=order_key), Template[Order, Paid])
assert_type(template("T", raw_paid >> receipt, key=order_key), Template[Order, str])
assert_type(template("T", raw_paid | nap, key=order_key), Template[Order, Order | Paid])
assert_type(template("T", raw_charge >> raw_paid, key=lambda c: c.order_id), Template[Charge, Paid])
assert_type(template("T", raw_paid >> receipt, key=lambda order: order.id, takes=Order), Template[Order, str])

assert_type(probe(order_workflow), tuple[Order, Shipped])
assert_type(charge >> order_workflow, Step[Order, Shipped])
assert_type(order_workflow.retry(Retry()), Step[Order, Shipped])
assert_type(order_workflow.timeout(HOUR), Step[Order, Shipped])
assert_type(order_workflow.recover(recover_order), Step[Order, Shipped | Rejected])
assert_type(order_workflow | invoice, Step[Order, Shipped | Invoice])
assert_type(probe(order_workflow & invoice), tuple[Order, tuple[Shipped, Invoice]])
assert_type(all_of(order_workflow, invoice).then(rejection_of), Step[Order, Rejected])
assert_type(process("CHILD", order_workflow), Step[Order, Shipped])
assert_type(for_each(orders_of, order_workflow), Step[Event, list[Shipped]])
assert_type(switch(kind).case("small", order_workflow).otherwise(invoice), Step[Order, Shipped | Invoice])
assert_type(template("PARENT", nap >> order_workflow, key=order_key), Template[Order, Shipped])
as_step_7: Step[Order, Shipped] = order_workflow
as_step_8: Step[RushOrder, object] = order_workflow
as_template: Template[RushOrder, object] = order_workflow
workflows: list[Template[Any, Any]] = [order_workflow, template("T", paid & invoice, key=order_key)]
steps: list[Step[Order, object]] = [charge, paid, nap, raw_paid, order_workflow, paid & invoice, paid | total]


# --- helpers that users write ---


def audited(step: Step[A, B]) -> Step[A, B]:
    return step.retry(Retry(attempts=3)).timeout(HOUR).named("audited")


def guarded(step: Step[A, B], handler: Step[Failure[A], C]) -> Step[A, B | C]:
    return step.recover(handler)


def late(step: Step[A, B]) -> Step[A, B]:
    return sleep(HOUR) >> step


def slow(step: Step[A, B]) -> Step[A, B]:
    return step >> sleep(HOUR)


def scoped(name: str, step: Step[A, B]) -> Step[A, B]:
    return process(name, step)


def bounded(step: Step[A, B], otherwise: Callable[[A], C]) -> Step[A, B | C]:
    return process("bounded", step, timeout=HOUR, otherwise=otherwise)


def bounded_step(step: Step[A, B], otherwise: Step[A, C]) -> Step[A, B | C]:
    return step.timeout(HOUR, otherwise=otherwise)


def twice(step: Step[A, A]) -> Step[A, A]:
    return step >> step


def then_do(first: Step[A, B], second: Step[B, C]) -> Step[A, C]:
    return first >> second


def both(first: Step[A, B], second: Step[A, C]) -> Step[A, tuple[B, C]]:
    return first & second


def both_in_words(first: Step[A, B], second: Step[A, C]) -> Step[A, tuple[B, C]]:
    return all_of(first, second)


def either(first: Step[A, B], second: Step[A, C]) -> Step[A, B | C]:
    return first | second


def either_in_words(first: Step[A, B], second: Step[A, C]) -> Step[A, B | C]:
    return any_of(first, second)


def quorum(first: Step[A, B], second: Step[A, B], third: Step[A, B]) -> Step[A, list[B]]:
    return at_least(2, first, second, third)


def keyed(name: str, step: Step[A, B], key: Callable[[A], str]) -> Template[A, B]:
    return template(name, step, key=key)


def gated(step: Step[A, B], fn: Callable[[A], bool], other: Step[A, C]) -> Step[A, B | C]:
    return switch(fn).case(True, step).otherwise(other)


def mapped(items: Callable[[A], list[B]], step: Step[B, C]) -> Step[A, list[C]]:
    return for_each(items, step)


def applied(step: Step[A, B], fn: Callable[[B], C]) -> Step[A, C]:
    return step.then(fn)


def published(topic: Topic[A]) -> Step[A, A]:
    return command(topic)


def awaited(topic: Topic[A]) -> Step[object, A]:
    return listener(topic)


def asked(request: Topic[A], reply: Topic[B]) -> Step[A, B]:
    return command(request) >> listener(reply)


def repeated(step: Step[A, A], times: int) -> Step[A, A]:
    result = step
    for _ in range(times):
        result = result >> step
    return result


assert_type(audited(charge), Step[Order, Order])
assert_type(audited(charge >> paid) >> ship, Step[Order, Shipped])
assert_type(audited(paid & invoice), Step[Order, tuple[PaidOrder, Invoice]])
assert_type(audited(order_workflow), Step[Order, Shipped])
assert_type(audited(raw_paid), Step[object, Paid])
assert_type(charge >> audited(raw_paid) >> receipt, Step[Order, str])
assert_type(guarded(charge, recover_order), Step[Order, Order | Rejected])
assert_type(late(paid), Step[Order, PaidOrder])
assert_type(slow(paid), Step[Order, PaidOrder])
assert_type(scoped("P", paid), Step[Order, PaidOrder])
assert_type(bounded(paid, to_rejected), Step[Order, PaidOrder | Rejected])
assert_type(bounded_step(paid, rejected), Step[Order, PaidOrder | Rejected])
assert_type(twice(charge), Step[Order, Order])
assert_type(then_do(charge, paid), Step[Order, PaidOrder])
assert_type(both(paid, invoice), Step[Order, tuple[PaidOrder, Invoice]])
assert_type(both_in_words(paid, invoice), Step[Order, tuple[PaidOrder, Invoice]])
assert_type(either(paid, invoice), Step[Order, PaidOrder | Invoice])
assert_type(either_in_words(paid, invoice), Step[Order, PaidOrder | Invoice])
assert_type(quorum(paid, paid_by, paid_on), Step[Order, list[PaidOrder]])
assert_type(keyed("T", paid, order_key), Template[Order, PaidOrder])
assert_type(gated(paid, is_large, invoice), Step[Order, PaidOrder | Invoice])
assert_type(mapped(lines, pick), Step[Order, list[Picked]])
assert_type(applied(paid, dispatch), Step[Order, Shipped])
assert_type(published(charges), Step[Charge, Charge])
assert_type(awaited(payments), Step[object, Paid])
assert_type(asked(charges, payments), Step[Charge, Paid])
assert_type(repeated(charge, 3), Step[Order, Order])

long_chain = charge >> charge >> charge >> charge >> charge >> charge >> charge >> charge >> charge >> charge
long_chain >>= charge
assert_type(long_chain >> nap >> long_chain >> nap >> paid >> nap >> ship, Step[Order, Shipped])


def described(step: Step[Any, Any]) -> str:
    return repr(step)


described(charge)
described(nap)
described(raw_paid)
described(order_workflow)
described(paid & invoice)


# --- values ---

assert_type(Again(1), Again[int])
assert_type(Message("a"), Message[str])
assert_type(Failure(input=1, error="", path=""), Failure[int])
assert_type(charge == paid, bool)
assert_type(hash(charge), int)
