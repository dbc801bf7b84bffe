"""A message that a worker of another release reads is for the listeners and start triggers that this worker lacks."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from dagger import Again, Dagger, Status, Template, Topic, listener, template
from dagger.backends.memory import MemoryBackend
from dagger.core.events import MessagesHandedOver
from dagger.engine.records import decode_record
from dagger.testing import TestEngine
from dagger.testing.clock import VirtualClock

WEEK = timedelta(days=7)


@dataclass(frozen=True)
class Order:
    id: str
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Note:
    id: str
    text: str = ""
    other: str = ""


notes = Topic("NOTES", Note, key=lambda m: m.id)
unmatched = Topic("UNMATCHED", Note, key=lambda m: m.id)


def by_id(order: Order) -> str:
    return order.id


def other_of(note: Note) -> list[str]:
    return [note.other, f"{note.other}!"]


@listener(notes, by=other_of)
def noted(order: Order, note: Note) -> Order | Again[Order]:
    """Takes notes until one says `end`."""
    after = Order(order.id, (*order.texts, note.text))
    return after if note.text == "end" else Again(after)


def order_of(note: Note) -> Order:
    return Order(note.other)


first = template("Orders", listener(notes), key=by_id, takes=Order)
second = template("Orders", noted, key=by_id, version=2)
beside = template("Beside", listener(notes, by=other_of), key=by_id, takes=Order)


def engine_of(memory: MemoryBackend, *templates: Template[Order, Any]) -> TestEngine:
    engine = TestEngine(backend=memory, unmatched_topic="UNMATCHED")
    for one in templates:
        engine.register(one)
    return engine


@pytest.fixture
def other(memory: MemoryBackend) -> TestEngine:
    """Has nothing registered yet."""
    return engine_of(memory)


@pytest.fixture
def old(memory: MemoryBackend) -> TestEngine:
    """Lacks the second version, and hears its topic."""
    return engine_of(memory, first)


def client_of(memory: MemoryBackend) -> Dagger:
    """An engine that does no work, on the clock of the others."""
    return Dagger(backend=memory, clock=VirtualClock())


async def submit(memory: MemoryBackend, order: Order) -> None:
    await client_of(memory).start(second, order)


async def new_worker(memory: MemoryBackend) -> TestEngine:
    engine = engine_of(memory, first, second)
    await engine.crash()
    return engine


async def test_a_message_that_another_release_reads_is_for_an_instance_that_waits(
    memory: MemoryBackend, old: TestEngine
) -> None:
    new = engine_of(memory, first, second)
    run = await new.start(second, Order("o-1"))
    assert run.step("noted").status is Status.EXECUTING
    await old.crash()  # it is the worker now
    for text in ("a", "b", "end"):
        await old.deliver(notes, Note("elsewhere", text, "o-1"))
    assert run.status is Status.EXECUTING
    assert old.counts["handed_over"] == 3
    new = await new_worker(memory)
    assert (await new.get_instance("o-1")).result == Order("o-1", ("a", "b", "end"))


async def test_one_that_comes_before_its_instance_has_begun_is_too(memory: MemoryBackend, old: TestEngine) -> None:
    await submit(memory, Order("o-1"))
    await old.deliver(notes, Note("elsewhere", "end", "o-1"))
    new = await new_worker(memory)
    assert (await new.get_instance("o-1")).result == Order("o-1", ("end",))


async def test_messages_keep_their_order(memory: MemoryBackend, old: TestEngine) -> None:
    await submit(memory, Order("o-1"))
    await old.deliver(notes, Note("x", "a", "o-1"))
    await old.publish_all(notes, [Note("x", text, "o-1") for text in "bc"])
    await client_of(memory).publish_all(
        notes, [Note("x", text, "o-1") for text in ("d", "e")]
    )  # not polled yet by the old one
    new = await new_worker(memory)
    await new.publish_all(notes, [Note("x", text, "o-1") for text in ("f", "end")])
    assert (await new.get_instance("o-1")).result == Order("o-1", ("a", "b", "c", "d", "e", "f", "end"))


async def test_a_worker_that_learns_the_version_goes_on(memory: MemoryBackend, old: TestEngine) -> None:
    await submit(memory, Order("o-1"))
    await old.deliver(notes, Note("x", "a", "o-1"))
    old.register(second)
    await old.deliver(notes, Note("x", "end", "o-1"))
    assert (await old.get_instance("o-1")).result == Order("o-1", ("a", "end"))


async def test_its_own_instances_get_it_at_once(memory: MemoryBackend, old: TestEngine) -> None:
    await submit(memory, Order("o-1"))
    run = await old.start(first, Order("o-2"))
    await old.deliver(notes, Note("o-2", "end", "o-1"))
    assert run.result == Note("o-2", "end", "o-1")
    assert (await (await new_worker(memory)).get_instance("o-1")).result == Order("o-1", ("end",))


async def test_a_message_starts_an_instance_where_another_worker_has_the_trigger(
    memory: MemoryBackend, other: TestEngine
) -> None:
    other.register(beside)
    knowing = engine_of(memory)
    knowing.start_on(notes, first, build=order_of)
    await knowing.crash()
    await other.crash()
    await other.deliver(notes, Note("x", "a", "o-1"))
    assert await other.count() == 0
    await knowing.crash()
    assert [instance.id for instance in await knowing.instances()] == ["o-1"]
    await knowing.deliver(notes, Note("x", "b", "o-2"))
    assert [instance.id for instance in await knowing.instances()] == ["o-1", "o-2"]


async def test_a_listener_by_the_key_of_the_topic_gets_it_from_a_worker_with_other_listeners(
    memory: MemoryBackend, other: TestEngine
) -> None:
    other.register(beside)
    knowing = engine_of(memory, first)
    run = await knowing.start(first, Order("o-1"))
    await other.crash()
    await other.deliver(notes, Note("o-1", "a"))
    assert run.status is Status.EXECUTING
    await knowing.crash()
    assert (await knowing.get_instance(run)).result == Note("o-1", "a")


async def test_a_message_of_a_topic_that_a_worker_does_not_hear_is_not_lost(
    memory: MemoryBackend, other: TestEngine
) -> None:
    knowing = engine_of(memory, first)
    run = await knowing.start(first, Order("o-1"))
    await other.crash()
    await other.deliver(notes, Note("o-1", "a"))
    await knowing.crash()
    assert (await knowing.get_instance(run)).result == Note("o-1", "a")


async def test_what_cannot_be_routed_is_dead_lettered_by_the_worker_that_has_the_listener(
    memory: MemoryBackend, old: TestEngine
) -> None:
    await submit(memory, Order("o-1"))
    await old.deliver_raw(notes, b"{")
    letters = len(old.dead_letters(notes))
    new = await new_worker(memory)
    assert len(new.dead_letters(notes)) == letters + 1
    await new.deliver(notes, Note("x", "end", "o-1"))
    assert (await new.get_instance("o-1")).result == Order("o-1", ("end",))


async def test_it_waits_no_longer_than_early_messages(memory: MemoryBackend, old: TestEngine) -> None:
    await submit(memory, Order("o-1"))
    await old.deliver(notes, Note("o-9", "a", "o-1"))
    await old.advance(WEEK)
    assert old.counts["unmatched_expired"] == 2  # at its own key, too
    assert old.sent(unmatched) == [Note("o-9", "a", "o-1")] * 2
    await old.deliver(notes, Note("o-9", "a", "o-1"))  # a week after a process had the second version
    assert old.counts["handed_over"] == 1


async def test_nothing_is_left_of_it(memory: MemoryBackend, old: TestEngine) -> None:
    await submit(memory, Order("o-1"))
    await old.deliver(notes, Note("x", "end", "o-1"))
    [home] = handed_over(memory)
    assert await memory.store.read([home]) != [None]
    await new_worker(memory)
    assert await memory.store.read([home]) == [None]


async def test_once_all_has_come_messages_are_routed_at_once(memory: MemoryBackend, old: TestEngine) -> None:
    await submit(memory, Order("o-1"))
    await old.deliver(notes, Note("x", "a", "o-1"))
    new = await new_worker(memory)
    for text in ("b", "c", "end"):
        await new.deliver(notes, Note("x", text, "o-1"))
    assert (await new.get_instance("o-1")).result == Order("o-1", ("a", "b", "c", "end"))
    assert len(handed_over(memory)) == 2


def handed_over(memory: MemoryBackend) -> list[str]:
    """The keys of all records of messages that were handed over."""
    records = [decode_record(record.data) for lane in memory.log._internal for record in lane]
    return [record.to for record in records if isinstance(record.event, MessagesHandedOver)]
