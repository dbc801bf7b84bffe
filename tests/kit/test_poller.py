"""Whoever waits sees what other processes have committed, however many wait: a few are looked at at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio
import anyio.lowlevel
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
        self.reported: set[str] | None = None
        """What `changed` gives."""

    async def changed(self) -> set[str] | None:
        self.is_asked.set()
        await self.has_changed.wait()
        self.has_changed = anyio.Event()
        self.is_asked = anyio.Event()
        return self.reported

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
    return ChangePoller(elsewhere, elsewhere.wanted, elsewhere.waiting.__contains__, elsewhere.look)


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


def test_of_what_is_reported_only_that_is_read_for_which_somebody_waits() -> None:
    async def run() -> None:
        elsewhere = Elsewhere()
        poller = follower_of(elsewhere)
        async with anyio.create_task_group() as group:
            group.start_soon(poller.wait_for, elsewhere.waiting["o-1"])
            await elsewhere.is_asked.wait()
            elsewhere.looks.clear()
            elsewhere.ended = {"o-1"}
            elsewhere.reported = {"o-1", "of somebody else"}
            elsewhere.has_changed.set()
        assert elsewhere.looks == [["o-1"]]
        poller.stop()

    anyio.run(run)


def test_changes_without_an_end_lead_to_a_round_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not to one for each; and one does not wait until there is no change any more."""

    async def run() -> None:
        elsewhere = Elsewhere()
        poller = follower_of(elsewhere)
        elsewhere.reported = set()
        async with anyio.create_task_group() as group:
            group.start_soon(poller.wait_for, elsewhere.waiting["o-1"])
            await elsewhere.is_asked.wait()
            elsewhere.looks.clear()
            elsewhere.ended = {"o-1"}
            while not elsewhere.waiting["o-1"].is_set():
                elsewhere.has_changed.set()
                await anyio.lowlevel.checkpoint()
        assert elsewhere.looks == [list(elsewhere.waiting)[:CHUNK]]
        poller.stop()

    monkeypatch.setattr("dagger.engine.client.poller.PROGRESS_S", 0.01)
    monkeypatch.setattr("dagger.engine.client.poller.ROUND_S_MAX", 3_600)
    anyio.run(run)


def test_a_round_that_takes_long_does_not_follow_on_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is reported is read meanwhile."""

    async def run() -> None:
        elsewhere = Elsewhere()
        poller = follower_of(elsewhere)
        elsewhere.reported = set()
        async with anyio.create_task_group() as group:
            group.start_soon(poller.wait_for, elsewhere.waiting["o-1"])
            await elsewhere.is_asked.wait()
            poller._round_s = 3_600.0  # as if it had taken so long
            elsewhere.looks.clear()
            for _ in range(100):
                elsewhere.has_changed.set()
                await anyio.lowlevel.checkpoint()
            elsewhere.ended = elsewhere.reported = {"o-1"}
            elsewhere.has_changed.set()
        assert elsewhere.looks == [["o-1"]]
        poller.stop()

    monkeypatch.setattr("dagger.engine.client.poller.PROGRESS_S", 0.0)
    monkeypatch.setattr("dagger.engine.client.poller.ROUND_S_MAX", 3_600)
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
