"""What SQLite says, in our words: what is wrong, with which file, and what to do; and trying again."""

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
"""The first pause between tries on a locked file, in seconds; each is up to a quarter longer than the one before."""
RETRY_S_MAX: Final = 0.005
"""The longest of them: the lock of a commit is held for about so long."""

_PASSING: Final = {
    "SQLITE_BUSY": "is locked by another process; if that one is stopped or stuck, continue or end it",
    "SQLITE_LOCKED": "is locked; end what holds it",
    "SQLITE_FULL": "has no room left: the disk is full; nothing was changed; free some space",
    "SQLITE_IOERR": "cannot be read or written: the disk reports an error; look at it",
    "SQLITE_NOMEM": "cannot be used: there is no memory left",
}
_LASTING: Final = {
    "SQLITE_READONLY": "is read-only; let this user write to it and to its directory",
    "SQLITE_CANTOPEN": "cannot be opened; its directory must exist and be writable",
    "SQLITE_PERM": "may not be opened by this user",
    "SQLITE_CORRUPT": "is damaged; nothing was changed; restore a backup, or look at it with sqlite3's .recover",
    "SQLITE_NOTADB": "is no SQLite file; give another path",
}


def translate(error: sqlite3.Error, path: Path) -> BackendError:
    """The error of a call, as one of ours: BackendUnavailable for what may pass."""
    name = name_of(error)
    for table, kind in ((_PASSING, BackendUnavailable), (_LASTING, BackendError)):
        for prefix, words in table.items():
            if name.startswith(prefix):
                return kind(f"the file '{path}' {words} ({error})")
    return BackendError(f"the file '{path}' cannot be used: {type(error).__name__}: {error}")


def permanent_problem(name: str) -> str:
    """Our words for what does not pass by itself, by SQLite's name for it."""
    return _LASTING[name]


def name_of(error: sqlite3.Error) -> str:
    """SQLite's name for an error; empty where it has none."""
    return getattr(error, "sqlite_errorname", "") or ""


def is_busy(error: sqlite3.Error) -> bool:
    """Whether it is only that others are at it."""
    return name_of(error).startswith("SQLITE_BUSY")


def is_access_error(error: sqlite3.Error) -> bool:
    """Whether something could not be made beside the file, or written: the directory or the disk does not allow it."""
    return name_of(error).startswith(
        ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_FULL", "SQLITE_IOERR", "SQLITE_PERM")
    )


def close_connection(connection: sqlite3.Connection) -> None:
    """Close a connection, and give up its locks at once: it is only closed later if somebody keeps a cursor of it."""
    with suppress(sqlite3.Error):
        connection.rollback()
    connection.close()


def retry_pauses(timeout_s: float) -> Iterator[float]:
    """How long to wait between tries on a locked file, in seconds, until the patience that begins now is over."""
    return _retry_pauses(time.monotonic() + timeout_s)


def _retry_pauses(until: float) -> Iterator[float]:
    pause = RETRY_S_MIN
    while time.monotonic() < until:
        yield pause * (0.5 + random() / 2)
        pause = min(1.25 * pause, RETRY_S_MAX)


def retry_while_locked(call: Callable[[], T], timeout_s: float) -> T:
    """Try again while others have the file locked, for a time; in a thread."""
    rests = retry_pauses(timeout_s)
    while True:
        try:
            return call()
        except sqlite3.Error as error:
            pause = next(rests, None) if is_busy(error) else None
            if pause is None:
                raise
        time.sleep(pause)
