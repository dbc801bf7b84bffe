"""The tables of a file, and the migrations from older versions.

`user_version` of the file counts the migrations that were run. A released migration is never changed; a change of the
schema is a new migration. `application_id` identifies the files of this library, and their kind. `format` in `meta` is
the number of the stored format (dagger/core/format.py) of the newest release that has written to the file.
"""

from __future__ import annotations

import sqlite3
from typing import Any, Final

import msgspec

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

-- The topics, with messages as they are: a value may be null, and headers are a list of pairs, since a name may come
-- several times.
CREATE TABLE message (
    topic TEXT NOT NULL,
    partition INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    time INTEGER NOT NULL,
    key TEXT,
    headers TEXT,
    payload BLOB,
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

_PROCESSES: Final = """
-- The processes that have the file open, which of them is in which group, and who owns which partition in it.
-- Heartbeats are counted: an entry of which the count stays the same, for as long as it `lasts` in seconds, is of a
-- process that is dead. No clock of one machine is compared with that of another.
CREATE TABLE peer (
    id TEXT PRIMARY KEY,
    port INTEGER NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    started INTEGER NOT NULL,
    beat INTEGER NOT NULL,
    lasts REAL NOT NULL
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


_PARENTS: Final = """
-- The key of the instance whose step started this one.
ALTER TABLE record ADD COLUMN parent TEXT;
CREATE INDEX record_parent ON record (parent, key) WHERE parent IS NOT NULL;
"""


class FileKind(msgspec.Struct, frozen=True):
    """A kind of file."""

    id: int
    """SQLite's `application_id`."""
    description: str
    """What such a file contains, for errors about a file of the wrong kind."""
    first: int
    """The version that the first migration creates. Lower ones are from builds before the first release."""
    migrations: tuple[str, ...]
    """Each migrates a file to the next version; the first makes a new file."""
    readable_from: int = 1
    """The lowest version that can be queried without a migration."""

    @property
    def version(self) -> int:
        """The version that this release writes."""
        return self.first + len(self.migrations) - 1

    def missing(self, version: int) -> tuple[str, ...]:
        """The migrations that a file of this version lacks; 0 is a new file."""
        return self.migrations[version - self.first + 1 :] if version else self.migrations


LOG_AND_RECORDS: Final = FileKind(
    0x64616767,  # `dagg`
    "has the log and the records of engines that need nothing else, Dagger('sqlite:///...')",
    4,
    (_RECORDS + _LOG + _PROCESSES, _PARENTS),
    readable_from=5,
)
"""A file with a log, topics and records."""
RECORDS_ONLY: Final = FileKind(
    0x64616773,  # `dags`
    "has the records of an application whose log is elsewhere, Dagger(..., store='sqlite:///...')",
    3,
    (_RECORDS + _PROCESSES + _REMEMBERED, _PARENTS),
    readable_from=4,
)
"""A file of records for a log of another kind."""
KINDS: Final = {kind.id: kind for kind in (LOG_AND_RECORDS, RECORDS_ONLY)}


def partitions_of(connection: sqlite3.Connection) -> int:
    """The number of partitions of the file."""
    return int(meta_value(connection, "partitions"))


def name_of(connection: sqlite3.Connection) -> str:
    """The name of a file of records, which only its copies share."""
    return str(meta_value(connection, "name"))


def meta_value(connection: sqlite3.Connection, name: str) -> Any:
    (found,) = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return found
