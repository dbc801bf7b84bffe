"""A topic that was deleted and made again: its offsets begin anew, and none of its messages is passed over.

With ids left out, or in a cache that whoever publishes overwrites, offsets of the old topic are taken for those
of the new one, and its first messages are never read.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiokafka import TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from dagger import Topic, listener, template
from dagger.backends.kafka.client import metadata
from dagger.backends.kafka.cluster import REQUEST_S
from dagger.backends.memory import MemoryBackend
from dagger.core.events import MessageReceived
from dagger.engine.ports import Append, Outgoing, Reader, TopicRecord
from dagger.engine.records import decode_record
from dagger.engine.registry import Registry
from dagger.engine.worker.router import Router
from dagger.errors import BackendUnavailable
from dagger.plan.plan import Limits
from dagger.testing.contract.harness import Harness, alone, in_loop, note
from tests.kafka.stage import OnKafka, beside_sqlite, fails, kafka_of
from tests.kafka.test_identity import TOPIC, admin_of, consumed, remake
from tests.servers.kafka import KafkaCluster

needs_kafka = [pytest.mark.slow, pytest.mark.kafka]

OLD, NEW = 3, 5
"""How many messages the topics have, on one partition."""


@pytest.fixture
def storage(kafka: KafkaCluster, tmp_path: Path) -> OnKafka:
    return beside_sqlite(kafka.bootstrap, tmp_path)


def reported(caplog: pytest.LogCaptureFixture, topic: str) -> bool:
    """Whether it was said, at ERROR."""
    words = f"'{topic}' was deleted and made again"
    return any(words in one.getMessage() for one in caplog.records if one.levelno == logging.ERROR)


async def publish(harness: Harness) -> None:
    await harness.log.append([note(TOPIC, "k", b"new %d" % number) for number in range(NEW)])


NEWS = {b"new %d" % number for number in range(NEW)}


async def polled(harness: Harness) -> list[TopicRecord]:
    """Poll until every message of the new topic was seen."""
    found, left = list[TopicRecord](), set(NEWS)
    while left:
        batch = await harness.poll()
        if batch:
            await harness.commit([*batch.records, *batch.messages])
            found += batch.messages
            left -= {one.payload for one in batch.messages}
        else:
            await harness.rest()
    return found


async def read(reader: Reader) -> list[TopicRecord]:
    found, left = list[TopicRecord](), set(NEWS)
    while left:
        found += await reader.read(10)
        left -= {one.payload for one in found}
    return found


async def while_nobody_works(kafka: KafkaCluster, storage: OnKafka) -> None:
    await consumed(storage, OLD)
    await remake(kafka, storage.prefix + TOPIC)
    async with alone(storage, TOPIC) as harness:
        await publish(harness)
        found = await polled(harness)
        assert [one.payload for one in found] == sorted(NEWS)
        assert {one.made for one in found} == {1}
    async with alone(storage, TOPIC) as harness:
        await harness.nothing_is_left()


class TestWorker:
    pytestmark = needs_kafka

    @in_loop
    async def test_while_nobody_works(
        self, kafka: KafkaCluster, storage: OnKafka, caplog: pytest.LogCaptureFixture
    ) -> None:
        await while_nobody_works(kafka, storage)
        assert reported(caplog, storage.prefix + TOPIC)

    @in_loop
    async def test_would_be_taken_for_the_one_before(
        self, kafka: KafkaCluster, storage: OnKafka, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        info = metadata.TopicInfo
        monkeypatch.setattr(metadata, "TopicInfo", lambda name, id, partitions: info(name, "the same", partitions))
        await fails(while_nobody_works(kafka, storage), "is gone")

    @pytest.mark.parametrize("partitions", [4, 2, 6])
    @in_loop
    async def test_while_a_worker_polls(
        self, kafka: KafkaCluster, storage: OnKafka, caplog: pytest.LogCaptureFixture, partitions: int
    ) -> None:
        async with alone(storage, TOPIC) as harness:
            await harness.log.append([note(TOPIC, "k", b"old %d" % number) for number in range(OLD)])
            await harness.commit(await harness.messages(OLD))
            await remake(kafka, storage.prefix + TOPIC, partitions)
            await publish(harness)  # which looks at the topic, too
            await polled(harness)
            assert reported(caplog, storage.prefix + TOPIC)
            await harness.nothing_is_left()
        async with alone(storage, TOPIC) as harness:
            await harness.nothing_is_left()

    @in_loop
    async def test_what_is_said_of_where_a_partition_was_before_ends_nobody(self, storage: OnKafka) -> None:
        """A broker may have been asked before the positions of the new topic were found."""
        async with alone(storage, TOPIC) as harness:
            await harness.nothing_is_left()
            member = kafka_of(harness.backend).log._member
            assert member is not None
            late: Any = asyncio.get_running_loop().create_future()
            late.set_exception(OffsetOutOfRangeError({TopicPartition(storage.prefix + TOPIC, 0): 999}))
            waiting, member._waiting = member._waiting, late
            if waiting is not None:
                waiting.cancel()
            await harness.nothing_is_left()

    @in_loop
    async def test_that_is_not_there_for_a_while_stops_nothing_else(
        self, kafka: KafkaCluster, storage: OnKafka, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with alone(storage, TOPIC) as harness:
            await harness.log.append([note(TOPIC, "k", b"old %d" % number) for number in range(OLD)])
            await harness.commit(await harness.messages(OLD))
            async with admin_of(kafka) as admin:
                await admin.delete_topics([storage.prefix + TOPIC])
            while not any("is not there any more" in one.getMessage() for one in caplog.records):
                await harness.nothing_is_left()
            await publish(harness)  # makes it
            await polled(harness)
            assert reported(caplog, storage.prefix + TOPIC)


class TestReader:
    pytestmark = needs_kafka

    @in_loop
    async def test_while_it_reads(
        self, kafka: KafkaCluster, storage: OnKafka, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with alone(storage) as harness, harness.log.reader(TOPIC, storage.prefix) as reader:
            await harness.log.append([note(TOPIC, "k", b"old %d" % number) for number in range(OLD)])
            assert len(await reader.read(10)) == OLD
            with anyio.move_on_after(0.5):  # which commits them
                await reader.read(10)
            await remake(kafka, storage.prefix + TOPIC)
            await publish(harness)
            await read(reader)
            assert reported(caplog, storage.prefix + TOPIC)

    @in_loop
    async def test_while_nobody_reads(
        self, kafka: KafkaCluster, storage: OnKafka, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with alone(storage) as harness:
            await harness.log.append([note(TOPIC, "k", b"old %d" % number) for number in range(OLD)])
            async with harness.log.reader(TOPIC, storage.prefix) as reader:
                assert len(await reader.read(10)) == OLD
                await remake(kafka, storage.prefix + TOPIC)
                with anyio.move_on_after(0.5):  # commits what was read of the one before, perhaps
                    await reader.read(10)
            await publish(harness)
            async with harness.log.reader(TOPIC, storage.prefix) as reader:
                assert {one.payload for one in await read(reader)} >= NEWS


class TestWriter:
    """Who only writes to a topic is not looking after it."""

    pytestmark = needs_kafka

    @pytest.mark.parametrize("partitions", [1, 9])
    @in_loop
    async def test_while_somebody_publishes(self, kafka: KafkaCluster, storage: OnKafka, partitions: int) -> None:
        async with alone(storage) as harness:
            await harness.log.append(notes("old"))
            await remake(kafka, storage.prefix + TOPIC, partitions)
            for one in notes("new"):
                await harness.log.append([one])
            assert await written(harness) == {b"new %d" % number for number in range(KEYS)}

    @pytest.mark.parametrize("partitions", [1, 9])
    @in_loop
    async def test_while_a_lane_publishes(self, kafka: KafkaCluster, storage: OnKafka, partitions: int) -> None:
        """It is told before anything else has waited for too long, and all goes on when it comes again."""
        async with alone(storage) as harness:
            await harness.log.append([Append(0, b"a record")])
            await harness.commit(await harness.records(1), notes("old"))
            await remake(kafka, storage.prefix + TOPIC, partitions)
            await harness.log.append([Append(0, b"another")])
            tries = 0
            while True:
                tries += 1
                try:
                    with anyio.fail_after(2 * REQUEST_S - 5):  # where nobody finds out, so long
                        await harness.commit(await harness.records(1), notes("new"))
                    break
                except BackendUnavailable:
                    await harness.log.rewind()
            assert tries <= 3
            assert await written(harness) == {b"new %d" % number for number in range(KEYS)}


KEYS = 12


def notes(text: str) -> list[Outgoing]:
    """Messages for all partitions."""
    return [note(TOPIC, f"key {number}", f"{text} {number}".encode()) for number in range(KEYS)]


async def written(harness: Harness) -> set[bytes | None]:
    """What the topic holds, once all is there."""
    found = set[bytes | None]()
    async with harness.log.reader(TOPIC, "looks") as reader:
        while len(found) < KEYS:
            found |= {one.payload for one in await reader.read(100)}
    return found


def test_the_places_of_a_topic_and_of_that_before_are_told_apart() -> None:
    """Also for messages without ids, which are known by where they stand."""
    registry = Registry(Limits())
    topic = Topic("T", str, key=lambda text: ["k", text])
    registry.add(template("W", listener(topic), key=lambda text: text, takes=str))

    def id_of(made: int) -> str:
        message = TopicRecord("T", 0, 7, b"k", b'"m"', (), made)
        found = Router(registry, MemoryBackend()).route([message], {}, Counter(), {})
        (first, _) = found["T", 0]
        assert isinstance(first, Append)
        event = decode_record(first.data).event
        assert isinstance(event, MessageReceived)
        return event.message.id

    assert len({id_of(made) for made in range(3)}) == 3
