"""Whoever waits sees what other processes have committed, however many wait: a few are looked at at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anyio

from dagger.engine.follow import AT_ONCE, Follower
from dagger.errors import BackendUnavailable

MANY = 3 * AT_ONCE + 7


class Elsewhere:
    """A backend of which another process changes the records: `ended` are there, and nobody here was told."""

    shared = True

    def __init__(self) -> None:
        self.waiting = {f"o-{number}": anyio.Event() for number in range(MANY)}
        self.ended = set[str]()
        self.looks = list[Sequence[str]]()
        self.is_away = False
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
        found = [id for id in ids if id in self.ended]
        for id in found:
            self.waiting[id].set()
        return len(found)


def follower_of(elsewhere: Any) -> Follower:
    return Follower(elsewhere, elsewhere.wanted, elsewhere.look)


def test_all_are_looked_at_before_a_change_is_waited_for() -> None:
    async def run() -> None:
        elsewhere = Elsewhere()
        follower = follower_of(elsewhere)
        elsewhere.ended = {"o-0", f"o-{MANY - 1}"}
        async with anyio.create_task_group() as group:
            for id, event in elsewhere.waiting.items():
                if id in elsewhere.ended:
                    group.start_soon(follower.until, event)
        async with anyio.create_task_group() as group:
            group.start_soon(follower.until, elsewhere.waiting["o-1"])
            await elsewhere.is_asked.wait()
            assert max(len(some) for some in elsewhere.looks) == AT_ONCE
            assert {id for some in elsewhere.looks for id in some} == set(elsewhere.waiting)
            group.cancel_scope.cancel()
        follower.stop()

    anyio.run(run)


def test_a_change_is_seen_by_all_whom_it_concerns() -> None:
    async def run() -> None:
        elsewhere = Elsewhere()
        follower = follower_of(elsewhere)
        async with anyio.create_task_group() as group:
            for event in elsewhere.waiting.values():
                group.start_soon(follower.until, event)
            await elsewhere.is_asked.wait()
            elsewhere.is_away = True  # for one look
            elsewhere.ended = set(elsewhere.waiting)
            elsewhere.has_changed.set()
        follower.stop()

    anyio.run(run)
