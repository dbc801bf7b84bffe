"""What a worker did, as plain values: for a loop that does the same again, or for each record by itself."""

from __future__ import annotations

import pickle
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
from aiokafka import TopicPartition

from benchmarks.kafka_plain import PARTITIONS, Batches, Item, Place, Put, partition_for
from benchmarks.kafka_record import Step
from dagger.backends.aerospike.bins import change_of, lifetimes_of
from dagger.backends.aerospike.options import options_of
from dagger.core.events import Submitted
from dagger.engine.headers import text_of
from dagger.engine.ports import Append, Entry, Outgoing, Write
from dagger.engine.records import decode_record

LOG: Final = ""


class Round(msgspec.Struct):
    """A batch: how much is consumed of each partition, what is read and written, and what each lane commits."""

    wanted: Counter[TopicPartition]
    reads: list[str]
    puts: list[Put]
    lanes: dict[int, tuple[Batches, list[TopicPartition]]]


class Deed(msgspec.Struct):
    """What was done for one record: what was written, and what was produced."""

    read: str | None
    put: Put | None
    produced: list[tuple[TopicPartition, Item]]


class Script:
    """What a worker did."""

    def __init__(self, file: Path, place: Place) -> None:
        self._place = place
        self._lifetimes = lifetimes_of(options_of(place.store))
        self._steps: list[Step] = pickle.loads(file.read_bytes())
        self._written = Counter[str]()

    def rounds(self) -> list[Round]:
        """Batch by batch."""
        self._written.clear()
        return [self._round(step) for step in self._steps]

    def deeds(self) -> dict[tuple[str, bytes], Deed]:
        """Record by record: by its topic, and its value. A batch has at most one record of each kind for a key."""
        self._written.clear()
        found = dict[tuple[str, bytes], Deed]()
        for step in self._steps:
            found.update(self._deeds(step))
        return found

    def submissions(self) -> list[tuple[str, bytes]]:
        """The keys of all orders, in their order, with what submits them."""
        found = list[tuple[str, bytes]]()
        for step in self._steps:
            for record in step.batch.records:
                told = decode_record(record.data)
                if isinstance(told.event, Submitted):
                    found.append((told.to, record.data))
        return sorted(found, key=lambda one: int(one[0].rpartition("-")[2]))

    def _round(self, step: Step) -> Round:
        wanted = Counter[TopicPartition]()
        for record in step.batch.records:
            wanted[self._at(LOG, record.partition)] += 1
        for message in step.batch.messages:
            wanted[self._at(message.topic, message.partition)] += 1
        lanes = defaultdict[int, tuple[Batches, list[TopicPartition]]](lambda: ({}, []))
        for (_, partition), entries in step.orders.items():
            batches, _ = lanes[partition % PARTITIONS]
            for at, item in map(self._item, entries):
                batches.setdefault(at, []).append(item)
        for topic, partition in step.offsets:
            lanes[partition % PARTITIONS][1].append(self._at(topic, partition))
        reads = [key for keys in step.reads for key in keys]
        return Round(wanted, reads, [self._put(write) for write in _all(step.writes)], dict(lanes))

    def _deeds(self, step: Step) -> Iterator[tuple[tuple[str, bytes], Deed]]:
        puts = {write.key: self._put(write) for write in _all(step.writes)}
        reads = set(_all(step.reads))
        commands: Mapping[str, list[tuple[TopicPartition, Item]]] = defaultdict(list)
        routed: Mapping[str, list[tuple[TopicPartition, Item]]] = defaultdict(list)
        for entries in step.orders.values():
            for entry in entries:
                if isinstance(entry, Append):
                    routed[decode_record(entry.data).to].append(self._item(entry))
                else:
                    commands[text_of(entry.key or b"")].append(self._item(entry))
        for record in step.batch.records:
            to = decode_record(record.data).to
            yield (self._place.log, record.data), Deed(to if to in reads else None, puts[to], commands[to])
        for message in step.batch.messages:
            topic = self._place.prefix + message.topic
            yield (topic, message.payload or b""), Deed(None, None, routed[text_of(message.key or b"")])

    def _at(self, topic: str, partition: int) -> TopicPartition:
        return TopicPartition(self._place.prefix + topic if topic else self._place.log, partition)

    def _item(self, entry: Entry) -> tuple[TopicPartition, Item]:
        if isinstance(entry, Append):
            return self._at(LOG, entry.partition), Item(None, entry.data, [])
        assert isinstance(entry, Outgoing)
        key = entry.key or b""
        headers = [(name, value or b"") for name, value in entry.headers]
        return self._at(entry.topic, partition_for(key)), Item(key, entry.payload or b"", headers)

    def _put(self, write: Write) -> Put:
        change = change_of(write, self._lifetimes)
        before = self._written[write.key]
        self._written[write.key] += 1
        return Put(write.key, before, change.bins, change.whole, change.ttl)


def _all(several: Sequence[Sequence[Any]]) -> list[Any]:
    return [one for some in several for one in some]
