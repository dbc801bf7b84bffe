"""The timers of the partitions that a worker owns: when the next one is due, and which ones are firing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

from dagger.engine.ports import Store

DUE_MAX: Final = 2048
"""How many timers are fired at a time."""


class Timers:
    """What is known about them while the partitions are owned."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked: dict[str, int] = {}
        self._stuck: set[str] = set()
        """The timers that cannot be applied: they stay due, and are skipped."""
        self.next_due: int | None = None
        """When the first timer that is not firing is due, in microseconds; None if there is none."""

    async def reset(self, partitions: Collection[int]) -> None:
        """Start again with the time of the first timer: the partitions were taken over, or can be served again."""
        self._asked.clear()
        self._stuck.clear()
        self.next_due = await self._store.next_due(partitions, -1)

    def added(self, due: int) -> None:
        """A timer was written."""
        if self.next_due is None or due < self.next_due:
            self.next_due = due

    def are_due(self, now: int) -> bool:
        """Whether timers that are not firing may be due."""
        return self.next_due is not None and self.next_due <= now

    async def fire_due(
        self, partitions: Collection[int], now: int, order: Callable[[Sequence[str]], Awaitable[None]]
    ) -> int:
        """Fire the timers that are due now, the earliest first; returns how many."""
        limit = DUE_MAX + len(self._stuck)
        found = await self._store.due(partitions, now, limit)
        due = [(key, at) for key, at in found if self._asked.get(key) != at]
        await order([key for key, _ in due])
        self._asked.update(due)
        self.next_due = now if len(found) == limit else await self._store.next_due(partitions, now)
        return len(due)

    def fired(self, key: str) -> None:
        """The due timers of a key were applied."""
        self._asked.pop(key, None)
        self._stuck.discard(key)

    def failed(self, key: str) -> None:
        """The due timers of a key cannot be applied. They are not fired again while their times do not change."""
        self._stuck.add(key)
