"""The end of the log: what is accepted and not committed, read by whoever asks, in no group.

Whether a record of a transaction counts is known once the transactions before it are decided. So the log is read in two
parts: up to the first transaction that is open without what was aborted, and from there on as it is.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Mapping
from functools import partial
from typing import Final, TypeAlias

import anyio

from dagger.backends.kafka.client import AIOKafkaConsumer, ConsumerRecord, OffsetAndMetadata, TopicPartition
from dagger.backends.kafka.cluster import REQUEST_S, Cluster
from dagger.backends.kafka.member import FETCH_BYTES, FETCH_WAIT_MS
from dagger.backends.kafka.ownership import gathered
from dagger.backends.kafka.shutdown import end_consumer
from dagger.engine.ports import Backlog, LogRecord
from dagger.errors import BackendUnavailable

SLICE_MS: Final = 20
"""How long is waited for records at a time, in milliseconds."""
COORDINATOR_S: Final = 5.0
"""For how long it is asked again what is committed, in seconds."""
Ranges: TypeAlias = dict[TopicPartition, tuple[int, int]]
"""By partition, the first offset that is wanted, and the first that is not."""


class BacklogReader:
    """Reads records that nobody has committed."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._consumers: dict[str, AIOKafkaConsumer] = {}
        self._lock = anyio.Lock()

    async def read(self, after: Mapping[int, int], limit: int) -> Backlog:
        """As the port says. Raises BackendUnavailable where the brokers do not answer in time."""
        async with self._lock:
            try:
                with self._cluster.translating():
                    return await self._read(after, limit)
            except BaseException:
                self.drop()
                raise

    async def _read(self, after: Mapping[int, int], limit: int) -> Backlog:
        options = self._cluster.options
        places = {TopicPartition(options.log, partition): offset for partition, offset in after.items()}
        decided, anything = await self._consumer("read_committed"), await self._consumer("read_uncommitted")
        committed = await self._committed(places)
        stable, ends = await gathered([self._ends(decided, places), self._ends(anything, places)])
        behind = {place: told.offset for place, told in committed.items()}
        starts = {place: max(offset + 1, behind.get(place, 0)) for place, offset in places.items()}
        found = await self._between(decided, _ranges(starts, stable), limit)
        settled = dict(starts)
        for place in starts.keys() & stable.keys():
            if starts[place] < stable[place]:
                settled[place] = await decided.position(place)
        more = len(found) >= limit
        if not more:
            rest = {place: max(start, stable[place]) for place, start in settled.items()}
            found += await self._between(anything, _ranges(rest, ends), None)
        return Backlog(
            [LogRecord(one.partition, one.offset, one.value) for one in found if one.value is not None],
            {place.partition: offset - 1 for place, offset in settled.items()},
            {place.partition: behind.get(place, 0) - 1 for place in places},
            more,
        )

    async def _committed(self, places: Collection[TopicPartition]) -> dict[TopicPartition, OffsetAndMetadata]:
        """What the workers have committed. A cluster in which no group has ever been needs a moment to answer."""
        group = self._cluster.options.group
        until = time.monotonic() + COORDINATOR_S
        while True:
            try:
                return await self._cluster.committed(group, places)
            except BackendUnavailable:
                if time.monotonic() > until:
                    raise
            await asyncio.sleep(SLICE_MS / 1000)

    @staticmethod
    async def _ends(consumer: AIOKafkaConsumer, places: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        found: dict[TopicPartition, int] = await consumer.end_offsets(list(places))
        return found

    async def _between(self, consumer: AIOKafkaConsumer, ranges: Ranges, limit: int | None) -> list[ConsumerRecord]:
        """The records of these ranges, so many of them."""
        for place, (start, _) in ranges.items():
            consumer.seek(place, start)
            consumer.resume(place)
        records, waiting = list[ConsumerRecord](), set(ranges)
        try:
            async with asyncio.timeout(2 * REQUEST_S) as clock:
                while waiting and (limit is None or len(records) < limit):
                    left = None if limit is None else limit - len(records)
                    found = await consumer.getmany(*waiting, timeout_ms=SLICE_MS, max_records=left)
                    if found:
                        clock.reschedule(asyncio.get_running_loop().time() + 2 * REQUEST_S)
                    for place, some in found.items():
                        records += [record for record in some if record.offset < ranges[place][1]]
                    waiting = {place for place in waiting if await consumer.position(place) < ranges[place][1]}
        finally:
            for place in ranges:
                consumer.pause(place)
        return records

    async def _consumer(self, isolation: str) -> AIOKafkaConsumer:
        found = self._consumers.get(isolation)
        if found is not None:
            return found
        consumer = AIOKafkaConsumer(
            **self._cluster.settings,
            group_id=None,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            isolation_level=isolation,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        self._cluster.adopt(consumer)
        await self._cluster.reaper.start(consumer.start(), 2 * REQUEST_S, partial(end_consumer, consumer))
        log = self._cluster.options.log
        places = [TopicPartition(log, partition) for partition in range(self._cluster.topics[log].partitions)]
        consumer.assign(places)
        for place in places:
            consumer.pause(place)
            consumer.seek(place, 0)  # so that no other position is looked for
        self._consumers[isolation] = consumer
        return consumer

    def drop(self) -> None:
        """Disconnect; whoever asks next connects anew."""
        while self._consumers:
            _, consumer = self._consumers.popitem()
            self._cluster.reaper.reap(end_consumer(consumer))


def _ranges(starts: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]) -> Ranges:
    return {place: (start, ends[place]) for place, start in starts.items() if start < ends[place]}
