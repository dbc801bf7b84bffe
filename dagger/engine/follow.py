"""Looking, for all who wait in this process, at what other processes have committed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import anyio

from dagger.engine.ports import Backend

LOOK_S_MIN: Final = 0.02
"""The least time between two looks, in seconds."""


class Follower:
    """One of those who wait looks for all: `look` shows everybody what is committed now."""

    def __init__(self, backend: Backend, look: Callable[[], Awaitable[None]]) -> None:
        self._backend = backend
        self._look = look
        self._left: anyio.Event | None = None
        """Set when the one who looks does so no longer; None while nobody looks."""

    async def until(self, event: anyio.Event) -> None:
        """Return when the event is set, by a commit here or by a look at what others have committed."""
        if not self._backend.shared:
            await event.wait()
            return
        while not event.is_set():
            if self._left is None:
                await self._lead(event)
            else:
                await _first(event.wait, self._left.wait)

    async def _lead(self, event: anyio.Event) -> None:
        left = self._left = anyio.Event()
        try:
            await _first(event.wait, self._look_for_all)
        finally:
            self._left = None
            left.set()

    async def _look_for_all(self) -> None:
        while True:
            await self._backend.changed()
            await self._look()
            await anyio.sleep(LOOK_S_MIN)


async def _first(*waits: Callable[[], Awaitable[None]]) -> None:
    """Return when the first of several returns; the others are cancelled."""
    async with anyio.create_task_group() as group:

        async def run(wait: Callable[[], Awaitable[None]]) -> None:
            await wait()
            group.cancel_scope.cancel()

        for wait in waits:
            group.start_soon(run, wait)
