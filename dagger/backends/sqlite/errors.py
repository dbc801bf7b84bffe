"""SQLite's errors translated: what is wrong, with which file, and what to do. And retries while a file is locked."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import random
from typing import Final, TypeVar

from dagger.errors import BackendError, BackendUnavailable

T = TypeVar("T")

RETRY_S_MIN: Final = 0.0003
"""The first pause between attempts on a locked file, in seconds; each is up to a quarter longer than the last."""
RETRY_S_MAX: Final = 0.005
"""The longest pause, in seconds: about as long as a commit holds the lock."""

_TRANSIENT: Final = {
    "SQLITE_BUSY": "is locked by another process; if that process is suspended or stuck, continue or end it",
    "SQLITE_LOCKED": "is locked; end the process that holds the lock",
    "SQLITE_FULL": "has no room left: the disk is full; nothing was changed; free some space",
    "SQLITE_IOERR": "cannot be read or written: the disk reports an error; look at it",
    "SQLITE_NOMEM": "cannot be used: there is no memory left",
}
_PERMANENT: Final = {
    "SQLITE_READONLY": "is read-only; let this user write to it and to its directory",
    "SQLITE_CANTOPEN": "cannot be opened; its directory must exist and be writable",
    "SQLITE_PERM": "may not be opened by this user",
    "SQLITE_CORRUPT": "is damaged; nothing was changed; restore a backup, or look at it with sqlite3's .recover",
    "SQLITE_NOTADB": "is not an SQLite file; give another path",
}


def translate(error: sqlite3.Error, path: Path) -> BackendError:
    """An error of SQLite as a BackendError: BackendUnavailable if it may pass by itself."""
    name = name_of(error)
    for table, kind in ((_TRANSIENT, BackendUnavailable), (_PERMANENT, BackendError)):
        for prefix, text in table.items():
            if name.startswith(prefix):
                return kind(f"the file '{path}' {text} ({error})")
    return BackendError(f"the file '{path}' cannot be used: {type(error).__name__}: {error}")


def permanent_problem(name: str) -> str:
    """The text for an error that does not pass by itself, by SQLite's name for it."""
    return _PERMANENT[name]


def name_of(error: sqlite3.Error) -> str:
    """SQLite's name for an error; empty where it has none."""
    return getattr(error, "sqlite_errorname", "") or ""


def is_busy(error: sqlite3.Error) -> bool:
    """Whether another process has the file locked."""
    return name_of(error).startswith("SQLITE_BUSY")


def is_access_error(error: sqlite3.Error) -> bool:
    """Whether the directory or the disk does not allow to create or write a file."""
    return name_of(error).startswith(
        ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_PERM")
    )


def close_connection(connection: sqlite3.Connection) -> None:
    """Close a connection and release its locks now, even where a cursor that is still referenced delays the close."""
    with suppress(sqlite3.Error):
        connection.rollback()
    connection.close()


def retry_pauses(timeout_s: float) -> Iterator[float]:
    """The pauses between attempts on a locked file, in seconds, until `timeout_s` seconds from now."""
    return _retry_pauses(time.monotonic() + timeout_s)


def _retry_pauses(until: float) -> Iterator[float]:
    pause = RETRY_S_MIN
    while time.monotonic() < until:
        yield pause * (0.5 + random() / 2)
        pause = min(1.25 * pause, RETRY_S_MAX)


def retry_while_locked(call: Callable[[], T], timeout_s: float) -> T:
    """Repeat a call while other processes have the file locked, for at most `timeout_s` seconds; in a thread."""
    rests = retry_pauses(timeout_s)
    while True:
        try:
            return call()
        except sqlite3.Error as error:
            pause = next(rests, None) if is_busy(error) else None
            if pause is None:
                raise
        time.sleep(pause)
