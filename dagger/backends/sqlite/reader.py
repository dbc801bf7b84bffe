"""Readers of one topic, outside any workflow."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial

from dagger.backends.sqlite.leases import Leases
from dagger.backends.sqlite.open_file import OpenFile
from dagger.backends.sqlite.topics import heads, messages_after, positions, set_positions
from dagger.engine.ports import Position, TopicRecord
from dagger.errors import BackendError


class SqliteReader:
    """Reads from what its group has committed; the readers of a group share the partitions."""

    def __init__(self, file: OpenFile, topic: str, group: str) -> None:
        self._file = file
        self._topic = topic
        self._group = f"{len(group)}/{group}/{topic}"  # unique for each pair of group and topic
        self._slot = file.new_slot()
        self._leases: Leases | None = None
        self._is_closed = False
        self._owned: dict[int, int] | None = None
        """What was owned at the last read; None before the first, which begins at what is committed."""
        self._at: dict[Position, int] = {}
        self._read: dict[Position, int] = {}
        """What was returned and is not committed yet."""

    async def read(self, limit: int) -> Sequence[TopicRecord]:
        leases = await self._join()
        while True:
            if self._read:
                # With the values of now: where the caller is cancelled, this may run after the next read.
                work = partial(self._commit, leases=leases, read=self._read, owned=self._owned or {})
                await self._file.database.transact(work, wakes=False)
                self._read = {}
            self._check()
            owned = leases.owned
            found, at = await self._file.database.query(partial(self._next, owned=owned, limit=limit))
            # Only now, since a query may fail and be repeated, and its caller may be cancelled.
            self._at, self._owned = at, owned
            if found:
                self._read = {(self._topic, record.partition): record.offset for record in found}
                return found
            await self._file.notifier.wait(f"{self._slot} reads")

    async def _join(self) -> Leases:
        self._check()
        if self._leases is None:
            leases = Leases(self._group, self._file.processes.id, self._file.partitions, self._slot)
            await self._file.groups.join(leases)
            self._leases = leases
        return self._leases

    def _check(self) -> None:
        """Raise BackendError if the reader is closed."""
        if self._is_closed or (
            self._leases is not None and self._file.groups.leases.get(self._slot) is not self._leases
        ):
            raise BackendError(f"the reader of '{self._topic}' is closed; subscribe again")

    async def close(self) -> None:
        """Leave the group: its other readers take over."""
        self._is_closed = True
        self._file.notifier.forget(f"{self._slot} reads")
        if self._leases is not None:
            await self._file.groups.leave(self._leases)

    def _commit(
        self, connection: sqlite3.Connection, leases: Leases, read: dict[Position, int], owned: dict[int, int]
    ) -> None:
        """Commit what was read, except of partitions that have passed to others, who read it again."""
        lost = leases.lost(connection, owned)
        kept = {at: offset for at, offset in read.items() if at[1] not in lost}
        set_positions(connection, self._group, kept)

    def _next(
        self, connection: sqlite3.Connection, owned: dict[int, int], limit: int
    ) -> tuple[list[TopicRecord], dict[Position, int]]:
        """New messages, and the positions up to which they reach."""
        at = dict(self._at) if owned == self._owned else positions(connection, self._group)
        found = list[TopicRecord]()
        for (topic, partition), end in heads(connection, [self._topic]).items():
            start = at.get((topic, partition), -1)
            if partition in owned and start < end and len(found) < limit:
                more = messages_after(connection, topic, partition, start, limit - len(found))
                if more:
                    at[topic, partition] = more[-1].offset
                found += more
        return found, at
