"""Opening a file: to write, which creates it or migrates it to the version of this release; or to read, which changes
nothing, and so is possible where nothing can be written."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

from dagger.backends.sqlite import wal
from dagger.backends.sqlite.errors import is_access_error, retry_while_locked
from dagger.backends.sqlite.options import SqliteOptions
from dagger.backends.sqlite.schema import KINDS, LOG_AND_RECORDS, FileKind, meta_value
from dagger.core.format import FORMAT, unknown_format
from dagger.errors import BackendError

WAL_PAGES_MAX: Final = 16_384
"""The length of the write-ahead log, in pages of 4 KiB, from which a commit has to write it back itself."""


def open_connection(
    options: SqliteOptions, kind: FileKind = LOG_AND_RECORDS, application: str | None = None, *, make: bool = True
) -> sqlite3.Connection:
    """A connection to the file, which is created or migrated if need be; without `make` it must exist.

    Raises BackendError for a file of a newer version, of another program or of another application, and the errors of
    SQLite.
    """
    # Where several processes create it at once, SQLite may report that it is locked without waiting.
    return retry_while_locked(lambda: _opened(options, kind, application, make=make), options.busy_timeout)


def _opened(options: SqliteOptions, kind: FileKind, application: str | None, *, make: bool) -> sqlite3.Connection:
    connection = _connected(options, f"mode={'rwc' if make else 'rw'}")
    try:
        if not _is_current(connection, kind):
            version = _checked_version(
                connection, options, kind
            )  # before anything is changed in a file of another program
            if not version and not make:
                raise BackendError(f"the file '{options.path}' was emptied while it was open; put back a backup of it")
            connection.execute("PRAGMA journal_mode = WAL")
            _migrate(connection, options, kind, application)
        _check_format(connection, options)
        _check_application(connection, options, application)
        _configure(connection)
    except BaseException:
        connection.close()
        raise
    return connection


class ReadConnection(NamedTuple):
    """A connection for queries."""

    connection: sqlite3.Connection
    is_reusable: bool
    """Whether it also sees later changes; otherwise it is for one query, and closed after it."""
    is_valid: Callable[[], bool]
    """Whether the result of a query can be trusted; called after the query."""


def open_read_connection(
    options: SqliteOptions, kind: FileKind = LOG_AND_RECORDS, application: str | None = None
) -> ReadConnection:
    """A connection that changes nothing, nor creates a file. Raises as `open_connection` does."""
    return retry_while_locked(lambda: _opened_for_reading(options, kind, application), options.busy_timeout)


def _opened_for_reading(options: SqliteOptions, kind: FileKind, application: str | None) -> ReadConnection:
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
    # Without a log no process has it open: the file is complete for as long as there is none.
    return _connected_for_reading(options, kind, application, "mode=ro&immutable=1", lambda: not log.exists())


def _connected_for_reading(
    options: SqliteOptions, kind: FileKind, application: str | None, mode: str, is_valid: Callable[[], bool]
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
        _check_format(connection, options)
        _check_application(connection, options, application)
        _configure(connection)
    except BaseException:
        connection.close()
        raise
    return ReadConnection(connection, version == kind.version and "immutable" not in mode, is_valid)


def _is_nothing(place: Path) -> bool:
    """Whether there is no file, or an empty one without a log."""
    try:
        return not place.stat().st_size and not Path(f"{place}-wal").exists()
    except FileNotFoundError:
        return place.parent.is_dir()
    except OSError:  # SQLite will report it
        return False


def _empty(options: SqliteOptions, kind: FileKind, application: str | None) -> sqlite3.Connection:
    """The content of a new file, in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    _migrate(connection, options, kind, application)
    return connection


def _connected(options: SqliteOptions, mode: str) -> sqlite3.Connection:
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


def _configure(connection: sqlite3.Connection) -> None:
    """Settings of the connection, none of which is written to the file."""
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA cache_size = -65536")
    connection.execute("PRAGMA temp_store = MEMORY")
    connection.execute("PRAGMA busy_timeout = 0")
    connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES_MAX}")
    connection.execute(f"PRAGMA journal_size_limit = {wal.BYTES_MAX}")


def _is_current(connection: sqlite3.Connection, kind: FileKind) -> bool:
    numbers = _number(connection, "application_id"), _number(connection, "user_version")
    return numbers == (kind.id, kind.version) and int(meta_value(connection, "format")) >= FORMAT


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    (found,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    return int(found)


def _migrate(connection: sqlite3.Connection, options: SqliteOptions, kind: FileKind, application: str | None) -> None:
    """Run the missing migrations, all or none of them."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _checked_version(connection, options, kind)
        for step in kind.missing(version):
            for statement in _statements(step):
                connection.execute(statement)
        if version == 0:
            connection.executemany("INSERT INTO meta VALUES (?, ?)", _initial_meta(options, application))
        connection.execute(
            "INSERT INTO meta VALUES ('format', ?) ON CONFLICT DO UPDATE SET value = max(value, excluded.value)",
            (FORMAT,),
        )
        connection.execute(f"PRAGMA application_id = {kind.id}")
        connection.execute(f"PRAGMA user_version = {kind.version}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()  # does nothing where SQLite has already rolled back
        raise


def _initial_meta(options: SqliteOptions, application: str | None) -> list[tuple[str, Any]]:
    """What a new file keeps for good in its `meta` table."""
    if application is None:
        return [("partitions", options.partitions)]
    return [("application", application), ("name", uuid.uuid4().hex)]


def _checked_version(connection: sqlite3.Connection, options: SqliteOptions, kind: FileKind) -> int:
    """The version of the file. Raises BackendError if this release cannot use it."""
    version = _number(connection, "user_version")
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    id = _number(connection, "application_id")
    if tables and id != kind.id:
        found = KINDS[id].description if id in KINDS else "is a database of something else"
        raise BackendError(f"the file '{options.path}' {found}; give another path")
    if 0 < version < kind.first:
        raise BackendError(
            f"the file '{options.path}' has version {version}, from a build of dagger before its first release, and "
            f"this release knows versions from {kind.first} on; let its instances end under that build, then give "
            "another path. Nothing was changed"
        )
    if version > kind.version:
        raise BackendError(
            f"the file '{options.path}' has version {version}, written by a newer release of dagger; this one knows "
            f"versions up to {kind.version}: upgrade it, or give another path. Nothing was changed"
        )
    return version


def _check_format(connection: sqlite3.Connection, options: SqliteOptions) -> None:
    """Raise BackendError if a newer release has written what this one cannot read."""
    found = int(meta_value(connection, "format"))
    if found > FORMAT:
        raise BackendError(f"the file '{options.path}' cannot be used: {unknown_format(found)}. Nothing was changed")


def _check_application(connection: sqlite3.Connection, options: SqliteOptions, application: str | None) -> None:
    """Raise BackendError if the file belongs to another application."""
    if application is None:
        return
    found = meta_value(connection, "application")
    if found != application:
        raise BackendError(
            f"the file '{options.path}' has the records of the application '{found}', and this one is "
            f"'{application}'; give each application a file of its own. Nothing was changed"
        )


def _statements(script: str) -> list[str]:
    """The statements of a script; none of the migrations has a semicolon inside a statement."""
    lines = [line.partition("--")[0] for line in script.splitlines()]
    return [statement for statement in "\n".join(lines).split(";") if statement.strip()]
