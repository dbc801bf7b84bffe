"""The maintenance jobs of a process that has the file open: heartbeats, checkpoints, and deleting what is old.

They run in a thread of their own on a connection of their own, so that a worker whose event loop is busy for a while is
not considered dead.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from typing import Final

from dagger.backends.sqlite.errors import close_connection
from dagger.errors import DaggerError, message_of

logger: Final = logging.getLogger("dagger")

Work = Callable[[sqlite3.Connection], float]

RETRY_S: Final = 1.0
"""How long after a failure a job is repeated, in seconds."""


class Job:
    """A periodic job: `work` returns after how many seconds it runs next."""

    __slots__ = ("at", "work")

    def __init__(self, work: Work) -> None:
        self.work = work
        self.at = 0.0


class MaintenanceThread:
    """Runs jobs, each when its time has come."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], failed: Callable[[], None]) -> None:
        """`failed` is called after each failure of a job."""
        self._connect = connect
        self._failed = failed
        self._last_error = ""
        self._connection: sqlite3.Connection | None = None
        self._jobs: list[Job] = []
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="dagger-sqlite-maintenance", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, and wait until it has ended."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.ident is not None:  # else it was never started
            self._thread.join()

    def stop_after_this_job(self) -> None:
        """Stop the thread after the job that calls this."""
        with self._wake:
            self._stopping = True

    def add(self, work: Work, *, idle: bool = False) -> Job:
        """Add a job that runs now and then, from now on or, if `idle`, from the first `run_now`."""
        job = Job(work)
        if idle:
            job.at = float("inf")
        with self._wake:
            self._jobs.append(job)
            self._wake.notify()
        return job

    def run_now(self, job: Job) -> None:
        """Run a job now."""
        with self._wake:
            job.at = 0.0
            self._wake.notify()

    def _run(self) -> None:
        while (job := self._next()) is not None:
            self._do(job)
        self._close()

    def _next(self) -> Job | None:
        """The next job, when its time has come; None once the thread is to stop."""
        with self._wake:
            while not self._stopping:
                job = min(self._jobs, key=lambda job: job.at, default=None)
                left = None if job is None else job.at - time.monotonic()
                if job is not None and left is not None and left <= 0:
                    job.at = float("inf")  # unless `run_now` is called meanwhile
                    return job
                self._wake.wait(left)
        return None

    def _do(self, job: Job) -> None:
        try:
            if self._connection is None:
                self._connection = self._connect()
            pause = job.work(self._connection)
            self._last_error = ""
        except (sqlite3.Error, DaggerError, OSError):
            # The requests of callers report why the file fails; a job is just repeated.
            pause = self._after_a_failure()
        except BaseException as error:  # without heartbeats, other processes would take over
            text = f"{type(error).__name__}: {message_of(error)}"
            if text != self._last_error:  # each error is logged once
                self._last_error = text
                logger.error("a background job failed, and runs again every %g s: %s", RETRY_S, text, exc_info=True)
            pause = self._after_a_failure()
        with self._wake:
            job.at = min(job.at, time.monotonic() + pause)

    def _after_a_failure(self) -> float:
        self._close()
        self._failed()
        return RETRY_S

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            close_connection(connection)
