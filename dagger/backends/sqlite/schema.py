"""The tables of a file, and how a file of an older version is brought to this one.

`user_version` of the file is the number of steps of its kind that were taken. A step that was released is never
changed; a change is a new step. `application_id` tells our files from others, and of which kind they are.
"""

from __future__ import annotations

import sqlite3
import uuid
from typing import Any, Final

import msgspec

from dagger.backends.sqlite.mishaps import patiently
from dagger.backends.sqlite.options import Options
from dagger.errors import BackendError

WAL_PAGES_MAX: Final = 16_384
"""How long the write-ahead log may become before a commit has to write it back itself, in pages of 4 KiB."""

_RECORDS: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY) WITHOUT ROWID;

-- One record for each key: an instance, who has subscribed to it, and messages that are held for it.
CREATE TABLE record (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    partition INTEGER NOT NULL,
    version INTEGER NOT NULL,
    due INTEGER,
    busy INTEGER NOT NULL,
    template TEXT,
    status TEXT,
    business TEXT,
    created INTEGER,
    ended INTEGER,
    data BLOB NOT NULL
);
CREATE INDEX record_due ON record (partition, due) WHERE due IS NOT NULL;
CREATE INDEX record_busy ON record (partition) WHERE busy;
CREATE INDEX record_status ON record (status, key) WHERE status IS NOT NULL;
CREATE INDEX record_template ON record (template, key) WHERE template IS NOT NULL;
CREATE INDEX record_business ON record (business, key) WHERE business <> key;
CREATE INDEX record_ended ON record (ended) WHERE ended IS NOT NULL;
"""

_LOG: Final = """
-- The internal log. What is committed is gone.
CREATE TABLE log (
    partition INTEGER NOT NULL, offset INTEGER NOT NULL, data BLOB NOT NULL, PRIMARY KEY (partition, offset)
) WITHOUT ROWID;

-- The topics.
CREATE TABLE message (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    time INTEGER NOT NULL,
    key TEXT,
    headers TEXT,
    payload BLOB NOT NULL,
    PRIMARY KEY (topic, partition, offset)
) WITHOUT ROWID;

-- The next offset of each partition: of the internal log, whose topic is empty, and of the topics.
CREATE TABLE head (
    topic TEXT NOT NULL, partition INTEGER NOT NULL, next INTEGER NOT NULL, PRIMARY KEY (topic, partition)
) WITHOUT ROWID;

-- How far each group has read. The group of the workers is empty.
CREATE TABLE position (
    team TEXT NOT NULL,
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    PRIMARY KEY (team, topic, partition)
) WITHOUT ROWID;
"""

_PEERS: Final = """
-- Who has the file open, who of them is in which group, and who owns which partition in it.
CREATE TABLE peer (
    id TEXT PRIMARY KEY,
    port INTEGER NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started INTEGER NOT NULL,
    expires REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE member (team TEXT NOT NULL, peer TEXT NOT NULL, PRIMARY KEY (team, peer)) WITHOUT ROWID;
CREATE TABLE lease (
    team TEXT NOT NULL,
    partition INTEGER NOT NULL,
    owner TEXT,
    epoch INTEGER NOT NULL,
    PRIMARY KEY (team, partition)
) WITHOUT ROWID;
"""

_REMEMBERED: Final = """
-- The last version of each key whose record was deleted, and when that was, in microseconds.
CREATE TABLE tombstone (key TEXT PRIMARY KEY, version INTEGER NOT NULL, time INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX tombstone_time ON tombstone (time);

-- Notes that are kept for good.
CREATE TABLE pin (name TEXT PRIMARY KEY, data BLOB NOT NULL) WITHOUT ROWID;
"""


_BYTES: Final = """
-- Messages as they are: a value may be null, and headers are a list of pairs, since a name may come several times.
CREATE TABLE message_as_it_is (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    time INTEGER NOT NULL,
    key TEXT,
    headers TEXT,
    payload BLOB,
    PRIMARY KEY (topic, partition, offset)
) WITHOUT ROWID;
INSERT INTO message_as_it_is
SELECT topic, partition, offset, time, key,
    CASE WHEN headers IS NULL THEN NULL
    ELSE (SELECT json_group_array(json_array(each.key, each.value)) FROM json_each(message.headers) AS each) END,
    payload
FROM message;
DROP TABLE message;
ALTER TABLE message_as_it_is RENAME TO message;
"""


class Kind(msgspec.Struct, frozen=True):
    """What a file is for."""

    id: int
    """SQLite's `application_id`."""
    words: str
    """What such a file has, and what to do for who took it for one of another kind."""
    steps: tuple[str, ...]
    """Each brings a file of the version before to the next one."""


WHOLE: Final = Kind(
    0x64616767,  # `dagg`
    "has the log and the records of engines that need nothing else, Dagger('sqlite:///...')",
    (_RECORDS + _LOG + _PEERS, _BYTES),
)
"""A file in which everything is."""
BESIDE: Final = Kind(
    0x64616773,  # `dags`
    "has the records of an application whose log is elsewhere, Dagger(..., store='sqlite:///...')",
    (_RECORDS + _PEERS + _REMEMBERED,),
)
"""A file of records that go with a log of another kind."""
_KINDS: Final = {kind.id: kind for kind in (WHOLE, BESIDE)}


def open_file(
    options: Options, kind: Kind = WHOLE, application: str | None = None, *, make: bool = True
) -> sqlite3.Connection:
    """A connection to the file, made or brought to this version if need be; without `make` it must be there.

    Raises BackendError for a file of a newer version, of something else or of another application, and what SQLite
    raises.
    """
    # Where several make it at once, SQLite may say that it is locked without waiting.
    return patiently(lambda: _opened(options, kind, application, make=make), options.patience)


def _opened(options: Options, kind: Kind, application: str | None, *, make: bool) -> sqlite3.Connection:
    if options.place.is_dir():
        path = options.path
        raise BackendError(f"the file '{path}' is a directory; give the path of a file, as sqlite:///{path}/orders.db")
    connection = sqlite3.connect(
        f"{options.place.absolute().as_uri()}?mode={'rwc' if make else 'rw'}",
        uri=True,
        timeout=options.patience,
        isolation_level=None,
        cached_statements=256,
        check_same_thread=False,
    )
    try:
        if not _is_current(connection, kind):
            version = _checked_version(connection, options, kind)  # before anything is changed in what is not ours
            if not version and not make:
                raise BackendError(f"the file '{options.path}' was emptied while it was open; put back a backup of it")
            connection.execute("PRAGMA journal_mode = WAL")
            _bring_up(connection, options, kind, application)
        _check_application(connection, options, application)
        # Each of these is of the connection, not of the file. The times are in milliseconds.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -65536")
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES_MAX}")
    except BaseException:
        connection.close()
        raise
    return connection


def _is_current(connection: sqlite3.Connection, kind: Kind) -> bool:
    return (_number(connection, "application_id"), _number(connection, "user_version")) == (kind.id, len(kind.steps))


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    (found,) = connection.execute(f"PRAGMA {pragma}").fetchone()
    return int(found)


def _bring_up(connection: sqlite3.Connection, options: Options, kind: Kind, application: str | None) -> None:
    """Take the steps that are missing, all or none."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = _checked_version(connection, options, kind)
        for step in kind.steps[version:]:
            for statement in _statements(step):
                connection.execute(statement)
        if version == 0:
            connection.executemany("INSERT INTO meta VALUES (?, ?)", _first_notes(options, application))
        connection.execute(f"PRAGMA application_id = {kind.id}")
        connection.execute(f"PRAGMA user_version = {len(kind.steps)}")
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()  # no more than is needed: after some errors SQLite has done so itself
        raise


def _first_notes(options: Options, application: str | None) -> list[tuple[str, Any]]:
    """What a file is told when it is made, and knows for ever."""
    if application is None:
        return [("partitions", options.partitions)]
    return [("application", application), ("name", uuid.uuid4().hex)]


def _checked_version(connection: sqlite3.Connection, options: Options, kind: Kind) -> int:
    """The version of the file. Raises BackendError for one that this release cannot use."""
    version = _number(connection, "user_version")
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    id = _number(connection, "application_id")
    if tables and id != kind.id:
        found = _KINDS[id].words if id in _KINDS else "is a database of something else"
        raise BackendError(f"the file '{options.path}' {found}; give another path")
    if version > len(kind.steps):
        raise BackendError(
            f"the file '{options.path}' is of version {version}, written by a newer release of dagger; this one knows "
            f"versions up to {len(kind.steps)}: upgrade it, or give another path. Nothing was changed"
        )
    return version


def _check_application(connection: sqlite3.Connection, options: Options, application: str | None) -> None:
    """Raises BackendError where the file belongs to another one."""
    if application is None:
        return
    found = _noted(connection, "application")
    if found != application:
        raise BackendError(
            f"the file '{options.path}' has the records of the application '{found}', and this one is "
            f"'{application}'; give each application a file of its own. Nothing was changed"
        )


def _statements(script: str) -> list[str]:
    """The statements of a script; none of ours has a semicolon inside."""
    lines = [line.partition("--")[0] for line in script.splitlines()]
    return [statement for statement in "\n".join(lines).split(";") if statement.strip()]


def partitions_of(connection: sqlite3.Connection) -> int:
    """Into how many partitions the file is divided."""
    return int(_noted(connection, "partitions"))


def name_of(connection: sqlite3.Connection) -> str:
    """A name that no other file of records has, but a copy of it."""
    return str(_noted(connection, "name"))


def _noted(connection: sqlite3.Connection, name: str) -> Any:
    (found,) = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return found
