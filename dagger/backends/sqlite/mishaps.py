"""What SQLite says, in our words: what is wrong, with which file, and what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from dagger.errors import BackendError, BackendUnavailable

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


def told(error: sqlite3.Error, path: Path) -> BackendError:
    """The error of a call, as one of ours: BackendUnavailable for what may pass."""
    name = getattr(error, "sqlite_errorname", "") or ""
    for table, kind in ((_PASSING, BackendUnavailable), (_LASTING, BackendError)):
        for prefix, words in table.items():
            if name.startswith(prefix):
                return kind(f"the file '{path}' {words} ({error})")
    return BackendError(f"the file '{path}' cannot be used: {type(error).__name__}: {error}")


def is_busy(error: sqlite3.Error) -> bool:
    """Whether it is only that others are at it."""
    return str(getattr(error, "sqlite_errorname", "")).startswith("SQLITE_BUSY")
