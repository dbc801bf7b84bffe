"""Looking, for all who wait in this process, at what other processes have committed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from dagger.engine.ports import Backend
from dagger.errors import BackendError

logger: Final = logging.getLogger("dagger")

LOOK_S_MIN: Final = 0.02
"""The least time between two looks, in seconds."""


class Follower:
    """Looks while somebody waits: `look` shows everybody what is committed now."""

    def __init__(self, backend: Backend, look: Callable[[], Awaitable[None]]) -> None:
        self._backend = backend
        self._look = look
        self._waiting = 0
        self._looking: asyncio.Task[None] | None = None

    async def until(self, event: anyio.Event) -> None:
        """Return when the event is set, by a commit here or by a look at what others have committed."""
        if not self._backend.shared:
            await event.wait()
            return
        self._waiting += 1
        if self._looking is None or self._looking.done():
            # A task of nobody's: whoever waits first may be gone first, and the others go on waiting.
            self._looking = asyncio.get_running_loop().create_task(self._look_for_all())
        try:
            await event.wait()
        finally:
            self._waiting -= 1

    def stop(self) -> None:
        """Look no more: the backend is closed."""
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None

    async def _look_for_all(self) -> None:
        """Look, and again after each change, until there is one while nobody waits."""
        while self._waiting:
            try:
                await self._look()
            except BackendError as error:
                logger.warning("%s: looking again", error)
            await asyncio.sleep(LOOK_S_MIN)
            await self._backend.changed()
