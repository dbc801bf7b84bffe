"""Looking, for all who wait in this process, at what other processes have committed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import anyio

from dagger.engine.backoff import Backoff
from dagger.engine.ports import Backend
from dagger.errors import BackendUnavailable, EngineClosed

POLL_S_MIN: Final = 0.02
"""The least time between two rounds of looks, in seconds."""
POLL_S_MAX: Final = 2.0
"""The longest time between two rounds of looks, in seconds."""
CHUNK: Final = 512
"""How many instances are looked at at a time."""
REST_FACTOR: Final = 4
"""How long it rests between two looks of a round, in times of what a poll has taken, but no longer than between two
rounds: so about a fifth of a processor goes into looking, however many are waited for. A poll that takes longer mostly
waits for the store."""


class Waiter:
    """Somebody who waits for an event, or for what ends the looking."""

    __slots__ = ("event", "failure")

    def __init__(self, event: anyio.Event) -> None:
        self.event = event
        self.failure: Exception | None = None


class ChangePoller:
    """Looks while somebody waits, so that everybody here sees what is committed."""

    def __init__(
        self, backend: Backend, wanted: Callable[[], Sequence[str]], poll: Callable[[Sequence[str]], Awaitable[int]]
    ) -> None:
        """`wanted` gives the ids to poll. `poll` shows their committed states, and gives how many of them had ended."""
        self._backend = backend
        self._wanted = wanted
        self._poll = poll
        self._waiting = set[Waiter]()
        self._polling: asyncio.Task[None] | None = None

    async def wait_for(self, event: anyio.Event) -> None:
        """Return when the event is set, by a commit of this process or by a poll that finds one of another.

        Raises what ends the looking: BackendError where the backend cannot be looked at any more.
        """
        if not self._backend.shared:
            await event.wait()
            return
        waiter = Waiter(event)
        self._waiting.add(waiter)
        if self._polling is None or self._polling.done():
            # A task of nobody's: whoever waits first may be gone first, and the others go on waiting.
            self._polling = asyncio.get_running_loop().create_task(self._poll_for_all())
        try:
            await event.wait()
        finally:
            self._waiting.discard(waiter)
        if waiter.failure is not None:
            raise waiter.failure

    def stop(self) -> None:
        """Look no more: the backend is closed."""
        if self._polling is not None:
            self._polling.cancel()
            self._polling = None

    def reset(self) -> None:
        """What looked was of an event loop that has ended, and so were those who waited."""
        self._polling = None
        self._waiting.clear()

    async def _poll_for_all(self) -> None:
        """Poll until nobody waits. If polling is no longer possible, all waiters fail."""
        try:
            await self._poll_until_idle()
        except asyncio.CancelledError:
            if self._polling is asyncio.current_task():  # not by `stop`
                self._fail(EngineClosed("the looks at other processes' work were cancelled by code in this event loop"))
            raise

    async def _poll_until_idle(self) -> None:
        """Poll all instances, and again after each change, until nobody waits."""
        backoff = Backoff()
        while self._waiting:
            try:
                await self._round()
                backoff.succeeded()
                await asyncio.sleep(POLL_S_MIN)
                with anyio.move_on_after(POLL_S_MAX):  # a deletion may not be reported as a change
                    await self._backend.changed()
            except BackendUnavailable as error:
                backoff.failed(error)
                await backoff.sleep()
            except Exception as error:  # whatever it is, whoever waits would wait for ever
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        """Nobody who waits now will ever see more."""
        for waiter in self._waiting:
            waiter.failure = error
            waiter.event.set()
        self._waiting = set[Waiter]()

    async def _round(self) -> None:
        """Look at all, a few at a time. Where most of these had ended, others have too, and are waited for."""
        ids = self._wanted()
        for start in range(0, len(ids), CHUNK):
            some = ids[start : start + CHUNK]
            begun = time.perf_counter()
            ended = await self._poll(some)
            if start + CHUNK < len(ids) and 2 * ended < len(some):
                await asyncio.sleep(min(POLL_S_MIN, REST_FACTOR * (time.perf_counter() - begun)))
