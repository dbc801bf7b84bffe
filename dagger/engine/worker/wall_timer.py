"""A timer that fires when the wall clock shows a time, even if that clock is set or the machine is suspended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from dagger.engine.clock import Clock

READ_S: Final = 0.9
"""How often the clock is read, in seconds. An event loop's own clock stands still while a machine is suspended, and
does not follow a wall clock that is set. Reading the wall clock takes microseconds."""


class WallClockTimer:
    """Fires once, in the event loop in which it is started."""

    def __init__(self, clock: Clock, callback: Callable[[], None]) -> None:
        self._clock = clock
        self._callback = callback
        self._handle: asyncio.TimerHandle | None = None

    def start(self, due: int, least_s: float) -> None:
        """Fire when the clock shows `due` (microseconds), but not sooner than `least_s` from now."""
        self._due = due
        self._after(max(least_s, min(self._left_s(), READ_S)))

    def cancel(self) -> None:
        """Cancel it."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _left_s(self) -> float:
        return (self._due - self._clock.now()) / 1_000_000

    def _after(self, seconds: float) -> None:
        self._handle = asyncio.get_running_loop().call_later(seconds, self._check)

    def _check(self) -> None:
        left = self._left_s()
        if left > 0:
            self._after(min(left, READ_S))
        else:
            self._handle = None
            self._callback()
