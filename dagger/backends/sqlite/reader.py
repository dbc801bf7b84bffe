"""A consumer of one topic, outside any workflow."""

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
    """Reads on where its group has come to; the readers of a group share the partitions."""

    def __init__(self, file: OpenFile, topic: str, group: str) -> None:
        self._file = file
        self._topic = topic
        self._group = f"{len(group)}/{group}/{topic}"  # so that no two have one name
        self._slot = file.new_slot()
        self._team: Leases | None = None
        self._is_closed = False
        self._owned: dict[int, int] | None = None
        """What was owned when it was last read; None if it is to begin at what is committed."""
        self._at: dict[Position, int] = {}
        self._read: dict[Position, int] = {}
        """What was given out and is not committed."""

    async def read(self, limit: int) -> Sequence[TopicRecord]:
        team = await self._joined()
        while True:
            if self._read:
                # As it is now: where nobody waits any more, this may be done after the next read.
                work = partial(self._commit, team=team, read=self._read, owned=self._owned or {})
                await self._file.database.transact(work)
                self._read = {}
            self._check()
            owned = team.owned
            found, at = await self._file.database.query(partial(self._next, owned=owned, limit=limit))
            # Only now: a question may fail half way and be asked again, or nobody may wait for its answer any more.
            self._at, self._owned = at, owned
            if found:
                self._read = {(self._topic, record.partition): record.offset for record in found}
                return found
            await self._file.notifier.wait(f"{self._slot} reads")

    async def _joined(self) -> Leases:
        self._check()
        if self._team is None:
            team = Leases(self._group, self._file.processes.id, self._file.partitions, self._slot)
            await self._file.groups.join(team)
            self._team = team
        return self._team

    def _check(self) -> None:
        """Raises BackendError once it is closed."""
        if self._is_closed or (self._team is not None and self._file.groups.leases.get(self._slot) is not self._team):
            raise BackendError(f"the reader of '{self._topic}' is closed; subscribe again")

    async def close(self) -> None:
        """Let the others of the group read on."""
        self._is_closed = True
        self._file.notifier.forget(f"{self._slot} reads")
        if self._team is not None:
            await self._file.groups.leave(self._team)

    def _commit(
        self, connection: sqlite3.Connection, team: Leases, read: dict[Position, int], owned: dict[int, int]
    ) -> None:
        """What others own by now is theirs to read, again: each message comes at least once."""
        lost = team.lost(connection, owned)
        kept = {at: offset for at, offset in read.items() if at[1] not in lost}
        set_positions(connection, self._group, kept)

    def _next(
        self, connection: sqlite3.Connection, owned: dict[int, int], limit: int
    ) -> tuple[list[TopicRecord], dict[Position, int]]:
        """What is new, and how far it goes."""
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
