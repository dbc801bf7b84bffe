"""Connections of a process, one statement of which goes wrong, and files that are damaged."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeAlias, TypeVar

import pytest
from typing_extensions import override

T = TypeVar("T")

Sort: TypeAlias = Literal[
    "I/O error before", "I/O error after", "full before", "full after", "locked before", "dies before", "dies after"
]
PASSING: Final[tuple[Sort, ...]] = (
    "I/O error before",
    "I/O error after",
    "full before",
    "full after",
    "locked before",
)
"""What an engine outlives; before or after the statement was executed."""
DEADLY: Final[tuple[Sort, ...]] = ("dies before", "dies after")
"""The process is dead: its connection is closed without COMMIT, and whatever it still tries does nothing."""
ERRORS: Final = {
    "I/O error": ("SQLITE_IOERR", 10, "disk I/O error"),
    "full": ("SQLITE_FULL", 13, "database or disk is full"),
    "locked": ("SQLITE_BUSY", 5, "database is locked"),
    "dies": ("", 0, "the process is dead"),
}
NEVER: Final = 1_000_000_000
MAINTENANCE: Final = "dagger-sqlite-maintenance"
"""The thread that runs the maintenance jobs."""


class Fault:
    """Something that goes wrong at the statement with this number, from 0: of the maintenance jobs, or of all else.

    It `lasts` for so many statements.
    """

    def __init__(self, sort: Sort, number: int = NEVER, *, in_chores: bool = False, lasts: int = 1) -> None:
        self.sort = sort
        self.struck = ""
        """At which statement it went wrong; empty if it did not yet."""
        self.is_dead = False
        self._left = number
        self._lasts = lasts
        self._in_chores = in_chores
        self._lock = threading.Lock()

    def arm(self, number: int) -> None:
        """Let it go wrong at the statement with this number, from 0, from now on."""
        self._left = number

    def run(self, connection: sqlite3.Connection, sql: str, call: Callable[[], T]) -> T:
        """Execute a statement, or let it go wrong."""
        if self.is_dead:
            raise self._error()
        if not self._strikes():
            return call()
        self.struck = self.struck or " ".join(sql.split())[:60]
        kind, _, when = self.sort.rpartition(" ")
        if when == "after":
            call()
        if kind == "dies":
            self.is_dead = True
            connection.close()
        raise self._error()

    def _strikes(self) -> bool:
        if (threading.current_thread().name == MAINTENANCE) != self._in_chores:
            return False
        with self._lock:
            self._left -= 1
            return -self._lasts <= self._left < 0

    def _error(self) -> sqlite3.OperationalError:
        name, code, text = ERRORS[self.sort.rpartition(" ")[0]]
        error = sqlite3.OperationalError(text)
        if name:
            error.sqlite_errorname, error.sqlite_errorcode = name, code
        return error

    def at_work(self) -> AbstractContextManager[None]:
        """All connections that are opened meanwhile are those of the process."""
        return watched(self.run)


class Run(Protocol):
    """What stands between a connection and a statement: it calls, or not."""

    def __call__(self, connection: sqlite3.Connection, sql: str, call: Callable[[], T], /) -> T: ...


@contextmanager
def watched(run: Run) -> Iterator[None]:
    """Statements of all connections that are opened meanwhile go through `run`."""

    class Connection(sqlite3.Connection):
        @override
        def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
            return run(self, sql, partial(super().execute, sql, parameters))

        @override
        def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
            return run(self, sql, partial(super().executemany, sql, parameters))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Connection))
        yield


def damage(path: Path, first: int, last: int) -> None:
    """Overwrite pages of a file that nobody has open; they are counted from 1."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    (size,) = connection.execute("PRAGMA page_size").fetchone()
    connection.close()
    data = bytearray(path.read_bytes())
    data[(first - 1) * size : last * size] = b"\xa5" * size * (last - first + 1)
    path.write_bytes(data)
