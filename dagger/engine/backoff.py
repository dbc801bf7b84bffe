"""Retries of backend calls, with growing pauses."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import anyio

from dagger.errors import BackendUnavailable

T = TypeVar("T")

logger: Final = logging.getLogger("dagger")

PAUSE_S_MIN: Final = 0.1
"""The first pause while a backend is unavailable, in seconds; each is twice the one before."""
PAUSE_S_MAX: Final = 5.0
"""The longest of these pauses, in seconds."""


LOG_S_MIN: Final = 1.0
"""After how long the same error is logged again, in seconds; each time after twice as long."""
LOG_S_MAX: Final = 300.0
"""The longest of these times, in seconds."""


class Backoff:
    """How long to wait between attempts, and what to log meanwhile.

    The pauses grow as long as attempts fail, even if other calls succeed between them. The same error is logged less
    and less often.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self.next_s = PAUSE_S_MIN
        self._logged = ""
        self._log_at = self._log_s = 0.0
        self._tried_at = 0.0
        """When the last pause ended."""

    def failed(self, error: BackendUnavailable, what: str = "") -> None:
        """Log an error, unless the same was logged a moment ago; `what` is being tried."""
        text, now = f"{error}: {what}", self._now()
        if text != self._logged:
            self._logged, self._log_s = text, LOG_S_MIN
        elif now < self._log_at:
            return
        else:
            self._log_s = min(2 * self._log_s, LOG_S_MAX)
        self._log_at = now + self._log_s
        # The message is enough: no traceback.
        logger.error("%s: %strying again in %g s", error, f"{what}, " if what else "", self.next_s)

    async def sleep(self) -> None:
        """Wait; longer each time."""
        pause, self.next_s = self.next_s, min(2 * self.next_s, PAUSE_S_MAX)
        await anyio.sleep(pause)
        self._tried_at = self._now()

    def succeeded(self) -> None:
        """An attempt has succeeded: once this has been so for a while, the earlier failure is over."""
        if self._logged and self._now() - self._tried_at > 2 * self.next_s + PAUSE_S_MIN:
            logger.info("what failed works again: %s", self._logged)
            self._logged, self.next_s = "", PAUSE_S_MIN


async def retry_unavailable(what: str, call: Callable[[], Awaitable[T]]) -> T:
    """Make a call that may be repeated, until the backend is available; `what` is logged meanwhile."""
    backoff = Backoff()
    while True:
        try:
            return await call()
        except BackendUnavailable as error:
            backoff.failed(error, what)
            await backoff.sleep()
