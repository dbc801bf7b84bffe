"""A consumer of one topic, outside any workflow."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from functools import partial

from dagger.backends.sqlite.hub import Hub
from dagger.backends.sqlite.team import Team
from dagger.backends.sqlite.topics import heads, messages_after, positions, set_positions
from dagger.engine.ports import Position, TopicRecord


class SqliteReader:
    """Reads on where its group has come to; several processes of a group share the partitions."""

    def __init__(self, hub: Hub, topic: str, group: str) -> None:
        self._hub = hub
        self._topic = topic
        self._group = f"{len(group)}/{group}/{topic}"  # so that no two have one name
        self._team: Team | None = None
        self._owned: dict[int, int] | None = None
        """What was owned when it was last read; None if it is to begin at what is committed."""
        self._at: dict[Position, int] = {}
        self._read: dict[Position, int] = {}
        """What was given out and is not committed."""

    async def read(self, limit: int) -> Sequence[TopicRecord]:
        if self._team is None:
            team = Team(self._group, self._hub.peers.id, self._hub.partitions)
            await self._hub.enter(team)
            self._team = team
        while True:
            if self._read:
                # As it is now: where nobody waits any more, this may be done after the next read.
                await self._hub.clerk.change(partial(self._commit, read=self._read, owned=self._owned or {}))
                self._read = {}
            owned = self._team.owned
            found, at = await self._hub.clerk.ask(partial(self._next, owned=owned, limit=limit))
            # Only now: a question may fail half way and be asked again, or nobody may wait for its answer any more.
            self._at, self._owned = at, owned
            if found:
                self._read = {(self._topic, record.partition): record.offset for record in found}
                return found
            await self._hub.bell.wait(self._group)

    def rewind(self) -> None:
        self._read, self._owned = {}, None

    def _commit(self, connection: sqlite3.Connection, read: dict[Position, int], owned: dict[int, int]) -> None:
        """What others own by now is theirs to read, again: each message comes at least once."""
        assert self._team is not None
        lost = self._team.lost(connection, owned)
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
