"""The in-memory backend, for unit tests and experiments. Everything is lost when the process ends.

It fulfils the same contract as the durable backends, and stores the same bytes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from types import MappingProxyType
from zlib import crc32

import anyio
import anyio.lowlevel

from dagger.backends.loops import LoopBinding
from dagger.backends.memory_readers import PARTITIONS as PARTITIONS
from dagger.backends.memory_readers import MemoryGroup as MemoryGroup
from dagger.backends.memory_readers import MemoryReader as MemoryReader
from dagger.backends.memory_store import MemoryStore as MemoryStore
from dagger.backends.notifier import Notifier
from dagger.backends.settings import parse_options
from dagger.engine.headers import check_names
from dagger.engine.ports import (
    Append,
    Backlog,
    Batch,
    Entry,
    LogRecord,
    Orders,
    Outgoing,
    Position,
    Scheme,
    TopicRecord,
    flat,
)
from dagger.errors import BackendError


def connect(broker: str, store: str | None) -> MemoryBackend:
    """The backend for `memory://`, which has no options."""
    parse_options("memory://", broker.partition("?")[2], {})
    if store is not None:
        raise BackendError("memory:// keeps its records itself; leave store= out")
    return MemoryBackend()


BACKEND = Scheme(connect=connect, example="memory://")


class MemoryLog:
    """Lists of records, and how far each has been polled and committed."""

    partitions = PARTITIONS
    is_early: bool = False
    counts: Mapping[str, int] = MappingProxyType({})

    def __init__(self) -> None:
        self._internal: list[list[LogRecord]] = [[] for _ in range(PARTITIONS)]
        self._base = [0] * PARTITIONS
        self.topics: dict[str, list[list[TopicRecord]]] = {}
        self.history: list[TopicRecord] = []
        """All messages of all topics, in the order of publication."""
        self.delivered: set[int] = set()
        """The indexes in `history` of the messages that `deliver` has accepted from outside."""
        self._polled = [0] * PARTITIONS
        self._polled_topics: dict[str, list[int]] = {}
        self._first = 0
        """Which partition or topic is polled first."""
        self.committed: dict[Position, int] = {}
        self._groups: dict[tuple[str, str], MemoryGroup] = {}
        self._turns = 0
        self._told = False
        self._news = Notifier()
        self._published = Notifier()

    def partition_of(self, key: str) -> int:
        return crc32(key.encode()) % self.partitions

    def consume(self, topics: Collection[str], published: Collection[str] = ()) -> None:
        for topic in topics:
            self._polled_topics.setdefault(topic, [0] * PARTITIONS)
        self.nudge()

    async def append(self, entries: Sequence[Entry]) -> None:
        self._put(entries)

    async def deliver(self, message: Outgoing) -> None:
        """Accept a message from outside, which a test stands in for."""
        self.delivered.add(len(self.history))
        self._put([message])

    async def poll(self, limit: int) -> Batch:
        records = list[LogRecord]()
        messages = list[TopicRecord]()
        sources = [*range(PARTITIONS), *self._polled_topics]
        for source in sources[self._first :] + sources[: self._first]:
            left = limit - len(records) - len(messages)
            if isinstance(source, int):
                records += self._records(source, left)
            else:
                messages += self.after(source, self._polled_topics[source], left)
        if len(records) + len(messages) == limit:  # no source may starve
            self._first = (self._first + 1) % len(sources)
        return Batch(records, messages, self._owned())

    def _records(self, partition: int, limit: int) -> list[LogRecord]:
        start = self._polled[partition] - self._base[partition]
        found = self._internal[partition][start : start + limit]
        self._polled[partition] += len(found)
        return found

    def _owned(self) -> dict[int, int] | None:
        """All partitions, reported once to each worker that begins to poll."""
        if self._told:
            return None
        self._told = True
        self._turns += 1
        return dict.fromkeys(range(self.partitions), self._turns)

    async def wait(self) -> None:
        if self.has_news():
            await anyio.lowlevel.checkpoint()
        else:
            await self._news.wait()

    def has_news(self) -> bool:
        """Whether there is something to poll."""
        return any(self._polled[p] - self._base[p] < len(log) for p, log in enumerate(self._internal)) or any(
            position < len(log)
            for topic, positions in self._polled_topics.items()
            for position, log in zip(positions, self.topics.get(topic, ()), strict=False)
        )

    def nudge(self) -> None:
        """Make `wait` return."""
        self._news.notify()

    async def published(self) -> None:
        """Return when a message was put on some topic."""
        await self._published.wait()

    async def commit(self, entries: Orders, offsets: Mapping[Position, int]) -> None:
        self._put(flat(entries))
        self.committed.update(offsets)
        for (topic, partition), offset in offsets.items():
            if not topic:
                self._forget(partition, offset)

    def _forget(self, partition: int, offset: int) -> None:
        """Drop committed records, many at a time."""
        gone = offset + 1 - self._base[partition]
        if gone > 1024:
            del self._internal[partition][:gone]
            self._base[partition] += gone

    async def backlog(self, after: Mapping[int, int], limit: int) -> Backlog:
        records, settled = list[LogRecord](), dict[int, int]()
        committed = {partition: self.committed.get(("", partition), -1) for partition in after}
        for partition, offset in after.items():
            start = max(offset, committed[partition]) + 1
            at = start - self._base[partition]
            found = self._internal[partition][at : at + limit - len(records)]
            records += found
            settled[partition] = start + len(found) - 1
        return Backlog(records, settled, committed, len(records) == limit)

    async def rewind(self) -> None:
        self._begin()

    def _begin(self) -> None:
        """Poll from the committed offsets."""
        self._told = False
        for partition in range(PARTITIONS):
            self._polled[partition] = self.committed.get(("", partition), -1) + 1
        for topic, positions in self._polled_topics.items():
            positions[:] = [self.committed.get((topic, p), -1) + 1 for p in range(PARTITIONS)]

    @asynccontextmanager
    async def join(self) -> AsyncGenerator[None]:
        self._begin()
        yield

    @asynccontextmanager
    async def reader(self, topic: str, group: str) -> AsyncGenerator[MemoryReader]:
        crew = self._groups.get(at := (topic, group))
        if crew is None:
            crew = self._groups[at] = MemoryGroup(topic)
        reader = self._reader_of(crew)
        crew.readers.append(reader)
        self._share(crew)
        try:
            yield reader
        finally:
            if reader in crew.readers:
                crew.readers.remove(reader)
                self._share(crew)

    def _reader_of(self, group: MemoryGroup) -> MemoryReader:
        return MemoryReader(self, group)

    def _share(self, group: MemoryGroup) -> None:
        group.share()
        self._published.notify()

    @contextmanager
    def opened(self) -> Generator[None]:
        """In use while the context is open."""
        self.open_anew()
        try:
            yield
        finally:
            self._close_readers()

    def _close_readers(self) -> None:
        for group in self._groups.values():
            group.readers.clear()
        self._published.notify()

    def open_anew(self) -> None:
        """Begin to use it again, maybe in another event loop.

        What is owned is reported anew, and groups continue after what they have committed.
        """
        self._told = False
        self._close_readers()
        self._news, self._published = Notifier(), Notifier()

    def after(self, topic: str, positions: list[int], limit: int) -> list[TopicRecord]:
        """The messages at and after the positions, which advance."""
        found = list[TopicRecord]()
        for partition, start in enumerate(positions):
            part = self.part(topic, partition, start, limit - len(found))
            positions[partition] += len(part)
            found += part
        return found

    def part(self, topic: str, partition: int, start: int, limit: int) -> list[TopicRecord]:
        """The messages of one partition from a position on."""
        logs = self.topics.get(topic)
        return [] if logs is None else logs[partition][start : start + limit]

    def _put(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        for entry in entries:  # all are checked before any is stored
            if type(entry) is not Append:
                if entry.headers:
                    check_names(entry.headers)
            elif not 0 <= entry.partition < PARTITIONS:
                raise BackendError(f"there is no partition {entry.partition}; there are {PARTITIONS}")
        published, internal, base = False, self._internal, self._base
        for entry in entries:
            if type(entry) is Append:
                partition = entry.partition
                log = internal[partition]
                log.append(LogRecord(partition, base[partition] + len(log), entry.data))
            else:
                self._publish(entry)
                published = True
        self._news.notify()
        if published:
            self._published.notify()

    def _publish(self, message: Outgoing) -> None:
        topic = message.topic
        partition = crc32(message.key or b"") % PARTITIONS
        logs = self.topics.get(topic)
        if logs is None:
            logs = self.topics[topic] = [[] for _ in range(PARTITIONS)]
        log = logs[partition]
        record = TopicRecord(topic, partition, len(log), message.key, message.payload, message.headers)
        log.append(record)
        self.history.append(record)


class MemoryBackend:
    """A log and a store in memory, of one process."""

    atomic = False
    """False, so that tests see a crash between a write and its commit as on stores that are separate from their log."""
    shared = False
    size_max = 64 * 1024 * 1024

    def __init__(self) -> None:
        self.log = MemoryLog()
        self.store = MemoryStore()
        self._loop = LoopBinding("memory://")

    def announce_ended(self, ids: Collection[str]) -> None:
        """There are no other processes."""

    async def changed(self) -> None:
        await anyio.sleep_forever()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        with self._loop.held(), self.log.opened():
            yield
