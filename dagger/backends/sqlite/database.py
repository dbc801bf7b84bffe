"""The queue through which a process reads and changes the file.

A query runs at once on the event loop: each takes microseconds, less than handing it to a thread and back. Changes that
are requested at the same time share one transaction, so the cost of a commit is divided among them. The commit waits
for the disk, so it runs in a thread unless recent commits were very fast; requests that arrive meanwhile wait in a
queue. The event loop therefore waits neither for a slow disk nor for the lock of another process.

A query that may have to read very many rows is a scan, which has a thread and a connection of its own.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from traceback import clear_frames
from typing import Final, TypeVar

from dagger.backends.sqlite.connections import ReadConnection
from dagger.backends.sqlite.errors import close_connection, is_busy, retry_pauses, translate
from dagger.backends.sqlite.options import SqliteOptions
from dagger.backends.sqlite.scanner import Scanner
from dagger.backends.sqlite.topics import append
from dagger.backends.sqlite.transactions import Request, Work
from dagger.backends.sqlite.wal import Wal
from dagger.engine.ports import Append, Entry
from dagger.errors import BackendError, BackendUnavailable

T = TypeVar("T")

IN_PLACE_S: Final = 0.0005
"""A commit that takes less time, in seconds, runs on the event loop: a few times what a thread costs."""


class Database:
    """Answers queries and makes changes in the order of the requests."""

    def __init__(
        self,
        options: SqliteOptions,
        connect: Callable[[], sqlite3.Connection],
        connect_for_reading: Callable[[], ReadConnection],
        before_commit: Callable[[], None],
        committed: Callable[[int, bool], None],
    ) -> None:
        """`connect` opens the file and makes it if need be; `connect_for_reading` changes nothing. Both run in threads.

        `before_commit` is called before each commit, and may raise; `committed` after it, with the number of rows, and
        whether others may wait for what has changed.
        """
        self.partitions = options.partitions
        self._options = options
        self._connect = connect
        self._connect_for_reading = connect_for_reading
        self._wal = Wal(options, connect)
        self._before_commit = before_commit
        self._committed = committed
        self._requests: list[Request] = []
        self._connection: sqlite3.Connection | None = None
        self._scanner = Scanner(options, connect_for_reading)
        self._runner: asyncio.Task[None] | None = None
        self._is_writing = False
        self._is_open = False
        self._commit_s = 1.0
        """The moving average of what a commit takes, in seconds."""

    @property
    def is_busy(self) -> bool:
        """Whether a request is not done yet."""
        return self._runner is not None

    def start(self) -> None:
        """Accept requests from now on. The file is opened for the first of them."""
        self._executor = ThreadPoolExecutor(1, "dagger-sqlite")
        self._is_open = True

    async def stop(self) -> None:
        """Finish all requests, and close the file."""
        self._is_open = False
        while self._runner is not None:
            await asyncio.wait([self._runner])
        await asyncio.to_thread(self._end)

    def abandon(self) -> None:
        """Close the file after the event loop has ended, and drop the requests that it left; in a thread."""
        self._is_open, self._is_writing = False, False
        self._requests, self._runner = [], None
        self._end()

    def _end(self) -> None:
        self._executor.shutdown()  # a commit that is under way ends before its connection does
        self._close()
        self._scanner.close()

    # Requests.

    async def query(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of a short query; it is repeated while the file is locked."""
        if self._connection is not None and not self._is_writing:
            try:
                return work(self._connection)
            except sqlite3.Error as error:
                if not is_busy(error):
                    raise self._failed(error) from error
        result: T = await self._enqueue(work, is_write=False).future
        return result

    async def scan(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of a query that may take long; other queries are answered meanwhile."""
        self._check_open()
        return await asyncio.to_thread(self._scanner.run, work)

    async def transact(
        self, work: Callable[[sqlite3.Connection], T], *, can_be_refused: bool = False, wakes: bool = True
    ) -> T:
        """Make a change, in one transaction with others; if it `can_be_refused`, it may raise a DaggerError.

        `wakes` says whether tasks and processes that wait for changes are to look at it.
        """
        result: T = await self._enqueue(work, can_be_refused=can_be_refused, wakes=wakes).future
        return result

    async def append(self, entries: Sequence[Entry]) -> None:
        """Append to the log and to topics, in one transaction with other requests."""
        await self._enqueue(None, entries).future

    def _enqueue(
        self,
        work: Work | None,
        entries: Sequence[Entry] = (),
        *,
        is_write: bool = True,
        can_be_refused: bool = False,
        wakes: bool = True,
    ) -> Request:
        self._check_open()
        loop = asyncio.get_running_loop()
        request = Request(
            loop.create_future(),
            work,
            entries,
            is_write=is_write,
            can_be_refused=can_be_refused,
            wakes=wakes,
            partitions=self.partitions,
        )
        self._requests.append(request)
        if self._runner is None:
            self._runner = loop.create_task(self._run())
        return request

    def _check_open(self) -> None:
        if not self._is_open:
            raise BackendError(
                f"the file '{self._options.path}' is not open; use the engine as `async with`, or start it"
            )

    # The runner.

    async def _run(self) -> None:
        """Carry out requests until there is none."""
        try:
            while self._requests:
                requests, self._requests = self._requests, []
                queries = [request for request in requests if not request.is_write]
                changes = [request for request in requests if request.is_write]
                try:
                    if queries:
                        await self._run_queries(queries)
                    if changes:
                        await self._write(changes)
                except BaseException as error:
                    self._fail_all(requests, error)
                    raise
        finally:
            self._runner = None

    def _fail_all(self, requests: Sequence[Request], error: BaseException) -> None:
        """The event loop ends, or there is a defect: no caller may wait for ever."""
        requests, self._requests = [*requests, *self._requests], []
        for request in requests:
            if isinstance(error, asyncio.CancelledError):
                request.future.cancel()
            else:
                request.error = BackendError(f"the file '{self._options.path}' cannot be used: {type(error).__name__}")
                request.error.__cause__ = error
                request.resolve()

    async def _run_queries(self, requests: list[Request]) -> None:
        for request in requests:
            try:
                assert request.work is not None
                request.result = await self._retry_while_locked(partial(self._run_query, request.work))
            except Exception as error:
                request.error = self._failed(error)
            request.resolve()

    async def _run_query(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result from the connection that is kept, or from one for this query alone."""
        while self._connection is None:
            reader = await asyncio.get_running_loop().run_in_executor(self._executor, self._connect_for_reading)
            if reader.is_reusable:
                self._connection = reader.connection
                break
            try:
                result = work(reader.connection)
            finally:
                close_connection(reader.connection)
            if reader.is_valid():
                return result
        return work(self._connection)

    async def _write(self, requests: list[Request]) -> None:
        """Make all changes in one transaction. A failure of the transaction is the failure of each."""
        try:
            connection = await self._begin()
            self._is_writing = True
            before = connection.total_changes
            possible = [request for request in requests if self._is_possible(request)]
            entries = [entry for request in possible for entry in request.entries]
            if entries:
                append(connection, entries, self.partitions)
            for request in possible:
                request.run(connection)
            self._before_commit()
            await self._commit(connection)
        except Exception as error:
            failure = self._failed(error)
            for request in requests:
                request.error = request.error or failure
        else:
            self._committed(connection.total_changes - before, any(request.wakes for request in requests))
        finally:
            self._is_writing = False
        for request in requests:
            request.resolve()

    def _is_possible(self, request: Request) -> bool:
        """Whether a request counts partitions as the file does, which another process may have made just now."""
        if request.partitions != self.partitions and any(type(entry) is Append for entry in request.entries):
            request.error = BackendUnavailable(
                f"the file '{self._options.path}' was made by another process just now, with {self.partitions} "
                f"partitions, and not {request.partitions}; nothing was changed"
            )
        return request.error is None

    async def _begin(self) -> sqlite3.Connection:
        """A connection that holds the write lock and has written nothing yet."""
        connection = await self._retry_while_locked(self._begin_immediate)
        if self._wal.is_long:
            self._is_writing = True
            await asyncio.get_running_loop().run_in_executor(self._executor, self._wal.write_back)
            connection.rollback()
            connection = await self._retry_while_locked(self._begin_immediate)
        return connection

    async def _begin_immediate(self) -> sqlite3.Connection:
        connection = await self._open()
        connection.execute("BEGIN IMMEDIATE")
        return connection

    async def _commit(self, connection: sqlite3.Connection) -> None:
        """Wait for the disk in a thread, unless the thread would cost more than the commit."""
        if self._commit_s < IN_PLACE_S:
            took_s = _timed_commit(connection)
        else:
            took_s = await asyncio.get_running_loop().run_in_executor(self._executor, _timed_commit, connection)
        self._commit_s += (took_s - self._commit_s) / 8

    async def _retry_while_locked(self, call: Callable[[], Awaitable[T]]) -> T:
        """Repeat a call while other processes have the file locked, up to the busy timeout.

        The first pauses block the event loop: a timer of it would take longer than most commits do. Each attempt takes
        the connection anew, since a query that failed meanwhile may have closed the last one.
        """
        pauses, blocked_s = retry_pauses(self._options.busy_timeout), 0.0
        while True:
            try:
                return await call()
            except sqlite3.Error as error:
                pause = next(pauses, None) if is_busy(error) else None
                if pause is None:
                    raise
            if blocked_s + pause < IN_PLACE_S:
                blocked_s += pause
                time.sleep(pause)  # noqa: ASYNC251  # see above
            else:
                await asyncio.sleep(pause)

    def _failed(self, error: Exception) -> Exception:
        """The error as a DaggerError, if it is one of the file. Closes the connection, which rolls back.

        The frames are cleared: a cursor in a traceback that is kept would keep the connection open.
        """
        self._close()
        clear_frames(error.__traceback__)
        if isinstance(error, OSError):
            return BackendUnavailable(f"the file '{self._options.path}' cannot be opened: {error}")
        return translate(error, self._options.path) if isinstance(error, sqlite3.Error) else error

    async def _open(self) -> sqlite3.Connection:
        if self._connection is not None:
            return self._connection
        opened = await asyncio.get_running_loop().run_in_executor(self._executor, self._connect)
        self._connection = opened
        return opened

    def drop(self) -> None:
        """Open the file anew for the next request."""
        if not self._is_writing:
            self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            close_connection(connection)


def _timed_commit(connection: sqlite3.Connection) -> float:
    """Commit; returns how long it took, in seconds."""
    begun = time.perf_counter()
    connection.execute("COMMIT")
    return time.perf_counter() - begun
