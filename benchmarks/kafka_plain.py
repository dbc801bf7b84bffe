"""Plain clients of Kafka and Aerospike, as the raw loop and the services beside both sides use them."""

from __future__ import annotations

import asyncio
import importlib
import logging
from collections.abc import Mapping, Sequence
from functools import cache, partial
from typing import Any, Final, NamedTuple, TypeAlias, cast

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, OffsetAndMetadata, TopicPartition
from aiokafka.partitioner import murmur2

PARTITIONS: Final = 8
FETCH: Final[dict[str, Any]] = {
    "isolation_level": "read_committed",
    "enable_auto_commit": False,
    "auto_offset_reset": "earliest",
    "fetch_max_wait_ms": 50,
    "max_partition_fetch_bytes": 1024 * 1024,
}
"""How both sides read."""
CALL_MAX: Final = 1_000
"""How many records go into one call of the store, on both sides."""


class Item(NamedTuple):
    """A record to be produced."""

    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]


Batches: TypeAlias = dict[TopicPartition, list[Item]]


class Put(NamedTuple):
    """A record to be written, by compare-and-swap."""

    key: str
    generation: int
    """How often it was written before."""
    bins: Mapping[str, Any]
    whole: bool
    """Whether all other bins go."""
    ttl: int


class Place(msgspec.Struct, frozen=True):
    """Where a side works: topics and records of its own."""

    bootstrap: str
    prefix: str
    """What stands before the name of every topic."""
    aerospike: str
    """`host:port` of a server."""
    namespace: str
    lifetimes: str = "finished=30d"

    @property
    def broker(self) -> str:
        return f"kafka://{self.bootstrap}/app?partitions={PARTITIONS}&prefix={self.prefix}"

    @property
    def store(self) -> str:
        return f"aerospike://{self.aerospike}/{self.namespace}?{self.lifetimes}"

    @property
    def log(self) -> str:
        return f"{self.prefix}app.log"

    @property
    def group(self) -> str:
        return f"{self.prefix}app"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A round, as all of its processes are told it."""

    place: Place
    count: int
    """How many orders."""
    first: int = 0
    """The number of the first."""
    crowd: int = 0
    """How many of those that wait get their first message; then no order is submitted, and no command answered."""
    rate: float = 0
    """How many are submitted a second; 0 for all at once."""
    record: str | None = None
    """A file for what the worker does."""
    replay: str | None = None
    """The file with what a worker has done: the round is the raw loop's."""
    live: bool = False
    """Whether the raw loop takes what is there, and not the same batches."""
    interval_ms: float = 0
    """The least time between two batches."""
    batch: int = 2048
    """How many records are polled at a time."""


def job_of(arguments: Sequence[str]) -> Job:
    """What a process was told. What clients say, of topics that are new and the like, is told to nobody."""
    logging.disable(logging.CRITICAL)
    return msgspec.json.decode(arguments[1], type=Job)


@cache
def partition_for(key: bytes) -> int:
    """Where messages of a key go."""
    return int(murmur2(key) & 0x7FFFFFFF) % PARTITIONS


async def produce(producer: AIOKafkaProducer, batches: Batches) -> list[asyncio.Future[Any]]:
    """Send a batch to each partition; what is given is done when the broker has them."""
    sent = list[asyncio.Future[Any]]()
    for place, items in batches.items():
        builder = producer.create_batch()
        for key, value, headers in items:
            builder.append(timestamp=None, key=key, value=value, headers=headers)
        sent.append(await producer.send_batch(builder, place.topic, partition=place.partition))
    return sent


class Transactions:
    """A transactional producer, with one transaction for each batch, as a worker has."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._producer: AIOKafkaProducer | None = None

    async def open(self) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=self._place.bootstrap,
            transactional_id=f"{self._place.prefix}raw",
            acks="all",
            max_batch_size=1 << 30,
            request_timeout_ms=15_000,
            retry_backoff_ms=20,
        )
        await self._producer.start()

    async def commit(self, batches: Batches, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        """One transaction: the records, and the offsets."""
        producer = self._producer
        assert producer is not None, "it is open"
        await producer.begin_transaction()
        marks = asyncio.ensure_future(producer.send_offsets_to_transaction(dict(offsets), self._place.group))
        await asyncio.gather(*await produce(producer, batches))
        await marks
        await producer.commit_transaction()

    async def close(self) -> None:
        if self._producer is not None:
            await self._producer.stop()


class Records:
    """A set of records. Its calls are made in a thread, as the client is synchronous."""

    def __init__(self, place: Place) -> None:
        aerospike: Any = importlib.import_module("aerospike")
        self._aerospike = aerospike
        self._batch: Any = importlib.import_module("aerospike_helpers.batch.records")
        self._write: Any = importlib.import_module("aerospike_helpers.operations.operations").write
        host, _, port = place.aerospike.partition(":")
        self._client: Any = aerospike.client({"hosts": [(host, int(port))]}).connect()
        self._namespace, self._set = place.namespace, place.group

    async def read(self, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), CALL_MAX):
            await asyncio.to_thread(self._read, keys[start : start + CALL_MAX])

    def _read(self, keys: Sequence[str]) -> None:
        places = [(self._namespace, self._set, bytearray(key.encode())) for key in keys]
        found = self._client.batch_read(places, ["v", "d"], {"total_timeout": 5_000, "max_retries": 3})
        assert all(one.result in (0, 2) for one in found.batch_records)

    async def write(self, puts: Sequence[Put]) -> None:
        for start in range(0, len(puts), CALL_MAX):
            await asyncio.to_thread(partial(self._put, puts[start : start + CALL_MAX]))

    def _put(self, puts: Sequence[Put]) -> None:
        writes = [self._one(*put) for put in puts]
        policy = {"total_timeout": 5_000, "max_retries": 0}
        answers = self._client.batch_write(self._batch.BatchRecords(writes), policy)
        refused = [(put.key, one.result) for put, one in zip(puts, answers.batch_records, strict=True) if one.result]
        assert not refused, refused[:3]

    def _one(self, key: str, generation: int, bins: Mapping[str, Any], whole: bool, ttl: int) -> Any:
        kinds = self._aerospike
        policy: dict[str, Any] = {"ttl": ttl, "commit_level": kinds.POLICY_COMMIT_LEVEL_ALL}
        if generation:
            policy["gen"] = kinds.POLICY_GEN_EQ
            policy["exists"] = kinds.POLICY_EXISTS_REPLACE if whole else kinds.POLICY_EXISTS_UPDATE
        else:
            policy["exists"] = kinds.POLICY_EXISTS_CREATE
        operations = [self._write(name, value) for name, value in bins.items()]
        place = (self._namespace, self._set, bytearray(key.encode()))
        return self._batch.Write(place, operations, meta={"gen": generation}, policy=policy)

    def close(self) -> None:
        self._client.close()


async def reading(place: Place, topics: Sequence[str], group: str | None = None) -> AIOKafkaConsumer:
    """A consumer of all partitions of topics, from their beginning."""
    consumer: Any = AIOKafkaConsumer(bootstrap_servers=place.bootstrap, group_id=group, **FETCH)
    await consumer.start()
    consumer.assign([TopicPartition(topic, partition) for topic in topics for partition in range(PARTITIONS)])
    return cast(AIOKafkaConsumer, consumer)
