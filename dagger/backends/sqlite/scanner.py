"""Queries that may have to read very many rows: in a thread, on a connection of their own."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from traceback import clear_frames
from typing import TypeVar

from dagger.backends.sqlite.connections import ReadConnection
from dagger.backends.sqlite.errors import close_connection, retry_while_locked, translate
from dagger.backends.sqlite.options import SqliteOptions

T = TypeVar("T")


class Scanner:
    """Runs one such query at a time. All methods are called in threads."""

    def __init__(self, options: SqliteOptions, connect: Callable[[], ReadConnection]) -> None:
        self._options = options
        self._connect = connect
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The result of a query; it is repeated while the file is locked. Raises BackendError."""
        with self._lock:
            try:
                return retry_while_locked(lambda: self._run(work), self._options.busy_timeout)
            except sqlite3.Error as error:
                self._close()
                clear_frames(error.__traceback__)
                raise translate(error, self._options.path) from error

    def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        while True:
            if self._connection is not None:
                return work(self._connection)
            reader = self._connect()
            if reader.is_reusable:
                self._connection = reader.connection
                continue
            try:
                result = work(reader.connection)
            finally:
                close_connection(reader.connection)
            if reader.is_valid():
                return result

    def close(self) -> None:
        """Close the connection, after the query that is running."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            close_connection(connection)
