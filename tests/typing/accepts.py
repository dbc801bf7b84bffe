"""Every documented form of the language, with the type that it has. Checked by mypy and pyright, never run."""

from __future__ import annotations

import asyncio
import functools
import operator
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, IntEnum, StrEnum, auto
from typing import Any, Generic, Literal, NamedTuple, Never, NewType, NoReturn, TypeAlias, TypedDict, assert_type
from uuid import UUID

from typing_extensions import TypeVar

import dagger
import dagger.testing
from dagger import (
    Again,
    BusinessError,
    Failure,
    Instance,
    Limit,
    Match,
    Message,
    Retry,
    Run,
    Signal,
    Step,
    Switch,
    Template,
    Topic,
    all_of,
    any_of,
    at_least,
    command,
    fail,
    for_each,
    keep,
    listener,
    match,
    process,
    pure,
    race,
    repeat,
    signal,
    skippable,
    sleep,
    switch,
    task,
    template,
    wait_until,
)

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
K = TypeVar("K")
M = TypeVar("M")
T = TypeVar("T")

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


assert_type(approved, Signal[Order, Order, bool])
assert_type(amended, Signal[Order, PaidOrder, Line])
assert_type(amended.named("x"), Signal[Order, PaidOrder, Line])


@task
async def ship(order: PaidOrder) -> Shipped:
    return Shipped(order.order.id)


@task
def ship_sync(order: PaidOrder) -> Shipped:
    return Shipped(order.order.id)


@task(limit=Limit("bank", concurrency=10, per_second=0.5))
async def ship_limited(order: PaidOrder) -> Shipped:
    return Shipped(order.order.id)


assert_type(ship_limited, Step[PaidOrder, Shipped])


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
    raise NotImplementedError


@task
def log(anything: object) -> None:
    raise NotImplementedError


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
assert_type(probe(approved), tuple[Order, Order])

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
    raise NotImplementedError


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
assert_type(probe(all_of(paid, invoice, total, reference)), tuple[Order, tuple[PaidOrder, Invoice, int, str]])
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
assert_type(switch(method).case(Method.CARD, paid).case(Method.CASH, paid_by), Switch[Order, Method, PaidOrder])
assert_type(switch(method).case(Method.CARD, paid).case(Method.CASH, invoice) >> settle, Step[Order, Shipped])
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
assert_type(
    switch(kind).case("small", switch(method).case(Method.CARD, paid).otherwise(total)).otherwise(invoice),
    Step[Order, PaidOrder | int | Invoice],
)
assert_type(switch(kind).named("kind").case("small", paid).otherwise(invoice), Step[Order, PaidOrder | Invoice])
assert_type(switch(kind).case("small", paid).case("large", invoice).retry(Retry()), Step[Order, PaidOrder | Invoice])
assert_type(
    switch(kind).case("small", paid).otherwise(invoice).recover(to_order), Step[Order, PaidOrder | Invoice | Order]
)
assert_type(switch(kind).case("small", paid).case("large", invoice) | total, Step[Order, PaidOrder | Invoice | int])
assert_type(
    all_of(switch(kind).case("small", paid).case("large", invoice), total).then(rejection_of), Step[Order, Rejected]
)
assert_type(
    process("CHOOSE", switch(kind).case("small", paid).case("large", invoice)), Step[Order, PaidOrder | Invoice]
)


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
assert_type(for_each(lines, pick, collect=True), Step[Order, list[Picked | Failure[Line]]])
assert_type(for_each(lines, pick, collect=True, limit=4), Step[Order, list[Picked | Failure[Line]]])
assert_type(for_each(lines, nap, collect=True), Step[Order, list[Line | Failure[Line]]])
assert_type(for_each(lines, raw_paid, collect=True), Step[Order, list[Paid | Failure[Line]]])
assert_type(for_each(orders_of, paid | invoice, collect=True), Step[Event, list[PaidOrder | Invoice | Failure[Order]]])
assert_type(for_each(lines, pick, enough=2), Step[Order, list[Picked]])
assert_type(for_each(lines, pick, limit=3, enough=2), Step[Order, list[Picked]])
assert_type(for_each(lines, nap, enough=2), Step[Order, list[Line]])


@task
def tally(found: list[Picked | Failure[Line]]) -> int:
    return len(found)


assert_type(charge >> for_each(lines, pick, collect=True) >> tally, Step[Order, int])

# --- collect ---

assert_type(
    all_of(paid, invoice, collect=True), Step[Order, tuple[PaidOrder | Failure[Order], Invoice | Failure[Order]]]
)
assert_type(
    all_of(paid, invoice, raw_paid, collect=True),
    Step[Order, tuple[PaidOrder | Failure[Order], Invoice | Failure[Order], Paid | Failure[Order]]],
)
assert_type(all_of(raw_paid, paid, collect=True), Step[Order, tuple[Paid | Failure[Order], PaidOrder | Failure[Order]]])


@task
def both_or_not(found: tuple[PaidOrder | Failure[Order], Invoice | Failure[Order]]) -> int:
    return len(found)


assert_type(charge >> all_of(paid, invoice, collect=True) >> both_or_not, Step[Order, int])


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
assert_type(
    template("T", switch(kind).case("small", paid).case("large", total), key=order_key),
    Template[Order, PaidOrder | int],
)
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


# --- corners: what else a user may write ---


class Service:
    def charge(self, order: Order) -> Invoice:
        raise NotImplementedError

    async def charge_async(self, order: Order) -> Invoice:
        raise NotImplementedError

    @staticmethod
    def static(order: Order) -> Invoice:
        raise NotImplementedError

    @classmethod
    def klass(cls, order: Order) -> Invoice:
        raise NotImplementedError

    def __call__(self, order: Order) -> Invoice:
        raise NotImplementedError


service = Service()
assert_type(task(service.charge), Step[Order, Invoice])
assert_type(task(service.charge_async), Step[Order, Invoice])
assert_type(task(Service.static), Step[Order, Invoice])
assert_type(task(Service.klass), Step[Order, Invoice])
assert_type(task(service), Step[Order, Invoice])
ctx: Step[Order, Invoice] = task(lambda o: Invoice(o.total))


def future(order: Order) -> asyncio.Future[Invoice]:
    raise NotImplementedError


assert_type(task(future), Step[Order, Invoice])


async def au(order: Order) -> Invoice | Rejected | None:
    raise NotImplementedError


assert_type(task(au), Step[Order, Invoice | Rejected | None])
assert_type(task(Line), Step[str, Line])


@task
def untyped_any(x: Any) -> int:
    raise NotImplementedError


assert_type(untyped_any, Step[Any, int])
assert_type(charge >> untyped_any, Step[Order, int])


@task
def gives_any(x: Order) -> Any:
    raise NotImplementedError


assert_type(gives_any >> ship, Step[Order, Shipped])


@task
def dd(x: dict[str, int]) -> list[dict[str, int]]:
    raise NotImplementedError


assert_type(dd, Step[dict[str, int], list[dict[str, int]]])


class TD(TypedDict):
    id: str


class NT(NamedTuple):
    id: str


OrderId = NewType("OrderId", str)


@task
def td(x: TD) -> NT:
    raise NotImplementedError


assert_type(td, Step[TD, NT])


@dataclass(frozen=True)
class Page(Generic[T]):
    item: T


@task
def page(x: Page[Order]) -> Page[Invoice]:
    raise NotImplementedError


assert_type(page, Step[Page[Order], Page[Invoice]])


@task
def oid(x: Order) -> OrderId:
    raise NotImplementedError


assert_type(oid, Step[Order, OrderId])


@task
def of_str(x: str) -> int:
    raise NotImplementedError


assert_type(oid >> of_str, Step[Order, int])


@task
def opt(x: Order | None) -> int | None:
    raise NotImplementedError


assert_type(charge >> opt, Step[Order, int | None])


@task
def tick(x: None) -> int:
    raise NotImplementedError


assert_type(notify >> tick, Step[Order, int])


@task
def of_seq(x: Sequence[Order]) -> Mapping[str, Order]:
    raise NotImplementedError


assert_type(for_each(orders_of, charge) >> of_seq, Step[Event, Mapping[str, Order]])


# listeners
@listener(payments)
def f_pair(pair: tuple[PaidOrder, Invoice], message: Paid) -> Shipped:
    raise NotImplementedError


assert_type((paid & invoice) >> f_pair, Step[Order, Shipped])


def obj_key(o: object) -> str:
    raise NotImplementedError


@listener(payments, on=obj_key)
def on_obj(order: Order, message: Paid) -> PaidOrder:
    raise NotImplementedError


assert_type(on_obj, Step[Order, PaidOrder])


@listener(payments, by=lambda m: m.receipt)
def by_lambda(order: Order, message: Paid) -> PaidOrder:
    raise NotImplementedError


assert_type(by_lambda, Step[Order, PaidOrder])


@listener(answers, by=lambda m: m.order_id)
def by_lambda2(order: Order, message: Paid | Refused) -> PaidOrder:
    raise NotImplementedError


@listener(payments, on=None, by=None)
def on_none(order: Order, message: Paid) -> PaidOrder:
    raise NotImplementedError


assert_type(on_none, Step[Order, PaidOrder])
assert_type(charge >> listener(payments, on=obj_key), Step[Order, Paid])
assert_type(charge >> listener(payments, on=event_key), Step[Order, Paid])


@signal("approve", str)
def sig(order: Order, who: str) -> Order | Again[Order]:
    raise NotImplementedError


@signal("m", Method)
def sig2(order: Order, who: Method) -> Method:
    raise NotImplementedError


assert_type(sig2, Signal[Order, Method, Method])
s3 = signal("d", dict[str, int])
assert_type(charge >> s3, Step[Order, dict[str, int]])
s4 = signal("l", list[Line])
assert_type(charge >> s4 >> log, Step[Order, None])


@listener(payments)
def gives_none(order: Order, message: Paid) -> None:
    raise NotImplementedError


assert_type(gives_none, Step[Order, None])


@listener(payments)
def none_or_again(order: Order, message: Paid) -> Again[Order] | None:
    raise NotImplementedError


assert_type(none_or_again, Step[Order, None])


@listener(payments)
def tuple_fold(order: Order, message: Paid) -> tuple[Order, Paid]:
    raise NotImplementedError


assert_type(tuple_fold, Step[Order, tuple[Order, Paid]])


@listener(payments)
def tuple_fold2(order: Order, message: Paid) -> tuple[Order, Paid] | Again[Order]:
    raise NotImplementedError


assert_type(tuple_fold2, Step[Order, tuple[Order, Paid]])


@listener(payments)
def bool_fold(order: Order, message: Paid) -> bool | Again[Order]:
    raise NotImplementedError


assert_type(bool_fold, Step[Order, bool])


@listener(payments)
def td_fold(order: Order, message: Paid) -> TD:
    raise NotImplementedError


assert_type(td_fold, Step[Order, TD])


@listener(payments)
def obj_fold(order: Order, message: Paid) -> object:
    raise NotImplementedError


assert_type(obj_fold, Step[Order, object])


@listener(payments)
def page_fold(order: Page[Order], message: Paid) -> Page[PaidOrder] | Again[Page[Order]]:
    raise NotImplementedError


assert_type(page_fold, Step[Page[Order], Page[PaidOrder]])


@listener(payments)
def list_again(orders: list[Order], message: Paid) -> list[Order] | Again[list[Order]]:
    raise NotImplementedError


assert_type(list_again, Step[list[Order], list[Order]])


@listener(payments)
def union_again(o: Order | Paid, message: Paid) -> Shipped | Again[Order | Paid]:
    raise NotImplementedError


assert_type(union_again, Step[Order | Paid, Shipped])


@listener(payments)
def opt_again(o: Order | None, message: Paid) -> Shipped | Again[Order | None]:
    raise NotImplementedError


assert_type(opt_again, Step[Order | None, Shipped])


# commands
@command(charges)
def many(o: Order) -> Sequence[Charge | Message[Charge]]:
    raise NotImplementedError


@command(answers)
def many2(o: Order) -> list[Paid] | Refused:
    raise NotImplementedError


@command(answers)
def many3(o: Order) -> list[Paid | Refused]:
    raise NotImplementedError


@command(answers)
def many4(o: Order) -> Message[Paid]:
    raise NotImplementedError


@command(answers)
def many5(o: Order) -> list[Message[Paid]]:
    raise NotImplementedError


assert_type(many5, Step[Order, Order])


# topics
class Kind(StrEnum):
    X = auto()
    Y = auto()


class Num(IntEnum):
    ONE = 1


Topic("T", dict[str, str], key=lambda m: m["id"])
Topic("T", bytes, key=lambda m: m.decode())
tt = Topic("T", Page[Order], key=lambda m: m.item.id)
assert_type(tt, Topic[Page[Order]])
Topic("T", TD, key=lambda m: m["id"])
Topic("T", NT, key=lambda m: m.id)
Topic("T", Paid, key=operator.attrgetter("order_id"))
Topic("T", Paid, key=lambda m: m.order_id, codec=dagger.msgpack)
Topic("T", (Paid, Refused), key=lambda m: m.order_id, codec=dagger.json)
Topic("T", Paid, lambda m: m.order_id, partition_key=paid_key)
five = Topic("5", (Paid, Refused, Charge, Shipped, Line), key=any_key)
assert_type(five, Topic[Paid | Refused | Charge | Shipped | Line])
ann: Topic[Paid] = Topic("T", Paid, key=lambda m: m.order_id)
sub = Topic[Paid]("T", Paid, key=lambda m: m.order_id)


def topic_of(name: str, type_: type[M], key: Callable[[M], str]) -> Topic[M]:
    return Topic(name, type_, key=key)


assert_type(topic_of("X", Paid, paid_key), Topic[Paid])


# switches
def k1(o: Order) -> Kind:
    raise NotImplementedError


def k2(o: Order) -> Num:
    raise NotImplementedError


def k3(o: Order) -> Literal["a", "b"] | None:
    raise NotImplementedError


def k4(o: Order) -> int:
    raise NotImplementedError


KindAlias: TypeAlias = Literal["p", "q"]


def k5(o: Order) -> KindAlias:
    raise NotImplementedError


def k6(o: Order) -> Literal[True, False]:
    raise NotImplementedError


def k7(o: Order) -> Literal[Method.CARD]:
    raise NotImplementedError


def k8(o: Order) -> tuple[str, int]:
    raise NotImplementedError


def k9(o: object) -> bool:
    raise NotImplementedError


assert_type(
    switch(k1).case(Kind.X, paid).case(Kind.Y, invoice).otherwise(total), Step[Order, PaidOrder | Invoice | int]
)
assert_type(switch(k2).case(Num.ONE, paid).otherwise(total), Step[Order, PaidOrder | int])
assert_type(switch(k3).case(None, paid).case("a", total).case("b", total) >> log, Step[Order, None])
assert_type(switch(k4).case(3, paid).otherwise(total), Step[Order, PaidOrder | int])
assert_type(switch(k5).case("p", paid).case("q", total) >> log, Step[Order, None])
assert_type(switch(k6).case(True, paid).case(False, total) >> log, Step[Order, None])
assert_type(switch(k7).case(Method.CARD, paid) >> log, Step[Order, None])
assert_type(switch(k8).case(("a", 1), paid).otherwise(log), Step[Order, PaidOrder | None])
assert_type(switch(k5), Switch[Order, Literal["p", "q"], Never])
assert_type(charge >> switch(k9).case(True, log).otherwise(raw_paid), Step[Order, None | Paid])
assert_type(switch(is_large).case(True, paid).case(False, sleep(HOUR)) >> log, Step[Order, None])
x1: Switch[Order, Kind, PaidOrder | int] = switch(k1).case(Kind.X, paid).case(Kind.Y, total)
v1: Step[Order, PaidOrder | int] = switch(k1).case(Kind.X, paid).case(Kind.Y, total)
v2: Step[RushOrder, object] = switch(k1).case(Kind.X, paid).case(Kind.Y, total)
partial_switch = switch(k1)
partial_switch_2 = partial_switch.case(Kind.X, paid)
assert_type(partial_switch_2.otherwise(paid), Step[Order, PaidOrder])
# precedence
assert_type(probe(charge >> paid & invoice), tuple[Order, tuple[PaidOrder, Invoice]])
assert_type(probe(invoice & charge >> paid), tuple[Order, tuple[Invoice, PaidOrder]])
assert_type(paid | invoice & total, Step[Order, PaidOrder | tuple[Invoice, int]])
assert_type(paid & invoice | total, Step[Order, tuple[PaidOrder, Invoice] | int])
assert_type(probe((paid | invoice) & total), tuple[Order, tuple[PaidOrder | Invoice, int]])
assert_type(probe((paid | nap) & (nap | total)), tuple[Order, tuple[PaidOrder | Order, Order | int]])
assert_type(probe((paid & nap) & (nap & total)), tuple[Order, tuple[PaidOrder, Order, tuple[Order, int]]])
assert_type(probe(nap & (paid & invoice)), tuple[Order, tuple[Order, tuple[PaidOrder, Invoice]]])
assert_type(probe(raw_paid & (paid & invoice)), tuple[Order, tuple[Paid, tuple[PaidOrder, Invoice]]])
assert_type(probe(all_of(paid & invoice, total)), tuple[Order, tuple[tuple[PaidOrder, Invoice], int]])
assert_type(
    probe(all_of(all_of(paid, invoice), total, nap)), tuple[Order, tuple[tuple[PaidOrder, Invoice], int, Order]]
)
assert_type(any_of(paid & invoice, total), Step[Order, tuple[PaidOrder, Invoice] | int])
# lambdas whose parameter is inferable
assert_type(paid.timeout(HOUR, otherwise=lambda order: order.total), Step[Order, PaidOrder | int])
assert_type(process("P", paid, timeout=HOUR, otherwise=lambda order: order.total), Step[Order, PaidOrder | int])
assert_type(paid.then(lambda p: p.order), Step[Order, Order])
assert_type(template("T", paid, key=lambda o: o.id).version, int)
assert_type(template("T", nap >> paid, key=lambda o: o.id), Template[Order, PaidOrder])
assert_type(template("T", paid & invoice, key=lambda o: o.id), Template[Order, tuple[PaidOrder, Invoice]])
assert_type(template("T", all_of(paid, invoice), key=lambda o: o.id), Template[Order, tuple[PaidOrder, Invoice]])
assert_type(
    template("T", switch(k5).case("p", paid).case("q", total), key=lambda o: o.id), Template[Order, PaidOrder | int]
)
assert_type(template("T", any_of(raw_paid, invoice), key=lambda o: o.id), Template[Order, Paid | Invoice])
assert_type(
    template("T", process("P", charge >> paid, timeout=HOUR, otherwise=lambda o: o.total), key=lambda o: o.id),
    Template[Order, PaidOrder | int],
)
assert_type(template("T", log, key=order_key), Template[Order, None])
assert_type(template("T", log, key=any_key), Template[object, None])
assert_type(template("T", of_str, key=str), Template[str, int])


def uuid_key(o: Order) -> UUID:
    raise NotImplementedError


def int_key(o: Order) -> int:
    raise NotImplementedError


def enum_key(o: Order) -> Method:
    raise NotImplementedError


assert_type(template("T", charge, key=uuid_key), Template[Order, Order])
assert_type(template("T", charge, key=int_key), Template[Order, Order])
assert_type(template("T", charge, key=enum_key), Template[Order, Order])
# then with builtins and classes
assert_type(reference.then(str), Step[Order, str])
assert_type(reference.then(int), Step[Order, int])
assert_type(reference.then(Line), Step[Order, Line])
assert_type(reference.then(Line).then(lambda x: x.sku), Step[Order, str])
assert_type(reference.then(str.upper), Step[Order, str])
assert_type(paid.then(repr), Step[Order, str])
assert_type(for_each(lines, pick).then(len), Step[Order, int])


# for_each
class Basket:
    def lines(self) -> list[Line]:
        raise NotImplementedError


def gen(o: Order) -> Generator[Line, None, None]:
    yield Line("")


def it(o: Order) -> Iterator[Line]:
    yield Line("")


def st(o: Order) -> set[Line]:
    raise NotImplementedError


def fs(o: Order) -> Set[Line]:
    raise NotImplementedError


def mp(o: Order) -> dict[str, Line]:
    raise NotImplementedError


def un(o: Order) -> list[Line] | tuple[Line, ...]:
    raise NotImplementedError


def un2(o: Order) -> list[Line | Order]:
    raise NotImplementedError


def strs(o: Order) -> list[str]:
    raise NotImplementedError


def rushes(o: Order) -> list[RushOrder]:
    raise NotImplementedError


assert_type(for_each(Basket.lines, pick), Step[Basket, list[Picked]])
assert_type(for_each(gen, pick), Step[Order, list[Picked]])
assert_type(for_each(it, pick), Step[Order, list[Picked]])
assert_type(for_each(st, pick), Step[Order, list[Picked]])
assert_type(for_each(fs, pick), Step[Order, list[Picked]])
assert_type(for_each(mp, of_str), Step[Order, list[int]])
assert_type(for_each(un, pick), Step[Order, list[Picked]])
assert_type(for_each(strs, of_str), Step[Order, list[int]])
assert_type(for_each(rushes, charge), Step[Order, list[Order]])
assert_type(for_each(rushes, charge >> nap >> paid), Step[Order, list[PaidOrder]])
assert_type(for_each(rushes, nap), Step[Order, list[RushOrder]])
assert_type(for_each(rushes, for_each(lines, pick)), Step[Order, list[list[Picked]]])
assert_type(for_each(rushes, log), Step[Order, list[None]])
assert_type(for_each(rushes, switch(k5).case("p", paid).case("q", total)), Step[Order, list[PaidOrder | int]])
assert_type(for_each(lines, pick, limit=2).recover(recover_order), Step[Order, list[Picked] | Rejected])


# values as data
@dataclass(frozen=True)
class Config:
    pre: Step[Order, Order] = field(default_factory=lambda: sleep(HOUR))
    post: Step[PaidOrder, Shipped] = ship


assert_type(Config().pre >> paid >> Config().post, Step[Order, Shipped])


def with_pre(pre: Step[Order, Order] = nap) -> Step[Order, PaidOrder]:
    return pre >> paid


def build() -> Template[Order, Shipped]:
    return template("X", charge >> paid >> ship, key=order_key)


def build2() -> Step[Order, Order]:
    return sleep(HOUR)


def build3() -> Step[RushOrder, object]:
    return charge >> paid


def build4() -> Template[Order, PaidOrder | Invoice]:
    return template("X", any_of(paid, invoice), key=order_key)


def build5() -> Step[Order, Paid]:
    return listener(payments)


def build6() -> Step[Order, tuple[Order, Paid]]:
    return sleep(HOUR) & listener(payments)


def build7() -> Template[Order, Paid]:
    return template("X", listener(payments), key=order_key)


def build8() -> Template[Order, Order]:
    return template("X", sleep(HOUR), key=order_key)


def build9() -> Step[Order, tuple[Paid, bool]]:
    return listener(payments) & signal("x", bool)


def build10(flag: bool) -> Step[Order, PaidOrder | Invoice]:
    return paid if flag else invoice


def build11(flag: bool) -> Step[Order, PaidOrder]:
    return (sleep(HOUR) if flag else charge) >> paid


def build12(flag: bool) -> Step[Order, PaidOrder]:
    pre = sleep(HOUR) if flag else charge
    return charge >> pre >> paid


def build13(n: int) -> Step[Order, PaidOrder]:
    chain = charge
    for _ in range(n):
        chain = chain >> sleep(HOUR) >> charge
        chain >>= noon
    return chain >> paid


def build14(n: int) -> Step[Order, int]:
    @task
    def inner(o: Order) -> int:
        raise NotImplementedError

    return inner


reduced = functools.reduce(lambda a, b: a >> b, [charge, charge, charge])
assert_type(reduced, Step[Order, Order])
flows: dict[str, Step[Order, PaidOrder]] = {"a": paid, "b": charge >> paid, "c": sleep(HOUR) >> paid}
assert_type(flows["a"] >> ship, Step[Order, Shipped])
Flow: TypeAlias = Step[Order, T]
af: Flow[PaidOrder] = charge >> paid


# generic helpers
def mk_task(fn: Callable[[A], B]) -> Step[A, B]:
    return task(fn)


def mk_async(fn: Callable[[A], Awaitable[B]]) -> Step[A, B]:
    return task(retry=Retry())(fn)


def mk_command(topic: Topic[M], build: Callable[[A], M]) -> Step[A, A]:
    return command(topic)(build)


def mk_listener(topic: Topic[M], fold: Callable[[A, M], B]) -> Step[A, B]:
    return listener(topic)(fold)


def mk_listener2(topic: Topic[M], fold: Callable[[A, M], B | Again[A]]) -> Step[A, B]:
    return listener(topic)(fold)


def mk_on(topic: Topic[M], on: Callable[[A], str]) -> Step[A, M]:
    return listener(topic, on=on)


def mk_on2(topic: Topic[M], on: Callable[[A], str], fold: Callable[[A, M], B]) -> Step[A, B]:
    return listener(topic, on=on)(fold)


def mk_signal(name: str, t: type[M]) -> Step[object, M]:
    return signal(name, t)


def mk_wait(at: Callable[[A], datetime]) -> Step[A, A]:
    return wait_until(at)


def mk_or_sleep(step: Step[A, B]) -> Step[A, A | B]:
    return step | sleep(HOUR)


def mk_sleep_or(step: Step[A, B]) -> Step[A, A | B]:
    return sleep(HOUR) | step


def mk_and_sleep(step: Step[A, B]) -> Step[A, tuple[B, A]]:
    return step & sleep(HOUR)


def mk_sleep_and(step: Step[A, B]) -> Step[A, tuple[A, B]]:
    return sleep(HOUR) & step


def mk_and_listen(step: Step[A, B]) -> Step[A, tuple[B, Paid]]:
    return step & listener(payments)


def mk_and_listen2(step: Step[A, B]) -> Step[A, tuple[Paid, B]]:
    return listener(payments) & step


def mk_rec(step: Step[A, B], value: C) -> Step[A, B | C]:
    @task
    def give(failure: Failure[A]) -> C:
        return value

    return step.recover(give)


def mk_case2(fn: Callable[[A], K], v: K, step: Step[A, B], other: Step[A, C]) -> Step[A, B | C]:
    return switch(fn).case(v, step).otherwise(other)


def mk_proc(step: Step[A, B], f: Callable[[A], C]) -> Step[A, B | C]:
    return process("x", step, timeout=HOUR, otherwise=f)


def mk_proc2(step: Step[A, B], f: Step[A, C]) -> Step[A, B | C]:
    return process("x", step, timeout=HOUR, otherwise=f)


def mk_tpl(step: Step[A, B], f: Callable[[A], str]) -> Template[A, B]:
    return template("x", sleep(HOUR) >> step, key=f)


def mk_tpl_rec(t: Template[A, B], h: Step[Failure[A], C]) -> Step[A, B | C]:
    return t.recover(h)


def id_of(step: Step[A, A]) -> Step[A, A]:
    return step >> sleep(HOUR) >> step.named("again")


def order_only(step: Step[Order, B]) -> Step[Order, B]:
    return charge >> step


assert_type(order_only(raw_paid), Step[Order, Paid])
assert_type(order_only(any_of(raw_paid, invoice)), Step[Order, Paid | Invoice])
assert_type(order_only(record), Step[Order, int])
assert_type(order_only(log), Step[Order, None])
assert_type(order_only(order_workflow), Step[Order, Shipped])
assert_type(order_only(switch(k5).case("p", paid).case("q", total)), Step[Order, PaidOrder | int])
assert_type(order_only(paid & invoice), Step[Order, tuple[PaidOrder, Invoice]])
assert_type(mk_rec(charge, 1), Step[Order, Order | int])
StepT = TypeVar("StepT", bound=Step[Any, Any])


def tagged(step: StepT) -> StepT:
    return step


assert_type(tagged(charge), Step[Order, Order])
assert_type(tagged(nap) >> charge, Step[Order, Order])
assert_type(tagged(order_workflow), Template[Order, Shipped])
steps_set = {charge, paid, nap}
assert_type(charge in steps_set, bool)
assert_type(repr(charge), str)
assert_type(order_workflow.name, str)
assert_type(order_workflow.fingerprint(), str)
for name_, st_ in flows.items():
    assert_type(st_.named(name_), Step[Order, PaidOrder])
assert_type(rush >> any_of(paid, invoice), Step[Order, PaidOrder | Invoice])
assert_type(rush >> all_of(paid, invoice) >> join_two, Step[Order, Shipped])
assert_type(rush >> all_of(all_of(paid, invoice), total) >> log, Step[Order, None])


@task
def of_rush(r: RushOrder) -> Line:
    raise NotImplementedError


def rush_kind(r: RushOrder) -> Literal["x", "y"]:
    raise NotImplementedError


assert_type(
    switch(rush_kind).case("x", any_of(paid, invoice)).otherwise(of_rush), Step[RushOrder, PaidOrder | Invoice | Line]
)
assert_type(
    switch(rush_kind).case("x", of_rush).otherwise(any_of(paid, invoice)), Step[RushOrder, PaidOrder | Invoice | Line]
)
assert_type(of_rush | any_of(paid, invoice), Step[RushOrder, PaidOrder | Invoice | Line])
assert_type(any_of(paid, invoice) | of_rush, Step[RushOrder, PaidOrder | Invoice | Line])
assert_type(any_of(paid, any_of(invoice, total)), Step[Order, PaidOrder | Invoice | int])
assert_type(any_of(of_rush, any_of(of_rush, of_rush)), Step[RushOrder, Line])
assert_type(of_rush.recover(any_of(recover_order, recover_order)), Step[RushOrder, Line | Rejected])
assert_type(of_rush.timeout(HOUR, otherwise=any_of(paid, invoice)), Step[RushOrder, PaidOrder | Invoice | Line])
assert_type(
    process("P", of_rush, timeout=HOUR, otherwise=any_of(paid, invoice)), Step[RushOrder, PaidOrder | Invoice | Line]
)
assert_type(template("T", any_of(paid, invoice), key=order_key), Template[Order, PaidOrder | Invoice])
assert_type(template("T", all_of(paid, invoice), key=order_key), Template[Order, tuple[PaidOrder, Invoice]])
assert_type(process("T", all_of(paid, invoice)), Step[Order, tuple[PaidOrder, Invoice]])
assert_type(process("T", all_of(paid, nap)), Step[Order, tuple[PaidOrder, Order]])
assert_type(for_each(rushes, any_of(paid, invoice)), Step[Order, list[PaidOrder | Invoice]])
assert_type(
    for_each(rushes, template("T", any_of(paid, invoice), key=order_key)), Step[Order, list[PaidOrder | Invoice]]
)
assert_type(rush >> template("T", paid, key=order_key), Step[Order, PaidOrder])
assert_type(
    switch(rush_kind).case("x", template("T", paid, key=order_key)).otherwise(of_rush),
    Step[RushOrder, PaidOrder | Line],
)
assert_type(
    switch(rush_kind).case("x", process("T", paid, timeout=HOUR, otherwise=rejected)).otherwise(of_rush),
    Step[RushOrder, PaidOrder | Line | Rejected],
)


def of_order(step: Step[Order, B]) -> Step[Order, B]:
    raise NotImplementedError


def of_rush_order(step: Step[RushOrder, B]) -> Step[RushOrder, B]:
    raise NotImplementedError


assert_type(of_order(any_of(paid, invoice)), Step[Order, PaidOrder | Invoice])
assert_type(of_rush_order(any_of(paid, invoice)), Step[RushOrder, PaidOrder | Invoice])
assert_type(of_rush_order(template("T", paid, key=order_key)), Step[RushOrder, PaidOrder])
assert_type(probe(all_of(nap, nap)), tuple[object, tuple[object, object]])
assert_type(probe(all_of(raw_paid, nap)), tuple[object, tuple[Paid, object]])
assert_type(probe(all_of(nap, nap, paid)), tuple[Order, tuple[Order, Order, PaidOrder]])
assert_type(any_of(nap, nap) >> paid, Step[Order, PaidOrder])
assert_type(probe(all_of(nap, raw_paid, raw_signal)), tuple[object, tuple[object, Paid, bool]])
assert_type(probe(nap & raw_paid), tuple[object, tuple[object, Paid]])
body = all_of(sleep(HOUR), sleep(HOUR))
assert_type(template("W", body, key=order_key, takes=Order), Template[Order, tuple[object, object]])
assert_type(template("W", body, key=order_key), Template[Order, tuple[object, object]])
assert_type(charge >> body >> log, Step[Order, None])
assert_type(template("W", raw_paid >> receipt, key=lambda o: o.id, takes=Order), Template[Order, str])
assert_type(template("W", raw_paid >> receipt, key=order_key, takes=RushOrder), Template[RushOrder, str])


@task
def gives_any_thing(x: Order) -> Any:
    raise NotImplementedError


@task
def json_like(order: dict[str, Any]) -> dict[str, Any]:
    raise NotImplementedError


assert_type(gives_any_thing, Step[Order, Any])
assert_type(json_like, Step[dict[str, Any], dict[str, Any]])
assert_type(json_like >> json_like >> log, Step[dict[str, Any], None])
assert_type(Topic(name="X", type=Paid, key=paid_key), Topic[Paid])
assert_type(Topic(name="X", type=(Paid, Refused), key=lambda m: m.order_id), Topic[Paid | Refused])
assert_type(
    probe(all_of(paid, nap, invoice, nap, total, raw_paid, log, nap)),
    tuple[Order, tuple[PaidOrder, Order, Invoice, Order, int, Paid, None, Order]],
)
assert_type(any_of(raw_paid, raw_signal, invoice, nap), Step[Order, Paid | bool | Invoice | Order])
assert_type(
    at_least(3, nap, paid, nap, invoice, raw_paid, log, total, reference),
    Step[Order, list[Order | PaidOrder | Invoice | Paid | int | str | None]],
)
assert_type(sleep(HOUR).named("x").timeout(HOUR).retry(Retry()).then(to_rejected), Step[Order, Rejected])
assert_type(charge >> sleep(HOUR).named("x").timeout(HOUR).retry(Retry()) >> paid, Step[Order, PaidOrder])
assert_type(listener(payments).named("x").timeout(HOUR).retry(Retry()).then(rejection_of), Step[object, Rejected])
assert_type(
    charge >> listener(payments).named("x").timeout(HOUR).retry(Retry()).recover(recover_order) >> log,
    Step[Order, None],
)


@task
def gives_paid(o: Order) -> Paid:
    raise NotImplementedError


assert_type(probe(command(answers)), tuple[Paid | Refused, Paid | Refused])
assert_type(gives_paid >> command(answers) >> outcome, Step[Order, Shipped | Rejected])
assert_type(gives_paid >> command(payments) >> receipt, Step[Order, str])
assert_type(probe(paid & noon), tuple[Order, tuple[PaidOrder, Order]])
assert_type(probe(for_each(lines, pick) & total), tuple[Order, tuple[list[Picked], int]])
assert_type(switch(kind).otherwise(paid), Step[Order, PaidOrder])
payment = process("PAYMENT", charge >> paid)
shipping = process("SHIPPING", invoice, timeout=HOUR)
assert_type(probe(payment & shipping & nap), tuple[Order, tuple[PaidOrder, Invoice, Order]])
assert_type(
    template("T", payment >> process("SHIPPING", ship), key=lambda order: f"{order.id}"), Template[Order, Shipped]
)
assert_type(process("P", nap & paid) >> log, Step[Order, None])
assert_type(process("P", paid | nap) >> log, Step[Order, None])
assert_type(
    process("P", all_of(nap, paid), timeout=HOUR, otherwise=rejected), Step[Order, tuple[Order, PaidOrder] | Rejected]
)
assert_type(switch(kind).case("small", raw_paid >> receipt).otherwise(nap >> invoice), Step[Order, str | Invoice])
assert_type(switch(kind).case("small", process("P", nap)).otherwise(invoice), Step[Order, Order | Invoice])
assert_type(switch(kind).case("small", raw_paid | nap).otherwise(invoice), Step[Order, Paid | Order | Invoice])
assert_type(paid.timeout(HOUR, otherwise=raw_paid | nap), Step[Order, PaidOrder | Paid | Order])
assert_type(charge >> (raw_paid | nap).timeout(HOUR).named("n") >> paid_or_order, Step[Order, Shipped])
assert_type(for_each(lines, raw_paid | nap), Step[Order, list[Paid | Line]])
assert_type(template("T", sleep(HOUR) >> listener(payments) >> receipt, key=order_key), Template[Order, str])
assert_type(template("T", all_of(listener(payments), raw_signal), key=order_key), Template[Order, tuple[Paid, bool]])
assert_type((charge >> nap).then(to_rejected), Step[Order, Rejected])
assert_type((nap >> nap).then(to_rejected), Step[Order, Rejected])
assert_type((nap >> charge).recover(recover_order), Step[Order, Order | Rejected])
assert_type((nap >> raw_paid).recover(recover_order), Step[Order, Paid | Rejected])
assert_type((raw_paid & raw_signal).recover(recover_order), Step[Order, tuple[Paid, bool] | Rejected])
assert_type((raw_paid & raw_signal).timeout(HOUR, otherwise=to_rejected), Step[Order, tuple[Paid, bool] | Rejected])
assert_type(
    process("P", raw_paid & raw_signal, timeout=HOUR, otherwise=to_rejected), Step[Order, tuple[Paid, bool] | Rejected]
)


# --- a declared type beside what is inferred ---

order_events = Topic("OE", Order, key=lambda m: m.id)
assert_type(rush >> command(order_events) >> paid, Step[Order, PaidOrder])
assert_type(rush >> command(events) >> record, Step[Order, int])
assert_type(rush >> task(invoice_of), Step[Order, Invoice])
assert_type(rush >> listener(payments, on=order_key) >> receipt, Step[Order, str])
assert_type(rush >> listener(payments)(fold_paid), Step[Order, PaidOrder])
assert_type(rush >> command(charges)(build_charge) >> paid, Step[Order, PaidOrder])
declared_1: Step[Order, Paid | None] = listener(payments)
declared_2: Step[Order, object] = listener(payments)
declared_3: Step[Order, Paid | Refused | None] = listener(answers, on=order_key)
declared_4: Step[Order, bool | None] = signal("x", bool)
declared_5: Step[RushOrder, Event] = command(events)
declared_6: Step[Paid, Paid | Refused] = command(answers)
declared_7: Step[Order, Paid | Shipped] = listener(payments) | order_workflow
declared_8: Step[Order, tuple[object, object]] = listener(payments) & signal("y", bool)
declared_9: Step[RushOrder, object] = task(invoice_of)
declared_10: Step[RushOrder, Invoice | None] = task(retry=Retry())(invoice_of)
declared_11: Step[RushOrder, PaidOrder | None] = listener(payments)(fold_paid)
declared_12: Step[RushOrder, Order] = command(charges)(build_charge)
declared_13: Step[Order, list[Picked]] = for_each(lines, pick)
declared_14: Step[RushOrder, object] = for_each(lines, pick)
declared_15: Step[RushOrder, PaidOrder | int | None] = switch(kind).case("small", paid).otherwise(total)
declared_16: Step[RushOrder, PaidOrder | Rejected | None] = process("P", paid, timeout=HOUR, otherwise=rejected)
declared_17: Step[RushOrder, PaidOrder | Rejected | None] = paid.recover(recover_order)
declared_18: Step[RushOrder, PaidOrder | Rejected | None] = paid.timeout(HOUR, otherwise=to_rejected)
declared_19: Template[RushOrder, PaidOrder | None] = template("T", paid, key=order_key)
declared_20: Step[RushOrder, PaidOrder | None] = paid.named("x")
declared_21: Step[RushOrder, object] = charge >> paid >> ship
declared_22: Step[RushOrder, PaidOrder | Order | None] = paid | sleep(HOUR)
declared_23: Step[RushOrder, tuple[PaidOrder | None, Order]] = paid & sleep(HOUR)
declared_24: Step[RushOrder, tuple[PaidOrder | None, Order]] = all_of(paid, sleep(HOUR))
declared_25: Step[RushOrder, PaidOrder | Invoice | None] = any_of(paid, invoice)
declared_26: Step[Order, Order] = process("P", sleep(HOUR))


def given_back_1(topic: Topic[M]) -> Step[M, M]:
    return command(topic)


def given_back_2(topic: Topic[M]) -> Step[object, M]:
    return listener(topic)


def given_back_3(topic: Topic[M], step: Step[A, M]) -> Step[A, M]:
    return step >> command(topic)


def given_back_4(topic: Topic[M], step: Step[M, B]) -> Step[object, B]:
    return listener(topic) >> step


def given_back_5(a: Topic[A], b: Topic[B]) -> Step[A, B]:
    return command(a) >> listener(b)


def given_back_6(a: Topic[A], b: Topic[B], c: Topic[C]) -> Step[A, tuple[B, C]]:
    return command(a) >> (listener(b) & listener(c))


def given_back_7(a: Topic[A], b: Topic[B], c: Topic[C]) -> Step[A, B | C]:
    return command(a) >> (listener(b) | listener(c))


def given_back_8(a: Topic[A], b: Topic[B], c: Topic[C]) -> Step[A, B | C]:
    return command(a) >> any_of(listener(b), listener(c))


def given_back_9() -> Step[Order, Paid | Invoice]:
    return any_of(listener(payments), invoice)


def given_back_10() -> Step[Order, Paid | Invoice]:
    return listener(payments) | invoice


def given_back_11() -> Step[Order, tuple[Paid, Invoice | None]]:
    return all_of(listener(payments), invoice)


def given_back_12() -> Template[Order, Paid | Invoice]:
    return template("T", any_of(listener(payments), invoice), key=order_key)


def given_back_13() -> Template[Order, Paid | Invoice]:
    return template("T", listener(payments) | invoice, key=lambda o: o.id)


def given_back_14() -> Step[Order, Paid | Rejected]:
    return process("X", listener(payments), timeout=HOUR, otherwise=to_rejected)


def given_back_15() -> Step[Order, Paid | Rejected]:
    return listener(payments).timeout(HOUR, otherwise=to_rejected)


def given_back_16() -> Step[Order, Paid | Rejected]:
    return switch(kind).case("small", listener(payments)).otherwise(rejected)


def given_back_17() -> Step[Order, list[Paid | Rejected]]:
    return at_least(1, listener(payments), rejected)


declared_27: Step[Order, Paid | bool] = any_of(listener(payments), signal("x", bool))
declared_28: Step[Order, list[Paid | bool]] = at_least(1, listener(payments), signal("x", bool))
declared_29: Step[RushOrder, Order | Invoice] = any_of(command(order_events), invoice)
declared_30: Step[RushOrder, Order | Paid] = any_of(command(order_events), listener(payments))

declared_31: Step[Order, Order | Paid] = any_of(command(order_events), listener(payments))
declared_32: Step[RushOrder, Order | Paid] = any_of(command(order_events), listener(payments))
declared_33: Step[RushOrder, Order | PaidOrder] = any_of(command(order_events), paid)
declared_34: Step[Order, tuple[Order, Paid]] = all_of(command(order_events), listener(payments))
declared_35: Step[Order, tuple[Order, Paid]] = command(order_events) & listener(payments)
declared_36: Step[RushOrder, tuple[Order, Paid]] = command(order_events) & listener(payments)
declared_37: Step[Order, Paid] = command(order_events) >> listener(payments)
declared_38: Step[RushOrder, object] = command(order_events)
declared_39: Template[Order, Paid] = template("T", command(order_events) >> listener(payments), key=order_key)
declared_40: Template[Order, Order] = template("T", command(order_events), key=order_key)
declared_41: Step[Order, Order] = process("P", command(order_events))


def given_back_18() -> Step[Charge, Charge]:
    return command(charges)


def given_back_19() -> Step[Charge, Charge | Paid]:
    return command(charges) | listener(payments)


declared_42: Step[Order, Order | Paid] = command(order_events) | listener(payments)
declared_43: Step[Order, Order | Invoice] = command(order_events) | invoice
declared_44: Step[Order, Order | Invoice] = any_of(command(order_events), invoice)
declared_45: Step[Order, Order | Invoice] = any_of(invoice, command(order_events))


# --- engines ---

any_total = template("Totals", record, key=event_key)
answered_by = template("Answered", outcome, key=answer_key)
amend_event = signal("amend", Event)


def order_of(message: Charge) -> Order:
    return Order(message.order_id, message.total)


async def used(engine: dagger.Dagger, id: UUID) -> None:
    run = await engine.start(order_workflow, Order("o", 1))
    assert_type(run, Run[Shipped])
    assert_type(run.instance, Instance[Shipped])
    assert_type(await engine.wait(run), Instance[Shipped])
    assert_type((await engine.wait(run)).result, Shipped)
    assert_type(await engine.get_instance(run), Instance[Shipped])
    assert_type(await engine.wait("o"), Instance[Any])
    assert_type(await engine.wait(id), Instance[Any])
    assert_type(await engine.get_instance("o"), Instance[Any])
    assert_type(await engine.get_instance(id), Instance[Any])
    assert_type(await engine.instances(), Sequence[Instance[Any]])
    assert_type(await engine.start_all(order_workflow, [Order("o", 1)]), list[Run[Shipped]])
    for_any: Instance[object] = await engine.wait(run)
    assert_type(for_any.id, str)
    made = await engine.get_template(order_workflow).create_instance(None, Order("o", 1))
    assert_type(await engine.submit(made), Run[Shipped])
    by_name = await engine.get_template("OrderWorkflow", 1).create_instance("o", Order("o", 1))
    assert_type(await engine.submit(by_name), Run[Any])


async def signalled(engine: dagger.Dagger, run: Run[Shipped], id: UUID) -> None:
    await engine.signal(run, approved, True)
    await engine.signal("o", amended, Line("l"))
    await engine.signal(id, amended.named("other"), Line("l"))
    await engine.signal(run, raw_signal, False)
    await engine.signal(run, raw_signal.named("other"), False)
    await engine.signal(run, raw_signal(fold_yes), False)
    await engine.signal(run, amend_event, Order("o", 1))
    await engine.signal(run, "approve", True)
    await engine.signal("o", "whatever", object())


def fold_yes(order: Order, yes: bool) -> Invoice:
    return Invoice(order.total if yes else 0)


def starters(engine: dagger.Dagger) -> None:
    engine.start_on(order_events, order_workflow)
    engine.start_on(events, any_total)
    engine.start_on(order_events, any_total)  # of a wider type; refused at registration, where fields would be lost
    engine.start_on(answers, answered_by)
    engine.start_on(payments, answered_by)
    engine.start_on(charges, order_workflow, build=order_of)
    engine.start_on(charges, any_total, build=order_of)
    engine.start_on(charges, order_workflow, build=lambda charge: Order(charge.order_id, charge.total))


async def in_tests(engine: dagger.testing.TestEngine, run: Run[Shipped]) -> None:
    engine.start_on(charges, order_workflow, build=order_of)
    await engine.signal(run, amended, Line("l"))
    await engine.signal(run, "amend", Line("l"))
    assert_type(await engine.wait(run), Instance[Shipped])
    assert_type(await engine.wait("o"), Instance[Any])
    assert_type(engine.sent(answers), list[Paid | Refused])
    await engine.deliver(answers, Paid("o", "r"))


async def outside(engine: dagger.Dagger, several: list[Paid | Refused]) -> None:
    await engine.publish(answers, Paid("o", "r"))
    await engine.publish_all(answers, several, id=lambda message: message.order_id)
    async for message in engine.subscribe(answers, group="g"):
        assert_type(message, Paid | Refused)
    async for messages in engine.subscribe_batches(payments, group="g"):
        assert_type(messages, list[Paid])


def sent_by(step: Signal[A, B, T]) -> T:
    raise NotImplementedError


assert_type(sent_by(amended), Line)


# --- values ---

assert_type(Again(1), Again[int])
assert_type(Message("a"), Message[str])
assert_type(Failure(input=1, error="", path=""), Failure[int])
assert_type(charge == paid, bool)
assert_type(hash(charge), int)


# --- race, pure, fail, keep, recover(on=) ---


def why(order: Order) -> str:
    return order.id


def undone(failure: Failure[Order]) -> Rejected:
    return Rejected(failure.path)


def both_values(kept: tuple[Order, PaidOrder]) -> Shipped:
    return Shipped(kept[0].id)


def with_message(kept: tuple[Order, Paid]) -> Shipped:
    return Shipped(kept[0].id)


assert_type(race(paid, invoice), Step[Order, PaidOrder | Invoice])
assert_type(race(paid, invoice, total), Step[Order, PaidOrder | Invoice | int])
assert_type(race(charge >> paid, raw_signal), Step[Order, PaidOrder | bool])
assert_type(race(paid, nap), Step[Order, PaidOrder | Order])
assert_type(race(nap, nap) >> paid, Step[Order, PaidOrder])
assert_type(pure(undone), Step[Failure[Order], Rejected])
assert_type(charge >> pure(why), Step[Order, str])
assert_type(fail(why), Step[Order, Never])
assert_type(paid | fail(why), Step[Order, PaidOrder])
assert_type(switch(why).case("a", paid).otherwise(fail(why)), Step[Order, PaidOrder])
assert_type(keep(paid), Step[Order, tuple[Order, PaidOrder]])
assert_type(keep(paid | invoice), Step[Order, tuple[Order, PaidOrder | Invoice]])
assert_type(charge >> keep(paid), Step[Order, tuple[Order, PaidOrder]])
assert_type(keep(paid) >> task(both_values), Step[Order, Shipped])
assert_type(charge >> keep(raw_paid), Step[Order, tuple[Order, Paid]])
assert_type(charge >> keep(raw_paid) >> task(with_message), Step[Order, Shipped])
assert_type(keep(raw_paid) >> task(with_message), Step[Order, Shipped])
assert_type(keep(keep(paid)), Step[Order, tuple[Order, tuple[Order, PaidOrder]]])
assert_type(charge.recover(undone), Step[Order, Order | Rejected])
assert_type(charge.recover(undone, on=ValueError), Step[Order, Order | Rejected])
assert_type(charge.recover(recover_order, on=(BusinessError, TimeoutError)), Step[Order, Order | Rejected])
assert_type(raw_paid.recover(undone), Step[Order, Paid | Rejected])
assert_type(nap.recover(undone, on=OSError), Step[Order, Order | Rejected])
assert_type(paid.retry(Retry(on=BusinessError)), Step[Order, PaidOrder])


# compensate, on_stop

assert_type(paid.compensate(ship), Step[Order, PaidOrder])
assert_type(paid.compensate(ship, attempted=invoice), Step[Order, PaidOrder])
assert_type(paid.compensate(ship, attempted=None), Step[Order, PaidOrder])
assert_type(paid.compensate(log, attempted=log), Step[Order, PaidOrder])
assert_type(paid.compensate(nap, attempted=nap), Step[Order, PaidOrder])
assert_type(paid.compensate(nap >> ship, attempted=nap >> invoice), Step[Order, PaidOrder])
assert_type(paid.compensate(raw_paid, attempted=raw_paid), Step[Order, PaidOrder])
assert_type(paid.compensate(ship.compensate(log)).on_stop(invoice), Step[Order, PaidOrder])
assert_type(paid.on_stop(invoice).compensate(ship), Step[Order, PaidOrder])
assert_type(paid.on_stop(nap), Step[Order, PaidOrder])
assert_type(paid.on_stop(log), Step[Order, PaidOrder])
assert_type(raw_paid.compensate(receipt), Step[object, Paid])
assert_type(raw_paid.compensate(receipt, attempted=invoice), Step[Order, Paid])
assert_type(raw_paid.compensate(receipt, attempted=log), Step[object, Paid])
assert_type(raw_paid.on_stop(invoice), Step[Order, Paid])
assert_type(nap.compensate(invoice), Step[Order, Order])
assert_type(nap.compensate(invoice, attempted=rejected), Step[Order, Order])
assert_type(nap.on_stop(invoice), Step[Order, Order])
assert_type(nap.on_stop(nap) >> paid, Step[Order, PaidOrder])
assert_type(charge >> paid.compensate(ship) >> ship.on_stop(log), Step[Order, Shipped])
assert_type(all_of(paid.compensate(ship), invoice.on_stop(log)).named("N"), Step[Order, tuple[PaidOrder, Invoice]])
assert_type((paid & invoice).compensate(log), Step[Order, tuple[PaidOrder, Invoice]])
assert_type(any_of(paid.compensate(ship), invoice).on_stop(rejected), Step[Order, PaidOrder | Invoice])
assert_type(paid.compensate(ship).retry(Retry()).timeout(HOUR), Step[Order, PaidOrder])
assert_type(process("P", paid.compensate(ship)).recover(recover_order), Step[Order, PaidOrder | Rejected])


# Loops.


@task
async def ask_again(order: Order) -> PaidOrder | Again[Order]:
    raise NotImplementedError


@task
def maybe_again(order: Order) -> PaidOrder | Again[Order] | None:
    raise NotImplementedError


@task
async def amend(order: Order) -> Order:
    return order


def is_done(order: Order) -> bool:
    return True


def anew(order: Order) -> PaidOrder | Again[Order]:
    return Again(order)


assert_type(repeat(ask_again), Step[Order, PaidOrder])
assert_type(repeat(maybe_again, at_most=3), Step[Order, PaidOrder | None])
assert_type(repeat(amend >> ask_again), Step[Order, PaidOrder])
assert_type(repeat(charge >> amend.then(anew)), Step[Order, PaidOrder])
assert_type(repeat(amend >> pure(anew)).named("LOOP"), Step[Order, PaidOrder])
assert_type(repeat(amend, until=is_done), Step[Order, Order])
assert_type(repeat(charge >> amend, until=is_done, at_most=3), Step[Order, Order])
assert_type(repeat(any_of(ask_again, amend.then(anew))), Step[Order, PaidOrder])
assert_type(repeat(process("P", amend >> ask_again)), Step[Order, PaidOrder])
assert_type(repeat(nap >> ask_again), Step[Order, PaidOrder])
assert_type(repeat(nap, until=is_done), Step[Order, Order])
assert_type(repeat(repeat(amend, until=is_done) >> ask_again), Step[Order, PaidOrder])
assert_type(repeat(paid.timeout(HOUR, otherwise=amend.then(Again))), Step[Order, PaidOrder])
assert_type(repeat(amend & amend), Step[Order, tuple[Order, Order]])
assert_type(charge >> repeat(ask_again) >> pure(dispatch), Step[Order, Shipped])
assert_type(repeat(ask_again).timeout(HOUR, otherwise=why), Step[Order, PaidOrder | str])
assert_type(repeat(ask_again) | repeat(amend, until=is_done), Step[Order, PaidOrder | Order])
assert_type(probe(repeat(ask_again) & repeat(amend, until=is_done)), tuple[Order, tuple[PaidOrder, Order]])


# match


@task
def paid_or_not(order: Order) -> PaidOrder | Rejected:
    raise NotImplementedError


@task
def perhaps(order: Order) -> PaidOrder | None:
    raise NotImplementedError


@task
def a_method(order: Order) -> Method | list[Line]:
    raise NotImplementedError


@task
def of_rejected(rejection: Rejected) -> Invoice:
    raise NotImplementedError


@task
def of_nothing(nothing: None) -> bytes:
    raise NotImplementedError


@task
def of_method(chosen: Method) -> str:
    raise NotImplementedError


@task
def of_lines(found: list[Line]) -> str:
    raise NotImplementedError


def cannot(rejection: Rejected) -> str:
    return rejection.reason


either_way = match().case(PaidOrder, ship).case(Rejected, of_rejected)
assert_type(match(), Match[Never, Never])
assert_type(match().case(PaidOrder, ship), Match[PaidOrder, Shipped])
assert_type(either_way, Match[PaidOrder | Rejected, Shipped | Invoice])
assert_type(paid_or_not >> either_way, Step[Order, Shipped | Invoice])
assert_type(either_way >> log, Step[PaidOrder | Rejected, None])
assert_type(paid_or_not >> either_way.named("HOW") >> log, Step[Order, None])
assert_type(paid >> either_way, Step[Order, Shipped | Invoice])
assert_type(paid_or_not >> match().case(PaidOrder, ship).case(Rejected, fail(cannot)), Step[Order, Shipped])
assert_type(paid_or_not >> match().case(PaidOrder, sleep(HOUR)).case(Rejected, fail(cannot)), Step[Order, PaidOrder])
assert_type(paid_or_not >> match().case(PaidOrder, log).case(Rejected, of_rejected), Step[Order, None | Invoice])
assert_type(paid_or_not >> match().case(PaidOrder, raw_paid).case(Rejected, nap), Step[Order, Paid | Rejected])
assert_type(perhaps >> match().case(PaidOrder, ship).case(None, of_nothing), Step[Order, Shipped | bytes])
assert_type(perhaps >> match().case(None, of_nothing).case(PaidOrder, ship), Step[Order, bytes | Shipped])
assert_type(a_method >> match().case(Method, of_method).case(list[Line], of_lines), Step[Order, str])
assert_type(any_of(paid, invoice) >> match().case(PaidOrder, ship).case(Invoice, log), Step[Order, Shipped | None])
assert_type(race(paid, rejected) >> either_way, Step[Order, Shipped | Invoice])
assert_type(paid.recover(recover_order) >> either_way, Step[Order, Shipped | Invoice])
assert_type(paid.timeout(HOUR, otherwise=rejected) >> either_way, Step[Order, Shipped | Invoice])
assert_type(switch(kind).case("small", paid).otherwise(rejected) >> either_way, Step[Order, Shipped | Invoice])
assert_type(keep(either_way), Step[PaidOrder | Rejected, tuple[PaidOrder | Rejected, Shipped | Invoice]])
assert_type(paid_or_not >> keep(either_way), Step[Order, tuple[PaidOrder | Rejected, Shipped | Invoice]])
assert_type(paid_or_not >> either_way.retry(Retry()).timeout(HOUR), Step[Order, Shipped | Invoice])
assert_type(paid_or_not >> process("P", either_way), Step[Order, Shipped | Invoice])
assert_type(template("T", paid_or_not >> either_way, key=order_key), Template[Order, Shipped | Invoice])
assert_type(paid_or_not >> match().case(PaidOrder, ship >> log).case(Rejected, of_rejected >> log), Step[Order, None])


# What a message skips.


def reopened(paid: PaidOrder) -> Order:
    raise NotImplementedError


assert_type(skippable(amend, to=paid), Step[Order, PaidOrder])
assert_type(skippable(charge >> amend, to=paid_on), Step[Order, PaidOrder])
assert_type(skippable(amend, to=paid_or_again), Step[Order, PaidOrder])
assert_type(skippable(nap, to=paid), Step[Order, PaidOrder])
assert_type(skippable(nap >> amend, to=paid_or_again), Step[Order, PaidOrder])
assert_type(skippable(amend, to=raw_paid), Step[Order, Paid])
assert_type(skippable(amend, to=paid.named("payment")), Step[Order, PaidOrder])
assert_type(skippable(skippable(amend, to=paid) >> pure(reopened), to=paid), Step[Order, PaidOrder])
assert_type(charge >> skippable(amend, to=paid) >> pure(dispatch), Step[Order, Shipped])
assert_type(skippable(amend, to=paid).timeout(HOUR, otherwise=why), Step[Order, PaidOrder | str])
