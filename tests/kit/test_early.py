"""Messages that come before anybody waits for them: kept in order, bounded, and for a time."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest

from dagger import Again, RequestError, Status, Topic, any_of, listener, sleep, template
from dagger.engine.headers import texts_of
from dagger.testing import TestEngine

HOUR = timedelta(hours=1)
WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Order:
    id: str
    shipment: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Note:
    id: str
    text: str = ""


notes = Topic("NOTES", Note, key=lambda m: m.id)
others = Topic("OTHERS", Note, key=lambda m: m.id)
unmatched = Topic("UNMATCHED", Note, key=lambda m: m.id)


def by_id(order: Order) -> str:
    return order.id


def shipment(order: Order) -> str:
    return order.shipment


@listener(notes)
def noted(order: Order, message: Note) -> Order | Again[Order]:
    """Takes notes until one says `end`."""
    if message.text == "end":
        return order
    return Again(Order(order.id, order.shipment, (*order.notes, message.text)))


one = template("One", listener(notes), key=by_id, takes=Order)
all_notes = template("All", noted, key=by_id)
later = template("Later", sleep(HOUR) >> noted, key=by_id)


# Before the instance exists.


async def test_a_message_that_comes_before_its_instance_is_kept(dagger_engine: TestEngine) -> None:
    dagger_engine.register(one)
    await dagger_engine.deliver(notes, Note("o-1", "early"))
    run = await dagger_engine.start(one, Order("o-1"))
    assert run.result == Note("o-1", "early")


async def test_messages_that_come_before_their_instance_keep_their_order(dagger_engine: TestEngine) -> None:
    dagger_engine.register(all_notes)
    for text in ("a", "b", "c", "end"):
        await dagger_engine.deliver(notes, Note("o-1", text))
    run = await dagger_engine.start(all_notes, Order("o-1"))
    assert run.result == Order("o-1", notes=("a", "b", "c"))


async def test_a_message_of_another_key_is_left_for_its_own_instance(dagger_engine: TestEngine) -> None:
    dagger_engine.register(one)
    await dagger_engine.deliver(notes, Note("o-2", "two"))
    await dagger_engine.deliver(notes, Note("o-1", "one"))
    assert (await dagger_engine.start(one, Order("o-1"))).result == Note("o-1", "one")
    assert (await dagger_engine.start(one, Order("o-2"))).result == Note("o-2", "two")


async def test_a_message_that_its_instance_does_not_listen_for_is_left_for_another(
    dagger_engine: TestEngine,
) -> None:
    deaf = template("Deaf", sleep(HOUR), key=by_id, takes=Order)
    dagger_engine.register(one)
    await dagger_engine.deliver(notes, Note("o-1", "early"))
    await dagger_engine.start(deaf, Order("o-1"))
    run = await dagger_engine.start(one, Order("o-1"), id=UUID(int=1))
    assert run.result == Note("o-1", "early")


async def test_an_instance_with_an_id_of_its_own_gets_what_came_before_it(dagger_engine: TestEngine) -> None:
    dagger_engine.register(all_notes)
    for text in ("a", "b", "end"):
        await dagger_engine.deliver(notes, Note("o-1", text))
    run = await dagger_engine.start(all_notes, Order("o-1"), id=UUID(int=1))
    assert run.result == Order("o-1", notes=("a", "b"))


async def test_a_message_for_a_computed_key_is_kept_until_somebody_awaits_it(dagger_engine: TestEngine) -> None:
    workflow = template("W", sleep(HOUR) >> listener(notes, on=shipment), key=by_id)
    run = await dagger_engine.start(workflow, Order("o-1", "s-1"))
    await dagger_engine.deliver(notes, Note("s-1", "early"))
    assert run.status is Status.EXECUTING
    await dagger_engine.advance(HOUR)
    assert run.result == Note("s-1", "early")


async def test_a_message_on_a_topic_that_nobody_consumes_waits_in_the_topic(dagger_engine: TestEngine) -> None:
    await dagger_engine.deliver(notes, Note("o-1", "early"))
    run = await dagger_engine.start(one, Order("o-1"))
    assert run.result == Note("o-1", "early")


# Before the listener waits.


async def test_a_message_that_comes_before_its_listener_waits_is_kept(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(later, Order("o-1"))
    await dagger_engine.deliver(notes, Note("o-1", "end"))
    assert run.step("noted").status is Status.NOT_STARTED
    await dagger_engine.advance(HOUR)
    assert run.result == Order("o-1")


async def test_messages_that_come_before_their_listener_waits_keep_their_order(
    dagger_engine: TestEngine,
) -> None:
    run = await dagger_engine.start(later, Order("o-1"))
    for text in ("a", "b"):
        await dagger_engine.deliver(notes, Note("o-1", text))
    await dagger_engine.advance(HOUR)
    for text in ("c", "end"):
        await dagger_engine.deliver(notes, Note("o-1", text))
    assert run.result == Order("o-1", notes=("a", "b", "c"))


async def test_messages_before_the_instance_come_before_those_after(dagger_engine: TestEngine) -> None:
    dagger_engine.register(later)
    await dagger_engine.deliver(notes, Note("o-1", "a"))
    run = await dagger_engine.start(later, Order("o-1"))
    await dagger_engine.deliver(notes, Note("o-1", "b"))
    await dagger_engine.deliver(notes, Note("o-1", "end"))
    await dagger_engine.advance(HOUR)
    assert run.result == Order("o-1", notes=("a", "b"))


async def test_an_instance_with_an_id_of_its_own_keeps_early_messages_too(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(later, Order("o-1"), id=UUID(int=1))
    for text in ("a", "b", "end"):
        await dagger_engine.deliver(notes, Note("o-1", text))
    await dagger_engine.advance(HOUR)
    assert run.result == Order("o-1", notes=("a", "b"))


async def test_what_is_kept_for_one_listener_is_not_taken_by_another(dagger_engine: TestEngine) -> None:
    body = sleep(HOUR) >> listener(others) >> listener(notes)
    run = await dagger_engine.start(template("W", body, key=by_id, takes=Order), Order("o-1"))
    await dagger_engine.deliver(notes, Note("o-1", "note"))
    await dagger_engine.deliver(others, Note("o-1", "other"))
    await dagger_engine.advance(HOUR)
    assert run.result == Note("o-1", "note")


# How many.


@pytest.mark.parametrize("exists", [False, True], ids=["before the instance", "before the listener"])
@pytest.mark.parametrize("id", [None, "its own"])
async def test_sixteen_are_kept_and_the_rest_is_counted(
    dagger_engine: TestEngine, exists: bool, id: str | None
) -> None:
    dagger_engine.register(later)
    if exists:
        await dagger_engine.start(later, Order("o-1"), id=id)
    for number in range(20):
        await dagger_engine.deliver(notes, Note("o-1", str(number)))
    assert dagger_engine.counts == {"unmatched_overflow": 4}
    run = await dagger_engine.start(later, Order("o-1"), id=id)
    await dagger_engine.advance(HOUR)
    await dagger_engine.deliver(notes, Note("o-1", "end"))
    assert run.result == Order("o-1", notes=tuple(str(number) for number in range(16)))


async def test_the_bound_is_each_listeners_own(dagger_engine: TestEngine) -> None:
    body = sleep(HOUR) >> listener(others) >> listener(notes)
    run = await dagger_engine.start(template("W", body, key=by_id, takes=Order), Order("o-1"))
    for number in range(16):
        await dagger_engine.deliver(notes, Note("o-1", str(number)))
    await dagger_engine.deliver(others, Note("o-1", "other"))
    await dagger_engine.advance(HOUR)
    assert run.result == Note("o-1", "0")


@pytest.fixture
def engine_that_keeps_two() -> TestEngine:
    return TestEngine(early_limit=2, early_for=timedelta(minutes=10), unmatched_topic="UNMATCHED")


async def test_the_bound_may_be_another(engine_that_keeps_two: TestEngine) -> None:
    engine = engine_that_keeps_two
    engine.register(later)
    for number in range(3):
        await engine.deliver(notes, Note("o-1", str(number)))
    assert engine.counts == {"unmatched_overflow": 1}


@pytest.fixture
def engine_that_keeps_none() -> TestEngine:
    return TestEngine(early_limit=0)


async def test_nothing_need_be_kept(engine_that_keeps_none: TestEngine) -> None:
    engine = engine_that_keeps_none
    run = await engine.start(later, Order("o-1"))
    await engine.deliver(notes, Note("o-1", "end"))
    await engine.advance(HOUR)
    assert run.status is Status.EXECUTING
    await engine.deliver(notes, Note("o-1", "end"))
    assert run.status is Status.COMPLETED


async def test_bounds_below_nothing_are_refused(dagger_engine: TestEngine) -> None:
    with pytest.raises(RequestError, match="Dagger: early_limit is -1; give a whole number from 0"):
        TestEngine(early_limit=-1)
    with pytest.raises(RequestError, match=r"Dagger: early_for is .*; give a timedelta of zero or more"):
        TestEngine(early_for=timedelta(seconds=-1))


@pytest.fixture
def engine_that_keeps_for_ever() -> TestEngine:
    return TestEngine(early_for=timedelta.max)


async def test_messages_may_be_kept_for_ever(engine_that_keeps_for_ever: TestEngine) -> None:
    engine = engine_that_keeps_for_ever
    engine.register(one)
    await engine.deliver(notes, Note("o-1", "early"))
    await engine.advance(timedelta(days=36500))
    assert (await engine.start(one, Order("o-1"))).result == Note("o-1", "early")


# For how long.


@pytest.mark.parametrize("id", [None, "its own"])
@pytest.mark.unexplored("a message that is repeated after it was too old is a new one")
async def test_after_seven_days_a_message_is_too_old_for_its_instance(
    dagger_engine: TestEngine, id: str | None
) -> None:
    dagger_engine.register(one)
    await dagger_engine.deliver(notes, Note("o-1", "early"))
    await dagger_engine.advance(WEEK)
    run = await dagger_engine.start(one, Order("o-1"), id=id)
    assert run.status is Status.EXECUTING
    assert dagger_engine.counts == {"unmatched_expired": 1}


@pytest.mark.parametrize("id", [None, "its own"])
async def test_just_before_seven_days_a_message_is_taken(dagger_engine: TestEngine, id: str | None) -> None:
    dagger_engine.register(one)
    await dagger_engine.deliver(notes, Note("o-1", "early"))
    await dagger_engine.advance(WEEK - timedelta(microseconds=1))
    run = await dagger_engine.start(one, Order("o-1"), id=id)
    assert run.result == Note("o-1", "early")


@pytest.mark.parametrize("id", [None, "its own"])
async def test_after_seven_days_a_message_is_too_old_for_its_listener(
    dagger_engine: TestEngine, id: str | None
) -> None:
    workflow = template("W", sleep(WEEK) >> listener(notes), key=by_id, takes=Order)
    run = await dagger_engine.start(workflow, Order("o-1"), id=id)
    await dagger_engine.deliver(notes, Note("o-1", "too old"))
    await dagger_engine.advance(timedelta(microseconds=1))
    await dagger_engine.deliver(notes, Note("o-1", "fresh"))
    await dagger_engine.advance(WEEK)
    assert run.result == Note("o-1", "fresh")
    assert dagger_engine.counts == {"unmatched_expired": 1}


async def test_an_old_message_makes_room_for_a_fresh_one(engine_that_keeps_two: TestEngine) -> None:
    engine = engine_that_keeps_two
    run = await engine.start(later, Order("o-1"))
    for text in ("old", "old too"):
        await engine.deliver(notes, Note("o-1", text))
    await engine.advance(timedelta(minutes=55))
    await engine.deliver(notes, Note("o-1", "end"))
    await engine.advance(timedelta(minutes=5))
    assert run.result == Order("o-1")


# What becomes of the rest.


async def test_a_message_for_nobody_is_counted_in_the_end(dagger_engine: TestEngine) -> None:
    dagger_engine.register(one)
    await dagger_engine.deliver(notes, Note("o-9", "for nobody"))
    assert dagger_engine.counts == {}
    await dagger_engine.advance(WEEK)
    assert dagger_engine.counts == {"unmatched_expired": 1}


async def test_what_nobody_takes_goes_to_the_topic_for_it(engine_that_keeps_two: TestEngine) -> None:
    engine = engine_that_keeps_two
    engine.register(one)
    for number in range(3):
        await engine.deliver(notes, Note("o-1", str(number)), id=f"m-{number}")
    assert engine.sent(unmatched) == [Note("o-1", "2")]
    await engine.advance(timedelta(minutes=10))
    assert engine.sent(unmatched) == [Note("o-1", "2"), Note("o-1", "0"), Note("o-1", "1")]
    records = [record for record in engine.memory.log.history if record.topic == "UNMATCHED"]
    assert [texts_of(record.headers)["dagger-reason"] for record in records] == ["overflow", "expired", "expired"]
    assert [texts_of(record.headers)["dagger-id"] for record in records] == ["m-2", "m-0", "m-1"]
    assert {texts_of(record.headers)["dagger-channel"] for record in records} == {"NOTES"}
    assert {record.key for record in records} == {b"o-1"}


@pytest.fixture
def engine_whose_rest_is_heard() -> TestEngine:
    return TestEngine(early_limit=0, unmatched_topic="UNMATCHED")


async def test_what_nobody_takes_of_the_rest_does_not_come_round_again(
    engine_whose_rest_is_heard: TestEngine,
) -> None:
    engine = engine_whose_rest_is_heard
    engine.register(one)
    engine.register(template("Rest", listener(unmatched), key=by_id, takes=Order))
    await engine.deliver(notes, Note("o-1", "for nobody"))
    assert engine.sent(unmatched) == [Note("o-1", "for nobody")]
    assert engine.counts == {"unmatched_overflow": 2}


async def test_what_is_left_at_the_end_goes_to_the_topic_for_it(engine_that_keeps_two: TestEngine) -> None:
    engine = engine_that_keeps_two
    run = await engine.start(template("W", any_of(listener(others), sleep(HOUR) >> listener(notes)), key=by_id,
                                      takes=Order), Order("o-1"))  # fmt: skip
    await engine.deliver(notes, Note("o-1", "left"))
    await engine.deliver(others, Note("o-1", "go"))
    assert run.result == Note("o-1", "go")
    assert engine.sent(unmatched) == [Note("o-1", "left")]


async def test_a_message_that_its_listener_has_no_more_use_for_is_counted(dagger_engine: TestEngine) -> None:
    workflow = template("W", listener(notes) >> sleep(HOUR), key=by_id, takes=Order)
    await dagger_engine.start(workflow, Order("o-1"))
    await dagger_engine.deliver(notes, Note("o-1", "first"))
    await dagger_engine.deliver(notes, Note("o-1", "second"))
    assert dagger_engine.counts == {"unmatched_late": 1}


# Once.


async def test_a_message_that_is_sent_again_under_its_id_is_taken_once(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(all_notes, Order("o-1"))
    for _ in range(3):
        await dagger_engine.deliver(notes, Note("o-1", "a"), id="m-1")
    await dagger_engine.deliver(notes, Note("o-1", "end"), id="m-2")
    assert run.result == Order("o-1", notes=("a",))


@pytest.mark.parametrize("exists", [False, True], ids=["before the instance", "before the listener"])
@pytest.mark.parametrize("id", [None, "its own"])
async def test_an_early_message_that_is_sent_again_is_kept_once(
    dagger_engine: TestEngine, exists: bool, id: str | None
) -> None:
    dagger_engine.register(later)
    if exists:
        await dagger_engine.start(later, Order("o-1"), id=id)
    for _ in range(3):
        await dagger_engine.deliver(notes, Note("o-1", "a"), id="m-1")
    run = await dagger_engine.start(later, Order("o-1"), id=id)
    await dagger_engine.deliver(notes, Note("o-1", "a"), id="m-1")
    await dagger_engine.advance(HOUR)
    await dagger_engine.deliver(notes, Note("o-1", "a"), id="m-1")
    await dagger_engine.deliver(notes, Note("o-1", "end"), id="m-2")
    assert run.result == Order("o-1", notes=("a",))


async def test_one_id_on_two_topics_is_two_messages(dagger_engine: TestEngine) -> None:
    body = listener(notes) >> listener(others)
    run = await dagger_engine.start(template("W", body, key=by_id, takes=Order), Order("o-1"))
    await dagger_engine.deliver(notes, Note("o-1", "note"), id="1")
    await dagger_engine.deliver(others, Note("o-1", "other"), id="1")
    assert run.result == Note("o-1", "other")


async def test_messages_without_id_are_all_taken(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(all_notes, Order("o-1"))
    for _ in range(2):
        await dagger_engine.deliver(notes, Note("o-1", "a"))
    await dagger_engine.deliver(notes, Note("o-1", "end"))
    assert run.result == Order("o-1", notes=("a", "a"))


# For an instance with an id of its own, which has subscribed to its key.


async def test_an_instance_that_has_ended_takes_no_message_from_the_next(dagger_engine: TestEngine) -> None:
    """Its subscription ends with it."""
    await dagger_engine.start(one, Order("o-1"), id="first")
    await dagger_engine.stop("first")
    await dagger_engine.deliver(notes, Note("o-1", "early"))
    run = await dagger_engine.start(one, Order("o-1"), id="second")
    assert run.result == Note("o-1", "early")
    assert dagger_engine.counts == {}


async def test_a_listener_that_was_stopped_leaves_the_topic_to_those_that_follow(dagger_engine: TestEngine) -> None:
    body = any_of(listener(notes).named("in time"), sleep(HOUR)) >> listener(notes).named("late")
    run = await dagger_engine.start(template("Twice", body, key=by_id, takes=Order), Order("o-1"), id="an-id")
    await dagger_engine.advance(HOUR)
    assert run.step("in time").status is Status.STOPPED
    await dagger_engine.deliver(notes, Note("o-1", "now"))
    assert run.result == Note("o-1", "now")
