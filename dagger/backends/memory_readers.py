"""Groups of readers of topics in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from dagger.engine.ports import TopicRecord
from dagger.errors import BackendError

PARTITIONS = 4
"""Partitions of the internal log and of each topic."""


class Messages(Protocol):
    """Where a reader reads."""

    async def published(self) -> None:
        """Return when a message was put on some topic, or a group has changed."""
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
        """By partition, where to go on once what was given out is done."""
        self.owned: dict[int, int] = {}
        """By partition, where to go on."""

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
        """Own a partition, from what is committed on."""
        self.owned[partition] = self._group.committed[partition]

    def give(self, partition: int) -> None:
        """Own a partition no more: what was given out of it comes to another, again."""
        del self.owned[partition]
        self._given.pop(partition, None)


class MemoryGroup:
    """Who reads a topic under one name, and how far they have come."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.committed = [0] * PARTITIONS
        self.readers: list[MemoryReader] = []

    def share(self) -> None:
        """Each keeps what it owns up to a fair share, and takes what is free."""
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
