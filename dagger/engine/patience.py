"""Asking again, with pauses, for what a backend cannot do now."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

from dagger.errors import BackendUnavailable

T = TypeVar("T")

logger: Final = logging.getLogger("dagger")

PAUSE_S_MIN: Final = 0.1
"""The first pause while a backend is not available, in seconds; each is twice the one before."""
PAUSE_S_MAX: Final = 5.0
"""The longest of these pauses, in seconds."""


class Pauses:
    """How long to wait between tries."""

    def __init__(self) -> None:
        self.next_s = PAUSE_S_MIN

    async def rest(self) -> None:
        """Wait; longer each time."""
        pause, self.next_s = self.next_s, min(2 * self.next_s, PAUSE_S_MAX)
        await anyio.sleep(pause)


async def insist(what: str, call: Callable[[], Awaitable[T]]) -> T:
    """Make a call that may be made again, until the backend can do it; `what` is told meanwhile."""
    pauses = Pauses()
    while True:
        try:
            return await call()
        except BackendUnavailable as error:
            logger.error("%s: %s, trying again in %g s", error, what, pauses.next_s)  # what it says is enough
            await pauses.rest()
