"""SIGTERM and SIGINT, which ask a process that runs a worker to stop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final, Self

SHUTDOWN_S: Final = 1.2
"""How long a process that is still starting may take to leave, in seconds: what it waits for may never return."""
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class ShutdownRequested(SystemExit):
    """A signal came before anything was running that could be ended in another way."""


class SignalHandler:
    """Handles the signals from its creation until `release`; all but the first are ignored.

    Only in the main thread. A process that has not begun its work is ended by force `SHUTDOWN_S` after the first
    signal, even if something blocks its event loop, swallows its cancellation or stays in a thread.

    A thread listens too: the main thread handles signals only between two bytecode instructions, which may be an hour
    apart.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._leave: Callable[[], object] | None = None
        self._has_begun = False
        self._was_raised = False
        """Whether `ShutdownRequested` was raised in the main thread."""
        self._done = threading.Event()
        self._threads = set(threading.enumerate())
        self._before = {number: signal.signal(number, self._receive) for number in SIGNALS}
        read_end, self._write_end = os.pipe()
        os.set_blocking(self._write_end, False)
        self._write_end_before = signal.set_wakeup_fd(self._write_end, warn_on_full_buffer=False)
        os.register_at_fork(after_in_child=self.release)  # a signal to a child is not for this process
        threading.Thread(target=self._listen, args=[read_end], name="dagger-signals", daemon=True).start()

    @classmethod
    def installed(cls) -> Self | None:
        """The handlers that are already installed, if there are any."""
        found = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
        return found if isinstance(found, cls) else None

    def listen(self, leave: Callable[[], object]) -> None:
        """From now on a signal calls `leave`, from any thread, and maybe twice."""
        self._leave = leave
        if self.received is not None:
            leave()

    def begin(self) -> None:
        """The work has begun: the process is not ended by force."""
        self._has_begun = True

    def release(self) -> None:
        """Restore the previous handlers."""
        if self._write_end < 0:
            return
        for number, before in self._before.items():
            if signal.getsignal(number) == self._receive:
                signal.signal(number, before or signal.SIG_DFL)
        found = signal.set_wakeup_fd(self._write_end_before)
        if found not in (self._write_end, -1):  # installed by somebody else
            signal.set_wakeup_fd(found)
        os.close(self._write_end)
        self._write_end = -1

    def end(self) -> None:
        """End the process by force, unless what was started has ended and has left no threads behind."""
        if self.received is not None and not self._has_begun:
            for thread in set(threading.enumerate()) - self._threads:
                if not thread.daemon:
                    thread.join()
        self._done.set()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._leave is not None:
            self._note(number)
        elif not self._was_raised:
            self._was_raised = True
            self._note(number)
            raise ShutdownRequested(0)

    def _note(self, number: int) -> None:
        self.received = self.received or signal.Signals(number)
        if self._leave is not None:
            with suppress(RuntimeError):  # the event loop is closed already: another thread was first
                self._leave()

    def _listen(self, read_end: int) -> None:
        with open(read_end, "rb", buffering=0) as numbers:
            while number := numbers.read(1):
                if number[0] in SIGNALS:
                    self._note(number[0])
                    break
        if self.received is None or self._has_begun or self._done.wait(SHUTDOWN_S):
            return
        with suppress(OSError):
            os.write(2, b"dagger: left by force, since what the start waits for does not let go\n")
        os._exit(0)
