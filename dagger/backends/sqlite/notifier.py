"""Waking the tasks of this process after a commit, of this process or of another."""

from __future__ import annotations

import anyio


class NamedNotifier:
    """Wakes named waiters, in the event loop. A notification that comes while a name does not wait is kept for it."""

    def __init__(self) -> None:
        self._events: dict[str, anyio.Event] = {}

    async def wait(self, who: str) -> None:
        """Return at the next notification; at once if there was one since `who` last waited, or it never waited."""
        event = self._events.get(who)
        if event is None:
            self._events[who] = anyio.Event()
            return
        await event.wait()
        if self._events.get(who) is event:  # else another task that waits by this name was first
            self._events[who] = anyio.Event()

    def forget(self, who: str) -> None:
        """Wake the waiter of this name, for the last time."""
        event = self._events.pop(who, None)
        if event is not None:
            event.set()

    def notify(self) -> None:
        """Wake all waiters; in the event loop."""
        for event in self._events.values():
            event.set()
