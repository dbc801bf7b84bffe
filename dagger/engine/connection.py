"""The connection of an engine: in one event loop, from the first use to the close."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from contextlib import AsyncExitStack, contextmanager
from typing import Final

import anyio

from dagger.errors import EngineClosed, RequestError

logger: Final = logging.getLogger("dagger")

STALE_S: Final = 2.0
"""How long closing the connection of an event loop that has ended may take, in seconds."""


class PendingWait:
    """A wait; `error` is set if it fails."""

    __slots__ = ("error", "scope")

    def __init__(self, scope: anyio.CancelScope) -> None:
        self.scope = scope
        self.error: BaseException | None = None


class Connection:
    """A connection, and the waits for events that occur only while it is open."""

    def __init__(self) -> None:
        """Raises RequestError outside of an asyncio event loop."""
        self.loop = running_loop()
        self.stack = AsyncExitStack()
        self.is_connected = False
        self.opened_or_closed = anyio.Event()
        """Set while it is connected, and once it is closed."""
        self.is_closing = False
        self._waits: set[PendingWait] = set()

    def connected(self) -> None:
        """The connection is open."""
        self.is_connected = True
        self.opened_or_closed.set()

    def begin_close(self) -> None:
        """The connection is being closed: all waits end, and no new one begins."""
        self.is_closing, self.is_connected = True, False
        if self.opened_or_closed.is_set():  # concurrent callers wait, and connect anew
            self.opened_or_closed = anyio.Event()
        for wait in self._waits:
            wait.scope.cancel()

    def fail(self, error: BaseException) -> None:
        """The worker has ended with an error: all waits fail. The connection stays usable."""
        for wait in self._waits:
            wait.error = error
            wait.scope.cancel()

    @contextmanager
    def waiting(self, what: str) -> Generator[None]:
        """A block that waits for an event that occurs only while the engine is open. Raises EngineClosed."""
        wait = PendingWait(scope := anyio.CancelScope())
        self._waits.add(wait)
        if self.is_closing:
            scope.cancel()
        try:
            with scope:
                yield
        finally:
            self._waits.discard(wait)
        if scope.cancelled_caught:
            if wait.error is not None:
                raise EngineClosed(f"{what} is not known: the worker has ended: {wait.error}") from wait.error
            raise EngineClosed(f"{what} is not known: the engine was closed meanwhile; wait inside its `async with`")


def running_loop() -> asyncio.AbstractEventLoop:
    """The running event loop. Raises RequestError if there is none, or one of another library."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RequestError(
            "an engine needs an event loop of asyncio, and none is running; use asyncio.run(...), or anyio.run(...) "
            "without backend='trio'"
        ) from None


async def close_stale(connection: Connection) -> None:
    """Drop the connection of an event loop that has ended. Most of it was closed with the loop. The rest is closed
    here, if possible."""
    closing = asyncio.get_running_loop().create_task(connection.stack.aclose())
    await asyncio.wait([closing], timeout=STALE_S)
    if not closing.done():
        closing.cancel()
    elif not closing.cancelled() and (error := closing.exception()) is not None:
        logger.warning("the connection of an event loop that has ended was not closed: %s", error)
