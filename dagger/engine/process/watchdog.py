"""Ends a worker in which a function never returns that is called on the event loop.

Such a function stops everything: no heartbeat is sent, no signal is handled, nothing is logged. The partitions go to
other workers, which the same record stops, one after the other. So a thread checks whether the loop still runs. If it
hangs at one record, the process ends: then the backend can find the record that ends its workers, and dead-letter it.
If it hangs elsewhere, as in an `async` task that blocks it, that is only logged, since it may end.

Time is counted in iterations of this thread, so a stopped process or a suspended machine does not count as hanging.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

logger: Final = logging.getLogger("dagger")

HANGS_S: Final = 60.0
"""How long the loop may hang, in seconds."""
CHECKS: Final = 60
"""How many checks are made in that time."""
LOG_S: Final = 5.0
"""How long logging may take, in seconds: the code that hangs may hold the lock of a log handler."""
STATUS: Final = 70
"""The exit status of a worker that hangs (EX_SOFTWARE of sysexits.h)."""


class Watchdog:
    """Watches the event loop that runs in this thread."""

    def __init__(self, applying: Callable[[], str]) -> None:
        """`applying` returns what is being applied, in words; empty while the loop does anything else."""
        self._applying = applying
        self._watched = threading.get_ident()
        self._ended = threading.Event()
        self._alive = True

    @contextmanager
    def watching(self) -> Generator[None]:
        """Watch while the context is open."""
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=self._watch, args=(loop,), name="dagger-watchdog", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._ended.set()
            thread.join()

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        still, at = 0, ""
        while not self._ended.wait(HANGS_S / CHECKS):
            if self._alive:
                self._alive, still = False, 0
                try:
                    loop.call_soon_threadsafe(self._mark_alive)
                except RuntimeError:  # the loop is closed
                    return
                continue
            before, at = at, self._applying()
            still = still + 1 if at == before else 0  # a batch of many records may take long
            if still == CHECKS:
                self._hangs(at)

    def _mark_alive(self) -> None:
        self._alive = True

    def _hangs(self, at: str) -> None:
        frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]  # documented, for debuggers and the like
        frame = frames.get(self._watched)
        stack = "".join(traceback.format_stack(frame)) if frame is not None else ""
        where = f"while {at} was applied: the process ends" if at else "in code that blocks it: nothing goes on here"
        telling = threading.Thread(
            target=logger.error,
            args=("the event loop has stood still for %g s %s\n%s", HANGS_S, where, stack),
            daemon=True,
        )
        telling.start()
        telling.join(LOG_S)
        if at:
            os._exit(STATUS)
