"""The internal log and the external topics on Kafka."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Collection, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias

from aiokafka import ConsumerRecord, OffsetAndMetadata, TopicPartition

from dagger.backends.kafka.appender import Appender
from dagger.backends.kafka.cluster import Cluster
from dagger.backends.kafka.ending import end
from dagger.backends.kafka.lane import Lane
from dagger.backends.kafka.member import Member
from dagger.backends.kafka.parcels import addressed as addressed_to
from dagger.backends.kafka.parcels import parcels_of
from dagger.backends.kafka.reader import KafkaReader, message_of
from dagger.engine.ports import Batch, Entry, LogRecord, Orders, Position, TopicRecord
from dagger.errors import BackendUnavailable, Fenced

logger: Final = logging.getLogger("dagger")

Work: TypeAlias = tuple[list[Entry], dict[TopicPartition, OffsetAndMetadata]]
"""What a lane publishes, and commits."""
NOTHING: Final = Batch((), ())


class KafkaLog:
    """Polls the lanes that this process owns, and commits each in a transaction of its own."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._appender = Appender(cluster)
        self._name = cluster.options.log
        self._prefix = cluster.options.prefix
        self._group = self._prefix + cluster.options.application
        self._topics: set[str] = set()
        self._member: Member | None = None
        self._lanes: dict[int, Lane] = {}
        self._turns = 0
        self._owned: dict[int, int] = {}
        self._seen = 0
        """The assignment of the member on which is being worked."""
        self._is_behind = False
        """Whether positions must be found again."""
        self._is_fenced = False
        self._readers: dict[tuple[str, str], KafkaReader] = {}

    @property
    def partitions(self) -> int:
        found = self._cluster.topics.get(self._name)
        return found.partitions if found is not None else self._cluster.options.partitions or DEFAULT_PARTITIONS

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Connected while the context is open; the log exists."""
        async with self._cluster.open():
            await self._ensure()
            async with self._appender.open():
                try:
                    yield
                finally:
                    for reader in self._readers.values():
                        await end(reader.close)
                    self._readers.clear()

    async def _ensure(self) -> None:
        options = self._cluster.options
        await self._cluster.need(
            [self._name],
            options.partitions or DEFAULT_PARTITIONS,
            **{"message.timestamp.type": "LogAppendTime", "retention.ms": str(int(options.retention * 1000))},
        )
        await self._cluster.need([options.dead_letters])

    def consume(self, topics: Collection[str]) -> None:
        self._topics.update(self._prefix + topic for topic in topics)
        if self._member is not None:
            self._member.nudge()

    async def append(self, entries: Sequence[Entry]) -> None:
        if entries:
            await self._appender.append(entries)

    @asynccontextmanager
    async def join(self) -> AsyncGenerator[None]:
        await self._cluster.need(self._topics)
        self._seen, self._is_behind, self._is_fenced = 0, False, False
        member = Member(self._cluster, {self._name, *self._topics}, lambda: self._owned)
        try:
            async with member.open():
                self._member = member
                yield
        finally:
            self._member = None
            self._owned = {}
            for lane in self._lanes.values():
                lane.leave()
            self._lanes.clear()

    async def wait(self) -> None:
        member = self._member
        if member is None:
            await asyncio.sleep(0.01)
        elif member.is_between or member.assignments == self._seen:
            await member.wait()

    async def poll(self, limit: int) -> Batch:
        member = self._member
        if member is None:
            return NOTHING
        member.finished()
        if not self._topics <= member.topics:
            await self._cluster.need(self._topics)
            member.subscribe({self._name, *self._topics})
        if member.is_between:
            member.check()
            return NOTHING
        owned = None
        if self._is_behind or member.assignments != self._seen:
            owned = await self._take_over(member)
            if owned is None:
                return NOTHING
        return self._batch(await member.take(limit), owned)

    def _batch(self, taken: Sequence[ConsumerRecord], owned: Mapping[int, int] | None) -> Batch:
        records, messages = list[LogRecord](), list[TopicRecord]()
        for record in taken:
            if record.topic == self._name:
                records.append(LogRecord(record.partition, record.offset, record.value or b""))
            else:
                messages.append(message_of(record, self._prefix))
        return Batch(records, messages, owned)

    async def _take_over(self, member: Member) -> dict[int, int] | None:
        """Own what is assigned, and nothing else; None where it has changed meanwhile."""
        seen, assigned = member.assignments, member.assigned
        self._is_behind = True  # until everything is done
        member.hold()
        mine = {place.partition for place in assigned if place.topic == self._name}
        for gone in self._lanes.keys() - mine:
            self._lanes.pop(gone).leave()
            self._owned.pop(gone, None)
        new = [lane for lane in mine if lane not in self._lanes or not self._lanes[lane].is_sound]
        for lane in new:
            self._lanes.setdefault(lane, Lane(self._cluster, lane))
            self._owned.pop(lane, None)
        await _all(*(self._lanes[lane].take() for lane in new))
        for lane in new:
            self._turns += 1
            self._owned[lane] = self._turns
        positions = await self._positions(member, assigned)
        if member.is_between or member.assignments != seen:
            return None
        member.go_on(positions)
        self._seen, self._is_behind = seen, False
        return dict(self._owned)

    async def _positions(self, member: Member, assigned: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Where each partition goes on: all lanes are taken, so that nobody commits any more but this worker."""
        lanes = {place: self._lanes[place.partition % self.partitions] for place in assigned}
        asked = [place for place, lane in lanes.items() if place not in lane.positions]
        committed = await self._cluster.committed(self._group, asked)
        earliest = [place for place in asked if place not in committed]
        found = {place: told.offset for place, told in committed.items()}
        if earliest:
            found |= await member.earliest(earliest)
        for place, offset in found.items():
            lanes[place].positions[place] = offset
        return {place: lane.positions[place] for place, lane in lanes.items()}

    async def commit(self, entries: Orders, offsets: Mapping[Position, int]) -> None:
        member = self._member
        work = await self._divided(entries, offsets)
        missing = [lane for lane in work if lane not in self._lanes]
        if missing or member is None:
            self._is_fenced = self._is_behind = True
            raise Fenced(f"the lanes {missing} of '{self._name}' are not owned any more")
        try:
            await _all(*(self._lanes[lane].commit(*what, self._group) for lane, what in work.items()))
        except BaseException as error:
            self._is_behind = True
            self._is_fenced = self._is_fenced or isinstance(error, Fenced)
            raise
        member.finished()

    async def _divided(self, entries: Orders, offsets: Mapping[Position, int]) -> dict[int, Work]:
        """What each lane has to do. Whatever cannot be sent is found out before anything is."""
        work = dict[int, Work]()
        count = self.partitions
        for (_, partition), ordered in entries.items():
            addressed = await addressed_to(self._cluster, ordered)
            parcels_of(self._cluster, addressed)
            work.setdefault(partition % count, ([], {}))[0].extend(addressed)
        for (topic, partition), offset in offsets.items():
            place = TopicPartition(self._prefix + topic if topic else self._name, partition)
            work.setdefault(partition % count, ([], {}))[1][place] = OffsetAndMetadata(offset + 1, "")
        return work

    async def caught_up(self) -> bool:
        """Whether all that was accepted for what is owned has been polled: for tests, since Kafka takes its time."""
        member = self._member
        if member is None:
            return True
        return not (member.is_between or self._is_behind or member.assignments != self._seen) and await member.at_end()

    async def rewind(self) -> None:
        self._is_behind = True
        member = self._member
        if member is not None:
            member.finished()
            if self._is_fenced:  # ask the group what is owned; what was fenced is taken only if it is
                self._is_fenced = False
                member.subscribe(member.topics)

    def reader(self, topic: str, group: str) -> KafkaReader:
        found = self._readers.get((topic, group))
        if found is None:
            found = self._readers[topic, group] = KafkaReader(self._cluster, topic, group)
        return found


DEFAULT_PARTITIONS: Final = 8
"""Into how many partitions a new log is divided."""


async def _all(*calls: Coroutine[Any, Any, None]) -> None:
    """Make calls side by side, and wait for all of them; of what they have raised, the gravest is raised."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    failures = [answer for answer in answers if isinstance(answer, BaseException)]
    gravest = [*(one for one in failures if not isinstance(one, BackendUnavailable)), *failures]
    for failure in gravest:
        raise failure
