"""Whoever waits sees what other processes have committed, however many wait: a few are looked at at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from dagger.engine.client.poller import CHUNK, ChangePoller
from dagger.errors import BackendError, BackendUnavailable

MANY = 3 * CHUNK + 7


class Elsewhere:
    """A backend of which another process changes the records: `ended` are there, and nobody here was told."""

    shared = True

    def __init__(self) -> None:
        self.waiting = {f"o-{number}": anyio.Event() for number in range(MANY)}
        self.ended = set[str]()
        self.looks = list[Sequence[str]]()
        self.is_away = False
        self.failure: Exception | None = None
        self.has_changed = anyio.Event()
        self.is_asked = anyio.Event()

    async def changed(self) -> None:
        self.is_asked.set()
        await self.has_changed.wait()
        self.has_changed = anyio.Event()

    def wanted(self) -> list[str]:
        return [id for id, event in self.waiting.items() if not event.is_set()]

    async def look(self, ids: Sequence[str]) -> int:
        if self.is_away:
            self.is_away = False
            raise BackendUnavailable("it is away")
        self.looks.append(ids)
        if self.failure is not None:
            raise self.failure
        found = [id for id in ids if id in self.ended]
        for id in found:
            self.waiting[id].set()
        return len(found)


def follower_of(elsewhere: Any) -> ChangePoller:
    return ChangePoller(elsewhere, elsewhere.wanted, elsewhere.look)


def test_all_are_looked_at_before_a_change_is_waited_for() -> None:
    async def run() -> None:
        elsewhere = Elsewhere()
        poller = follower_of(elsewhere)
        elsewhere.ended = {"o-0", f"o-{MANY - 1}"}
        async with anyio.create_task_group() as group:
            for id, event in elsewhere.waiting.items():
                if id in elsewhere.ended:
                    group.start_soon(poller.wait_for, event)
        async with anyio.create_task_group() as group:
            group.start_soon(poller.wait_for, elsewhere.waiting["o-1"])
            await elsewhere.is_asked.wait()
            assert max(len(some) for some in elsewhere.looks) == CHUNK
            assert {id for some in elsewhere.looks for id in some} == set(elsewhere.waiting)
            group.cancel_scope.cancel()
        poller.stop()

    anyio.run(run)


def test_a_change_is_seen_by_all_whom_it_concerns() -> None:
    async def run() -> None:
        elsewhere = Elsewhere()
        poller = follower_of(elsewhere)
        async with anyio.create_task_group() as group:
            for event in elsewhere.waiting.values():
                group.start_soon(poller.wait_for, event)
            await elsewhere.is_asked.wait()
            elsewhere.is_away = True  # for one look
            elsewhere.ended = set(elsewhere.waiting)
            elsewhere.has_changed.set()
        poller.stop()

    anyio.run(run)


@pytest.mark.parametrize("failure", [BackendError("the file was deleted"), ZeroDivisionError("a fault of ours")])
def test_what_ends_the_looking_is_told_to_all_who_wait(failure: Exception) -> None:
    """What does not pass, and what nobody expects; who waits afterwards looks anew."""

    async def run() -> None:
        elsewhere = Elsewhere()
        poller = follower_of(elsewhere)
        told = list[Exception]()

        async def wait(event: anyio.Event) -> None:
            try:
                await poller.wait_for(event)
            except Exception as error:
                told.append(error)

        async with anyio.create_task_group() as group:
            for event in elsewhere.waiting.values():
                group.start_soon(wait, event)
            await elsewhere.is_asked.wait()
            elsewhere.failure = failure
            elsewhere.has_changed.set()
        assert told == [failure] * MANY
        assert len(elsewhere.looks) <= 2 * (MANY // CHUNK + 1)
        elsewhere.failure = None
        late = elsewhere.waiting["late"] = anyio.Event()
        elsewhere.ended = {"late"}
        await poller.wait_for(late)
        poller.stop()

    anyio.run(run)
