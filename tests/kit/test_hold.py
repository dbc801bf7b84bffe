"""`unmatched="hold"`: what an instance has no use for goes back to its key, for whoever comes next."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from dagger import Again, RequestError, Status, Topic, any_of, listener, signal, sleep, template
from dagger.testing import TestEngine

HOUR = timedelta(hours=1)
OTHER, THIRD = UUID(int=1), UUID(int=2)


@dataclass(frozen=True)
class Order:
    id: str
    shipment: str = ""


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
def until_end(order: Order, message: Note) -> Order | Again[Order]:
    return order if message.text == "end" else Again(order)


one = template("One", listener(notes), key=by_id, takes=Order)
lingers = template("Lingers", listener(notes).named("first") >> sleep(HOUR), key=by_id, takes=Order)
gives_up = template("GivesUp", any_of(listener(others), sleep(HOUR) >> listener(notes)), key=by_id, takes=Order)


@pytest.fixture
def holding() -> TestEngine:
    engine = TestEngine(unmatched="hold")
    for known in one, lingers, gives_up:
        engine.register(known)
    return engine


@pytest.mark.parametrize("id", [None, "its own"])
async def test_a_late_message_is_for_whoever_comes_next(holding: TestEngine, id: str | None) -> None:
    run = await holding.start(lingers, Order("o-1"), id=id)
    await holding.deliver(notes, Note("o-1", "first"))
    await holding.deliver(notes, Note("o-1", "second"))
    assert run.step("first").status is Status.COMPLETED
    assert (await holding.start(one, Order("o-1"), id=OTHER)).result == Note("o-1", "second")
    assert holding.counts == {}


@pytest.mark.parametrize("id", [None, "its own"])
async def test_a_message_after_the_end_is_for_whoever_comes_next(holding: TestEngine, id: str | None) -> None:
    await holding.start(one, Order("o-1"), id=id)
    await holding.deliver(notes, Note("o-1", "first"))
    for text in ("second", "third"):
        await holding.deliver(notes, Note("o-1", text))
    assert (await holding.start(one, Order("o-1"), id=OTHER)).result == Note("o-1", "second")
    assert (await holding.start(one, Order("o-1"), id=THIRD)).result == Note("o-1", "third")
    assert holding.counts == {}


@pytest.mark.parametrize("id", [None, "its own"])
async def test_what_an_instance_has_kept_goes_back_when_it_ends(holding: TestEngine, id: str | None) -> None:
    run = await holding.start(gives_up, Order("o-1"), id=id)
    for text in ("a", "b"):
        await holding.deliver(notes, Note("o-1", text))
    await holding.deliver(others, Note("o-1", "go"))
    assert run.result == Note("o-1", "go")
    assert (await holding.start(one, Order("o-1"), id=OTHER)).result == Note("o-1", "a")
    assert (await holding.start(one, Order("o-1"), id=THIRD)).result == Note("o-1", "b")


async def test_it_goes_back_when_the_instance_is_stopped_or_fails(holding: TestEngine) -> None:
    run = await holding.start(gives_up, Order("o-1"))
    await holding.deliver(notes, Note("o-1", "kept"))
    await holding.stop(run)
    assert (await holding.start(one, Order("o-1"), id=OTHER)).result == Note("o-1", "kept")


async def test_it_goes_back_to_a_computed_key(holding: TestEngine) -> None:
    body = any_of(listener(others), sleep(HOUR) >> listener(notes, on=shipment).named("x"), until_shipped)
    await holding.start(template("W", body, key=by_id, takes=Order), Order("o-1", "s-1"))
    await holding.deliver(notes, Note("s-1", "shipped"))
    await holding.deliver(notes, Note("s-1", "left over"))
    assert (await holding.start(one, Order("s-1"))).result == Note("s-1", "left over")


@listener(notes, on=shipment)
def until_shipped(order: Order, message: Note) -> Note:
    return message


async def test_who_has_come_in_the_meantime_is_asked_at_once(holding: TestEngine) -> None:
    first = await holding.start(gives_up, Order("o-1"), id=OTHER)
    await holding.deliver(notes, Note("o-1", "kept"))
    second = await holding.start(one, Order("o-1"))  # it waits beside the first, which has the message
    third = await holding.start(one, Order("o-1"), id=THIRD)
    await holding.deliver(others, Note("o-1", "go"))
    assert first.status is second.status is third.status is Status.COMPLETED
    assert second.result == third.result == Note("o-1", "kept")


async def test_each_who_has_no_use_for_it_is_asked_once(holding: TestEngine) -> None:
    run = await holding.start(gives_up, Order("o-1"), id=OTHER)
    await holding.deliver(notes, Note("o-1", "kept"))
    await holding.start(lingers, Order("o-1"), id=THIRD)
    await holding.deliver(notes, Note("o-1", "for both"))
    await holding.stop(run)  # "kept" goes from the one to the other, which is late for it, and back to the key
    assert holding.counts == {"unmatched_ended": 1}  # "for both": it was given to both, and the other has taken it
    assert (await holding.start(one, Order("o-1"))).result == Note("o-1", "kept")


async def test_what_several_were_given_is_theirs(holding: TestEngine) -> None:
    for id in (None, OTHER):
        await holding.start(lingers, Order("o-1"), id=id)
    await holding.deliver(notes, Note("o-1", "first"))
    await holding.deliver(notes, Note("o-1", "late for both"))
    assert holding.counts == {"unmatched_late": 2}
    assert (await holding.start(one, Order("o-1"), id=THIRD)).status is Status.EXECUTING


async def test_a_signal_is_for_one_instance_and_never_held(holding: TestEngine) -> None:
    hears = template("Hears", signal("go", int) >> sleep(HOUR), key=by_id, takes=Order)
    run = await holding.start(hears, Order("o-1"))
    for number in (1, 2):
        await holding.signal(run, "go", number)
    assert holding.counts == {"unmatched_late": 1}


async def test_a_message_that_was_taken_is_not_held_when_it_is_repeated(holding: TestEngine) -> None:
    await holding.start(one, Order("o-1"))
    for _ in range(3):
        await holding.deliver(notes, Note("o-1", "first"), id="m-1")
    assert (await holding.start(one, Order("o-1"), id=OTHER)).status is Status.EXECUTING
    assert holding.counts == {"ignored": 2}


# Bounds.


@pytest.fixture
def holding_two() -> TestEngine:
    return TestEngine(unmatched="hold", early_limit=2, early_for=2 * HOUR, unmatched_topic="UNMATCHED")


@pytest.mark.parametrize("id", [None, "its own"])
async def test_no_more_are_held_than_early_ones_are_kept(holding_two: TestEngine, id: str | None) -> None:
    engine = holding_two
    await engine.start(lingers, Order("o-1"), id=id)
    for text in ("taken", "held", "held too", "one too many"):
        await engine.deliver(notes, Note("o-1", text))
    assert engine.counts == {"unmatched_overflow": 1}
    assert engine.sent(unmatched) == [Note("o-1", "one too many")]


@pytest.mark.parametrize("id", [None, "its own"])
@pytest.mark.unexplored("a message that is repeated after it was too old is a new one")
async def test_no_longer_are_they_held_than_early_ones_are_kept(holding_two: TestEngine, id: str | None) -> None:
    engine = holding_two
    run = await engine.start(gives_up, Order("o-1"), id=id)
    await engine.deliver(notes, Note("o-1", "kept for an hour"))
    await engine.advance(HOUR - timedelta(seconds=1))
    await engine.stop(run)
    await engine.advance(HOUR)
    assert engine.counts == {}
    await engine.advance(timedelta(seconds=1))  # what it was kept by the instance counts
    assert engine.counts == {"unmatched_expired": 1}
    assert (await engine.start(one, Order("o-1"), id=OTHER)).status is Status.EXECUTING


async def test_what_is_too_old_when_it_comes_back_is_counted(holding: TestEngine) -> None:
    run = await holding.start(template("W", sleep(30 * 24 * HOUR) >> until_end, key=by_id), Order("o-1"))
    await holding.deliver(notes, Note("o-1", "old"))
    await holding.advance(8 * 24 * HOUR)
    await holding.stop(run)
    assert holding.counts == {"unmatched_expired": 1}


@pytest.mark.unexplored("a message that is repeated after it was dropped is a new one")
async def test_what_nobody_takes_is_dropped_by_default(dagger_engine: TestEngine) -> None:
    await dagger_engine.start(lingers, Order("o-1"))
    for text in ("first", "second"):
        await dagger_engine.deliver(notes, Note("o-1", text))
    assert dagger_engine.counts == {"unmatched_late": 1}
    assert (await dagger_engine.start(one, Order("o-1"), id=OTHER)).status is Status.EXECUTING


async def test_another_policy_is_refused(dagger_engine: TestEngine) -> None:
    policy: Any = "keep"
    with pytest.raises(RequestError, match='Dagger: unmatched is \'keep\'; give "drop" or "hold"'):
        TestEngine(unmatched=policy)
