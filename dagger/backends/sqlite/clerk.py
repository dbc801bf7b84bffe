"""How a process speaks to the file.

Questions are answered at once, on the event loop: each takes microseconds, less than to hand it to a thread and back.
Changes that are asked for at the same time share one transaction: the more is going on, the more share the cost of a
commit. The commit itself, which waits for the disk, is left to a thread, unless commits have been very fast; meanwhile
what else is asked for waits in a queue. So the loop does not wait for a slow disk, nor for the lock of another process.

A question that may have to look at very many rows is pondered in a thread of its own, with a connection of its own.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from traceback import clear_frames
from typing import Any, Final, TypeVar

from dagger.backends.sqlite.mishaps import is_busy, patiently, pauses, shut, told
from dagger.backends.sqlite.opening import Glance
from dagger.backends.sqlite.options import Options
from dagger.backends.sqlite.topics import append
from dagger.backends.sqlite.wal import Wal
from dagger.engine.ports import Append, Entry
from dagger.errors import BackendError, BackendUnavailable, DaggerError

T = TypeVar("T")

Work = Callable[[sqlite3.Connection], Any]

IN_PLACE_S: Final = 0.0005
"""A commit that takes less than that is done on the event loop: a few times of what a thread costs, in seconds."""


class Job:
    """Something to do, and who waits for it. An append has entries, and nothing else to do."""

    __slots__ = ("entries", "error", "fallible", "future", "is_change", "partitions", "result", "work")

    def __init__(
        self,
        future: asyncio.Future[Any],
        work: Work | None,
        entries: Sequence[Entry] = (),
        *,
        fallible: bool = False,
        partitions: int = 0,
    ) -> None:
        self.future = future
        self.partitions = partitions
        self.work = work
        self.entries = entries
        self.fallible = fallible
        self.is_change = True
        self.result: Any = None
        self.error: BaseException | None = None

    def settle(self) -> None:
        """Tell who waits."""
        if self.future.done():  # cancelled
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


class Clerk:
    """Answers questions and makes changes, in the order in which they are asked for."""

    def __init__(
        self,
        options: Options,
        connect: Callable[[], sqlite3.Connection],
        glance: Callable[[], Glance],
        checked: Callable[[], None],
        changed: Callable[[int], None],
    ) -> None:
        """`connect` opens the file, which it makes if need be, and `glance` looks into it; both are called in threads.

        `checked` is called before each commit, and `changed` after it, with the number of rows.
        """
        self.partitions = options.partitions
        self._options = options
        self._connect = connect
        self._glance = glance
        self._wal = Wal(options, connect)
        self._checked = checked
        self._changed = changed
        self._jobs: list[Job] = []
        self._connection: sqlite3.Connection | None = None
        self._pondering: sqlite3.Connection | None = None
        self._ponders = threading.Lock()
        self._runner: asyncio.Task[None] | None = None
        self._is_writing = False
        self._is_open = False
        self._commit_s = 1.0
        """How long a commit takes, as a moving average."""

    @property
    def is_busy(self) -> bool:
        """Whether something was asked for that is not done yet."""
        return self._runner is not None

    def start(self) -> None:
        """Take questions and changes from now on. Nothing is opened before there is one."""
        self._executor = ThreadPoolExecutor(1, "dagger-sqlite")
        self._is_open = True

    async def stop(self) -> None:
        """Finish what is asked for, and close the file."""
        self._is_open = False
        while self._runner is not None:
            await asyncio.wait([self._runner])
        await asyncio.to_thread(self._end)

    def abandon(self) -> None:
        """Close the file, where the event loop has ended before what was asked for was done; in a thread."""
        self._is_open, self._is_writing = False, False
        self._jobs, self._runner = [], None
        self._end()

    def _end(self) -> None:
        self._executor.shutdown()  # a commit that is under way ends before its connection does
        self._close()
        with self._ponders:
            self._stop_pondering()

    def _stop_pondering(self) -> None:
        if self._pondering is not None:
            shut(self._pondering)
            self._pondering = None

    # Asking.

    async def ask(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The answer to a question; it may be put again if the file is locked."""
        if self._connection is not None and not self._is_writing:
            try:
                return work(self._connection)
            except sqlite3.Error as error:
                if not is_busy(error):
                    raise self._failed(error) from error
        job = self._job(work)
        job.is_change = False
        answer: T = await job.future
        return answer

    async def ponder(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The answer to a question that may take long; others are answered meanwhile."""
        self._check()
        return await asyncio.to_thread(self._ponder, work)

    def _ponder(self, work: Callable[[sqlite3.Connection], T]) -> T:
        with self._ponders:
            try:
                return patiently(lambda: self._pondered(work), self._options.patience)
            except sqlite3.Error as error:
                self._stop_pondering()
                clear_frames(error.__traceback__)
                raise told(error, self._options.path) from error

    def _pondered(self, work: Callable[[sqlite3.Connection], T]) -> T:
        while True:
            if self._pondering is not None:
                return work(self._pondering)
            glance = self._glance()
            if glance.lasts:
                self._pondering = glance.connection
                continue
            try:
                result = work(glance.connection)
            finally:
                shut(glance.connection)
            if glance.holds():
                return result

    async def change(self, work: Callable[[sqlite3.Connection], T], *, fallible: bool = False) -> T:
        """Make a change, together with others; one that is `fallible` may raise a DaggerError and change nothing."""
        result: T = await self._job(work, fallible=fallible).future
        return result

    async def append(self, entries: Sequence[Entry]) -> None:
        """Append to the log and to topics, together with others."""
        await self._job(None, entries).future

    def _job(self, work: Work | None, entries: Sequence[Entry] = (), *, fallible: bool = False) -> Job:
        self._check()
        loop = asyncio.get_running_loop()
        job = Job(loop.create_future(), work, entries, fallible=fallible, partitions=self.partitions)
        self._jobs.append(job)
        if self._runner is None:
            self._runner = loop.create_task(self._run())
        return job

    def _check(self) -> None:
        if not self._is_open:
            raise BackendError(
                f"the file '{self._options.path}' is not open; use the engine as `async with`, or start it"
            )

    # Doing.

    async def _run(self) -> None:
        """Do all jobs, until there is none."""
        try:
            while self._jobs:
                jobs, self._jobs = self._jobs, []
                questions = [job for job in jobs if not job.is_change]
                changes = [job for job in jobs if job.is_change]
                try:
                    if questions:
                        await self._answer(questions)
                    if changes:
                        await self._make(changes)
                except BaseException as error:
                    self._give_up(jobs, error)
                    raise
        finally:
            self._runner = None

    def _give_up(self, jobs: Sequence[Job], error: BaseException) -> None:
        """The event loop ends, or something has failed that cannot: nobody is to wait for ever."""
        jobs, self._jobs = [*jobs, *self._jobs], []
        for job in jobs:
            if isinstance(error, asyncio.CancelledError):
                job.future.cancel()
            else:
                job.error = BackendError(f"the file '{self._options.path}' cannot be used: {type(error).__name__}")
                job.error.__cause__ = error
                job.settle()

    async def _answer(self, jobs: list[Job]) -> None:
        for job in jobs:
            try:
                assert job.work is not None
                job.result = await self._patiently(partial(self._answered, job.work))
            except Exception as error:
                job.error = self._failed(error)
            job.settle()

    async def _answered(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The answer by a connection that is kept, or else by one for this question alone."""
        while self._connection is None:
            glance = await asyncio.get_running_loop().run_in_executor(self._executor, self._glance)
            if glance.lasts:
                self._connection = glance.connection
                break
            try:
                result = work(glance.connection)
            finally:
                shut(glance.connection)
            if glance.holds():
                return result
        return work(self._connection)

    async def _make(self, jobs: list[Job]) -> None:
        """All changes in one transaction; what fails as a whole fails for all."""
        try:
            connection = await self._begun()
            self._is_writing = True
            before = connection.total_changes
            possible = [job for job in jobs if self._is_possible(job)]
            entries = [entry for job in possible for entry in job.entries]
            if entries:
                append(connection, entries, self.partitions)
            for job in possible:
                if job.fallible:
                    _try(connection, job)
                elif job.work is not None:
                    job.result = job.work(connection)
            self._checked()  # what is committed to a file that nobody finds is lost
            await self._commit(connection)
        except Exception as error:
            failure = self._failed(error)
            for job in jobs:
                job.error = job.error or failure
        else:
            self._changed(connection.total_changes - before)
        finally:
            self._is_writing = False
        for job in jobs:
            job.settle()

    def _is_possible(self, job: Job) -> bool:
        """Whether the entries of a job are for the partitions that the file has: another may have made it just now."""
        if job.partitions != self.partitions and any(type(entry) is Append for entry in job.entries):
            job.error = BackendUnavailable(
                f"the file '{self._options.path}' was made by another process just now, with {self.partitions} "
                f"partitions, and not {job.partitions}; nothing was changed"
            )
        return job.error is None

    async def _begun(self) -> sqlite3.Connection:
        """A connection that has the lock of writers, and has written nothing yet."""
        connection = await self._patiently(self._locked)
        if self._wal.is_long:
            self._is_writing = True
            await asyncio.get_running_loop().run_in_executor(self._executor, self._wal.write_back)
            connection.rollback()
            connection = await self._patiently(self._locked)
        return connection

    async def _locked(self) -> sqlite3.Connection:
        connection = await self._open()
        connection.execute("BEGIN IMMEDIATE")
        return connection

    async def _commit(self, connection: sqlite3.Connection) -> None:
        """Wait for the disk in a thread, unless it is so fast that the thread would cost more."""
        begun = time.perf_counter()
        if self._commit_s < IN_PLACE_S:
            connection.execute("COMMIT")
        else:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._executor, connection.execute, "COMMIT")
        self._commit_s += (time.perf_counter() - begun - self._commit_s) / 8

    async def _patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Try again while others have the file locked, for a time.

        Each try takes the connection anew: a question that has failed meanwhile may have closed the one before.
        """
        rests = pauses(self._options.patience)
        while True:
            try:
                return await call()
            except sqlite3.Error as error:
                pause = next(rests, None) if is_busy(error) else None
                if pause is None:
                    raise
            await asyncio.sleep(pause)

    def _failed(self, error: Exception) -> Exception:
        """What went wrong, in our words. The connection is closed, and with it undone what was not committed.

        A cursor in the traceback would keep it open, for as long as somebody keeps the error.
        """
        self._close()
        clear_frames(error.__traceback__)
        if isinstance(error, OSError):
            return BackendUnavailable(f"the file '{self._options.path}' cannot be opened: {error}")
        return told(error, self._options.path) if isinstance(error, sqlite3.Error) else error

    async def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        opened = await asyncio.get_running_loop().run_in_executor(self._executor, self._connect)
        self._connection = opened
        return opened

    def drop(self) -> None:
        """Open the file anew for what is asked for next."""
        if not self._is_writing:
            self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            shut(connection)


def transact(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T], patience_s: float) -> T:
    """A transaction of its own; in a thread."""
    patiently(lambda: connection.execute("BEGIN IMMEDIATE"), patience_s)
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()  # no more than is needed: after some errors SQLite has done so itself
        raise
    return result


def _try(connection: sqlite3.Connection, job: Job) -> None:
    """A change that may be refused, without harm to those that share its transaction."""
    assert job.work is not None
    connection.execute("SAVEPOINT job")
    try:
        job.result = job.work(connection)
    except DaggerError as error:
        connection.execute("ROLLBACK TO job")
        job.error = error
    connection.execute("RELEASE job")
