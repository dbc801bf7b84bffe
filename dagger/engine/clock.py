"""Time, as the engine is given it: whole microseconds since 1970-01-01 UTC."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


class Clock(Protocol):
    """What tells the time."""

    def now(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        return time.time_ns() // 1_000


def to_datetime(micros: int) -> datetime:
    """The UTC time of an instant in microseconds."""
    return EPOCH + timedelta(microseconds=micros)


def to_micros(at: datetime) -> int:
    """The instant of a time-zone aware time, in microseconds."""
    return (at - EPOCH) // MICROSECOND
