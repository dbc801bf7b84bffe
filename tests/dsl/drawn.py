"""The templates that the tests of the drawings draw: one for each construct, and one with everything."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum

from dagger import (
    Again,
    Failure,
    Retry,
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
from dagger.dsl.nodes import Chain, Node

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Order:
    order_id: str
    total: int


class Size(Enum):
    SMALL = 1
    LARGE = 2


def key(order: Order) -> str:
    return order.order_id


def at_noon(order: Order) -> datetime:
    return datetime(2030, 1, 1, 12, tzinfo=UTC)


def size(order: Order) -> Size:
    return Size.LARGE


def kind(order: Order) -> str:
    return "x"


def lines(order: Order) -> list[Order]:
    return [order]


def first(orders: tuple[Order, ...]) -> Order:
    return orders[0]


def first_of(orders: list[Order]) -> Order:
    return orders[0]


def step(name: str) -> Step[Order, Order]:
    return task(same).named(name)


def same(order: Order) -> Order:
    return order


commands = Topic("PAYMENT_COMMAND", Order, key=key)
replies = Topic("PAYMENT_LISTENER", Order, key=key)


@command(commands)
def charge(order: Order) -> Order:
    return order


@listener(replies)
def paid(order: Order, message: Order) -> Order:
    return order


@listener(replies, on=key, by=key)
def paid_back(order: Order, message: Order) -> Order:
    return order


@signal("approval", Order)
def approved(order: Order, given: Order) -> Order:
    return given


@task(retry=Retry(attempts=5, jitter=0.1, on=(OSError, ValueError)), timeout=timedelta(seconds=90))
async def ship(order: Order) -> Order:
    return order


@task
def refund(failure: Failure[Order]) -> Order:
    return failure.input


def named(name: str, body: Step[Order, object]) -> Template[Order, object]:
    return template(name, body, key=key)


leaves = named(
    "Leaves",
    command(commands)
    >> charge
    >> listener(replies)
    >> paid_back
    >> approved
    >> step("pack")
    >> ship
    >> sleep(timedelta(days=3))
    >> wait_until(at_noon)
    >> task(same).then(kind),
)

processes = named(
    "Processes",
    process("PAYMENT", charge >> paid, timeout=60 * MINUTE, otherwise=same) >> process("SHIPPING", step("pack")),
)

all_of_them = named("All", all_of(step("a"), step("b") >> step("c")).then(first))
any_of_them = named("Any", any_of(step("a"), step("b")).named("FASTEST"))
some_of_them = named("Some", at_least(2, step("a"), step("b"), step("c")).then(first_of))


def found(order: Order) -> Order | Size | None:
    return order


def cannot_be(size: Size) -> str:
    return size.name


@task
async def ask(nothing: None) -> Order:
    raise NotImplementedError


cases = named(
    "Cases",
    switch(size).case(Size.SMALL, step("bike")).case(Size.LARGE, step("book") >> step("truck"))
    >> switch(kind).case("a", step("one")).otherwise(step("other")).named("KIND"),
)

matched = named(
    "Matched",
    step("look").then(found)
    >> match().case(Order, step("pack") >> step("ship")).case(Size, fail(cannot_be)).case(None, ask)
    >> step("a").then(found)
    >> match().case(Order, step("b")).case(Size, fail(cannot_be)).case(None, ask).named("AGAIN"),
)

each = named("Each", for_each(lines, step("pick") >> step("pack"), limit=4))

bounds = named(
    "Bounds",
    step("a").retry(Retry(attempts=3)).timeout(MINUTE)
    >> (step("b") >> step("c")).retry(Retry(attempts=2, factor=1))
    >> step("d").timeout(MINUTE, otherwise=step("late")),
)

recovered = named(
    "Recovered",
    step("a").retry(Retry(attempts=1)).recover(refund)
    >> step("b").recover(refund.named("refund_b")).retry(Retry(attempts=1))
    >> process("SHIPPING", step("c") >> step("d")).recover(refund.named("undo")),
)


def refusal(order: Order) -> str:
    return "the order was refused"


def gone(failure: Failure[Order]) -> Order:
    return failure.input


def priced(kept: tuple[Order, Order]) -> Order:
    return kept[0]


def order_of(found: object) -> Order:
    return Order("o-1", 1)


raced = named(
    "Raced",
    race(approved, sleep(timedelta(days=3)), step("check") >> step("score")).named("DECISION")
    >> race(step("a"), step("b")),
)

plumbed = named(
    "Plumbed",
    pure(same).named("clean")
    >> keep(step("price")).then(priced)
    >> keep((step("look_up") >> step("compare")).retry(Retry(attempts=2))).then(priced)
    >> step("pay").recover(gone, on=(OSError, ValueError))
    >> switch(kind).case("large", step("send")).otherwise(fail(refusal)),
)

partly = named(
    "Partly",
    for_each(lines, step("check"), collect=True, limit=4).named("CHECKS").then(order_of)
    >> all_of(step("a"), step("b"), collect=True).then(order_of)
    >> for_each(lines, step("ask"), enough=2).named("QUOTES").then(first_of),
)

undone = named(
    "Undone",
    step("reserve").compensate(step("release"))
    >> step("charge").compensate(step("refund"), attempted=step("ask_bank") >> step("settle"))
    >> (step("pack") >> step("hand_over")).on_stop(step("call_back"))
    >> step("ship").compensate(step("recall")).on_stop(step("unload")).retry(Retry(attempts=2)),
)


def is_clean(order: Order) -> bool:
    return order.total == 0


def again(order: Order) -> str | Again[Order]:
    return Again(order)


def from_text(text: str) -> Order:
    return Order(text, 1)


loops = named(
    "Loops",
    repeat(step("a") >> paid, until=is_clean, at_most=5).named("ROUNDS")
    >> repeat(step("ask").then(again)).then(from_text)
    >> repeat(step("b"), until=is_clean).timeout(MINUTE),
)

skipped = named(
    "Skipped",
    step("a") >> skippable(step("b") >> skippable(step("c"), to=paid), to=approved) >> step("d"),
)

child = template("Returns", step("inspect"), key=key, version=2)
children = named("Children", step("a") >> child)

everything = named(
    "Everything",
    process("PAYMENT", charge >> paid, timeout=60 * MINUTE, otherwise=step("give_up"))
    >> all_of(step("reserve"), step("check").timeout(MINUTE), step("score") >> step("limit")).then(first)
    >> any_of(approved, sleep(timedelta(days=3)) >> step("approve_by_default")).named("APPROVAL")
    >> switch(kind)
    .case("small", step("by_bike"))
    .case("large", step("book_truck") >> command(commands) >> paid_back)
    .otherwise(step("call_the_freight_desk").retry(Retry(attempts=10)))
    >> process("PICKING", for_each(lines, step("pick") >> step("pack"), limit=4).then(first_of))
    >> at_least(2, step("ask_a"), step("ask_b"), step("ask_c")).then(first_of)
    >> wait_until(at_noon)
    >> ship.recover(refund)
    >> (step("invoice") >> step("archive")).timeout(10 * MINUTE).recover(refund.named("escalate"))
    >> child,
)

NASTY = [
    "end",
    'a "quoted" name',
    "br[ack]et{s}(x)",
    "semi;colon #1 & <b>",
    "back\\slash\\",
    "%%{init: x}%%",
    "&lt; &amp;",
    "a b",
    "a_b",
    "Größe 注文 🚀",
]


def nasty() -> Template[Order, object]:
    """Names that mean something to those who read a drawing."""
    body = chain([step(name) for name in NASTY])
    last = switch(kind).case('a|b "c" <d>', step("p")).otherwise(step("q"))
    strange = Topic('T"<&>;', Order, key=key)
    return named('T "x" <y> #1', body >> process('P "q" [x];', step("inside")) >> last >> command(strange))


def chain(steps: list[Step[Order, Order]]) -> Step[Order, Order]:
    """All of them, one after the other, without composing each prefix on the way."""
    nodes: list[Node] = [each_step.node for each_step in steps]
    return Step(Chain(steps=tuple(nodes)))


def long(length: int) -> Template[Order, object]:
    return named("Long", chain([step(f"step_{number}") for number in range(length)]))


def deep() -> Template[Order, object]:
    """Nested as deep as may be."""
    body = step("inmost")
    for level in range(20):
        body = process(f"P{level}", (step(f"a{level}") >> body).retry(Retry()))
    return named("Deep", body)


ALL = [
    leaves,
    processes,
    all_of_them,
    any_of_them,
    some_of_them,
    cases,
    each,
    bounds,
    recovered,
    raced,
    plumbed,
    partly,
    undone,
    loops,
    skipped,
    children,
    everything,
    nasty(),
]
