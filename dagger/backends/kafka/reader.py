"""A consumer of one topic for a group outside any workflow."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

from typing_extensions import override

from dagger.backends.kafka.client import (
    AIOKafkaConsumer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    OffsetAndMetadata,
    TopicPartition,
    check_tasks,
    errors,
    refresh,
)
from dagger.backends.kafka.cluster import LOOK_S, REQUEST_S, Cluster
from dagger.backends.kafka.fetching import Fetching
from dagger.backends.kafka.member import FETCH_BYTES, FETCH_WAIT_MS, SLICE_MS
from dagger.backends.kafka.options import KafkaOptions
from dagger.backends.kafka.shutdown import end_consumer
from dagger.engine.ports import TopicRecord
from dagger.errors import BackendError, BackendUnavailable

logger: Final = logging.getLogger("dagger")


class _Moves(ConsumerRebalanceListener):
    """Tells when others may get what is assigned."""

    def __init__(self, gone: Callable[[], None]) -> None:
        self._gone = gone

    @override
    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        self._gone()

    @override
    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        pass


class KafkaReader:
    """Reads what transactions have committed; commits what was read before with the next reading."""

    def __init__(self, cluster: Cluster, topic: str, group: str) -> None:
        self._cluster = cluster
        self._topic = cluster.options.prefixed(topic)
        self._group = group
        self._open_one: tuple[AIOKafkaConsumer, Fetching] | None = None
        self._read: dict[TopicPartition, int] = {}
        """By partition, what is to be committed."""
        self._id = ""
        """The id of the topic that is read; it stands beside each offset that is committed."""
        self._looked = 0.0
        self._moves = 0
        """How often others may have got what was assigned."""
        self._is_closed = False

    async def read(self, limit: int) -> Sequence[TopicRecord]:
        try:
            self._check()
            with self._cluster.translating():
                found = await self._next(limit)
        except BackendError:
            self._check()  # what a consumer says that was stopped meanwhile is not the reason
            raise
        for record in found:
            self._read[TopicPartition(record.topic, record.partition)] = record.offset + 1
        return [message_of(record, self._cluster.options) for record in found]

    async def _next(self, limit: int) -> Sequence[ConsumerRecord]:
        consumer, fetching = self._open_one or await self._open()
        await self._commit(consumer)
        while True:
            if await self._know(consumer, fetching):
                moves, places = self._moves, fetching.places
                found = await fetching.take(limit, SLICE_MS)
                if found and moves == self._moves and consumer.assignment() == places:
                    return found
                if found:  # of partitions of which it was not known where they go on
                    fetching.begin({})
            await self._check_tasks(consumer)

    async def _check_tasks(self, consumer: AIOKafkaConsumer) -> None:
        """Raise what has ended a consumer that gives nothing any more; the next reading has another."""
        try:
            check_tasks(consumer, self._cluster.options.place)
        except BackendUnavailable:
            self._open_one = None
            self._forget()
            await end_consumer(consumer)
            raise

    async def _know(self, consumer: AIOKafkaConsumer, fetching: Fetching) -> bool:
        """Find where partitions go on that were assigned since, and now and then whether the topic is the same.

        False where others were assigned meanwhile.
        """
        assigned, moves = consumer.assignment(), self._moves
        is_late = time.monotonic() - self._looked >= LOOK_S
        if assigned == fetching.places and not is_late:
            return True
        topic = (await self._cluster.look([self._topic])).get(self._topic)
        self._looked = time.monotonic()
        if topic is not None:
            await refresh(consumer, {topic.name: topic.partitions})
        if topic is None or (assigned == fetching.places and topic.id == self._id):
            return True
        committed = await self._cluster.committed(self._group, assigned)
        was_made_again = self._id not in ("", topic.id)
        old = {place for place, told in committed.items() if was_made_again or told.metadata not in ("", topic.id)}
        positions = {place: told.offset for place, told in committed.items() if place not in old}
        new = assigned - positions.keys()
        positions |= await consumer.beginning_offsets(new) if new else {}
        if moves != self._moves or consumer.assignment() != assigned:
            return False
        if old or was_made_again:
            logger.error(
                "%s: '%s' was deleted and made again: group '%s' reads its messages from the first on, and what it had "
                "not read of the old topic is lost",
                self._cluster.options.place,
                self._topic,
                self._group,
            )
        self._id = topic.id
        for place, offset in positions.items():
            consumer.seek(place, offset)
        fetching.begin(positions)
        return True

    def _check(self) -> None:
        """Raises BackendError once it is closed."""
        if self._is_closed:
            raise BackendError(f"the reader of '{self._topic}' is closed; subscribe again")

    async def _open(self) -> tuple[AIOKafkaConsumer, Fetching]:
        options = self._cluster.options
        await self._cluster.need([self._topic])
        consumer = AIOKafkaConsumer(
            **self._cluster.settings,
            group_id=self._group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level="read_committed",
            session_timeout_ms=int(options.lease * 1000),
            heartbeat_interval_ms=max(int(options.lease * 200), 50),
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        self._cluster.adopt(consumer)
        consumer.subscribe([self._topic], listener=_Moves(self._moved))
        await self._cluster.reaper.start(consumer.start(), 2 * REQUEST_S, partial(end_consumer, consumer))
        if self._is_closed:
            await end_consumer(consumer)
            self._check()
        self._open_one = consumer, Fetching(consumer, options.place)
        return self._open_one

    async def _commit(self, consumer: AIOKafkaConsumer) -> None:
        """Commit what was read and is still assigned; what others own by now they read again."""
        assigned = consumer.assignment()
        offsets = {place: OffsetAndMetadata(at, self._id) for place, at in self._read.items() if place in assigned}
        if offsets:
            with contextlib.suppress(
                errors.CommitFailedError,
                errors.IllegalStateError,
                errors.IllegalGenerationError,
                errors.UnknownMemberIdError,
                errors.RebalanceInProgressError,
            ):
                await consumer.commit(offsets)
        self._forget()

    def _forget(self) -> None:
        """What was read is committed, or read again: by others, who may get further before it comes back."""
        self._read.clear()

    def _moved(self) -> None:
        """Others may get what is assigned, and read on there."""
        self._moves += 1
        self._forget()
        if self._open_one is not None:
            self._open_one[1].begin({})

    async def close(self) -> None:
        """Leave the group. What was read last is not committed, and is read again."""
        self._is_closed = True
        if self._open_one is not None:
            (consumer, _), self._open_one = self._open_one, None
            await end_consumer(consumer)


def message_of(record: ConsumerRecord, options: KafkaOptions, made: int = 0) -> TopicRecord:
    """A message as the engine takes it."""
    topic = options.unprefixed(record.topic)
    return TopicRecord(topic, record.partition, record.offset, record.key, record.value, tuple(record.headers), made)
