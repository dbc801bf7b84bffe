"""Waking the tasks of this process after a commit, of this process or of another."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import anyio
from typing_extensions import override

WAKE: Final = b"w"
"""Something was committed."""
HELLO: Final = b"h"
"""A process has come or gone: read the list of processes again."""


class Notifier:
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


class WakeSocket(asyncio.DatagramProtocol):
    """Receives the datagrams by which the processes on one file wake each other. They carry no data."""

    def __init__(self, on_wake: Callable[[], None], on_hello: Callable[[], None]) -> None:
        self._on_wake = on_wake
        self._on_hello = on_hello

    @override
    def datagram_received(self, data: bytes, addr: object) -> None:
        if data == HELLO:
            self._on_hello()
        self._on_wake()

    @override
    def error_received(self, exc: Exception) -> None:
        """The port of another process is closed: that process is gone, and its entry expires."""
