"""The write-ahead log stays short.

A checkpoint that is taken beside the work never comes to the end of the log while several processes write all the time;
and only if it has come there, the next writer begins the log anew. So where the log has become too long, whoever has
the lock of writers, and has not written yet, brings the rest into the file; nobody appends meanwhile.

Whoever reads for long, as a backup does, keeps all from that.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from typing import Final

from dagger.backends.sqlite.errors import close_connection, retry_pauses
from dagger.backends.sqlite.options import Options

BYTES_MAX: Final = 32 * 1024 * 1024
"""How long the log may become before a writer brings it into the file, in bytes."""
READERS_S: Final = 0.02
"""How long a writer waits for readers then, in seconds: a question takes less."""
REST_S: Final = 1.0
"""How long it does not try that again where some reader takes longer, in seconds."""


class Wal:
    """The write-ahead log of a file, as one of its writers sees it."""

    def __init__(self, options: Options, connect: Callable[[], sqlite3.Connection]) -> None:
        """`connect` gives another connection to the file, in a thread."""
        self._path = f"{options.place}-wal"
        self._connect = connect
        self._again = 0.0

    @property
    def is_long(self) -> bool:
        """Whether it should be brought into the file, by whoever has the lock of writers."""
        return self.size > BYTES_MAX and time.monotonic() >= self._again

    @property
    def size(self) -> int:
        """How long it is, in bytes."""
        try:
            return os.stat(self._path).st_size  # before each commit: a Path costs four times as much
        except OSError:
            return 0

    def write_back(self) -> None:
        """Bring all of it into the file, while the caller has the lock of writers; in a thread.

        The next transaction that writes begins it anew.
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
    """Bring into the file what can be without waiting for anybody; gives how many pages the log has, and how many of
    them are in the file by now, behind whether it was kept from it."""
    busy, frames, done = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return busy, frames, done
