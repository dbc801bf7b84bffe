"""A message that is sent again under its id is not for those who came after it was given."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pytest

from dagger import Status, Topic, listener, sleep, template
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


def by_id(order: Order) -> str:
    return order.id


def shipment(order: Order) -> str:
    return order.shipment


one = template("One", listener(notes), key=by_id, takes=Order)
follows = template("Follows", listener(notes, on=shipment), key=by_id, takes=Order)
lingers = template("Lingers", listener(notes) >> sleep(HOUR), key=by_id, takes=Order)


async def test_after_its_taker_has_left_it_is_for_nobody(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(follows, Order("o-1", "s-1"))
    for _ in range(2):
        await dagger_engine.deliver(notes, Note("s-1"), id="m-1")
    assert run.status is Status.COMPLETED
    later = await dagger_engine.start(follows, Order("o-2", "s-1"))
    assert later.status is Status.EXECUTING
    await dagger_engine.deliver(notes, Note("s-1", "another"), id="m-2")
    assert later.result == Note("s-1", "another")


@pytest.mark.unexplored("whether the message or the start comes first decides")
async def test_while_its_taker_stays_it_is_not_for_another_who_has_come(dagger_engine: TestEngine) -> None:
    await dagger_engine.start(lingers, Order("o-1"))
    await dagger_engine.deliver(notes, Note("o-1"), id="m-1")
    later = await dagger_engine.start(one, Order("o-1"), id=UUID(int=1))
    await dagger_engine.deliver(notes, Note("o-1"), id="m-1")
    assert later.status is Status.EXECUTING


@pytest.mark.unexplored("whether the message or the start comes first decides")
async def test_what_subscribers_were_given_is_not_for_the_instance_of_the_key_nor_for_others_who_came_later(
    dagger_engine: TestEngine,
) -> None:
    first = await dagger_engine.start(one, Order("o-1"), id="first")
    await dagger_engine.deliver(notes, Note("o-1"), id="m-1")
    later = [await dagger_engine.start(one, Order("o-1"), id=id) for id in (None, "second")]
    await dagger_engine.deliver(notes, Note("o-1"), id="m-1")
    assert first.status is Status.COMPLETED
    assert [run.status for run in later] == [Status.EXECUTING] * 2


async def test_what_was_kept_at_the_key_is_given_once(dagger_engine: TestEngine) -> None:
    dagger_engine.register(follows)
    await dagger_engine.deliver(notes, Note("s-1"), id="m-1")
    first = await dagger_engine.start(follows, Order("o-1", "s-1"))
    await dagger_engine.deliver(notes, Note("s-1"), id="m-1")
    later = await dagger_engine.start(follows, Order("o-2", "s-1"))
    assert (first.status, later.status) == (Status.COMPLETED, Status.EXECUTING)


async def test_one_without_an_id_is_another_each_time(dagger_engine: TestEngine) -> None:
    for number in range(2):
        run = await dagger_engine.start(follows, Order(f"o-{number}", "s-1"))
        await dagger_engine.deliver(notes, Note("s-1"))
        assert run.status is Status.COMPLETED


@pytest.mark.unexplored("a message that is repeated after a week is a new one")
async def test_after_a_week_it_is_another_and_nothing_is_left_of_the_key(dagger_engine: TestEngine) -> None:
    await dagger_engine.start(follows, Order("o-1", "s-1"))
    await dagger_engine.deliver(notes, Note("s-1"), id="m-1")
    assert (await dagger_engine.memory.store.read(["s-1"])) != [None]
    await dagger_engine.advance(WEEK)
    assert (await dagger_engine.memory.store.read(["s-1"])) == [None]
    assert dagger_engine.counts == {}
    later = await dagger_engine.start(follows, Order("o-2", "s-1"))
    await dagger_engine.deliver(notes, Note("s-1"), id="m-1")
    assert later.status is Status.COMPLETED
