"""Notes that are kept for good: in a table of their own, or beside the properties of a file that has a log."""

from __future__ import annotations

import sqlite3
from functools import partial
from typing import Final

import msgspec

from dagger.backends.sqlite.database import Database


class NoteTable(msgspec.Struct, frozen=True):
    """Where the notes are: a table, its column for data, and the prefix of their names."""

    name: str
    column: str
    prefix: str = ""


PINS: Final = NoteTable("pin", "data")
META: Final = NoteTable("meta", "value", "note/")


class Notes:
    """The notes of a file."""

    def __init__(self, database: Database, table: NoteTable) -> None:
        self._database = database
        self._table = table

    async def pin(self, name: str, data: bytes) -> bytes:
        """Store a note under a name permanently, unless the name exists; returns the stored note."""
        name = self._table.prefix + name
        kept = await self._database.query(partial(_pinned, self._table, name=name))
        if kept is not None:
            return kept
        return await self._database.transact(partial(_pin, self._table, name=name, data=data))

    async def repin(self, name: str, old: bytes, new: bytes) -> bool:
        """Replace a note if the old one is stored; whether it was."""
        name = self._table.prefix + name
        return await self._database.transact(partial(_repin, self._table, name=name, old=old, new=new))


def _pin(table: NoteTable, connection: sqlite3.Connection, name: str, data: bytes) -> bytes:
    connection.execute(f"INSERT OR IGNORE INTO {table.name} VALUES (?, ?)", (name, data))
    kept = _pinned(table, connection, name)
    assert kept is not None
    return kept


def _pinned(table: NoteTable, connection: sqlite3.Connection, name: str) -> bytes | None:
    found = connection.execute(f"SELECT {table.column} FROM {table.name} WHERE name = ?", (name,)).fetchone()
    return None if found is None else bytes(found[0])


def _repin(table: NoteTable, connection: sqlite3.Connection, name: str, old: bytes, new: bytes) -> bool:
    changed = connection.execute(
        f"UPDATE {table.name} SET {table.column} = ? WHERE name = ? AND {table.column} = ?", (new, name, old)
    )
    return changed.rowcount == 1
