"""Records alone, for a log of another kind: `Dagger("kafka://...", store="sqlite:///records.db")`.

The file is of a kind of its own. What is in the file of a whole backend is right only together with its log; and this
one remembers what a worker that was overtaken must not write.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncGenerator, Sequence
from functools import partial

from dagger.backends.loops import within
from dagger.backends.sqlite.clerk import transact
from dagger.backends.sqlite.hub import Hub
from dagger.backends.sqlite.options import GIVEN_BESIDE, Options, options_of
from dagger.backends.sqlite.retention import PURGE_S, bury, is_old, purge_buried
from dagger.backends.sqlite.rows import SIZE_MAX, Finder, order_of
from dagger.backends.sqlite.schema import BESIDE, name_of
from dagger.engine.ports import Write


def store(url: str, application: str) -> SqliteRecords:
    """The store for `sqlite:///records.db`. Raises BackendError for a URL that names no file, or odd options."""
    return SqliteRecords(options_of(url, GIVEN_BESIDE), application)


class SqliteRecords(Finder):
    """A file of records, which other processes of the same application may have open too."""

    size_max = SIZE_MAX

    def __init__(self, options: Options, application: str) -> None:
        self.hub = Hub(options, BESIDE, application)
        super().__init__(self.hub.clerk)

    @within
    async def open(self) -> AsyncGenerator[None]:
        async with self.hub.open():
            self.hub.pulse.add(self._purge)
            yield

    async def incarnation(self) -> str:
        """A name of the file, which it has for ever: nothing that was written is lost but with all of it."""
        if not self.hub.is_there:
            await self.hub.clerk.change(name_of)
        return await self.hub.clerk.ask(name_of)

    async def changed(self) -> None:
        await self.hub.await_others()

    async def write(self, writes: Sequence[Write]) -> Sequence[bool]:
        return await self.hub.clerk.change(partial(_write, writes=writes)) if writes else []

    async def pin(self, name: str, data: bytes) -> bytes:
        kept = await self.hub.clerk.ask(partial(_pinned, name=name))
        return await self.hub.clerk.change(partial(_pin, name=name, data=data)) if kept is None else kept

    async def repin(self, name: str, old: bytes, new: bytes) -> bool:
        return await self.hub.clerk.change(partial(_repin, name=name, old=old, new=new))

    def _purge(self, connection: sqlite3.Connection) -> float:
        """A chore: delete what is old. Whoever writes does it; the lock is taken only if there is some."""
        options = self.hub.options
        now = time.time()
        ended_before, buried_before = int((now - options.finished) * 1e6), int((now - options.deleted) * 1e6)
        more = False
        if self.hub.has_written and is_old(connection, ended_before, buried_before):
            work = partial(purge_buried, ended_before=ended_before, buried_before=buried_before)
            more = transact(connection, work, options.patience)
        return 0.0 if more else max(options.tick, min(PURGE_S, options.finished, options.deleted))


def _write(connection: sqlite3.Connection, writes: Sequence[Write]) -> list[bool]:
    return [_write_one(connection, write) for write in writes]


def _write_one(connection: sqlite3.Connection, write: Write) -> bool:
    """Whether the version was the stored one, and was no earlier one of a key that was deleted since."""
    new = not write.version
    if new and not _is_free(connection, write):
        return False
    statement, row = order_of(write)
    changed = connection.execute(statement, row).rowcount
    if not changed and not new:
        return False
    if write.data is None:
        bury(connection, [(write.key, write.next)])
    elif new:
        connection.execute("DELETE FROM tombstone WHERE key = ?", (write.key,))
    return True


def _is_free(connection: sqlite3.Connection, write: Write) -> bool:
    """Whether there is no record of the key, nor was one that is newer than what is to be made.

    To delete what is not there changes nothing, and is right of any version.
    """
    if connection.execute("SELECT 1 FROM record WHERE key = ?", (write.key,)).fetchone() is not None:
        return False
    buried = connection.execute("SELECT version FROM tombstone WHERE key = ?", (write.key,)).fetchone()
    return write.data is None or buried is None or int(buried[0]) < write.next


def _pin(connection: sqlite3.Connection, name: str, data: bytes) -> bytes:
    connection.execute("INSERT OR IGNORE INTO pin VALUES (?, ?)", (name, data))
    kept = _pinned(connection, name)
    assert kept is not None
    return kept


def _pinned(connection: sqlite3.Connection, name: str) -> bytes | None:
    found = connection.execute("SELECT data FROM pin WHERE name = ?", (name,)).fetchone()
    return None if found is None else bytes(found[0])


def _repin(connection: sqlite3.Connection, name: str, old: bytes, new: bytes) -> bool:
    changed = connection.execute("UPDATE pin SET data = ? WHERE name = ? AND data = ?", (new, name, old))
    return changed.rowcount == 1
