"""Time in the engine: whole microseconds since 1970-01-01 UTC, and timers in this process."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


class Clock(Protocol):
    """A source of the current time."""

    def now(self) -> int:
        """Microseconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        return time.time_ns() // 1_000


class CallScheduler(Protocol):
    """Calls functions later, in this process; nothing of it is durable."""

    def now(self) -> int:
        """Microseconds since an arbitrary instant."""
        ...

    def call_at(self, due: int, call: Callable[[], None]) -> Callable[[], None]:
        """Call a function at an instant, in the event loop; returns a function that cancels the call."""
        ...


class LoopScheduler:
    """The timers of the event loop, which a change of the machine's clock does not touch."""

    def now(self) -> int:
        return int(asyncio.get_running_loop().time() * 1_000_000)

    def call_at(self, due: int, call: Callable[[], None]) -> Callable[[], None]:
        return asyncio.get_running_loop().call_at(due / 1_000_000, call).cancel


def to_datetime(micros: int) -> datetime:
    """The UTC time of an instant in microseconds."""
    return EPOCH + timedelta(microseconds=micros)


def to_micros(at: datetime) -> int:
    """The instant of a time-zone aware time, in microseconds."""
    return (at - EPOCH) // MICROSECOND
