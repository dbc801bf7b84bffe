"""The one thread of a process that speaks to the file.

What is asked for while it is at work waits in a queue. It then answers all questions, and puts all changes into one
transaction: the more is going on, the more share the cost of a commit. Between jobs it does its chores on time.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from random import random
from typing import Any, Final, TypeVar

from dagger.backends.sqlite.mishaps import is_busy, told
from dagger.backends.sqlite.options import Options
from dagger.errors import BackendError, BackendUnavailable, DaggerError

T = TypeVar("T")

Work = Callable[[sqlite3.Connection], Any]

RETRY_S_MIN: Final = 0.0005
"""The first pause between tries on a locked file, in seconds; each is up to twice the one before."""
RETRY_S_MAX: Final = 0.005
"""The longest of them: the lock of a commit is held for about so long."""


class Job:
    """Something to do, and who waits for it."""

    __slots__ = ("error", "fallible", "future", "is_change", "result", "work")

    def __init__(self, work: Work, future: asyncio.Future[Any], *, is_change: bool, fallible: bool) -> None:
        self.work = work
        self.future = future
        self.is_change = is_change
        self.fallible = fallible
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        """Tell who waits; in the loop's thread."""
        if self.future.done():  # cancelled
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Chore:
    """Something to do again and again: `work` gives in how many seconds next."""

    __slots__ = ("at", "work")

    def __init__(self, work: Callable[[sqlite3.Connection], float]) -> None:
        self.work = work
        self.at = 0.0


class Clerk:
    """Runs jobs and chores in a thread of its own, with a connection of its own."""

    def __init__(
        self, options: Options, connect: Callable[[], sqlite3.Connection], changed: Callable[[], None]
    ) -> None:
        self._options = options
        self._connect = connect
        self._changed = changed
        self._chores: list[Chore] = []
        self._jobs: list[Job] = []
        self._wake = threading.Condition()
        self._stopping = True
        self._connection: sqlite3.Connection | None = None

    # What others call.

    async def start(self) -> None:
        """Open the file, and see that it can be written. Raises BackendError."""
        self._loop = asyncio.get_running_loop()
        self._chores, self._stopping = [], False
        self._thread = threading.Thread(target=self._run, name="dagger-sqlite", daemon=True)
        self._thread.start()
        try:
            await self.change(lambda connection: None)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Finish what is asked for, and close the file."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        while self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    def add_chore(self, work: Callable[[sqlite3.Connection], float]) -> Chore:
        """Do this now and then, from now on."""
        chore = Chore(work)
        with self._wake:
            self._chores.append(chore)
            self._wake.notify()
        return chore

    def hurry(self, chore: Chore) -> None:
        """Do a chore now."""
        with self._wake:
            chore.at = 0.0
            self._wake.notify()

    async def ask(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The answer to a question; it may be put again if the file is locked."""
        answer: T = await self._put(work, is_change=False, fallible=False)
        return answer

    async def change(self, work: Callable[[sqlite3.Connection], T], *, fallible: bool = False) -> T:
        """Make a change, together with others; one that is `fallible` may raise a DaggerError and change nothing."""
        result: T = await self._put(work, is_change=True, fallible=fallible)
        return result

    async def _put(self, work: Work, *, is_change: bool, fallible: bool) -> Any:
        job = Job(work, asyncio.get_running_loop().create_future(), is_change=is_change, fallible=fallible)
        with self._wake:
            if self._stopping:
                raise BackendError(f"the file '{self._options.path}' is closed")
            self._jobs.append(job)
            self._wake.notify()
        return await job.future

    # In the thread.

    def _run(self) -> None:
        while True:
            jobs = self._take()
            if jobs is None:
                break
            questions = [job for job in jobs if not job.is_change]
            for job in questions:
                self._answer(job)
            self._deliver(questions)
            changes = [job for job in jobs if job.is_change]
            if changes:
                self._make(changes)
                self._deliver(changes)
            self._do_chores()
        self._close()

    def _take(self) -> list[Job] | None:
        """What there is to do; waits for it, or for the next chore. None at the end."""
        with self._wake:
            while not self._jobs:
                if self._stopping:
                    return None
                left = min((chore.at for chore in self._chores), default=float("inf")) - time.monotonic()
                if left <= 0:
                    break
                self._wake.wait(None if left == float("inf") else left)
            jobs, self._jobs = self._jobs, []
            return jobs

    def _deliver(self, jobs: list[Job]) -> None:
        if not jobs:
            return
        try:
            self._loop.call_soon_threadsafe(_settle, jobs)
        except RuntimeError:  # the loop is closed: nobody waits any more
            self._stopping = True

    def _answer(self, job: Job) -> None:
        try:
            job.result = self._patiently(lambda: job.work(self._open()))
        except BaseException as error:
            job.error = self._told(error)

    def _make(self, jobs: list[Job]) -> None:
        """All changes in one transaction; what fails as a whole fails for all."""
        try:
            connection = self._open()
            self._patiently(lambda: connection.execute("BEGIN IMMEDIATE"))
            for job in jobs:
                if job.fallible:
                    _try(connection, job)
                else:
                    job.result = job.work(connection)
            connection.execute("COMMIT")
        except BaseException as error:
            failure = self._told(error)
            for job in jobs:
                job.error = job.error or failure
            self._close()
        else:
            self._changed()

    def _do_chores(self) -> None:
        for chore in list(self._chores):
            if chore.at <= time.monotonic():
                try:
                    chore.at = time.monotonic() + chore.work(self._open())
                except (sqlite3.Error, DaggerError):
                    # Whoever waits for the file is told why it fails; a chore tries again.
                    self._close()
                    chore.at = time.monotonic() + self._options.tick

    def transact(self, connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T]) -> T:
        """A transaction of a chore, which nobody waits for."""
        self._patiently(lambda: connection.execute("BEGIN IMMEDIATE"))
        try:
            result = work(connection)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        return result

    def _patiently(self, call: Callable[[], T]) -> T:
        """Try again while others have the file locked, for a time."""
        until = time.monotonic() + self._options.patience
        pause = RETRY_S_MIN
        while True:
            try:
                return call()
            except sqlite3.Error as error:
                if not is_busy(error) or time.monotonic() >= until:
                    raise
            time.sleep(pause * (0.5 + random() / 2))
            pause = min(2 * pause, RETRY_S_MAX)

    def _told(self, error: BaseException) -> BaseException:
        return told(error, self._options.path) if isinstance(error, sqlite3.Error) else error

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            try:
                self._connection = self._connect()
            except OSError as error:
                raise BackendUnavailable(f"the file '{self._options.path}' cannot be opened: {error}") from error
        return self._connection

    def _close(self) -> None:
        """Close the connection, and with it undo what was not committed; the next job opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _try(connection: sqlite3.Connection, job: Job) -> None:
    """A change that may be refused, without harm to those that share its transaction."""
    connection.execute("SAVEPOINT job")
    try:
        job.result = job.work(connection)
    except DaggerError as error:
        connection.execute("ROLLBACK TO job")
        job.error = error
    connection.execute("RELEASE job")


def _settle(jobs: list[Job]) -> None:
    for job in jobs:
        job.settle()
