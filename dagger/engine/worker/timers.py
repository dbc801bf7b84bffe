"""The timers of the partitions that a worker owns: when the next is due, and which were ordered to fire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

from dagger.engine.ports import Store

DUE_MAX: Final = 2048
"""How many timers are ordered to fire at a time."""


class Timers:
    """What is known of them for as long as the partitions are owned."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._asked: dict[str, int] = {}
        self._stuck: set[str] = set()
        """Those that cannot be applied: they stay due, and are passed over."""
        self.next_due: int | None = None
        """When the first timer is due that was not ordered to fire, in microseconds; None if there is none."""

    async def reset(self, partitions: Collection[int]) -> None:
        """Know nothing but when the first is due: these partitions are owned from here on, or may be served anew."""
        self._asked.clear()
        self._stuck.clear()
        self.next_due = await self._store.next_due(partitions, -1)

    def added(self, due: int) -> None:
        """A timer was written."""
        if self.next_due is None or due < self.next_due:
            self.next_due = due

    def are_due(self, now: int) -> bool:
        """Whether some may be due that were not ordered to fire."""
        return self.next_due is not None and self.next_due <= now

    async def fire_due(
        self, partitions: Collection[int], now: int, order: Callable[[Sequence[str]], Awaitable[None]]
    ) -> int:
        """Order the timers that are due now to fire, the earliest first; gives how many were ordered."""
        limit = DUE_MAX + len(self._stuck)
        found = await self._store.due(partitions, now, limit)
        due = [(key, at) for key, at in found if self._asked.get(key) != at]
        await order([key for key, _ in due])
        self._asked.update(due)
        self.next_due = now if len(found) == limit else await self._store.next_due(partitions, now)
        return len(due)

    def fired(self, key: str) -> None:
        """What was due of a key was applied to it."""
        self._asked.pop(key, None)
        self._stuck.discard(key)

    def failed(self, key: str) -> None:
        """What was due of a key cannot be applied to it. It is not ordered again while it stays as it is."""
        self._stuck.add(key)
