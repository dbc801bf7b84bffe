"""The internal log and the topics, as tables."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Collection, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from types import MappingProxyType
from zlib import crc32

import anyio

from dagger.backends.sqlite.leases import Leases
from dagger.backends.sqlite.open_file import OpenFile
from dagger.backends.sqlite.reader import SqliteReader
from dagger.backends.sqlite.records import SqliteStore
from dagger.backends.sqlite.topics import (
    append,
    backlog,
    heads,
    messages_after,
    positions,
    records_after,
    set_positions,
)
from dagger.engine.ports import Backlog, Batch, Entry, LogRecord, Orders, Position, TopicRecord, Write, flat

NOTHING = Batch((), ())


class SqliteLog:
    """Polls the partitions that this process owns; a commit includes the writes that the store has staged."""

    is_early: bool = False
    counts: Mapping[str, int] = MappingProxyType({})

    def __init__(self, file: OpenFile, store: SqliteStore) -> None:
        self._file = file
        self._store = store
        self._topics: dict[str, None] = {"": None}
        self.begin()

    def begin(self) -> None:
        """The file was opened: nothing has been polled yet."""
        self._store.take()
        self._leases: Leases | None = None
        self._reported: dict[int, int] | None = None
        """What is owned, as the last poll reported it; None if the next poll is to report it."""
        self._polled: dict[Position, int] = {}
        self._rounds = 0

    @property
    def partitions(self) -> int:
        return self._file.partitions

    def partition_of(self, key: str) -> int:
        return crc32(key.encode()) % self._file.partitions

    @property
    def topics(self) -> Collection[str]:
        """The topics that are polled; the empty name is the internal log."""
        return self._topics

    def consume(self, topics: Collection[str], published: Collection[str] = ()) -> None:
        self._topics = {**self._topics, **dict.fromkeys(topics)}
        self._file.notifier.notify()

    async def append(self, entries: Sequence[Entry]) -> None:
        if entries:
            await self._file.database.append(entries)

    @asynccontextmanager
    async def join(self) -> AsyncGenerator[None]:
        leases = self._leases = Leases("", self._file.processes.id, self.partitions)
        self._reported = None
        await self._file.groups.join(leases)
        try:
            yield
        finally:
            self._leases = None
            with anyio.CancelScope(shield=True):
                await self._file.groups.leave(leases)

    async def wait(self) -> None:
        await self._file.notifier.wait("log")

    async def poll(self, limit: int) -> Batch:
        leases = self._leases
        if leases is None:
            return NOTHING
        owned = leases.owned
        batch, polled = await self._file.database.query(partial(self._poll, owned=owned, limit=limit))
        # Only now, since a query may fail and be repeated, and its caller may be cancelled.
        self._reported, self._polled = owned, polled
        return batch

    def _poll(
        self, connection: sqlite3.Connection, owned: dict[int, int], limit: int
    ) -> tuple[Batch, dict[Position, int]]:
        """New records and messages, and the positions up to which they reach."""
        news = None if owned == self._reported else owned
        polled = dict(self._polled) if news is None else self._repositioned(connection, news)
        records = list[LogRecord]()
        messages = list[TopicRecord]()
        for (topic, partition), start in self._behind(connection, owned, polled):
            left = limit - len(records) - len(messages)
            if not left:
                break
            found: Sequence[LogRecord | TopicRecord]
            if topic:
                found = more = messages_after(connection, topic, partition, start, left)
                messages += more
            else:
                found = others = records_after(connection, partition, start, left)
                records += others
            if found:
                polled[topic, partition] = found[-1].offset
        return Batch(records, messages, news), polled

    def _repositioned(self, connection: sqlite3.Connection, owned: dict[int, int]) -> dict[Position, int]:
        """The positions after a change of owned partitions: new ones begin at what was committed."""
        before = self._reported or {}
        kept = {partition for partition, epoch in owned.items() if before.get(partition) == epoch}
        begun = {at: offset for at, offset in positions(connection, "").items() if at[1] not in kept}
        return {**{at: offset for at, offset in self._polled.items() if at[1] in kept}, **begun}

    def _behind(
        self, connection: sqlite3.Connection, owned: dict[int, int], polled: Mapping[Position, int]
    ) -> Iterator[tuple[Position, int]]:
        """Partitions with more than was polled, beginning with another one at each poll, so that none starves."""
        ends = heads(connection, list(self._topics))
        found = [(at, start) for at, end in ends.items() if at[1] in owned and (start := polled.get(at, -1)) < end]
        self._rounds += 1
        first = self._rounds % len(found) if found else 0
        yield from found[first:]
        yield from found[:first]

    async def commit(self, entries: Orders, offsets: Mapping[Position, int]) -> None:
        writes = self._store.take()
        held = self._reported or {}
        partitions = {write.partition for write in writes} | {partition for _, partition in offsets}
        work = partial(
            self._commit,
            writes=writes,
            entries=flat(entries),
            offsets=offsets,
            held={partition: held.get(partition, -1) for partition in partitions},
        )
        await self._file.database.transact(work, can_be_refused=True)

    def _commit(
        self,
        connection: sqlite3.Connection,
        writes: Sequence[Write],
        entries: Sequence[Entry],
        offsets: Mapping[Position, int],
        held: dict[int, int],
    ) -> None:
        leases = self._leases or Leases("", self._file.processes.id, self.partitions)
        leases.check_owned(connection, held)
        self._store.apply(connection, writes)
        append(connection, entries, self.partitions)
        set_positions(connection, "", {at: offset for at, offset in offsets.items() if at[0]})
        connection.executemany(
            "DELETE FROM log WHERE partition = ? AND offset <= ?",
            [(partition, offset) for (topic, partition), offset in offsets.items() if not topic],
        )

    async def backlog(self, after: Mapping[int, int], limit: int) -> Backlog:
        return await self._file.database.scan(partial(backlog, after=after, limit=limit))

    async def rewind(self) -> None:
        self._store.take()
        self._reported, self._polled = None, {}
        if self._leases is not None:
            await self._file.groups.rebalance()

    @asynccontextmanager
    async def reader(self, topic: str, group: str) -> AsyncGenerator[SqliteReader]:
        reader = SqliteReader(self._file, topic, group)
        try:
            yield reader
        finally:
            await reader.close()
