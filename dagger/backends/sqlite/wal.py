"""Keeping the write-ahead log short.

The next writer starts the log anew only if a checkpoint has reached its end, which a checkpoint in the background never
does while several processes write all the time. So where the log has become too long, the process that holds the write
lock, and has not written yet, writes all of it back into the file; no other process appends meanwhile.

A long read transaction, such as a backup, prevents that.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from typing import Final

from dagger.backends.sqlite.errors import close_connection, retry_pauses
from dagger.backends.sqlite.options import SqliteOptions

BYTES_MAX: Final = 32 * 1024 * 1024
"""The length of the log from which a writer writes it back into the file, in bytes."""
READERS_S: Final = 0.02
"""How long a writer then waits for readers, in seconds: a query takes less."""
REST_S: Final = 1.0
"""How long it waits before the next attempt where a reader takes longer, in seconds."""


class Wal:
    """The write-ahead log of a file, as one of its writers sees it."""

    def __init__(self, options: SqliteOptions, connect: Callable[[], sqlite3.Connection]) -> None:
        """`connect` opens another connection to the file, in a thread."""
        self._path = f"{options.place}-wal"
        self._connect = connect
        self._again = 0.0

    @property
    def is_long(self) -> bool:
        """Whether the process that holds the write lock should write it back."""
        return self.size > BYTES_MAX and time.monotonic() >= self._again

    @property
    def size(self) -> int:
        """Its length in bytes."""
        try:
            return os.stat(self._path).st_size  # before each commit: a Path costs four times as much
        except OSError:
            return 0

    def write_back(self) -> None:
        """Write all of it back into the file, while the caller holds the write lock; in a thread.

        The next transaction that writes starts the log anew.
        """
        connection = self._connect()
        try:
            for pause in retry_pauses(READERS_S):
                _, frames, done = checkpoint(connection)
                if done >= frames:
                    return
                time.sleep(pause)
        finally:
            close_connection(connection)
        self._again = time.monotonic() + REST_S


def checkpoint(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Write back what can be written without waiting; returns whether that was prevented, how many pages the log has,
    and how many of them are in the file."""
    busy, frames, done = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return busy, frames, done
