"""SIGTERM and SIGINT, by which a process that is a worker is told to leave."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final, Self

LEAVE_S: Final = 1.5
"""How long a process that still starts takes to leave, in seconds: what it waits for may never let go."""
NUMBERS: Final = (signal.SIGTERM, signal.SIGINT)


class Leave(SystemExit):
    """Told to leave while nothing runs yet that could be ended in another way."""


class Signals:
    """The signals from when this is made until `release`; the second and every other of them means nothing.

    Only in the main thread. A process that has not begun its work is ended by force `LEAVE_S` after the first: what
    blocks its event loop, swallows its cancellation or stays in a thread is not asked.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._leave: Callable[[], object] | None = None
        self._has_begun = False
        self._told, self._done = threading.Lock(), threading.Event()
        self._told.acquire()  # a handler may release a lock at any time, and could not start a thread
        self._before = {number: signal.signal(number, self._receive) for number in NUMBERS}
        threading.Thread(target=self._end_by_force, name="dagger-leave", daemon=True).start()

    @classmethod
    def installed(cls) -> Self | None:
        """What catches the signals already, if anything does."""
        found = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
        return found if isinstance(found, cls) else None

    def listen(self, leave: Callable[[], object]) -> None:
        """From now on `leave` is called, in the midst of anything."""
        self._leave = leave

    def begin(self) -> None:
        """The work has begun: it is not ended by force."""
        self._has_begun = True
        self.dismiss()

    def release(self) -> None:
        """Catch them no more."""
        for number, before in self._before.items():
            if signal.getsignal(number) == self._receive:
                signal.signal(number, before or signal.SIG_DFL)

    def dismiss(self) -> None:
        """End nothing by force any more."""
        self._done.set()
        if self._told.locked():
            self._told.release()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            return
        self.received = signal.Signals(number)
        if not self._has_begun:
            self._told.release()
        if self._leave is None:
            raise Leave(0)
        self._leave()

    def _end_by_force(self) -> None:
        with self._told:
            pass
        if not self._done.wait(LEAVE_S):
            with suppress(OSError):
                os.write(2, b"dagger: left by force, since what the start waits for does not let go\n")
            os._exit(0)
