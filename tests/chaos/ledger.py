"""Looks at a Kafka cluster from outside, by read-committed reading, and by nothing of the product."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition, errors
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

SLICE_MS: Final = 200
FETCH_BYTES: Final = 4 * 1024 * 1024


class Ledger:
    """The topics of a cluster, and a group of it. Open while the context is."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._live = dict[str, AIOKafkaConsumer]()
        self._known = dict[str, Sequence[TopicPartition]]()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        self._admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap, retry_backoff_ms=20)
        await self._admin.start()
        try:
            yield
        finally:
            for consumer in self._live.values():
                await consumer.stop()
            await self._admin.close()

    async def topics(self) -> dict[str, Sequence[dict[str, Any]]]:
        """The partitions of all topics."""
        found = await self._admin.describe_topics()
        return {topic["topic"]: topic["partitions"] for topic in found}

    async def behind(self) -> list[str]:
        """Partitions that have no leader, or not all of their copies; or why it cannot be told."""
        try:
            topics = await self.topics()
        except (errors.KafkaError, OSError) as error:
            return [repr(error)]
        return [
            f"{topic}/{one['partition']}: leader {one['leader']}, {one['isr']} of {one['replicas']}"
            for topic, some in topics.items()
            for one in some
            if one["leader"] < 0 or len(one["isr"]) < len(one["replicas"])
        ]

    async def follow(self, topic: str) -> list[ConsumerRecord]:
        """What has been committed to a topic since this was asked last."""
        consumer = self._live.get(topic)
        if consumer is None:
            places = await self._places(topic)
            if not places:
                return []
            consumer = self._live[topic] = await self._consumer("read_committed", places)
        return _flat(await consumer.getmany(timeout_ms=SLICE_MS))

    async def read(self, topic: str) -> list[ConsumerRecord]:
        """All that is committed on a topic."""
        places = await self._places(topic)
        return await self._rest(places, dict.fromkeys(places, 0))

    async def unread(self, topic: str, group: str) -> list[ConsumerRecord]:
        """All that is committed on a topic behind what a group has committed; a record without a value is nothing."""
        places = await self._places(topic)
        committed = await self._admin.list_consumer_group_offsets(group, partitions=places)
        rest = await self._rest(places, {place: max(0, committed[place].offset) for place in places})
        return [record for record in rest if record.value is not None]

    async def open_transactions(self, topics: Collection[str]) -> list[TopicPartition]:
        """Where something lies that is neither committed nor aborted."""
        places = [place for topic in topics for place in await self._places(topic)]
        ends = list[dict[TopicPartition, int]]()
        for level in ("read_committed", "read_uncommitted"):
            consumer = await self._consumer(level, places)
            try:
                ends.append(await consumer.end_offsets(places))
            finally:
                await consumer.stop()
        return [place for place in places if ends[0][place] < ends[1][place]]

    async def shares(self, group: str, topic: str) -> list[int] | None:
        """How many partitions of a topic each member of a group has; None where the group is not settled."""
        try:
            (answer,) = await self._admin.describe_consumer_groups([group])
        except (errors.KafkaError, OSError):
            return None
        ((error, _, state, _, _, members, *_),) = answer.groups
        if error or state != "Stable":
            return None
        given = [ConsumerProtocolMemberAssignment.decode(member[4]) for member in members]
        return [sum(len(some) for name, some in one.assignment if name == topic) for one in given]

    async def _places(self, topic: str) -> Sequence[TopicPartition]:
        """The partitions of a topic. Once they are known nobody is asked again: one broker may know of a new topic
        while the next to be asked, which is any, does not yet."""
        if topic not in self._known:
            some = (await self.topics()).get(topic, ())
            if not some:
                return ()
            self._known[topic] = [TopicPartition(topic, one["partition"]) for one in some]
        return self._known[topic]

    async def _consumer(self, level: str, places: Sequence[TopicPartition]) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            isolation_level=level,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=50,
            retry_backoff_ms=20,
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        await consumer.start()
        consumer.assign(places)
        return consumer

    async def _rest(self, places: Sequence[TopicPartition], start: dict[TopicPartition, int]) -> list[ConsumerRecord]:
        """All that is committed from some positions on."""
        consumer = await self._consumer("read_committed", places)
        try:
            for place, offset in start.items():
                consumer.seek(place, offset)
            found, ends = list[ConsumerRecord](), await consumer.end_offsets(places)
            while [place for place in places if await consumer.position(place) < ends[place]]:
                found += _flat(await consumer.getmany(timeout_ms=SLICE_MS))
            return found
        finally:
            await consumer.stop()


def _flat(found: dict[TopicPartition, list[ConsumerRecord]]) -> list[ConsumerRecord]:
    return [record for records in found.values() for record in records]
