"""Transactions: the requests that share one, and transactions of a single change."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from dagger.backends.sqlite.errors import retry_while_locked
from dagger.engine.ports import Entry
from dagger.errors import DaggerError

T = TypeVar("T")

Work = Callable[[sqlite3.Connection], Any]


class Request:
    """A query or a change, and the future of its caller. An append has entries and no work."""

    __slots__ = ("can_be_refused", "entries", "error", "future", "is_write", "partitions", "result", "wakes", "work")

    def __init__(
        self,
        future: asyncio.Future[Any],
        work: Work | None,
        entries: Sequence[Entry] = (),
        *,
        is_write: bool = True,
        can_be_refused: bool = False,
        wakes: bool = True,
        partitions: int = 0,
    ) -> None:
        self.future = future
        self.partitions = partitions
        self.work = work
        self.entries = entries
        self.can_be_refused = can_be_refused
        self.is_write = is_write
        self.wakes = wakes
        self.result: Any = None
        self.error: BaseException | None = None

    def run(self, connection: sqlite3.Connection) -> None:
        """Make the change, inside the transaction that it shares with others."""
        if self.work is None:
            return
        if self.can_be_refused:
            self._run_refusable(connection, self.work)
        else:
            self.result = self.work(connection)

    def _run_refusable(self, connection: sqlite3.Connection, work: Work) -> None:
        """Make a change that may raise a DaggerError: then it is undone, and the others of its transaction are not."""
        connection.execute("SAVEPOINT request")
        try:
            self.result = work(connection)
        except DaggerError as error:
            connection.execute("ROLLBACK TO request")
            self.error = error
        connection.execute("RELEASE request")

    def resolve(self) -> None:
        """Give the caller the result, or the error."""
        if self.future.done():  # cancelled
            return
        if self.error is None:
            self.future.set_result(self.result)
        else:
            self.future.set_exception(self.error)


def run_transaction(connection: sqlite3.Connection, work: Callable[[sqlite3.Connection], T], timeout_s: float) -> T:
    """Make one change in a transaction of its own; in a thread. Waits up to `timeout_s` seconds for the lock."""
    retry_while_locked(lambda: connection.execute("BEGIN IMMEDIATE"), timeout_s)
    try:
        result = work(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()  # does nothing where SQLite has already rolled back
        raise
    return result
