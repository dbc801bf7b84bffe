"""Ends a worker in which a function never returns that is called on the event loop.

Such a function stops everything: no heartbeat is sent, no signal is handled, nothing is logged. Its partitions go to
others, which are stopped by the same record, one after the other. So a thread looks whether the loop still turns. Where
it stands still at one record, the process ends: then the backend can find out what ends its workers, and put it aside.
Where it stands still elsewhere, as in an `async` task that blocks it, that is logged and no more, since it may end.

Time is counted by turns of this thread: a process that was stopped, or a machine that was suspended, is not taken for
one that hangs.
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
"""For how long the loop may stand still, in seconds."""
CHECKS: Final = 60
"""How often is looked in that time."""
LOG_S: Final = 5.0
"""How long is waited until it is logged, in seconds: who hangs may hold the lock of a log."""
STATUS: Final = 70
"""The exit status of a worker that hangs (EX_SOFTWARE of sysexits.h)."""


class Watchdog:
    """Watches the event loop that runs in this thread."""

    def __init__(self, applying: Callable[[], str]) -> None:
        """`applying` tells what is being applied, in words; nothing where the loop does anything else."""
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
            still = still + 1 if at == before else 0  # a batch of many records may take its time
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
