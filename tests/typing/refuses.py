"""Mis-wirings, each refused by mypy and by pyright on the line where it is made. Checked, never run.

An ignore that has nothing to ignore is an error under both checkers: a line that is not refused any more fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Literal

from typing_extensions import TypeVar

import dagger
import dagger.testing
from dagger import (
    Again,
    Failure,
    Instance,
    Limit,
    Message,
    Retry,
    Run,
    Step,
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

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Event:
    id: str


@dataclass(frozen=True)
class Order(Event):
    total: int


@dataclass(frozen=True)
class Charge:
    order_id: str


@dataclass(frozen=True)
class Paid:
    order_id: str


@dataclass(frozen=True)
class Refused:
    order_id: str


@dataclass(frozen=True)
class Shipped:
    order_id: str


@dataclass(frozen=True)
class Line:
    sku: str


class Method(Enum):
    CARD = "card"
    CASH = "cash"


charges = Topic("CHARGES", Charge, key=lambda m: m.order_id)
payments = Topic("PAYMENTS", Paid, key=lambda m: m.order_id)
answers = Topic("ANSWERS", (Paid, Refused), key=lambda m: m.order_id)


# --- what is wired below ---


def order_key(order: Order) -> str:
    return order.id


def paid_key(message: Paid) -> str:
    return message.order_id


def build_charge(order: Order) -> Charge:
    return Charge(order.id)


def fold_paid(order: Order, message: Paid) -> Paid:
    return message


def ship_it(message: Paid) -> Shipped:
    return Shipped(message.order_id)


async def ship_later(message: Paid) -> Shipped:
    return Shipped(message.order_id)


def order_lines(order: Order) -> list[Line]:
    return [Line(order.id)]


def kind(order: Order) -> Literal["small", "large"]:
    return "small" if order.total < 10 else "large"


def method(order: Order) -> Method:
    return Method.CARD if order.total else Method.CASH


def is_large(order: Order) -> bool:
    return order.total > 10


@command(charges)
def charge(order: Order) -> Charge:
    return Charge(order.id)


@listener(payments)
def paid(order: Order, message: Paid) -> Paid:
    return message


@task
def ship(message: Paid) -> Shipped:
    return Shipped(message.order_id)


@task
async def reserve(order: Order) -> Line:
    return Line(order.id)


@task
def total(order: Order) -> int:
    return order.total


@task
def pick(line: Line) -> str:
    return line.sku


@task
def widen(order: Order) -> Event:
    return order


@task
def either(result: Paid | Line) -> None:
    raise NotImplementedError


@task
def pair(results: tuple[Paid, Line]) -> None:
    raise NotImplementedError


@task
def of_lines(results: list[Line]) -> None:
    raise NotImplementedError


@task
def recover_order(failure: Failure[Order]) -> Shipped:
    return Shipped(failure.input.id)


@task
def recover_paid(failure: Failure[Paid]) -> Shipped:
    return Shipped(failure.input.order_id)


@wait_until
def noon(order: Order) -> datetime:
    return datetime(2030, 1, order.total, tzinfo=UTC)


@task
def maybe_paid(order: Order) -> Paid | None:
    return Paid(order.id) if order.total else None


@task
def verdict(order: Order) -> Literal["good", "bad"]:
    return "good" if order.total else "bad"


@task
def only_good(result: Literal["good"]) -> str:
    return result


@task
def tell(order: Order) -> None:
    raise NotImplementedError


@task
def of_list(results: list[Paid]) -> None:
    raise NotImplementedError


@task
def of_six(results: tuple[Paid, Line, int, Paid, Line, str]) -> None:
    raise NotImplementedError


class Other(Enum):
    CARD = "card"


async def order_key_later(order: Order) -> str:
    return order.id


def optional_key(order: Order) -> str | None:
    return order.id or None


def float_key(order: Order) -> float:
    return order.total / 2


nap = sleep(HOUR)
raw_charge = command(charges)
raw_paid = listener(payments)
raw_answer = listener(answers)
raw_on = listener(payments, on=order_key)
raw_signal = signal("approve", bool)
order_template = template("ORDER", charge >> paid >> ship, key=order_key)


# --- one after the other ---

charge >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
paid >> charge  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
ship >> paid  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
total >> reserve  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
reserve >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
widen >> paid  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> paid >> charge  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> (paid >> reserve)  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> nap >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
nap >> charge >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
nap >> paid >> nap >> paid  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
nap >> nap >> paid >> total  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
raw_charge >> raw_paid >> charge  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
raw_charge >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
raw_paid >> reserve  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
raw_answer >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
raw_signal >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
raw_on >> total  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
paid >> raw_on  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
paid >> raw_charge  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
paid >> noon  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
noon >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> process("P", ship)  # type: ignore[arg-type]  # pyright: ignore[reportOperatorIssue]
process("P", paid) >> process("Q", reserve)  # type: ignore[arg-type]  # pyright: ignore[reportOperatorIssue]
process("P", nap) >> paid >> paid  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> order_template >> pick  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
paid >> order_template  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge.then_do(ship)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
nap.then_do(paid).then_do(total)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
charge.named("c") >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge.retry(Retry()) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge.timeout(HOUR) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
raw_paid.named("wait") >> reserve  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
raw_paid.timeout(HOUR) >> reserve  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
nap.named("n") >> paid >> reserve  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
maybe_paid >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
verdict >> only_good  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
tell >> total  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> tell >> paid  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> maybe_paid >> either  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
(charge >> paid >> nap >> ship) >> order_template  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
(charge >> nap) >> (ship >> nap)  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge.retry(Retry()).timeout(HOUR).named("c") >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
raw_paid >> raw_charge  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
raw_answer.named("a") >> nap >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]

# what is no step
charge >> fold_paid  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> ship_it  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
build_charge >> paid  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
paid >> ship_later  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> payments  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
payments >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> paid >> "ship"  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> None  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> (paid, ship)  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> task  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> Charge  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge & build_charge  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge | build_charge  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
build_charge & charge  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge & charges  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge | payments  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
nap >> build_charge  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
nap & build_charge  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
nap | build_charge  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
raw_paid >> ship_it  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> order_key  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> [paid, ship]  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> 5  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge + paid  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
paid << charge  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge and charge >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge(Order("o", 1))  # type: ignore[operator]  # pyright: ignore[reportCallIssue]
charge >> ship_later(Paid("o"))  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> switch  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> nap(HOUR)  # type: ignore[operator]  # pyright: ignore[reportCallIssue]
task(charge)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
task(retry=Retry())(charge)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
command(charges)(charge)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]


# --- side by side ---

paid & ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
ship & paid  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
paid | ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
ship | paid  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
paid & reserve & ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
paid | reserve | ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
ship & (paid & reserve)  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
nap & paid & ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
paid & nap & ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
nap | paid | ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
raw_paid & paid & ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
raw_paid | paid | ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
raw_on & ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
raw_charge & paid  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
raw_charge | paid  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
order_template & ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
all_of(paid, ship)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
all_of(ship, paid)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
all_of(paid, reserve, ship)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
all_of(paid, ship, reserve)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
all_of(ship, paid, reserve)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
all_of(nap, paid, ship)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
all_of(raw_paid, paid, ship)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
all_of(raw_charge, paid)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
all_of(paid, reserve, total, paid, reserve, total, paid, ship)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
any_of(paid, ship)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
any_of(paid, reserve, ship)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
any_of(nap, paid, ship)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
any_of(raw_answer, paid, ship)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
any_of(raw_on, ship)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
at_least(1, paid, ship)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
at_least(2, paid, reserve, ship)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
at_least(1, nap, paid, ship)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
all_of(paid)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
all_of()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
any_of(paid)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
at_least(1, paid)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
at_least(paid, reserve)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
at_least("2", paid, reserve, total)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
at_least(1.5, paid, reserve)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
all_of([paid, reserve])  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
all_of(paid, ship_it)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
any_of(fold_paid, paid)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
any_of(paid, payments)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
at_least(1, paid, build_charge)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
charge >> all_of(ship, ship)  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> any_of(ship, ship)  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> (ship & ship)  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]

# what comes after a group
(paid & reserve) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
(paid & reserve) >> either  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
(reserve & paid) >> pair  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
(paid & reserve & total) >> pair  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
(paid & nap) >> pair  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
all_of(paid, total) >> pair  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
all_of(paid, reserve, total) >> pair  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
(paid | reserve) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
(paid | total) >> either  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
(paid | nap) >> either  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
(nap | paid) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
any_of(paid, reserve, total) >> either  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
(raw_paid | total) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> (raw_paid | nap) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> any_of(raw_paid, nap) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
at_least(1, paid, reserve) >> either  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
at_least(1, paid, reserve) >> of_list  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
at_least(1, paid, nap) >> of_list  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
(paid & reserve & total & paid & reserve & total) >> of_six  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
all_of(paid, reserve, total, paid, reserve, total) >> of_six  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
(paid & (reserve & total)) >> pair  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
((paid & reserve).named("both") & total) >> pair  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
any_of(paid, reserve).then(ship_it)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
all_of(paid, reserve).then(ship_it)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
at_least(1, paid, reserve).then(ship_it)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
charge >> all_of(paid, reserve) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> process("P", paid & reserve) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> (paid | reserve).named("first") >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> (raw_paid & raw_signal) >> pair  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> all_of(raw_paid, raw_signal) >> pair  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> (nap & raw_paid) >> pair  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
at_least(1, paid, paid) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]


# --- commands ---


@command(charges)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def builds_another(order: Order) -> Paid:
    return Paid(order.id)


@command(charges)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def builds_none(order: Order) -> None:
    raise NotImplementedError


@command(charges)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def builds_maybe(order: Order) -> Charge | None:
    return Charge(order.id) if order.total else None


@command(charges)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def builds_others(order: Order) -> list[Paid]:
    return [Paid(order.id)]


@command(charges)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def builds_another_envelope(order: Order) -> Message[Paid]:
    return Message(Paid(order.id))


@command(charges)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
async def builds_later(order: Order) -> Charge:
    return Charge(order.id)


@command(charges)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def builds_from_two(order: Order, line: Line) -> Charge:
    return Charge(order.id + line.sku)


@command(charges)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def builds_from_nothing() -> Charge:
    return Charge("")


@command(answers)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def answers_another(order: Order) -> Charge:
    return Charge(order.id)


@command  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def no_topic(order: Order) -> Charge:
    return Charge(order.id)


command(charges)(fold_paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
command(payments)(build_charge)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
command("CHARGES")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
command(Charge)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
command(raw_paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Message(Charge("o"), headers={"n": 1})  # type: ignore[dict-item]  # pyright: ignore[reportArgumentType]
Message(Charge("o"), key=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- listeners and signals ---


@listener(payments)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def folds_another(order: Order, message: Charge) -> Paid:
    return Paid(message.order_id + order.id)


@listener(answers)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def folds_a_part(order: Order, message: Paid) -> Paid:
    return message


@listener(payments)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def folds_one(message: Paid) -> Paid:
    return message


@listener(payments)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def folds_backwards(message: Paid, order: Order) -> Paid:
    return message


@listener(payments)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def again_another(order: Order, message: Paid) -> Paid | Again[Paid]:
    return Again(message)


@listener(payments)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def again_wider(order: Order, message: Paid) -> Paid | Again[Event]:
    return Again(order)


@listener(payments)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def again_text(order: Order, message: Paid) -> Again[str] | Paid:
    return message


@listener(payments, on=paid_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def on_another(order: Order, message: Paid) -> Paid:
    return message


@listener(payments, on=order_key)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def on_again_another(order: Order, message: Paid) -> Paid | Again[Paid]:
    return message


@listener(payments, on=order_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def on_folds_another(order: Order, message: Refused) -> Refused:
    return message


@listener(payments, by=order_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def by_another(order: Order, message: Paid) -> Paid:
    return message


@signal("approve", bool)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def signal_another(order: Order, value: Line) -> Order:
    return order


@signal("approve", bool)  # type: ignore[type-var]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def signal_again_another(order: Order, value: bool) -> Line | Again[Line]:
    return Line(order.id)


listener(payments, by=order_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
listener(answers, by=paid_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
listener(payments, on="order_id")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
listener(payments, by=1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
listener("PAYMENTS")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
listener(raw_charge)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
listener(charges)(fold_paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
raw_paid(build_charge)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
signal("approve")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
signal("approve", True)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
signal(bool, "approve")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
raw_signal(fold_paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
charge >> listener(payments, on=paid_key)  # type: ignore[arg-type]  # pyright: ignore[reportOperatorIssue]


# --- tasks, sleeps, waits ---


@task  # type: ignore[arg-type, type-var]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def takes_nothing() -> Line:
    return Line("")


@task  # type: ignore[arg-type, type-var]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def takes_two(order: Order, line: Line) -> Line:
    return line if order.total else line


@task(retry=3)  # type: ignore[call-overload, untyped-decorator]  # pyright: ignore[reportArgumentType]
def retried_by_number(order: Order) -> Line:
    return Line(order.id)


@task(timeout=60)  # type: ignore[call-overload, untyped-decorator]  # pyright: ignore[reportArgumentType]
def timed_by_number(order: Order) -> Line:
    return Line(order.id)


@task(limit=3)  # type: ignore[call-overload, untyped-decorator]  # pyright: ignore[reportArgumentType]
def limited_by_number(order: Order) -> Line:
    return Line(order.id)


@task(limit=Limit("bank", "3"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def limited_by_text(order: Order) -> Line:
    return Line(order.id)


@task(retry=Retry(attempts="3"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
def retried_by_text(order: Order) -> Line:
    return Line(order.id)


@task(attempts=3)  # type: ignore[call-overload, untyped-decorator]  # pyright: ignore[reportCallIssue, reportUntypedFunctionDecorator]
def attempted(order: Order) -> Line:
    return Line(order.id)


@wait_until  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def never(order: Order) -> str:
    return order.id


@wait_until  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def in_a_while(order: Order) -> timedelta:
    return HOUR * order.total


@wait_until  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
def maybe(order: Order) -> datetime | None:
    return datetime(2030, 1, order.total, tzinfo=UTC) if order.total else None


@wait_until  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUntypedFunctionDecorator]
async def later(order: Order) -> datetime:
    return datetime(2030, 1, order.total, tzinfo=UTC)


sleep(60)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
sleep("1h")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
sleep()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
sleep(order_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
wait_until(datetime(2030, 1, 1, tzinfo=UTC))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
task(42)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
task(Retry())  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
Retry(attempts="3")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Retry(first=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Retry(on=ValueError("x"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Retry(jitter="some")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
Retry(tries=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


# --- then, retry, timeout, recover, named ---

paid.then(order_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
charge.then(ship_it)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
paid.then(fold_paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
paid.then(ship)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
paid.then("receipt")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
paid.then(ship_it).then(ship_it)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
raw_paid.then(order_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
raw_charge.then(paid_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
(paid | reserve).then(ship_it)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
(paid & reserve).then(ship_it)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
charge >> nap.then(ship_it)  # type: ignore[arg-type]  # pyright: ignore[reportOperatorIssue]
paid.then(lambda message: message.receipt)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType, reportUnknownMemberType]
paid.retry(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
paid.retry()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
paid.retry(attempts=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
nap.retry(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
raw_paid.retry(HOUR)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
paid.timeout(60)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
paid.timeout("1h")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
paid.timeout()  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
nap.timeout(60)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
paid.timeout(HOUR, otherwise=ship)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
paid.timeout(HOUR, otherwise=ship_it)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
paid.timeout(HOUR, otherwise=Shipped("o"))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
paid.timeout(HOUR, ship_it)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
paid.timeout(otherwise=order_key)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
raw_charge.timeout(HOUR, otherwise=order_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
raw_on.timeout(HOUR, otherwise=ship_it)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
(charge >> paid).timeout(HOUR, otherwise=ship) >> ship  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
paid.timeout(HOUR, otherwise=order_key) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
raw_paid.timeout(HOUR, otherwise=total) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
nap.timeout(HOUR, otherwise=ship_it) >> paid  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge.recover(recover_paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
charge.recover(reserve)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
charge.recover(ship_it)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
charge.recover(total)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
charge.recover()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
charge.recover(nap >> recover_paid)  # type: ignore[operator]  # pyright: ignore[reportArgumentType]
(charge >> paid).recover(recover_paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
raw_charge.recover(recover_order)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
raw_on.recover(recover_paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
raw_paid.recover(reserve)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
nap.recover(reserve)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
paid.recover(recover_order) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
nap.recover(recover_order) >> paid  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge.recover(nap) >> paid  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge.named(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
charge.named()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
nap.named(None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- processes ---

process("P")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
process(charge)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
process(1, charge)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
process("P", build_charge)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
process("P", payments)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
process("P", charge, paid)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
process("P", paid, timeout=60)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
process("P", paid, otherwise=order_key)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
process("P", paid, timeout=None, otherwise=order_key)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
process("P", paid, timeout=HOUR, otherwise=ship_it)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
process("P", paid, timeout=HOUR, otherwise=ship)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
process("P", paid, timeout=HOUR, otherwise="late")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
process("P", charge >> paid, timeout=HOUR, otherwise=recover_order)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
process("P", raw_charge, timeout=HOUR, otherwise=total)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
process("P", nap, timeout=60)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
process("P", paid, timeout=HOUR, otherwise=total) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
process("P", nap, timeout=HOUR, otherwise=total) >> paid  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
process("P", charge >> ship)  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnknownArgumentType]


# --- switches ---

switch(kind).case("medium", paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(kind).case("small", paid).case("big", reserve)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(kind).case(1, paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(kind).case(None, paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(method).case("card", paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(method).case(Method, paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(is_large).case("yes", paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(method).case(Other.CARD, paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(method).case(Method.CARD.value, paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(is_large).case(1, paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(is_large).case(None, paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(order_key_later).case("small", paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(kind).case("small", ship)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(kind).case("small", paid).case("large", ship)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(kind).case("small", paid).otherwise(ship)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(kind).case("small", build_charge)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(kind).case("small", paid).otherwise(build_charge)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(kind).case("small", nap).case("large", ship)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(kind).case("small", raw_charge)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(kind).case("small")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
switch(kind).otherwise()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
switch("kind")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
switch(charge)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
paid >> switch(kind).case("small", paid).otherwise(reserve)  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
switch(kind).case("small", paid).case("large", reserve) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
switch(kind).case("small", paid).otherwise(reserve) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
switch(kind).case("small", paid).otherwise(nap) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
switch(kind).case("small", paid).otherwise(nap) >> either  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
switch(kind).case("small", nap).case("large", paid) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
switch(kind).case("small", paid).otherwise(reserve).case("large", paid)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]


# --- for_each ---

for_each(order_lines, paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
for_each(order_lines, ship_it)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
for_each(order_lines, reserve)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
for_each(order_lines)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
for_each(order_key, total)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
for_each([Line("a")], pick)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
for_each(pick, order_lines)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
for_each(order_lines, pick, collect=True, enough=2)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
for_each(order_lines, pick, enough="2")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
for_each(order_lines, pick, collect=True) >> of_lines  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
all_of(paid, reserve, collect=True) >> pair  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
all_of(paid, ship, collect=True)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
for_each(is_large, pick)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
for_each(order_lines, pick, limit="2")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
for_each(order_lines, pick, 2)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
for_each(order_lines, raw_charge)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
for_each(order_lines, nap >> paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
paid >> for_each(order_lines, pick)  # type: ignore[arg-type]  # pyright: ignore[reportOperatorIssue]
for_each(order_lines, pick) >> pick  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
for_each(order_lines, nap) >> pair  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
for_each(order_lines, pick).then(order_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# --- templates ---

template("T", charge, key=paid_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
template("T", charge >> paid, key=paid_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
template("T", charge >> paid)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
template("T", charge >> paid, order_key)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
template("T", charge, key="id")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
template("T", charge, key=order_key_later)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
template("T", charge, key=optional_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
template("T", charge, key=float_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
template("T", charge, key=lambda order: order)  # type: ignore[arg-type, return-value]  # pyright: ignore[reportArgumentType, reportCallIssue]
template("T", charge, key=total)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
template("T", charges, key=order_key)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
template("T", nap, key=order_key, takes=Paid)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
template("T", body=charge, key=order_key, name="T")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
template("T", charge, key=order_key, version="1")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
template("T", charge, key=order_key, takes=Paid)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
template("T", raw_charge, key=order_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
template("T", raw_on, key=paid_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
template("T", nap >> paid, key=paid_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
template("T", build_charge, key=order_key)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
template("T", paid & reserve, key=paid_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
template("T", paid & ship, key=order_key)  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnknownArgumentType]
template("T", all_of(paid, reserve), key=paid_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
template("T", switch(kind).case("small", paid).otherwise(reserve), key=paid_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
template("T", charge, key=lambda order: order.number)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType, reportUnknownMemberType]
template(1, charge, key=order_key)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
template("T", charge >> ship, key=order_key)  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue, reportUnknownArgumentType]
template("T", nap, key=order_key) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
template("T", raw_paid, key=order_key) >> reserve  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
ship >> order_template  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]


# --- topics ---

Topic("T", Paid)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
Topic("T", Paid, key=order_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
Topic("T", Paid, key="order_id")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
Topic("T", Paid, key=lambda m: m.number)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType, reportUnknownMemberType]
Topic("T", (Paid, Refused), key=paid_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
Topic("T", (Paid, Refused), key=lambda m: m.number)  # type: ignore[union-attr]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownLambdaType, reportUnknownMemberType]
Topic("T", Paid("o"), key=paid_key)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
Topic("T", "Paid", key=paid_key)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
Topic("T", [Paid, Refused], key=paid_key)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
Topic(1, Paid, key=paid_key)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
Topic("T", Paid, key=paid_key, partition_key=order_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
Topic("T", Paid, key=paid_key, encode_key=1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
Topic("T", Paid, key=paid_key, codec="json")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
Topic("T", (Paid, Refused), key=lambda m: m.order_id, partition_key=order_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
Topic[Charge]("T", Paid, key=paid_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]


# --- what is declared ---

wrong_result: Step[Order, Shipped] = charge >> paid  # type: ignore[operator]  # pyright: ignore[reportAssignmentType]
wrong_input: Step[Paid, Paid] = charge >> paid  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
wider_input: Step[Event, Paid] = paid  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
narrower_result: Step[Order, Order] = widen  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
wrong_tuple: Step[Order, tuple[Line, Paid]] = paid & reserve  # type: ignore[operator]  # pyright: ignore[reportAssignmentType]
short_tuple: Step[Order, tuple[Paid, Line]] = paid & reserve & total  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
nested_tuple: Step[Order, tuple[tuple[Paid, Line], int]] = paid & reserve & total  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
wrong_words: Step[Order, tuple[Line, Paid]] = all_of(paid, reserve)  # type: ignore[arg-type, assignment]  # pyright: ignore[reportAssignmentType]
wrong_union: Step[Order, Paid] = paid | reserve  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
wrong_any: Step[Order, Paid | int] = any_of(paid, reserve)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
wrong_list: Step[Order, list[Paid]] = at_least(1, paid, reserve)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
wrong_items: Step[Order, list[int]] = for_each(order_lines, pick)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
wrong_switch: Step[Order, Paid] = switch(kind).case("small", paid).otherwise(reserve)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
wrong_recover: Step[Order, Order] = charge.recover(recover_order)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
wrong_timeout: Step[Order, Paid] = paid.timeout(HOUR, otherwise=total)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
wrong_raw: Step[Order, Refused] = raw_answer  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
wrong_raw_command: Step[Order, Order] = raw_charge  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
wrong_template: Template[Paid, Shipped] = order_template  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
wrong_template_result: Template[Order, Paid] = order_template  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
no_template: Template[Order, Paid] = charge >> paid  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
wrong_topic: Topic[Charge] = payments  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
wrong_new_topic: Topic[Charge] = Topic("T", Paid, key=paid_key)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
wrong_part: Topic[Paid] = answers  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
wrong_process: Step[Order, Shipped] = process("P", charge >> paid)  # type: ignore[operator]  # pyright: ignore[reportAssignmentType]
wrong_named: Step[Order, Shipped] = paid.named("p")  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
wrong_then: Step[Order, Line] = paid.then(ship_it)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
wrong_signal: Step[Order, int | str] = raw_signal >> raw_paid  # type: ignore[operator]  # pyright: ignore[reportAssignmentType]
wrong_steps: list[Step[Order, Paid]] = [paid, reserve]  # type: ignore[list-item]  # pyright: ignore[reportAssignmentType]
function_as_step: Step[Order, Charge] = build_charge  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


# --- helpers that users write ---


def audited(step: Step[A, B]) -> Step[A, B]:
    return step.retry(Retry()).timeout(HOUR)


def joined(first: Step[A, B], second: Step[B, C]) -> Step[A, C]:
    return first >> second


def keyed(step: Step[A, B], key: Callable[[A], str]) -> Template[A, B]:
    return template("T", step, key=key)


def backwards(first: Step[A, B], second: Step[B, C]) -> Step[A, C]:
    return second >> first  # type: ignore[operator, return-value]  # pyright: ignore[reportReturnType]


def wrong_way(first: Step[A, B], second: Step[A, C]) -> Step[A, tuple[B, C]]:
    return second & first  # type: ignore[no-any-return, operator]  # pyright: ignore[reportReturnType]


def loses_one(first: Step[A, B], second: Step[A, C]) -> Step[A, B]:
    return first | second  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


def other_inputs_in_words(first: Step[A, B], second: Step[C, B]) -> Step[A, B]:
    return any_of(first, second)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue, reportUnknownVariableType]


def any_step(step: Step[Any, Any]) -> None:
    raise NotImplementedError


audited(charge >> paid) >> reserve  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
audited(build_charge)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
audited(payments)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
joined(charge, ship)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
joined(paid, ship) >> paid  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
keyed(charge, paid_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
audited(nap >> paid) >> reserve  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
audited(paid & reserve) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
audited(order_template) >> pick  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
audited(paid | reserve) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
any_step(build_charge)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
any_step(payments)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
charge >> audited(raw_paid) >> reserve  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]


# --- engines ---

order_topic = Topic("ORDERS", Order, key=order_key)
event_topic = Topic("EVENTS", Event, key=lambda m: m.id)
part_template = template("PART", ship, key=paid_key)


@signal("decide", Line)
def decided(order: Order, line: Line) -> Paid:
    return Paid(order.id)


def order_of(charge: Charge) -> Order:
    return Order(charge.order_id, 1)


async def order_later(charge: Charge) -> Order:
    return Order(charge.order_id, 1)


def perhaps_order(charge: Charge) -> Order | None:
    return None


def starters(engine: dagger.Dagger, kit: dagger.testing.TestEngine) -> None:
    engine.start_on(charges, order_template)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    engine.start_on(event_topic, order_template)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    engine.start_on(answers, part_template)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    engine.start_on(order_topic, charge)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    engine.start_on(order_topic, build_charge)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    engine.start_on(order_template, order_topic)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    engine.start_on("ORDERS", order_template)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
    engine.start_on(payments, order_template, build=order_of)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    engine.start_on(charges, part_template, build=order_of)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    engine.start_on(charges, order_template, build=order_later)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    engine.start_on(charges, order_template, build=perhaps_order)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
    engine.start_on(charges, order_template, build=lambda message: Paid(message.order_id))  # type: ignore[arg-type, return-value]  # pyright: ignore[reportArgumentType, reportCallIssue]
    kit.start_on(charges, order_template)  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    kit.start_on(charges, part_template, build=order_of)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]


async def signals(engine: dagger.Dagger, kit: dagger.testing.TestEngine, run: Run[Shipped]) -> None:
    await engine.signal(run, decided, True)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await engine.signal("o", decided, None)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await engine.signal("o", decided, Order("o", 1))  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await engine.signal("o", decided.named("other"), True)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await engine.signal("o", raw_signal, "yes")  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await engine.signal("o", charge, True)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await engine.signal("o", order_topic, Order("o", 1))  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await engine.signal("o", decided)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    await kit.signal(run, decided, True)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await kit.signal(run, raw_signal, "yes")  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]


async def results(engine: dagger.Dagger, kit: dagger.testing.TestEngine, run: Run[Shipped]) -> None:
    _waited: Instance[Paid] = await engine.wait(run)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    _found: Instance[Paid] = await engine.get_instance(run)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    _result: Paid = (await engine.wait(run)).result  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
    _in_test: Instance[Paid] = await kit.wait(run)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    await engine.wait(1)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
    await engine.get_template(order_template).create_instance(None, Line("l"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    _started: Run[Line] = await engine.start(order_template, Order("o", 1))  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]


async def messages(engine: dagger.Dagger, kit: dagger.testing.TestEngine) -> None:
    await engine.publish(charges, Order("o", 1))  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    await engine.publish_all(charges, [Order("o", 1)])  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    await kit.deliver(charges, Order("o", 1))  # type: ignore[misc]  # pyright: ignore[reportArgumentType]
    _sent: list[Order] = kit.sent(charges)  # type: ignore[arg-type]  # pyright: ignore[reportAssignmentType]
    async for message in engine.subscribe(charges, group="g"):
        _wrong: Order = message  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]


# --- race, pure, fail, keep, recover(on=) ---


def how_many(order: Order) -> int:
    return 1


def ship_why(message: Paid) -> str:
    return message.order_id


def undone(failure: Failure[Order]) -> Order:
    return failure.input


race(paid, ship)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
race(paid)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
race(paid, fold_paid)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
charge >> race(ship, ship)  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
pure(fold_paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
pure(paid)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
charge >> pure(ship_it)  # type: ignore[arg-type]  # pyright: ignore[reportOperatorIssue]
fail(how_many)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
charge >> fail(ship_why)  # type: ignore[arg-type]  # pyright: ignore[reportOperatorIssue]
keep(ship_it)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
keep(paid) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
charge >> keep(ship)  # type: ignore[arg-type]  # pyright: ignore[reportOperatorIssue]
charge.recover(undone, on=ValueError("x"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
charge.recover(undone, on="ValueError")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
(charge >> paid).recover(ship_it, on=ValueError)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
charge.recover(undone, OSError)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
paid.compensate(reserve)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
paid.compensate(ship, attempted=ship)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
paid.compensate(reserve, attempted=reserve)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
paid.compensate(ship_why)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]
paid.compensate(ship, reserve)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
(reserve & paid).compensate(pick)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
reserve.on_stop(pick)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
reserve.on_stop(how_many)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
charge >> reserve.on_stop(reserve) >> ship  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
sleep(HOUR).compensate(reserve, attempted=pick)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]


def is_cheap(order: Order) -> bool:
    return True


repeat(charge, until=ship_it)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
repeat(ship, until=is_cheap)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
repeat(charge, until=True)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
repeat(charge, is_cheap)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
repeat(charge, until=is_cheap, at_most="3")  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
ship >> repeat(charge, until=is_cheap)  # type: ignore[arg-type]  # pyright: ignore[reportOperatorIssue]


# --- match ---


@task
def paid_or_refused(order: Order) -> Paid | Refused:
    raise NotImplementedError


@task
def one_of_three(order: Order) -> Paid | Refused | Shipped:
    raise NotImplementedError


@task
def paid_or_none(order: Order) -> Paid | None:
    raise NotImplementedError


@task
def of_refused(message: Refused) -> str:
    raise NotImplementedError


matched = match().case(Paid, ship).case(Refused, of_refused)
one_of_three >> matched  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
paid_or_none >> matched  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
reserve >> matched  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
paid_or_refused >> match().case(Paid, ship)  # type: ignore[arg-type]  # pyright: ignore[reportOperatorIssue]
paid_or_refused >> match().case(Refused, of_refused)  # type: ignore[arg-type]  # pyright: ignore[reportOperatorIssue]
paid_or_refused >> match()  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
paid_or_refused >> matched >> of_refused  # type: ignore[operator]  # pyright: ignore[reportOperatorIssue]
match().case(Paid, of_refused)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
match().case(None, ship)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
match().case(Literal["a"], ship)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
match().case(Paid | Refused, ship)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]
match().case("Paid", ship)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
match().case(Paid("o-1"), ship)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
match().case(Paid, ship_it)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
match().case(Paid)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
match(Paid)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
matched.otherwise(ship)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
template("T", matched, key=order_key)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType, reportCallIssue]

skippable(ship, to=paid)  # type: ignore[misc]  # pyright: ignore[reportArgumentType, reportCallIssue]
skippable(charge, to=ship_it)  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType, reportCallIssue]
skippable(charge, paid)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
skippable(charge)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
