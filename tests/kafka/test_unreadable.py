"""Batches as other producers write them: compressed in each way, and such as cannot be read at all.

Without a look at which partition an error comes from, one batch that cannot be read stops every lane, for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import aiokafka.codec
import confluent_kafka
import cramjam
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.record.util import calc_crc32c

from dagger.backends.kafka import fetching
from dagger.engine.ports import Reader, TopicRecord
from dagger.testing.contract.harness import alone, in_loop, note
from tests.kafka.stage import OnKafka, beside_sqlite
from tests.kafka.test_never_taken import make
from tests.servers.kafka import KafkaCluster

pytestmark = [pytest.mark.slow, pytest.mark.kafka]

CODECS = ["gzip", "snappy", "lz4", "zstd"]
GOOD, BAD = "good", "bad"
TEXT = b"to be compressed " * 50
CRC_AT = 17
"""Where the checksum of a batch stands, which is that of all behind it."""

Spoil = Callable[[KafkaCluster, str, pytest.MonkeyPatch], Awaitable[Callable[[], None]]]
"""Puts a message on partition 0 of a topic that cannot be read; gives what makes it readable again."""


@pytest.fixture
def storage(kafka: KafkaCluster, tmp_path: Path) -> OnKafka:
    return beside_sqlite(kafka.bootstrap, tmp_path)


def by_librdkafka(bootstrap: str, topic: str, codec: str) -> None:
    producer = confluent_kafka.Producer({"bootstrap.servers": bootstrap, "compression.codec": codec, "linger.ms": 100})
    for number in range(10):
        producer.produce(topic, b"%d " % number + TEXT, key=b"k", headers=[("n", b"\xff")])
    assert producer.flush(30) == 0


async def by_aiokafka(bootstrap: str, topic: str, codec: Any) -> None:
    producer: Any = AIOKafkaProducer(bootstrap_servers=bootstrap, compression_type=codec, linger_ms=100)
    await producer.start()
    try:
        await (await producer.send(topic, b"10 " + TEXT, key=b"k"))
    finally:
        await producer.stop()


class TestCompressed:
    @pytest.mark.parametrize("codec", CODECS)
    @in_loop
    async def test_is_read(self, kafka: KafkaCluster, storage: OnKafka, codec: str) -> None:
        async with alone(storage, GOOD) as harness:
            await harness.own_all()
            by_librdkafka(kafka.bootstrap, storage.prefix + GOOD, codec)
            await by_aiokafka(kafka.bootstrap, storage.prefix + GOOD, codec)
            found = await harness.messages(11)
            async with harness.log.reader(GOOD, storage.prefix) as reader:
                read = await read_all(reader, 11)
        assert payloads(found) == payloads(read) == sorted(b"%d " % number + TEXT for number in range(11))
        assert found[0].headers == (("n", b"\xff"),)


async def read_all(reader: Reader, count: int) -> list[TopicRecord]:
    found = list[TopicRecord]()
    while len(found) < count:
        found += await reader.read(100)
    return found


# What cannot be read.


async def not_installed(kafka: KafkaCluster, topic: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    await by_aiokafka(kafka.bootstrap, topic, "zstd")
    monkeypatch.setattr(aiokafka.codec, "cramjam", None)
    return lambda: monkeypatch.setattr(aiokafka.codec, "cramjam", cramjam)


async def damaged(kafka: KafkaCluster, topic: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """A byte on the broker's disk is another one: it checks no sums of what it gives out."""
    await by_aiokafka(kafka.bootstrap, topic, None)
    (file,) = [found for found in kafka._data(0).glob(f"**/{topic}-*/*.log") if b"10 " + TEXT in found.read_bytes()]
    _write(file, b"10 to be", b"10 to BE")
    return lambda: _write(file, b"10 to BE", b"10 to be")


def _write(file: Path, old: bytes, new: bytes) -> None:
    with file.open("r+b") as opened:
        opened.seek(file.read_bytes().index(old))
        opened.write(new)


async def no_utf_8(kafka: KafkaCluster, topic: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """The name of a header is no text: clients in C take any bytes."""
    producer: Any = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap)
    await producer.start()
    try:
        builder: Any = producer.create_batch()
        builder.append(timestamp=None, key=b"k", value=b"10 " + TEXT, headers=[("name", b"")])
        build = builder._build

        def spoilt() -> bytes:
            batch = bytearray(bytes(build()).replace(b"name", b"n\xff\xfe\xfd"))
            batch[CRC_AT : CRC_AT + 4] = calc_crc32c(batch[CRC_AT + 4 :]).to_bytes(4)
            return bytes(batch)

        builder._build = spoilt
        partitions = await producer.partitions_for(topic)
        await (await producer.send_batch(builder, topic, partition=min(partitions)))
    finally:
        await producer.stop()
    return lambda: None


@pytest.fixture(params=[not_installed, damaged, no_utf_8])
def spoil(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Spoil:
    monkeypatch.setattr(fetching, "PAUSE_S", 0.2)
    monkeypatch.setattr(fetching, "DOUBT_S", 1.0)
    found: Spoil = request.param
    return found


async def spoilt_topics(kafka: KafkaCluster, storage: OnKafka) -> None:
    """Two topics; what is put on the bad one stands on one partition."""
    for topic in (GOOD, BAD):
        await make(kafka, storage.prefix + topic)


class TestUnreadable:
    @in_loop
    async def test_stops_its_partition_and_no_other(
        self,
        kafka: KafkaCluster,
        storage: OnKafka,
        spoil: Spoil,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        await spoilt_topics(kafka, storage)
        async with alone(storage, GOOD, BAD) as harness:
            await harness.log.append([note(BAD, "k", b"%d" % number) for number in range(3)])
            mend = await spoil(kafka, storage.prefix + BAD, monkeypatch)
            await harness.log.append(
                [note(BAD, "k", b"behind"), note(BAD, "other", b"beside"), note(GOOD, "k", b"good")]
            )
            found = await harness.messages(5)
            assert payloads(found) == [b"0", b"1", b"2", b"beside", b"good"]
            await harness.commit(found)
            for number in range(20):  # of its own log and of others as before
                await harness.log.append([note(GOOD, "k", b"%d" % number)])
                await harness.commit(await harness.messages(1))
                await harness.nothing_is_left()
            await harness.log.rewind()
            await harness.nothing_is_left()
            [*told] = [record for record in caplog.records if "stands still" in record.getMessage()]
            assert told
            assert {record.levelno for record in told} == {logging.ERROR}
            assert all(f"'{storage.prefix}{BAD}' stands still at offset 3: " in one.getMessage() for one in told)
            mend()
            if spoil is not no_utf_8:
                assert [one.payload for one in await harness.messages(2)] == [b"10 " + TEXT, b"behind"]

    @in_loop
    async def test_stops_a_reader_at_its_partition_only(
        self, kafka: KafkaCluster, storage: OnKafka, spoil: Spoil, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await spoilt_topics(kafka, storage)
        async with alone(storage) as harness:
            await harness.log.append([note(BAD, "k", b"%d" % number) for number in range(3)])
            mend = await spoil(kafka, storage.prefix + BAD, monkeypatch)
            await harness.log.append([note(BAD, "k", b"behind"), note(BAD, "other", b"beside")])
            async with harness.log.reader(BAD, storage.prefix) as reader:
                assert payloads(await read_all(reader, 4)) == [b"0", b"1", b"2", b"beside"]
                await harness.log.append([note(BAD, "other", b"%d" % number) for number in range(3)])
                assert payloads(await read_all(reader, 3)) == [b"0", b"1", b"2"]
                mend()
                if spoil is not no_utf_8:
                    assert [one.payload for one in await read_all(reader, 2)] == [b"10 " + TEXT, b"behind"]


def payloads(messages: Sequence[TopicRecord]) -> list[bytes]:
    return sorted(one.payload or b"" for one in messages)
