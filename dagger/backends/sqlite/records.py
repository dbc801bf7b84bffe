"""The table of records, and how a backend with a log writes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Sequence
from functools import partial
from typing import Any, Final

from dagger.backends.sqlite.database import Database
from dagger.backends.sqlite.notes import META, Notes, NoteTable
from dagger.engine.ports import Query, Row, Write
from dagger.errors import Fenced

SIZE_MAX: Final = 64 * 1024 * 1024
"""The largest size of a record or a message, in bytes."""
AT_ONCE: Final = 256
"""How many records one statement reads."""

_INSERT: Final = """
INSERT INTO record (key, partition, version, due, busy, template, status, business, created, parent, ended, data)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_UPDATE: Final = """
UPDATE record SET version = ?, due = ?, busy = ?, template = ?, status = ?, business = ?, created = ?, parent = ?,
ended = ?, data = ? WHERE key = ? AND version = ?
"""
_UPDATE_DATA: Final = "UPDATE record SET version = ?, data = ? WHERE key = ? AND version = ?"
_DELETE: Final = "DELETE FROM record WHERE key = ? AND version = ?"


class RecordReader:
    """Queries on the table of records, and notes."""

    def __init__(self, database: Database, notes: NoteTable) -> None:
        self._database = database
        self._notes = Notes(database, notes)
        self.pin, self.repin = self._notes.pin, self._notes.repin

    async def read(self, keys: Sequence[str]) -> Sequence[Row | None]:
        return await self._database.query(partial(_read, keys=keys)) if keys else []

    async def due(self, partitions: Collection[int], until: int, limit: int) -> Sequence[tuple[str, int]]:
        return await self._database.query(partial(_due, partitions=list(partitions), until=until, limit=limit))

    async def next_due(self, partitions: Collection[int], after: int) -> int | None:
        return await self._database.query(partial(_next_due, partitions=list(partitions), after=after))

    async def busy(self, partitions: Collection[int]) -> Sequence[str]:
        return await self._database.query(partial(_busy, partitions=list(partitions)))

    async def find(self, query: Query) -> Sequence[Row]:
        return await self._database.scan(partial(_find, query=query))

    async def count(self, query: Query) -> int:
        return await self._database.scan(partial(_count, query=query))


class SqliteStore(RecordReader):
    """Stages writes until the log commits them, all in one transaction."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, META)
        self._staged: list[Write] = []

    async def write(self, writes: Sequence[Write]) -> Sequence[bool]:
        """Stage writes. The commit raises Fenced if a version is not the stored one."""
        self._staged += writes
        return [True] * len(writes)

    def take(self) -> Sequence[Write]:
        """Return the staged writes, and clear them."""
        staged, self._staged = self._staged, []
        return staged

    def apply(self, connection: sqlite3.Connection, writes: Sequence[Write]) -> None:
        """Write, inside the transaction of a commit. Raises Fenced if another worker has written."""
        absent = [write.key for write in writes if write.data is None and not write.version]
        if absent and any(_read(connection, absent)):
            raise Fenced("a record was made by another worker")
        statements: dict[str, list[tuple[Any, ...]]] = {_DELETE: [], _INSERT: [], _UPDATE: [], _UPDATE_DATA: []}
        for write in writes:
            if write.data is not None or write.version:
                statement, row = statement_of(write)
                statements[statement].append(row)
        try:
            for statement, rows in statements.items():
                if rows and connection.executemany(statement, rows).rowcount != len(rows):
                    raise Fenced("a record was written by another worker")
        except sqlite3.IntegrityError as error:
            raise Fenced("a record was made by another worker") from error


def statement_of(write: Write) -> tuple[str, tuple[Any, ...]]:
    """The statement of a write and its parameters; it changes a row if the version is the stored one."""
    if write.data is None:
        return _DELETE, (write.key, write.version)
    if not write.version:
        return _INSERT, (write.key, write.partition, write.next, *_index_values(write))
    if write.index_changed:
        return _UPDATE, (write.next, *_index_values(write), write.key, write.version)
    return _UPDATE_DATA, (write.next, write.data, write.key, write.version)


def _index_values(write: Write) -> tuple[Any, ...]:
    listing = write.listing
    if listing is None:
        return (write.due, write.busy, None, None, None, None, None, write.ended, write.data)
    listed = (listing.template, listing.status, listing.key, listing.created, listing.parent or None)
    return (write.due, write.busy, *listed, write.ended, write.data)


def _read(connection: sqlite3.Connection, keys: Sequence[str]) -> list[Row | None]:
    found = dict[str, Row]()
    for start in range(0, len(keys), AT_ONCE):
        some = keys[start : start + AT_ONCE]
        # Padded to a power of two, so that few different statements are compiled.
        wanted = 1 << (len(some) - 1).bit_length()
        marks = ", ".join("?" * wanted)
        rows = connection.execute(
            f"SELECT key, version, data FROM record WHERE key IN ({marks})", (*some, *[some[0]] * (wanted - len(some)))
        )
        found.update({key: Row(version, data) for key, version, data in rows})
    return [found.get(key) for key in keys]


def _due(connection: sqlite3.Connection, partitions: Sequence[int], until: int, limit: int) -> list[tuple[str, int]]:
    found = list[tuple[int, str]]()
    for partition in partitions:
        found += connection.execute(
            "SELECT due, key FROM record WHERE partition = ? AND due <= ? ORDER BY due LIMIT ?",
            (partition, until, limit),
        )
    return [(key, at) for at, key in sorted(found)[:limit]]


def _next_due(connection: sqlite3.Connection, partitions: Sequence[int], after: int) -> int | None:
    found = [
        connection.execute("SELECT min(due) FROM record WHERE partition = ? AND due > ?", (partition, after)).fetchone()
        for partition in partitions
    ]
    return min((at for (at,) in found if at is not None), default=None)


def _busy(connection: sqlite3.Connection, partitions: Sequence[int]) -> list[str]:
    found = list[str]()
    for partition in partitions:
        rows = connection.execute("SELECT key FROM record WHERE busy AND partition = ?", (partition,))
        found += [key for (key,) in rows]
    return found


def _where(query: Query) -> tuple[str, dict[str, Any]]:
    """The condition of a query. Most keys are also ids; the index has the others."""
    parts = ["status IS NOT NULL"]
    if query.template is not None:
        parts.append("template = :template")
    if query.status is not None:
        parts.append("status = :status")
    if query.key is not None:
        parts.append("((key = :key AND business = :key) OR (business = :key AND business <> key))")
    if query.parent is not None:
        parts.append("parent = :parent" if query.parent else "parent IS NULL")
    values = {"template": query.template, "status": query.status, "key": query.key, "parent": query.parent}
    return " AND ".join(parts), values


def _find(connection: sqlite3.Connection, query: Query) -> list[Row]:
    where, values = _where(query)
    # SQLite's own choice would be an index that finds what is wanted, and then sorts all of it for each page.
    rows = connection.execute(
        f"SELECT version, data FROM record WHERE {where} AND key > :after ORDER BY key LIMIT :limit",
        {**values, "after": query.after or "", "limit": query.limit},
    )
    return [Row(*row) for row in rows]


def _count(connection: sqlite3.Connection, query: Query) -> int:
    where, values = _where(query)
    (found,) = connection.execute(f"SELECT count(*) FROM record WHERE {where}", values).fetchone()
    return int(found)
