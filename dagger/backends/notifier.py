"""Waking the tasks that wait in this process."""

from __future__ import annotations

import anyio


class Notifier:
    """Wakes the tasks that wait; costs nothing while none does."""

    def __init__(self) -> None:
        self._event: anyio.Event | None = None

    async def wait(self) -> None:
        """Return at the next call of `notify`."""
        if self._event is None:
            self._event = anyio.Event()
        await self._event.wait()

    def notify(self) -> None:
        """Wake all tasks that wait."""
        if self._event is not None:
            self._event.set()
            self._event = None
