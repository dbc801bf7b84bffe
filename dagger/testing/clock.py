"""A virtual clock, which moves only when a test advances it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

from dagger.engine.clock import to_datetime, to_micros

START: Final = datetime(2030, 1, 1, tzinfo=UTC)
"""The time at which a virtual clock starts."""


class VirtualClock:
    """Starts at 2030-01-01 UTC. It has the timers of this process too; they fire when `advance` says so."""

    def __init__(self) -> None:
        self._now = to_micros(START)
        self._count = 0
        self._calls: dict[int, tuple[int, Callable[[], None]]] = {}

    def now(self) -> int:
        return self._now

    @property
    def time(self) -> datetime:
        """Its time in UTC."""
        return to_datetime(self._now)

    def move_to(self, at: int) -> None:
        """Move forward to a time in microseconds; never back."""
        self._now = max(self._now, at)

    # As `CallScheduler`.

    def call_at(self, due: int, call: Callable[[], None]) -> Callable[[], None]:
        """Call a function at a time; returns a function that cancels the call."""
        self._count += 1
        self._calls[self._count] = due, call
        return partial(self._call_off, self._count)

    def _call_off(self, number: int) -> None:
        self._calls.pop(number, None)

    def next_due(self) -> int | None:
        """When the first timer is due, in microseconds; None if there is none."""
        return min((due for due, _ in self._calls.values()), default=None)

    def fire(self) -> bool:
        """Make the calls that are due, in order; whether there were any."""
        due = sorted((at, number) for number, (at, _) in self._calls.items() if at <= self._now)
        for _, number in due:
            found = self._calls.pop(number, None)
            if found is not None:  # else it was cancelled meanwhile
                found[1]()
        return bool(due)
