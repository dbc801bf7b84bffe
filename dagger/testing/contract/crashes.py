"""Guarantees under faults: whatever goes wrong, and wherever, what comes out is what comes out undisturbed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import anyio
import pytest

from dagger.engine.client.instance import Instance
from dagger.engine.headers import ID, header_text, text_of
from dagger.engine.ports import Backend, TopicRecord
from dagger.testing.clock import VirtualClock
from dagger.testing.contract import shop
from dagger.testing.contract.case import ContractCase
from dagger.testing.contract.driver import Driver, messages_of
from dagger.testing.contract.harness import LIMIT_S, needs_sharing
from dagger.testing.contract.injected_faults import InjectedFault, InterceptedBackend, ProcessDied, Sort
from dagger.testing.contract.storage import Storage

IDS = ("o-1", "other", "o-3")
KEYS = {"o-1", "o-2", "o-3"}


@dataclass(frozen=True)
class CrashOutcome:
    """What a run of the scenario leads to."""

    instances: tuple[tuple[object, ...], ...]
    published: tuple[tuple[str, str, bytes, str], ...]
    """Topic, key, payload and id of every message, as often as a reader gets it."""


class CrashContract(ContractCase):
    """Guarantees 1 to 6 with one fault at every place in turn."""

    every_nth_call: ClassVar[int] = 1
    """1 tries every place, 5 every fifth: for a backend that takes its time."""

    def test_who_dies_before_any_call_changes_nothing(self, storage: Storage) -> None:
        """The next process goes on with what was committed."""
        self._at_every_place(storage, "dies before")

    def test_who_dies_after_any_call_changes_nothing(self, storage: Storage) -> None:
        """What was called has happened, and nobody has heard of it."""
        self._at_every_place(storage, "dies after")

    def test_who_is_overtaken_before_any_call_changes_nothing(self, storage: Storage) -> None:
        """It is paused for so long that another does all of the work, and then goes on as if nothing had been."""
        needs_sharing(storage.backend())
        self._at_every_place(storage, "paused")

    def test_a_commit_that_is_fenced_changes_nothing(self, storage: Storage) -> None:
        """Every record comes again."""
        self._at_every_place(storage, "fenced")

    def test_a_commit_that_cannot_be_done_now_changes_nothing(self, storage: Storage) -> None:
        """Every record comes again."""
        self._at_every_place(storage, "unavailable")

    def test_a_commit_whose_answer_is_lost_changes_nothing(self, storage: Storage) -> None:
        """No record comes again, though the worker believes so."""
        self._at_every_place(storage, "answer lost")

    def _at_every_place(self, storage: Storage, sort: Sort) -> None:
        expected = anyio.run(outcome, storage, InjectedFault("fenced", 1_000_000))
        number = 0
        while True:
            storage.wipe()
            fault = InjectedFault(sort, number)
            found = anyio.run(outcome, storage, fault)
            assert found == expected, f"{fault.struck}, call {number}"
            if not fault.struck:
                break
            number += self.every_nth_call
        assert number, "nothing was called"


async def outcome(storage: Storage, fault: InjectedFault) -> CrashOutcome:
    """Play the scenario to its end, by as many processes as it takes; the first has the fault."""
    clock = VirtualClock()
    backend = storage.backend()

    async def be_overtaken() -> None:
        if not await storage.expire(backend):
            pytest.skip("the storage has no way to let what is owned pass to others (`expire`)")
        await work(storage.backend(), clock)

    fault.meanwhile = be_overtaken
    with anyio.fail_after(LIMIT_S):
        try:
            await work(InterceptedBackend(backend, fault), clock)
        except* ProcessDied:
            await work(storage.backend(), clock)
        return await look(storage, clock)


async def work(backend: Backend, clock: VirtualClock) -> None:
    """A process that plays the scenario."""
    async with worker(backend, clock).working() as engine:
        await play(engine)


def worker(backend: Backend, clock: VirtualClock) -> Driver:
    """An engine that knows the workflow, and what starts it."""
    engine = Driver(backend, clock)
    engine.start_on(shop.ORDERS, shop.order)
    return engine


async def play(engine: Driver) -> None:
    """Three orders: one whose answer comes early, one whose id is not its key, and one that a message starts.

    All of it may be said again, by another process that does not know what was said before.
    """
    await engine.publish(shop.PAYMENTS, shop.Paid("o-1", "early"), id="p-1")
    first = await engine.start(shop.order, shop.Order("o-1"))
    second = await engine.start(shop.order, shop.Order("o-2"), id="other")
    await engine.publish(shop.ORDERS, shop.Order("o-3"), id="order-3")
    await engine.publish(shop.PAYMENTS, shop.Paid("o-2", "second"), id="p-2")
    await engine.publish(shop.PAYMENTS, shop.Paid("o-3", "third"), id="p-3")
    third = await engine.start(shop.order, shop.Order("o-3"))
    await engine.finish(first, second, third)


async def look(storage: Storage, clock: VirtualClock) -> CrashOutcome:
    """What is there, for a process that opens it afterwards."""
    backend = storage.backend()
    async with worker(backend, clock).working() as engine:
        await engine.run_until_idle()
        found = [await engine.get_instance(id) for id in IDS]
        published = [
            record
            for topic in (shop.CHARGES, shop.SHIPMENTS)
            for record in await messages_of(backend, topic.name, KEYS)
        ]
    return CrashOutcome(tuple(_summary(one) for one in found), tuple(_shown(published)))


def _summary(instance: Instance[Any]) -> tuple[object, ...]:
    result: Any = instance.result
    steps = [(step.path, step.status, step.attempts) for step in instance.steps]
    return (instance.id, instance.status, result, str(instance.error), *steps)


def _shown(records: Sequence[TopicRecord]) -> list[tuple[str, str, bytes, str]]:
    return sorted(
        (one.topic, text_of(one.key or b""), one.payload or b"", header_text(one.headers, ID) or "") for one in records
    )
