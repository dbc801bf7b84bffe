"""Records alone, for a log of another kind: `Dagger("kafka://...", store="sqlite:///records.db")`.

The file is of a kind of its own. Records of a file with a log are valid only together with that log; and this kind has
tombstones, so that a worker whose partitions were taken over cannot write a deleted record again.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncGenerator, Collection, Sequence
from functools import partial
from pathlib import Path

from dagger.backends.loops import nested_contextmanager
from dagger.backends.sqlite.notes import PINS
from dagger.backends.sqlite.open_file import OpenFile
from dagger.backends.sqlite.options import STANDALONE_OPTIONS, SqliteOptions, options_of
from dagger.backends.sqlite.records import SIZE_MAX, RecordReader, statement_of
from dagger.backends.sqlite.retention import PURGE_S, add_tombstones, has_expired, purge_with_tombstones
from dagger.backends.sqlite.schema import RECORDS_ONLY, name_of
from dagger.backends.sqlite.transactions import run_transaction
from dagger.engine.ports import Write


def store(url: str, application: str) -> SqliteRecordStore:
    """The store for `sqlite:///records.db`. Raises BackendError for a URL without a file or with invalid options."""
    return SqliteRecordStore(options_of(url, STANDALONE_OPTIONS), application)


class SqliteRecordStore(RecordReader):
    """A file of records, which several processes of the same application may have open."""

    size_max = SIZE_MAX

    def __init__(self, options: SqliteOptions, application: str) -> None:
        self.file = OpenFile(options, RECORDS_ONLY, application)
        super().__init__(self.file.database, PINS)

    @property
    def data_file(self) -> Path:
        """The absolute path of the file."""
        return self.file.options.place.absolute()

    @nested_contextmanager
    async def open(self) -> AsyncGenerator[None]:
        async with self.file.open():
            self.file.maintenance.add(self._purge)
            yield

    async def incarnation(self) -> str:
        """The permanent name of the file: what was written is lost only with the whole file."""
        if not self.file.exists:
            await self.file.database.transact(name_of)
        return await self.file.database.query(name_of)

    @property
    def reports_ends(self) -> bool:
        return True

    def announce_ended(self, ids: Collection[str]) -> None:
        self.file.announce_ended(ids)

    async def changed(self) -> Collection[str] | None:
        return await self.file.wait_for_others()

    async def write(self, writes: Sequence[Write]) -> Sequence[bool]:
        return await self.file.database.transact(partial(_write, writes=writes)) if writes else []

    def _purge(self, connection: sqlite3.Connection) -> float:
        """A maintenance job of processes that write: delete what is old. It takes the lock only if there is some."""
        options = self.file.options
        now = time.time()
        ended_before, buried_before = int((now - options.finished) * 1e6), int((now - options.deleted) * 1e6)
        more = False
        if self.file.has_written and has_expired(connection, ended_before, buried_before):
            work = partial(purge_with_tombstones, ended_before=ended_before, buried_before=buried_before)
            more = run_transaction(connection, work, options.busy_timeout)
        return 0.0 if more else max(options.tick, min(PURGE_S, options.finished, options.deleted))


def _write(connection: sqlite3.Connection, writes: Sequence[Write]) -> list[bool]:
    return [_write_one(connection, write) for write in writes]


def _write_one(connection: sqlite3.Connection, write: Write) -> bool:
    """Write if the version is the stored one, and no tombstone is newer; whether it was written."""
    new = not write.version
    if new and not _is_free(connection, write):
        return False
    statement, row = statement_of(write)
    changed = connection.execute(statement, row).rowcount
    if not changed and not new:
        return False
    if write.data is None:
        add_tombstones(connection, [(write.key, write.next)])
    elif new:
        connection.execute("DELETE FROM tombstone WHERE key = ?", (write.key,))
    return True


def _is_free(connection: sqlite3.Connection, write: Write) -> bool:
    """Whether the key has neither a record nor a tombstone that is newer than the write.

    Deleting a record that does not exist changes nothing, and is allowed with any version.
    """
    if connection.execute("SELECT 1 FROM record WHERE key = ?", (write.key,)).fetchone() is not None:
        return False
    buried = connection.execute("SELECT version FROM tombstone WHERE key = ?", (write.key,)).fetchone()
    return write.data is None or buried is None or int(buried[0]) < write.next
