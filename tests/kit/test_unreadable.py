"""A value that an instance keeps, and that another release stored, as no value of its type here: the instance waits.

A field was removed, or has another type, and the template has the same version. The release that can read it goes on.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import make_dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dagger import Again, Status, Topic, command, listener, signal, sleep, task, template
from dagger.backends.memory import MemoryBackend
from dagger.backends.sqlite import SqliteBackend
from dagger.backends.sqlite.options import options_of
from dagger.core.dispatch import receive
from dagger.core.effects import Parked
from dagger.core.entity import EMPTY, Entity
from dagger.core.envelope import Envelope
from dagger.core.events import MessageReceived, PlanRegistered, StopRequested, TimerDue, UnreadRecord
from dagger.core.head import Head
from dagger.core.parking import ParkedFull
from dagger.core.state import State
from dagger.dsl.template import Template
from dagger.engine.headers import texts_of
from dagger.engine.ports import Backend
from dagger.engine.worker.decoding import DEAD_LETTERS
from dagger.plan.plan import Limits
from dagger.testing.clock import VirtualClock
from dagger.testing.contract.driver import Driver, messages_of
from tests.sqlite.shop import in_loop

HOUR = timedelta(hours=1)


class Release:
    """Classes and templates of one release; `kind` is the type of what both classes hold."""

    def __init__(self, kind: type) -> None:
        self.Order: Any = make_dataclass("Order", [("id", str), ("what", kind)], frozen=True)
        self.Paid: Any = make_dataclass("Paid", [("id", str), ("what", kind)], frozen=True)
        self.what = kind(7)
        self.notes: Topic[Any] = Topic("NOTES", str, key=lambda text: text)
        self.payments: Topic[Any] = Topic("PAYMENTS", self.Paid, key=lambda paid: paid.id)
        self.called: list[Any] = []

    @property
    def order(self) -> Any:
        return self.Order("o-1", self.what)

    def template(self, body: Any) -> Template[Any, Any]:
        return template("W", body, key=lambda order: order.id, takes=self.Order)

    def waits(self) -> Template[Any, Any]:
        """The value of a listener that waits."""

        def noted(order: Any, text: str) -> Any:
            return order if text == "o-1" else Again(order)

        noted.__annotations__ = {"order": self.Order, "text": str, "return": self.Order}
        return self.template(listener(self.notes)(noted))

    def runs(self) -> Template[Any, Any]:
        """The input of a task."""

        async def work(order: Any) -> str:
            self.called.append(order)
            if len(self.called) == 1 and isinstance(order.what, int):
                await asyncio.sleep(3600)
            return str(order.what)

        work.__annotations__ = {"order": self.Order, "return": str}
        return self.template(task(work))

    def sleeps(self) -> Template[Any, Any]:
        """The value of a sleep, which a function looks at when it is over."""

        def told(order: Any) -> str:
            return str(order.id)

        told.__annotations__ = {"order": self.Order, "return": str}
        return self.template(sleep(HOUR) >> command(Topic("TOLD", str, key=lambda text: text))(told))

    def keeps(self) -> Template[Any, Any]:
        """A message that came before its listener."""
        return self.template(listener(self.notes) >> listener(self.payments))

    def asked(self) -> Template[Any, Any]:
        """The value of a signal that came before its step."""
        return self.template(listener(self.notes) >> signal("say", self.Paid))

    def begins(self) -> Template[Any, Any]:
        """The input of the template."""

        def told(order: Any) -> str:
            return str(order.id)

        told.__annotations__ = {"order": self.Order, "return": str}
        return self.template(command(Topic("TOLD", str, key=lambda text: text))(told))


Opened = Callable[[], Backend]


@pytest.fixture(params=["memory", "sqlite"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    memory = MemoryBackend()
    if request.param == "memory":
        return lambda: memory
    return lambda: SqliteBackend(options_of(f"sqlite:///{tmp_path}/o.db"))


@asynccontextmanager
async def worker(backend: Backend, clock: VirtualClock, workflow: Template[Any, Any]) -> AsyncGenerator[Driver]:
    engine = Driver(backend, clock)
    engine.register(workflow)
    async with engine.working():
        yield engine


async def prepare(engine: Driver, old: Release, kind: str) -> None:
    """Bring the instance to where it keeps a value, with a worker of the old release."""
    await engine.start(getattr(old, kind)(), old.order)
    if kind == "runs":
        while not old.called:
            await engine.step()
            await engine.rest()
        return
    await engine.run_until_idle()
    if kind == "keeps":
        await engine.publish(old.payments, old.Paid("o-1", old.what))
    if kind == "asked":
        await engine.signal("o-1", "say", old.Paid("o-1", old.what))
    await engine.run_until_idle()


async def go_on(engine: Driver, release: Release, kind: str) -> None:
    """Let the value be looked at."""
    if kind in ("waits", "keeps", "asked"):
        await engine.publish(release.notes, "o-1")
    if kind == "sleeps":
        engine.time.move_to(engine.time.now() + HOUR // timedelta(microseconds=1))
    if kind == "runs":
        for _ in range(20):
            await engine.step()
            await engine.rest()
        return
    await engine.run_until_idle()


async def state_of(engine: Driver) -> State:
    state = await engine._state("o-1")
    assert state is not None
    return state


KINDS = ["waits", "runs", "sleeps", "keeps", "asked"]


@pytest.mark.parametrize("kind", KINDS)
@in_loop
async def test_what_is_stored_waits_for_a_release_that_can_read_it(
    opened: Opened, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock, old, new = VirtualClock(), Release(int), Release(str)
    async with worker(opened(), clock, getattr(old, kind)()) as engine:
        await prepare(engine, old, kind)
    for _ in range(2):
        async with worker(opened(), clock, getattr(new, kind)()) as engine:
            await go_on(engine, new, kind)
            assert (await state_of(engine)).is_live
            counted = engine.counts.get("unreadable", 0)
            assert counted == 0 if kind == "runs" else 1 <= counted <= 2
        [*told] = [one for one in caplog.records if "cannot be read here" in one.getMessage()]
        assert {one.levelno for one in told} == {logging.ERROR}
        assert all("$.what" in one.getMessage() or "what" in one.getMessage() for one in told)
        caplog.clear()
        assert not new.called
    async with worker(opened(), clock, getattr(old, kind)()) as engine:
        while (await state_of(engine)).is_live:
            if not await engine.step():
                await engine.rest()
        assert (await engine.get_instance("o-1")).status is Status.COMPLETED


@in_loop
async def test_the_input_of_a_template_waits_too(opened: Opened) -> None:
    clock, old, new = VirtualClock(), Release(int), Release(str)
    client = Driver(opened(), clock)
    async with client.connected():
        await client.start(old.begins(), old.order)
    async with worker(opened(), clock, new.begins()) as engine:
        await engine.run_until_idle()
        assert await engine.count(status=Status.COMPLETED) == 0
        assert engine.counts["unreadable"] >= 1
    async with worker(opened(), clock, old.begins()) as engine:
        await engine.run_until_idle()
        assert (await engine.get_instance("o-1")).status is Status.COMPLETED


@in_loop
async def test_a_message_that_cannot_be_read_is_a_dead_letter_all_the_same(opened: Opened) -> None:
    clock, old, new = VirtualClock(), Release(int), Release(str)
    async with worker(opened(), clock, old.keeps()) as engine:
        await engine.start(old.keeps(), old.order)
        await engine.run_until_idle()
    client = Driver(opened(), clock)
    async with client.connected():
        await client.publish(old.payments, old.Paid("o-1", 7))
    async with worker(opened(), clock, new.keeps()) as engine:
        await engine.run_until_idle()
        assert engine.counts == {"dead_letters": 1}
        (letter,) = await messages_of(engine.backend, "PAYMENTS.dead-letter", {"o-1"})
        assert "DecodeError" in texts_of(letter.headers)["dagger-reason"]


@in_loop
async def test_a_release_that_cannot_read_it_keeps_no_more_than_is_allowed(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Limits, "parked_count", 3)
    clock, old, new = VirtualClock(), Release(int), Release(str)
    async with worker(opened(), clock, old.waits()) as engine:
        await prepare(engine, old, "waits")
    async with worker(opened(), clock, new.waits()) as engine:
        for number in range(5):
            await engine._append("o-1", MessageReceived(Envelope("NOTES", "o-1", b'"%d"' % number)))
        await engine.run_until_idle()
        assert (engine.counts["unreadable"], engine.counts["poison"]) == (3, 2)
        letters = await messages_of(engine.backend, DEAD_LETTERS, {"o-1"})
        assert len(letters) == 2
        assert "3 records are parked already" in texts_of(letters[0].headers)["dagger-reason"]


def parked(entity: Entity, limits: Limits, payload: bytes) -> Entity:
    event = MessageReceived(Envelope("C", "k", payload))
    entity, (effect,) = receive(lambda *_: None, limits, entity, event, 0)
    assert isinstance(effect, Parked)
    return entity


def test_what_is_parked_is_bounded_by_number_and_by_bytes() -> None:
    state = State(Head("k", "W", 1, "k", b"", 0), 0)
    begun = Entity(state)
    few, little = Limits(parked_count=2), Limits(parked_bytes=10)
    full = parked(parked(begun, few, b"large" * 100), few, b"")
    with pytest.raises(ParkedFull, match="2 records are parked already"):
        parked(full, few, b"")
    full = parked(parked(begun, little, b"12345"), little, b"67890")
    with pytest.raises(ParkedFull, match="this one would make 11 bytes"):
        parked(full, little, b"x")
    assert parked(begun, little, bytes(100)).parked, "one alone, however large"
    assert parked(full, little, b"").parked, "what has none"
    assert receive(lambda *_: None, few, EMPTY, PlanRegistered(), 0)[0] is EMPTY
    with pytest.raises(ParkedFull):
        receive(lambda *_: None, few, parked(parked(begun, few, b""), few, b""), StopRequested(), 0)


def test_a_record_that_cannot_be_read_is_parked_with_all_that_comes_after_it() -> None:
    limits, unread = Limits(), UnreadRecord(b"bytes", "it is of format 9")
    entity, effects = receive(lambda *_: None, limits, EMPTY, unread, 0)
    assert effects == (Parked("it is of format 9", unreadable=True),)
    assert entity.parked == (unread,)
    assert (entity.lacks, entity.wakeup()) == (None, (None, True))
    message = MessageReceived(Envelope("C", "k", b""))
    entity, effects = receive(lambda *_: None, limits, entity, message, 0)
    assert entity.parked == (unread, message)
    assert receive(lambda *_: None, limits, entity, TimerDue(), 0)[0] == entity
    assert receive(lambda *_: None, limits, entity, PlanRegistered(), 0)[0] == entity
    readable = msgspec.structs.replace(entity, parked=(message,))
    after, _ = receive(lambda *_: None, limits, readable, PlanRegistered(), 0)
    assert [held.message for held in after.held] == [message.message]
    with pytest.raises(ParkedFull, match="this one would make 10 bytes"):
        receive(lambda *_: None, Limits(parked_bytes=9), entity, unread, 0)
