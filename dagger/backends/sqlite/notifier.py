"""Wakes those who wait in this process when something has changed, whoever changed it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import anyio
from typing_extensions import override

WAKE: Final = b"w"
"""Something was committed."""
HELLO: Final = b"h"
"""Somebody has come or gone: look at the list of peers anew."""


class Notifier:
    """Rings in the loop's thread; a ring that comes while nobody waits is kept for whoever waits next."""

    def __init__(self) -> None:
        self._events: dict[str, anyio.Event] = {}

    async def wait(self, who: str) -> None:
        """Return at the next ring; at once if it rang since `who` waited last, or if `who` has never waited."""
        event = self._events.get(who)
        if event is None:
            self._events[who] = anyio.Event()
            return
        await event.wait()
        if self._events.get(who) is event:  # else another who waits by this name was first
            self._events[who] = anyio.Event()

    def forget(self, who: str) -> None:
        """Wake who waits by this name, for the last time."""
        event = self._events.pop(who, None)
        if event is not None:
            event.set()

    def notify(self) -> None:
        """Wake all; in the loop's thread."""
        for event in self._events.values():
            event.set()


class WakeSocket(asyncio.DatagramProtocol):
    """Hears the datagrams by which processes on one file wake each other. What is in one does no more than that."""

    def __init__(self, heard: Callable[[], None], hello: Callable[[], None]) -> None:
        self._heard = heard
        self._hello = hello

    @override
    def datagram_received(self, data: bytes, addr: object) -> None:
        if data == HELLO:
            self._hello()
        self._heard()

    @override
    def error_received(self, exc: Exception) -> None:
        """A peer whose port is closed: it is gone, and its entry expires."""
