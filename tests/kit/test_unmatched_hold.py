"""`Dagger(unmatched="hold")`: what an instance does not take any more is kept for whoever comes next to the key."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from dagger import Dagger, RequestError, Status, Topic, listener, signal, sleep, template
from dagger.core.dispatch import receive
from dagger.core.effects import Send
from dagger.core.entity import Entity
from dagger.core.envelope import Envelope
from dagger.core.events import MessageForwarded, MessageReturned, Submitted
from dagger.plan import Limits, Plan, compile
from dagger.testing import TestEngine

HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Order:
    id: str
    shipment: str = ""


@dataclass(frozen=True)
class Note:
    id: str
    text: str = ""


notes = Topic("NOTES", Note, key=lambda m: m.id)
unmatched = Topic("UNMATCHED", Note, key=lambda m: m.id)


def by_id(order: Order) -> str:
    return order.id


def shipment(order: Order) -> str:
    return order.shipment


def taken(note: Note) -> str:
    return note.text


one = template("One", listener(notes).then(taken), key=by_id, takes=Order)
one_and_rest = template("Rests", listener(notes).then(taken) >> sleep(HOUR), key=by_id, takes=Order)
two = template("Two", listener(notes) >> listener(notes).named("second").then(taken), key=by_id, takes=Order)
shipped = template("Shipped", listener(notes, on=shipment).then(taken), key=by_id, takes=Order)


@pytest.fixture
def holding() -> TestEngine:
    return TestEngine(unmatched="hold", unmatched_topic="UNMATCHED", early_limit=2)


# What is kept.


async def test_a_message_after_the_end_is_for_the_next_instance(holding: TestEngine) -> None:
    await holding.start(one, Order("o-1"))
    for text in ("first", "second"):
        await holding.deliver(notes, Note("o-1", text))
    run = await holding.start(one, Order("o-1"), id="again")
    assert run.result == "second"
    assert holding.counts == {}


@pytest.mark.unexplored("who gets a message depends on what comes first")
@pytest.mark.parametrize("id", [None, "its-own"])
async def test_a_message_that_is_late_is_for_the_next_instance(holding: TestEngine, id: str | None) -> None:
    resting = await holding.start(one_and_rest, Order("o-1"), id=id)
    for text in ("first", "second"):
        await holding.deliver(notes, Note("o-1", text))
    run = await holding.start(one, Order("o-1"), id="again")
    assert (resting.status, run.result) == (Status.EXECUTING, "second")
    assert holding.counts == {}


@pytest.mark.unexplored("who gets a message depends on what comes first")
async def test_messages_keep_their_order(holding: TestEngine) -> None:
    await holding.start(one_and_rest, Order("o-1"))
    for text in ("first", "second", "third"):
        await holding.deliver(notes, Note("o-1", text))
    two = template("Two", (listener(notes) & listener(notes).named("then")).then(texts), key=by_id, takes=Order)
    assert (await holding.start(two, Order("o-1"), id="again")).result == "second third"


def texts(pair: tuple[Note, Note]) -> str:
    return " ".join(note.text for note in pair)


later = template("Later", sleep(HOUR) >> listener(notes).then(taken), key=by_id, takes=Order)


@pytest.mark.parametrize("id", [None, "its-own"])
async def test_what_was_kept_for_an_instance_that_was_stopped_is_for_the_next(
    holding: TestEngine, id: str | None
) -> None:
    stopped = await holding.start(later, Order("o-1"), id=id)
    await holding.deliver(notes, Note("o-1", "early"))
    await holding.stop(stopped)
    run = await holding.start(one, Order("o-1"), id="again")
    assert run.result == "early"


@pytest.mark.unexplored("who gets a message depends on what comes first")
async def test_all_who_have_come_meanwhile_are_offered_it(holding: TestEngine) -> None:
    later = template("Later", sleep(HOUR) >> listener(notes), key=by_id, takes=Order)
    first = await holding.start(later, Order("o-2"), id="first")
    await holding.deliver(notes, Note("o-2", "kept"))
    second = await holding.start(one, Order("o-2"))  # it waits beside the first, which has the message
    third = await holding.start(one, Order("o-2"), id="third")
    await holding.stop(first)
    assert (second.result, third.result) == ("kept", "kept")
    assert holding.counts == {}


async def test_a_message_for_a_computed_key_is_for_the_next_who_awaits_it(holding: TestEngine) -> None:
    first = await holding.start(shipped, Order("o-1", "s-1"))
    await holding.publish_all(notes, [Note("s-1", "first"), Note("s-1", "second")])  # both are on their way to it
    second = await holding.start(shipped, Order("o-2", "s-1"))
    assert (first.result, second.result) == ("first", "second")
    assert holding.counts == {}


def test_a_message_that_comes_back_goes_to_who_has_come_meanwhile() -> None:
    entity = Entity(subscribers={"NOTES": ("left", "came")})
    message = Envelope("NOTES", "o-1", b"1")
    back = MessageReturned(message, 10, "left")
    after, effects = receive(lambda template, version: None, Limits(hold=True), entity, back, 5)
    assert after is entity
    assert effects == (Send("came", MessageForwarded(message, 10, shared=True)),)


def test_a_message_that_comes_back_goes_to_the_instance_of_its_key_that_has_come_meanwhile() -> None:
    limits = Limits(hold=True)
    plan = compile(one, limits)

    def find(template: str, version: int) -> Plan:
        return plan

    start = Submitted("One", 1, "o-1", "o-1", plan.takes.encode(Order("o-1")))
    begun, _ = receive(find, limits, Entity(), start, 5)
    message = Envelope("NOTES", "o-1", notes.wire.encode(Note("o-1", "hello")))
    after, _ = receive(find, limits, begun, MessageReturned(message, 10, "left"), 5)
    assert after.state is not None
    assert after.state.result is not None
    assert plan.gives.revive(after.state.result) == "hello"


# Its bounds.


async def test_more_than_the_bound_is_counted(holding: TestEngine) -> None:
    await holding.start(one, Order("o-1"))
    for text in ("taken", "kept", "kept too", "too many"):
        await holding.deliver(notes, Note("o-1", text))
    assert holding.counts == {"unmatched_overflow": 1}
    assert holding.sent(unmatched) == [Note("o-1", "too many")]


@pytest.mark.unexplored("a message that is repeated after it was too old is a new one")
async def test_it_is_kept_for_a_time(holding: TestEngine) -> None:
    await holding.start(one, Order("o-1"))
    for text in ("taken", "too old"):
        await holding.deliver(notes, Note("o-1", text))
    await holding.advance(WEEK)
    assert holding.counts == {"unmatched_expired": 1}
    assert (await holding.start(one, Order("o-1"), id="again")).status is Status.EXECUTING


async def test_what_was_kept_before_is_not_kept_longer(holding: TestEngine) -> None:
    days = timedelta(days=6)
    await holding.start(template("Days", sleep(days) >> listener(notes), key=by_id, takes=Order), Order("o-1"))
    for text in ("taken", "kept"):
        await holding.deliver(notes, Note("o-1", text))
    await holding.advance(days)
    assert holding.counts == {}
    await holding.advance(WEEK - days)
    assert holding.counts == {"unmatched_expired": 1}


# What is not kept.


async def test_what_was_offered_to_several_is_counted(holding: TestEngine) -> None:
    runs = [await holding.start(one_and_rest, Order("o-1"), id=id) for id in ("a", "b")]
    for text in ("taken by both", "late for both"):
        await holding.deliver(notes, Note("o-1", text))
    assert holding.counts == {"unmatched_late": 2}
    assert {run.status for run in runs} == {Status.EXECUTING}
    assert (await holding.start(one, Order("o-1"), id="c")).status is Status.EXECUTING


async def test_what_was_offered_to_the_instance_of_the_key_and_to_another_is_counted(holding: TestEngine) -> None:
    runs = [await holding.start(one_and_rest, Order("o-1"), id=id) for id in (None, "b")]
    for text in ("taken by both", "late for both"):
        await holding.deliver(notes, Note("o-1", text))
    assert [run.step("NOTES").status for run in runs] == [Status.COMPLETED] * 2
    assert holding.counts == {"unmatched_late": 2}
    assert (await holding.start(one, Order("o-1"), id="c")).status is Status.EXECUTING


@pytest.mark.unexplored("whether the message or the start of the second comes first decides")
@pytest.mark.parametrize("id", [None, "a"])
async def test_what_is_late_for_one_and_not_for_another_is_counted_once(holding: TestEngine, id: str | None) -> None:
    late = await holding.start(one_and_rest, Order("o-1"), id=id)
    in_time = await holding.start(two, Order("o-1"), id="b")
    for text in ("first", "second"):
        await holding.deliver(notes, Note("o-1", text))
    assert late.status is Status.EXECUTING
    assert in_time.result == "second"
    assert holding.counts == {"unmatched_late": 1}


async def test_a_message_that_comes_again_after_the_end_is_not_kept(holding: TestEngine) -> None:
    await holding.start(one, Order("o-1"))
    for _ in range(2):
        await holding.deliver(notes, Note("o-1", "once"), id="m-1")
    assert (await holding.start(one, Order("o-1"), id="again")).status is Status.EXECUTING


async def test_a_signal_is_for_its_instance_and_no_other(holding: TestEngine) -> None:
    go: Any = signal("go", str)
    run = await holding.start(template("Go", go >> sleep(HOUR), key=by_id, takes=Order), Order("o-1"))
    await holding.signal(run, "go", "now")
    await holding.signal(run, "go", "again")
    assert holding.counts == {"unmatched_late": 1}


async def test_without_it_nothing_is_kept(dagger_engine: TestEngine) -> None:
    await dagger_engine.start(one, Order("o-1"))
    for text in ("taken", "late"):
        await dagger_engine.deliver(notes, Note("o-1", text))
    assert dagger_engine.counts == {"unmatched_ended": 1}


def test_another_word_is_refused() -> None:
    word: Any = "keep"
    with pytest.raises(RequestError, match="Dagger: unmatched is 'keep'; give one of 'drop', 'hold'"):
        TestEngine(unmatched=word)


@pytest.mark.parametrize("bounds", [{"early_limit": 0}, {"early_for": timedelta(0)}])
def test_to_hold_what_may_not_be_kept_is_refused(bounds: dict[str, Any]) -> None:
    with pytest.raises(RequestError, match="unmatched='hold' keeps nothing if early_limit or early_for is zero"):
        Dagger(unmatched="hold", **bounds)
