"""The brokers' clock, as far as the answers to what was appended tell it.

The log is created with LogAppendTime, so a broker says when it has taken a batch, by its own clock. A machine whose
clock is ahead would fire timers too early; nothing is done about one that is behind: its timers are late.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

logger: Final = logging.getLogger("dagger")

TRUST_S: Final = 60.0
"""After how long without an answer is asked again, in seconds."""
ASK_S: Final = 2.0
"""How long is waited for an answer before is asked again, in seconds."""


class BrokerClock:
    """How far this machine's clock is ahead, at least."""

    def __init__(self, skew_s: float, now: Callable[[], float] = time.time) -> None:
        self._skew_s = skew_s
        self.now = now
        self._asked_s: float | None = None
        self._seen_s: float | None = None
        self.ahead_s = 0.0
        """By how many seconds this machine's clock is ahead at least."""

    def ask(self) -> bool:
        """Whether something should be appended now, to see the time."""
        now = self.now()
        fresh = self._seen_s is not None and abs(now - self._seen_s) < TRUST_S and not self.is_wrong
        if fresh or (self._asked_s is not None and abs(now - self._asked_s) < ASK_S):
            return False
        self._asked_s = now
        return True

    def saw(self, sent_s: float, timestamp_ms: int | None) -> None:
        """A broker has taken what was sent then, at this time of its clock; None where it does not tell."""
        self._seen_s = self.now()
        was_wrong = self.is_wrong
        self.ahead_s = 0.0 if timestamp_ms is None or timestamp_ms < 0 else sent_s - timestamp_ms / 1000
        if self.is_wrong and not was_wrong:
            logger.error(
                "this machine's clock is ahead of the brokers' by %.1f s at least: no timer fires here until it is not",
                self.ahead_s,
            )

    @property
    def is_wrong(self) -> bool:
        """Whether timers would fire too early by more than is allowed."""
        return self.ahead_s > self._skew_s

    @property
    def is_known(self) -> bool:
        """Whether a broker has answered yet."""
        return self._seen_s is not None
