"""A clock that stands still until it is told to go on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from dagger.engine.clock import to_datetime, to_micros

START: Final = datetime(2030, 1, 1, tzinfo=UTC)
"""What a virtual clock shows at first."""


class VirtualClock:
    """Starts at 2030-01-01 UTC."""

    def __init__(self) -> None:
        self._now = to_micros(START)

    def now(self) -> int:
        return self._now

    @property
    def time(self) -> datetime:
        """What it shows, as a UTC time."""
        return to_datetime(self._now)

    def move_to(self, at: int) -> None:
        """Go on to an instant in microseconds; never back."""
        self._now = max(self._now, at)
