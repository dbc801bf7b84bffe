"""Looking, for all who wait in this process, at what other processes have committed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import anyio

from dagger.engine.backoff import Pauses
from dagger.engine.ports import Backend
from dagger.errors import BackendUnavailable, EngineClosed

LOOK_S_MIN: Final = 0.02
"""The least time between two rounds of looks, in seconds."""
LOOK_S_MAX: Final = 2.0
"""The longest time between two rounds of looks, in seconds."""
AT_ONCE: Final = 512
"""How many instances are looked at at a time."""
REST: Final = 4
"""How long it rests between two looks of a round, in times of what a look has taken, but no longer than between two
rounds: so about a fifth of a processor goes into looking, however many are waited for. A look that takes longer mostly
waits for the store."""


class Waiter:
    """Somebody who waits for an event, or for what ends the looking."""

    __slots__ = ("event", "failure")

    def __init__(self, event: anyio.Event) -> None:
        self.event = event
        self.failure: Exception | None = None


class Follower:
    """Looks while somebody waits, so that everybody here sees what is committed."""

    def __init__(
        self, backend: Backend, wanted: Callable[[], Sequence[str]], look: Callable[[Sequence[str]], Awaitable[int]]
    ) -> None:
        """`wanted` tells the ids that somebody looks at. `look` shows them as they are; it gives how many had ended."""
        self._backend = backend
        self._wanted = wanted
        self._look = look
        self._waiting = set[Waiter]()
        self._looking: asyncio.Task[None] | None = None

    async def until(self, event: anyio.Event) -> None:
        """Return when the event is set, by a commit here or by a look at what others have committed.

        Raises what ends the looking: BackendError where the backend cannot be looked at any more.
        """
        if not self._backend.shared:
            await event.wait()
            return
        waiter = Waiter(event)
        self._waiting.add(waiter)
        if self._looking is None or self._looking.done():
            # A task of nobody's: whoever waits first may be gone first, and the others go on waiting.
            self._looking = asyncio.get_running_loop().create_task(self._look_for_all())
        try:
            await event.wait()
        finally:
            self._waiting.discard(waiter)
        if waiter.failure is not None:
            raise waiter.failure

    def stop(self) -> None:
        """Look no more: the backend is closed."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    def forget(self) -> None:
        """What looked was of an event loop that has ended, and so were those who waited."""
        self._looking = None
        self._waiting.clear()

    async def _look_for_all(self) -> None:
        """Look until nobody waits. Where that cannot go on, whoever waits is told."""
        try:
            await self._look_on()
        except asyncio.CancelledError:
            if self._looking is asyncio.current_task():  # not by `stop`
                self._fail(EngineClosed("the looks at other processes' work were cancelled by code in this event loop"))
            raise

    async def _look_on(self) -> None:
        """Look at everything, and again after each change, until there is one while nobody waits."""
        pauses = Pauses()
        while self._waiting:
            try:
                await self._round()
                pauses.worked()
                await asyncio.sleep(LOOK_S_MIN)
                with anyio.move_on_after(LOOK_S_MAX):  # what is deleted may be no change that is told
                    await self._backend.changed()
            except BackendUnavailable as error:
                pauses.complain(error)
                await pauses.rest()
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
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE]
            begun = time.perf_counter()
            ended = await self._look(some)
            if start + AT_ONCE < len(ids) and 2 * ended < len(some):
                await asyncio.sleep(min(LOOK_S_MIN, REST * (time.perf_counter() - begun)))
