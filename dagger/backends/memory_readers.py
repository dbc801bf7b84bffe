"""Groups of readers of topics in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dagger.engine.ports import TopicRecord
from dagger.errors import BackendError

PARTITIONS = 4
"""The number of partitions of the internal log and of each topic."""


class Messages(Protocol):
    """What a reader reads from."""

    async def published(self) -> None:
        """Return when a message was published, or a group has changed."""
        ...

    def part(self, topic: str, partition: int, start: int, limit: int) -> list[TopicRecord]:
        """The messages of one partition from a position on."""
        ...


class MemoryReader:
    """A member of a group."""

    def __init__(self, log: Messages, group: MemoryGroup) -> None:
        self._log = log
        self._group = group
        self._given: dict[int, int] = {}
        """By partition, the position after what the last read has returned; the next read commits it."""
        self.owned: dict[int, int] = {}
        """By owned partition, the next position to read."""

    async def read(self, limit: int) -> Sequence[TopicRecord]:
        for partition, position in self._given.items():
            self._group.committed[partition] = position
        self._given = {}
        while True:
            if self not in self._group.readers:
                raise BackendError(f"the reader of '{self._group.topic}' is closed; subscribe again")
            found = self._next(limit)
            if found:
                return found
            await self._log.published()

    def _next(self, limit: int) -> list[TopicRecord]:
        found = list[TopicRecord]()
        for partition, position in self.owned.items():
            part = self._log.part(self._group.topic, partition, position, limit - len(found))
            if part:
                self.owned[partition] = self._given[partition] = position + len(part)
                found += part
        return found

    def take(self, partition: int) -> None:
        """Own a partition, and read it from the committed position."""
        self.owned[partition] = self._group.committed[partition]

    def give(self, partition: int) -> None:
        """Give a partition up. What was read and not committed is read again by the next owner."""
        del self.owned[partition]
        self._given.pop(partition, None)


class MemoryGroup:
    """The readers of a topic under one group name, and what they have committed."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.committed = [0] * PARTITIONS
        self.readers: list[MemoryReader] = []

    def share(self) -> None:
        """Share the partitions: each reader keeps what it owns up to a fair share, and takes what is free."""
        if not self.readers:
            return
        free = set(range(PARTITIONS))
        each, more = divmod(PARTITIONS, len(self.readers))
        wanted = [each + (place < more) for place in range(len(self.readers))]
        for reader, count in zip(self.readers, wanted, strict=True):
            for partition in sorted(reader.owned)[count:]:
                reader.give(partition)
            free -= reader.owned.keys()
        for reader, count in zip(self.readers, wanted, strict=True):
            for partition in sorted(free)[: count - len(reader.owned)]:
                reader.take(partition)
                free.remove(partition)
