"""A consumer of one topic for a group outside any workflow."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import partial

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition, errors
from typing_extensions import override

from dagger.backends.kafka.cluster import REQUEST_S, Cluster
from dagger.backends.kafka.ending import end_consumer
from dagger.backends.kafka.fetching import Fetching
from dagger.backends.kafka.member import FETCH_BYTES, FETCH_WAIT_MS, SLICE_MS
from dagger.backends.kafka.vital import check
from dagger.engine.ports import TopicRecord
from dagger.errors import BackendError, BackendUnavailable


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
        self._prefix = cluster.options.prefix
        self._topic = self._prefix + topic
        self._group = group
        self._open_one: tuple[AIOKafkaConsumer, Fetching] | None = None
        self._read: dict[TopicPartition, int] = {}
        """By partition, what is to be committed."""
        self._is_closed = False

    async def read(self, limit: int) -> Sequence[TopicRecord]:
        try:
            self._check()
            with self._cluster.words():
                found = await self._next(limit)
        except BackendError:
            self._check()  # what a consumer says that was stopped meanwhile is not the reason
            raise
        for record in found:
            self._read[TopicPartition(record.topic, record.partition)] = record.offset + 1
        return [message_of(record, self._prefix) for record in found]

    async def _next(self, limit: int) -> Sequence[ConsumerRecord]:
        consumer, fetching = self._open_one or await self._open()
        await self._commit(consumer)
        while True:
            await fetching.know()
            found = await fetching.take(limit, SLICE_MS)
            if found:
                return found
            await self._check_tasks(consumer)

    async def _check_tasks(self, consumer: AIOKafkaConsumer) -> None:
        """Raise what has ended a consumer that gives nothing any more; the next reading has another."""
        try:
            check(consumer, self._cluster.options.place)
        except BackendUnavailable:
            self._open_one = None
            self._forget()
            await end_consumer(consumer)
            raise

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
        consumer.subscribe([self._topic], listener=_Moves(self._forget))
        await self._cluster.waste.begun(consumer.start(), 2 * REQUEST_S, partial(end_consumer, consumer))
        if self._is_closed:
            await end_consumer(consumer)
            self._check()
        self._open_one = consumer, Fetching(consumer, options.place)
        return self._open_one

    async def _commit(self, consumer: AIOKafkaConsumer) -> None:
        """Commit what was read and is still assigned; what others own by now they read again."""
        offsets = {place: offset for place, offset in self._read.items() if place in consumer.assignment()}
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

    async def close(self) -> None:
        """Leave the group. What was read last is not committed, and is read again."""
        self._is_closed = True
        if self._open_one is not None:
            (consumer, _), self._open_one = self._open_one, None
            await end_consumer(consumer)


def message_of(record: ConsumerRecord, prefix: str) -> TopicRecord:
    """A message as the engine takes it."""
    topic = record.topic.removeprefix(prefix)
    return TopicRecord(topic, record.partition, record.offset, record.key, record.value, tuple(record.headers))
