"""Opening a file: to write, which makes it or brings it to the version of this release; or to look into it, which
changes nothing of it, so that it can be done where nothing can be written."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from dagger.backends.sqlite import wal
from dagger.backends.sqlite.errors import is_access_error, retry_while_locked
from dagger.backends.sqlite.options import Options
from dagger.backends.sqlite.schema import KINDS, LOG_AND_RECORDS, FileKind, meta_value
from dagger.errors import BackendError

WAL_PAGES_MAX: Final = 16_384
"""How long the write-ahead log may become before a commit has to write it back itself, in pages of 4 KiB."""


def open_connection(
    options: Options, kind: FileKind = LOG_AND_RECORDS, application: str | None = None, *, make: bool = True
) -> sqlite3.Connection:
    """A connection to the file, made or brought to this version if need be; without `make` it must be there.

    Raises BackendError for a file of a newer version, of something else or of another application, and what SQLite
    raises.
    """
    # Where several make it at once, SQLite may say that it is locked without waiting.
    return retry_while_locked(lambda: _opened(options, kind, application, make=make), options.busy_timeout)


def _opened(options: Options, kind: FileKind, application: str | None, *, make: bool) -> sqlite3.Connection:
    connection = _connected(options, f"mode={'rwc' if make else 'rw'}")
    try:
        if not _is_current(connection, kind):
            version = _checked_version(connection, options, kind)  # before anything is changed in what is not ours
            if not version and not make:
                raise BackendError(f"the file '{options.path}' was emptied while it was open; put back a backup of it")
            connection.execute("PRAGMA journal_mode = WAL")
            _migrate(connection, options, kind, application)
        _check_application(connection, options, application)
        _set(connection)
    except BaseException:
        connection.close()
        raise
    return connection


class ReadConnection(NamedTuple):
    """A connection for questions."""

    connection: sqlite3.Connection
    is_reusable: bool
    """Whether it sees what is changed later, too: else it is for one question, and closed."""
    is_valid: Callable[[], bool]
    """Whether what it has seen was so: asked after the question."""


def open_read_connection(
    options: Options, kind: FileKind = LOG_AND_RECORDS, application: str | None = None
) -> ReadConnection:
    """Look into the file without changing anything, or making one where there is none. Raises as `open_file` does."""
    return retry_while_locked(lambda: _opened_for_reading(options, kind, application), options.busy_timeout)


def _opened_for_reading(options: Options, kind: FileKind, application: str | None) -> ReadConnection:
    if _is_nothing(options.place):
        return ReadConnection(_empty(options, kind, application), False, lambda: True)
    log = Path(f"{options.place}-wal")
    try:
        return _connected_for_reading(options, kind, application, "mode=rw", lambda: True)
    except sqlite3.Error as error:
        if not is_access_error(error):
            raise
        if log.exists():
            raise BackendError(
                f"the file '{options.path}' cannot be read here: what was written last is in '{log.name}', and to read "
                f"that, SQLite writes '{options.path.name}-shm' beside it; let this user write to the directory, free "
                f"some space, or copy the files of that name to where that can be done ({error})"
            ) from error
    # Nobody has it open, else there would be a log: the file is all there is, as long as that is so.
    return _connected_for_reading(options, kind, application, "mode=ro&immutable=1", lambda: not log.exists())


def _connected_for_reading(
    options: Options, kind: FileKind, application: str | None, mode: str, is_valid: Callable[[], bool]
) -> ReadConnection:
    connection = _connected(options, mode)
    try:
        version = _checked_version(connection, options, kind)
        if not version:
            connection.close()
            return ReadConnection(_empty(options, kind, application), False, lambda: True)
        if version < kind.readable_from:
            raise BackendError(
                f"the file '{options.path}' has version {version}, and can be read from version {kind.readable_from} "
                "on; start a worker on it, which upgrades it"
            )
        _check_application(connection, options, application)
        _set(connection)
    except BaseException:
        connection.close()
        raise
    return ReadConnection(connection, version == len(kind.migrations) and "immutable" not in mode, is_valid)


def _is_nothing(place: Path) -> bool:
    """Whether there is no file, or an empty one, of which nothing is in a log either."""
    try:
        return not place.stat().st_size and not Path(f"{place}-wal").exists()
    except FileNotFoundError:
        return place.parent.is_dir()
    except OSError:  # which SQLite will tell
        return False


def _empty(options: Options, kind: FileKind, application: str | None) -> sqlite3.Connection:
    """What a new file would have in it."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _migrate(connection, options, kind, application)
    return connection


def _connected(options: Options, mode: str) -> sqlite3.Connection:
    if options.place.is_dir():
        path = options.path
        raise BackendError(f"the file '{path}' is a directory; give the path of a file, as sqlite:///{path}/orders.db")
    return sqlite3.connect(
        f"{options.place.absolute().as_uri()}?{mode}",
        uri=True,
        timeout=options.busy_timeout,
        isolation_level=None,
        cached_statements=256,
        check_same_thread=False,
    )


def _set(connection: sqlite3.Connection) -> None:
    """What is of the connection, not of the file: none of it is written. The times are in milliseconds."""
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA busy_timeout = 0")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES_MAX}")
    connection.execute(f"PRAGMA journal_size_limit = {wal.BYTES_MAX}")


def _is_current(connection: sqlite3.Connection, kind: FileKind) -> bool:
    return (_number(connection, "application_id"), _number(connection, "user_version")) == (
        kind.id,
        len(kind.migrations),
    )


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    (found,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    return int(found)


def _migrate(connection: sqlite3.Connection, options: Options, kind: FileKind, application: str | None) -> None:
    """Take the steps that are missing, all or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _checked_version(connection, options, kind)
        for step in kind.migrations[version:]:
            for statement in _statements(step):
                connection.execute(statement)
        if version == 0:
            connection.executemany("INSERT INTO meta VALUES (?, ?)", _initial_meta(options, application))
        connection.execute(f"PRAGMA application_id = {kind.id}")
        connection.execute(f"PRAGMA user_version = {len(kind.migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()  # no more than is needed: after some errors SQLite has done so itself
        raise


def _initial_meta(options: Options, application: str | None) -> list[tuple[str, Any]]:
    """What a file is told when it is made, and knows for ever."""
    if application is None:
        return [("partitions", options.partitions)]
    return [("application", application), ("name", uuid.uuid4().hex)]


def _checked_version(connection: sqlite3.Connection, options: Options, kind: FileKind) -> int:
    """The version of the file. Raises BackendError for one that this release cannot use."""
    version = _number(connection, "user_version")
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    id = _number(connection, "application_id")
    if tables and id != kind.id:
        found = KINDS[id].description if id in KINDS else "is a database of something else"
        raise BackendError(f"the file '{options.path}' {found}; give another path")
    if version > len(kind.migrations):
        raise BackendError(
            f"the file '{options.path}' is of version {version}, written by a newer release of dagger; this one knows "
            f"versions up to {len(kind.migrations)}: upgrade it, or give another path. Nothing was changed"
        )
    return version


def _check_application(connection: sqlite3.Connection, options: Options, application: str | None) -> None:
    """Raises BackendError where the file belongs to another one."""
    if application is None:
        return
    found = meta_value(connection, "application")
    if found != application:
        raise BackendError(
            f"the file '{options.path}' has the records of the application '{found}', and this one is "
            f"'{application}'; give each application a file of its own. Nothing was changed"
        )


def _statements(script: str) -> list[str]:
    """The statements of a script; none of ours has a semicolon inside."""
    lines = [line.partition("--")[0] for line in script.splitlines()]
    return [statement for statement in "\n".join(lines).split(";") if statement.strip()]
