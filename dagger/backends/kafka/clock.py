"""The brokers' clock, as far as the answers to what was appended tell it.

The log is created with LogAppendTime, so a broker says when it has taken a batch, by its own clock. A machine whose
clock is ahead would fire timers too early; nothing is done about one that is behind: its timers are late.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

TRUST_S: Final = 60.0
"""After how long without an answer is asked again, in seconds."""


class BrokerClock:
    """How far this machine's clock is ahead, at least."""

    def __init__(self, skew_s: float, now: Callable[[], float] = time.time) -> None:
        self._skew_s = skew_s
        self._now = now
        self._sent_s: float | None = None
        self._seen_s: float | None = None
        self.ahead_s = 0.0
        """By how many seconds this machine's clock is ahead at least."""

    def sends(self) -> None:
        """A batch is about to be sent."""
        self._sent_s = self._now()

    def saw(self, timestamp_ms: int | None) -> None:
        """A broker has taken it, at this time of its clock."""
        if timestamp_ms is None or timestamp_ms < 0 or self._sent_s is None:  # the log has no LogAppendTime
            return
        self._seen_s = self._now()
        self.ahead_s = self._sent_s - timestamp_ms / 1000

    @property
    def is_stale(self) -> bool:
        """Whether nothing is known that is recent."""
        return self._seen_s is None or abs(self._now() - self._seen_s) > TRUST_S

    @property
    def is_wrong(self) -> bool:
        """Whether timers would fire too early by more than is allowed."""
        return self.ahead_s > self._skew_s
