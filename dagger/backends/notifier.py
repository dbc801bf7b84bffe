"""Waking whoever waits in this process, at no cost while nobody does."""

from __future__ import annotations

import anyio


class Notifier:
    """Wakes whoever waits now; costs nothing while nobody does."""

    def __init__(self) -> None:
        self._event: anyio.Event | None = None

    async def wait(self) -> None:
        """Return at the next notify."""
        if self._event is None:
            self._event = anyio.Event()
        await self._event.wait()

    def notify(self) -> None:
        """Wake them."""
        if self._event is not None:
            self._event.set()
            self._event = None
