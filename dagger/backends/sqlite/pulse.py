"""The chores of a process that has the file open: signs of life, and deleting what is old.

They run in a thread of their own with a connection of their own, so that a worker whose event loop is busy for a while
does not count as dead.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Final

from dagger.backends.sqlite.mishaps import shut
from dagger.errors import DaggerError, words_of

logger: Final = logging.getLogger("dagger")

Work = Callable[[sqlite3.Connection], float]

AGAIN_S: Final = 1.0
"""When a chore that failed is tried again, in seconds."""


class Chore:
    """Something to do again and again: `work` gives in how many seconds next."""

    __slots__ = ("at", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.at = 0.0


class Pulse:
    """Does chores on time."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], failed: Callable[[], None]) -> None:
        """`failed` is called after each chore that failed."""
        self._connect = connect
        self._failed = failed
        self._told = ""
        self._connection: sqlite3.Connection | None = None
        self._chores: list[Chore] = []
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="dagger-sqlite-pulse", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; returns when nothing is done any more."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.ident is not None:  # else it was never begun
            self._thread.join()

    def quit(self) -> None:
        """End after the chore that calls this."""
        with self._wake:
            self._stopping = True

    def add(self, work: Work, *, idle: bool = False) -> Chore:
        """Do this now and then, from now on; or, where it is `idle`, from when it is to be hurried on."""
        chore = Chore(work)
        if idle:
            chore.at = float("inf")
        with self._wake:
            self._chores.append(chore)
            self._wake.notify()
        return chore

    def hurry(self, chore: Chore) -> None:
        """Do a chore now."""
        with self._wake:
            chore.at = 0.0
            self._wake.notify()

    def _run(self) -> None:
        while (chore := self._next()) is not None:
            self._do(chore)
        self._close()

    def _next(self) -> Chore | None:
        """The chore whose time has come; None at the end."""
        with self._wake:
            while not self._stopping:
                chore = min(self._chores, key=lambda chore: chore.at, default=None)
                left = None if chore is None else chore.at - time.monotonic()
                if chore is not None and left is not None and left <= 0:
                    chore.at = float("inf")  # unless it is hurried meanwhile
                    return chore
                self._wake.wait(left)
        return None

    def _do(self, chore: Chore) -> None:
        try:
            if self._connection is None:
                self._connection = self._connect()
            pause = chore.work(self._connection)
            self._told = ""
        except (sqlite3.Error, DaggerError, OSError):
            # Whoever waits for the file is told why it fails; a chore tries again.
            pause = self._after_a_failure()
        except BaseException as error:  # a sign of life that is not given would be missed elsewhere
            words = f"{type(error).__name__}: {words_of(error)}"
            if words != self._told:  # as often as something new is to be told
                self._told = words
                logger.error("a background job failed, and runs again every %g s: %s", AGAIN_S, words, exc_info=True)
            pause = self._after_a_failure()
        with self._wake:
            chore.at = min(chore.at, time.monotonic() + pause)

    def _after_a_failure(self) -> float:
        self._close()
        self._failed()
        return AGAIN_S

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            shut(connection)
