"""The internal log and the external topics on Kafka."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

import anyio
import msgspec

from dagger.backends.kafka.appender import Appender
from dagger.backends.kafka.backlog import BacklogReader
from dagger.backends.kafka.batches import addressed, batches_of
from dagger.backends.kafka.binding import agreed
from dagger.backends.kafka.client import ConsumerRecord, GroupMetadata, TopicPartition
from dagger.backends.kafka.cluster import LOOK_S, Cluster, hash_of
from dagger.backends.kafka.ends import Ends
from dagger.backends.kafka.member import Member, OffsetsGone
from dagger.backends.kafka.options import KafkaOptions
from dagger.backends.kafka.ownership import Ownership, Superseded, Work
from dagger.backends.kafka.reader import KafkaReader, message_of
from dagger.backends.kafka.shutdown import END_S, end
from dagger.backends.loops import LoopBinding, nested_contextmanager
from dagger.backends.standalone import StandaloneStore
from dagger.engine.ports import Backlog, Batch, Entry, LogRecord, Orders, Position
from dagger.errors import BackendError, Fenced

logger: Final = logging.getLogger("dagger")

PARTITIONS: Final = 8
"""Into how many partitions a new log is divided, unless the URL says it."""
STORE_S: Final = 10.0
"""How often is looked whether the store is still the same, in seconds."""
TRIES: Final = 5
"""How often is looked whether a topic was made again where nothing is kept at its offset."""
NOTHING: Final = Batch((), ())


class KafkaLog:
    """Polls the lanes that this process owns, and commits what they order in one transaction."""

    def __init__(self, cluster: Cluster, store: StandaloneStore) -> None:
        self._cluster = cluster
        self._store = store
        self._appender = Appender(cluster)
        self.loop = LoopBinding(cluster.options.place)
        self._name = cluster.options.log
        self._topics: set[str] = set()
        self._published: set[str] = set()
        self._missing = set[str]()
        """Which of the topics were not there when it was looked."""
        self._member: Member | None = None
        self._own: Ownership | None = None
        self._seen = 0
        """The assignment of the member on which is being worked."""
        self._is_behind = False
        """Whether positions must be found again."""
        self._is_fenced = False
        self._identity: GroupMetadata | None = None
        """Who this was in the group when what is worked on was assigned."""
        self._looked = self._looked_at_store = 0.0
        self._incarnation = ""
        self._readers: set[KafkaReader] = set()
        self._backlog_reader = BacklogReader(cluster)
        self.ends = Ends(cluster, self._appender)

    @property
    def partitions(self) -> int:
        found = self._cluster.topics.get(self._name)
        return found.partitions if found is not None else self._cluster.options.partitions or PARTITIONS

    def partition_of(self, key: str) -> int:
        # As Kafka's own producers: where a topic has as many partitions as the log, its messages are in the lane of the
        # instance that they are for, and the transactions of two workers write to no partition in common.
        return hash_of(key.encode()) % self.partitions

    @property
    def counts(self) -> Mapping[str, int]:
        return self._cluster.counts

    @property
    def is_early(self) -> bool:
        """Whether this machine's clock is ahead of the brokers' by more than is allowed, or that is not known yet."""
        clock = self._cluster.clock
        return clock.is_wrong or not clock.is_known

    @nested_contextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Connected while the context is open; the log exists, and belongs to the store."""
        async with self._cluster.open():
            await self._agree(self._cluster.options)
            # Those of a loop before are of no use.
            self._appender, self._readers = Appender(self._cluster), set()
            self._backlog_reader, self.ends = BacklogReader(self._cluster), Ends(self._cluster, self._appender)
            await self.ends.have()
            async with self._appender.open():
                try:
                    yield
                finally:
                    self.ends.close()
                    self._backlog_reader.drop()
                    for reader in list(self._readers):
                        await end(reader.close)
                    self._readers.clear()
                    self._own = None

    async def _agree(self, options: KafkaOptions) -> None:
        """Have the log, and know to whom it belongs."""
        log = await self._cluster.need(
            [self._name],
            options.partitions or PARTITIONS,
            **{"message.timestamp.type": "LogAppendTime", "retention.ms": str(int(options.retention * 1000))},
        )
        await self._cluster.need([options.dead_letters], 1)
        if options.partitions not in (None, log[self._name].partitions):
            raise BackendError(
                f"{options.place}: the log has {log[self._name].partitions} partitions, which cannot be changed; "
                f"leave partitions={options.partitions} out"
            )
        binding = await agreed(self._store, options, self._cluster.id, log[self._name])
        self._own = Ownership(self._cluster, self._store, binding)

    def consume(self, topics: Collection[str], published: Collection[str] = ()) -> None:
        self._topics.update(map(self._cluster.options.prefixed, topics))
        self._published.update(map(self._cluster.options.prefixed, published))
        if self._member is not None:
            self._member.nudge()

    async def append(self, entries: Sequence[Entry]) -> None:
        if entries:
            self.loop.check()
            await self._appender.append(entries)

    @asynccontextmanager
    async def join(self) -> AsyncGenerator[None]:
        own = self._own
        assert own is not None, "the backend is open"
        await self._cluster.need(self._topics | self._published)
        self._seen, self._is_behind, self._is_fenced = 0, False, False
        own.join()
        member = Member(self._cluster, {self._name, *self._topics}, own.claim, own.release)
        try:
            async with member.open():
                self._member = member
                yield
        finally:
            self._member = None
            with anyio.move_on_after(END_S, shield=True):
                await own.leave()

    async def wait(self) -> None:
        member = self._member
        if member is None:
            await asyncio.sleep(0.01)
        elif member.is_between or not self._must_take_over(member):
            await member.wait()

    def _must_take_over(self, member: Member) -> bool:
        is_over = self._own is not None and self._own.isolation.is_over
        return self._is_behind or is_over or member.assignments != self._seen

    async def poll(self, limit: int) -> Batch:
        member, own = self._member, self._own
        if member is None or own is None:
            return NOTHING
        member.finished()
        if member.is_lost:
            await member.renew()
        if not self._topics <= member.topics:
            await self._cluster.need(self._topics)
            member.subscribe({self._name, *self._topics})
        try:
            return await self._poll(member, own, limit)
        except OffsetsGone as gone:
            if not await member.has_left(gone) and not await self._made_again(own):
                raise
            return NOTHING

    async def _made_again(self, own: Ownership) -> bool:
        """Nothing is kept at an offset: that of a topic which was made again, or it was deleted before it was read.

        A topic is known to one broker a little earlier than to another.
        """
        for _ in range(TRIES):
            await self._same_topics(own)
            if self._is_behind:
                return True
            await asyncio.sleep(LOOK_S / TRIES)
        return False

    async def _poll(self, member: Member, own: Ownership, limit: int) -> Batch:
        if member.is_between:
            member.check()
            return NOTHING
        await self._look(own)
        epochs = None
        if self._must_take_over(member):
            if not await self._take_over(member, own):
                return NOTHING
            epochs = dict(own.epochs)
        return await self._polled(member, own, limit, epochs)

    async def _look(self, own: Ownership) -> None:
        """Now and then: whether the store and the topics are the same, and what the brokers' clock shows."""
        if own.epochs and self._cluster.clock.ask():
            self._appender.probe(min(own.epochs))
        now = time.monotonic()
        if now - self._looked >= LOOK_S:
            self._looked = now
            await self._same_topics(own)
        if now - self._looked_at_store < STORE_S:
            return
        self._looked_at_store = now
        before, self._incarnation = self._incarnation, await self._store.incarnation()
        if before not in ("", self._incarnation):
            self._is_behind = True

    async def _same_topics(self, own: Ownership) -> None:
        """Whether what is consumed is still what offsets were counted in; else positions must be found again."""
        topics = await self._cluster.look({self._name, *self._topics})
        missing = self._topics - topics.keys()
        for topic in sorted(missing - self._missing):
            logger.error("%s: '%s' is not there any more: make it again", self._cluster.options.place, topic)
        self._missing = missing
        if not own.are_counted_in(topics):
            self._is_behind = True
        if self._member is not None:
            await self._member.refresh({name: topic.partitions for name, topic in topics.items()})

    async def _take_over(self, member: Member, own: Ownership) -> bool:
        """Own what is assigned; False where it has changed meanwhile."""
        seen = member.assignments
        self._is_behind = True  # until everything is done
        member.hold()
        self._identity = member.identity
        try:
            positions = await own.take_over(member, member.assigned)
        except Superseded:
            return False
        except Fenced:
            self._is_fenced = True
            raise
        if member.is_between or member.assignments != seen:
            return False
        member.go_on(positions)
        self._seen, self._is_behind = seen, False
        return True

    async def _polled(self, member: Member, own: Ownership, limit: int, epochs: Mapping[int, int] | None) -> Batch:
        committed = {} if epochs is None else own.committed()
        careful = [lane.detector for lane in own.lanes.values() if lane.detector.is_careful]
        given = await member.take(1 if careful else limit)
        if careful and not given and await member.at_end():  # nothing may also mean: not fetched yet
            for detector in careful:
                detector.at_end()
        taken = [one for one in given if one.topic != self._name or one.value is not None]  # without the clock's
        if not taken:
            return Batch((), (), epochs, committed=committed)
        first = dict[int, ConsumerRecord]()
        for record in taken:
            first.setdefault(own.lane_of(record.partition), record)
        poison = False
        for number, record in first.items():
            place = record.topic, record.partition, record.offset
            detector = own.lanes[number].detector
            poison = poison or detector.poison == place
            await detector.polled(place)
        return msgspec.structs.replace(self._batch(own, taken, poison), owned=epochs, committed=committed)

    def _batch(self, own: Ownership, taken: Sequence[ConsumerRecord], poison: bool) -> Batch:
        internal = [record for record in taken if record.topic == self._name]
        records = [LogRecord(record.partition, record.offset, record.value or b"") for record in internal]
        messages = [
            message_of(record, self._cluster.options, own.made(record.topic, record.partition))
            for record in taken
            if record.topic != self._name
        ]
        return Batch(records, messages, poison=poison)

    async def commit(self, entries: Orders, offsets: Mapping[Position, int]) -> None:
        member, own = self._member, self._own
        if member is None or own is None or self._identity is None:
            raise Fenced(f"nothing of '{self._name}' is owned any more")
        work = await self._divided(own, entries, offsets)
        missing = sorted(work.keys() - own.lanes.keys())
        if missing:
            self._is_fenced = self._is_behind = True
            raise Fenced(f"the lanes {missing} of '{self._name}' are not owned any more")
        try:
            await own.commit(work, self._identity)
        except BaseException as error:
            self._is_behind = True
            self._is_fenced = self._is_fenced or isinstance(error, Fenced)
            raise
        await own.caught_up({partition: offset + 1 for (topic, partition), offset in offsets.items() if not topic})
        member.finished()

    async def _divided(self, own: Ownership, entries: Orders, offsets: Mapping[Position, int]) -> dict[int, Work]:
        """What each lane has to do. Whatever cannot be sent is found out before anything is."""
        sendable, marks = defaultdict[int, list[Entry]](list), defaultdict[int, dict[TopicPartition, int]](dict)
        for (_, partition), ordered in entries.items():
            sendable[own.lane_of(partition)] += await addressed(self._cluster, ordered)
        for (topic, partition), offset in offsets.items():
            place = TopicPartition(self._cluster.options.prefixed(topic) if topic else self._name, partition)
            marks[own.lane_of(partition)][place] = offset + 1
        lanes = sendable.keys() | marks.keys()
        return {lane: (batches_of(self._cluster, sendable[lane]), marks[lane]) for lane in lanes}

    async def caught_up(self) -> bool:
        """Whether all that was accepted for what is owned has been polled: for tests, since Kafka takes its time."""
        member = self._member
        if member is None or self._own is None:
            return True
        if self._own.isolation.is_holding or member.is_between or self._must_take_over(member):
            return False
        return await member.at_end()

    async def backlog(self, after: Mapping[int, int], limit: int) -> Backlog:
        self.loop.check()
        return await self._backlog_reader.read(after, limit)

    async def rewind(self) -> None:
        self._is_behind = True
        self._looked = self._looked_at_store = 0.0
        member = self._member
        if member is not None:
            member.finished()
            if self._is_fenced:  # ask the group what is owned; what was fenced is taken only if it is
                self._is_fenced = False
                member.subscribe(member.topics)

    @asynccontextmanager
    async def reader(self, topic: str, group: str) -> AsyncGenerator[KafkaReader]:
        reader = KafkaReader(self._cluster, topic, group)
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)
            await end(reader.close)
