"""Reading, for all who wait in this process, what other processes have committed.

Where a backend reports which instances have ended, those are read at once. All others are read in rounds: after each
change of which no more is known, and now and then, since a report may be lost and a deletion is not reported.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

import anyio

from dagger.engine.backoff import Backoff
from dagger.engine.ports import Backend
from dagger.errors import BackendUnavailable, EngineClosed

REST_S_MAX: Final = 0.02
"""The longest rest after a poll, in seconds."""
PROGRESS_S: Final = 0.25
"""How long after a poll a round follows, in seconds, where instances have changed and none is known to have ended."""
ROUND_S_MAX: Final = 2.0
"""The longest time from one round to the next, in seconds."""
CHUNK: Final = 512
"""How many instances one poll reads."""
REST_FACTOR: Final = 4
"""The rest after a poll, in multiples of the time that it took: about a fifth of a processor goes into polling, however
many instances are waited for. A poll that takes longer than the longest rest mostly waits for the store."""


class Waiter:
    """A task that waits for an event, or for the failure of the polling."""

    __slots__ = ("event", "failure")

    def __init__(self, event: anyio.Event) -> None:
        self.event = event
        self.failure: Exception | None = None


class ChangePoller:
    """Polls while somebody waits, so that everybody here sees what is committed."""

    def __init__(
        self,
        backend: Backend,
        wanted: Callable[[], Sequence[str]],
        is_wanted: Callable[[str], bool],
        poll: Callable[[Sequence[str]], Awaitable[int]],
    ) -> None:
        """`wanted` gives the ids to poll. `poll` shows their committed states, and gives how many of them had ended."""
        self._backend = backend
        self._wanted = wanted
        self._is_wanted = is_wanted
        self._poll = poll
        self._waiting = set[Waiter]()
        self._polling: asyncio.Task[None] | None = None
        self._round_at = 0.0
        """When the next round is due, by the monotonic clock."""
        self._round_s = 0.0
        """How long the last round took, in seconds."""

    async def wait_for(self, event: anyio.Event) -> None:
        """Return when the event is set, by a commit of this process or by a poll that finds one of another.

        Raises what ends the polling: BackendError where the records cannot be read any more.
        """
        if not self._backend.shared:
            await event.wait()
            return
        waiter = Waiter(event)
        self._waiting.add(waiter)
        if self._polling is None or self._polling.done():
            # A task of its own, since the first waiter may be cancelled while others wait.
            self._polling = asyncio.get_running_loop().create_task(self._poll_for_all())
        try:
            await event.wait()
        finally:
            self._waiting.discard(waiter)
        if waiter.failure is not None:
            raise waiter.failure

    def stop(self) -> None:
        """Stop polling: the backend is closed."""
        if self._polling is not None:
            self._polling.cancel()
            self._polling = None

    def reset(self) -> None:
        """The event loop has ended, and with it the polling and the waiters."""
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
        """Poll all instances, and then after each change those that it concerns, until nobody waits."""
        backoff = Backoff()
        self._round_at = 0.0
        ended: Collection[str] = ()
        while self._waiting:
            try:
                if time.monotonic() >= self._round_at:
                    begun = time.monotonic()
                    await self._poll_each(self._wanted())
                    self._round_s = time.monotonic() - begun
                    self._round_at = time.monotonic() + max(ROUND_S_MAX, self._rest_s)
                else:
                    await self._poll_each([id for id in ended if self._is_wanted(id)])
                ended = ()
                backoff.succeeded()
                ended = await self._changed()
            except BackendUnavailable as error:
                self._round_at = 0.0
                backoff.failed(error)
                await backoff.sleep()
            except Exception as error:  # whatever it is, whoever waits would wait for ever
                self._fail(error)

    async def _changed(self) -> Collection[str]:
        """Wait for a change, or until the next round is due; gives the instances that are known to have ended."""
        polled_at = time.monotonic()
        with anyio.move_on_after(max(0.0, self._round_at - polled_at)):
            changed = await self._backend.changed()
            if changed is None:
                self._round_at = 0.0
            elif not changed:  # a round shows how far the others have come
                self._round_at = min(self._round_at, polled_at + max(PROGRESS_S, self._rest_s))
            return changed or ()
        return ()

    @property
    def _rest_s(self) -> float:
        """How long a round rests for: while many instances are waited for, those that are reported come first."""
        return REST_FACTOR * self._round_s

    def _fail(self, error: Exception) -> None:
        """Make all who wait now fail."""
        for waiter in self._waiting:
            waiter.failure = error
            waiter.event.set()
        self._waiting = set[Waiter]()

    async def _poll_each(self, ids: Sequence[str]) -> None:
        """Poll instances in chunks, with a rest after each. Where most of a chunk had ended, the next follows at once,
        since others have ended too, and are waited for."""
        for start in range(0, len(ids), CHUNK):
            chunk = ids[start : start + CHUNK]
            begun = time.perf_counter()
            ended = await self._poll(chunk)
            if start + CHUNK >= len(ids) or 2 * ended < len(chunk):
                await asyncio.sleep(min(REST_S_MAX, REST_FACTOR * (time.perf_counter() - begun)))
