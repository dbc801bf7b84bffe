"""One time that an engine is open: in one event loop, from the first use to the close."""

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
"""How long is tried to close what an event loop has left open that has ended, in seconds."""


class PendingWait:
    """Somebody who waits; `error` is why in vain."""

    __slots__ = ("error", "scope")

    def __init__(self, scope: anyio.CancelScope) -> None:
        self.scope = scope
        self.error: BaseException | None = None


class Connection:
    """What is connected, and who waits for something that comes only while it is."""

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
        """It can be used from now on."""
        self.is_connected = True
        self.opened_or_closed.set()

    def begin_close(self) -> None:
        """It is being closed: whoever waits is told, and nobody waits any more."""
        self.is_closing, self.is_connected = True, False
        if self.opened_or_closed.is_set():  # whoever comes meanwhile waits, and connects anew
            self.opened_or_closed = anyio.Event()
        for wait in self._waits:
            wait.scope.cancel()

    def fail(self, error: BaseException) -> None:
        """The worker has ended by an error: whoever waits is told; others may go on using what is connected."""
        for wait in self._waits:
            wait.error = error
            wait.scope.cancel()

    @contextmanager
    def waiting(self, what: str) -> Generator[None]:
        """Wait inside of this for something that comes only while the engine is open. Raises EngineClosed."""
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
    """The event loop that runs here. Raises RequestError where there is none, or one of another library."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise RequestError(
            "an engine works in an event loop of asyncio, and here is none; use asyncio.run(...), or anyio.run(...) "
            "without backend='trio'"
        ) from None


async def close_stale(connection: Connection) -> None:
    """Give up what was connected in an event loop that has ended. Most of it was closed with the loop; what was not is
    closed here, if that can be done."""
    closing = asyncio.get_running_loop().create_task(connection.stack.aclose())
    await asyncio.wait([closing], timeout=STALE_S)
    if not closing.done():
        closing.cancel()
    elif not closing.cancelled() and (error := closing.exception()) is not None:
        logger.warning("what was connected in an event loop that has ended was not closed: %s", error)
