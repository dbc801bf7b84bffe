"""A lane: a home partition, with its share of the external topics, and the transactional id that guards it.

Partition p of every external topic belongs to lane p modulo the number of lanes. All that a record of a lane orders
is published, and its offset committed, in one transaction of the lane's id. Who takes a lane over begins by
initialising that id: the broker then settles what the last owner has left open, and refuses all that it may still
send. Only after that are the lane's offsets fetched. So a worker that was overtaken cannot commit, although aiokafka
tells the broker no generation of the group with the offsets (https://github.com/aio-libs/aiokafka/issues/844).

aiokafka commits a transaction of which a batch has failed, as if it had never been sent. So each batch is awaited
here, and a transaction in which anything went wrong is never committed: its lane is taken anew.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Mapping
from typing import Final, TypeAlias

from dagger.backends.kafka.batches import Batches, Moved, Refused, addressed, batches_of, instead, send
from dagger.backends.kafka.binding import Binding
from dagger.backends.kafka.client import AIOKafkaProducer, OffsetAndMetadata, TopicPartition
from dagger.backends.kafka.cluster import REQUEST_S, Cluster
from dagger.backends.kafka.errors import FENCED
from dagger.backends.kafka.poison import PoisonDetector
from dagger.backends.kafka.shutdown import end_producer
from dagger.engine.ports import Entry
from dagger.errors import BackendError, BackendUnavailable, Fenced

Marks: TypeAlias = dict[TopicPartition, OffsetAndMetadata]
"""Offsets, with what stands beside them."""
STEPS: Final = 20
"""Into how many steps the time is divided for which it is known how far the log was committed."""
SMALLEST: Final = 1024
"""Batches are made smaller for a topic that refuses them until they have so many bytes."""


class Lane:
    """The right to commit for a home partition."""

    def __init__(self, cluster: Cluster, number: int, detector: PoisonDetector) -> None:
        self.number = number
        self.detector = detector
        self.is_sound = False
        """Whether nothing is open and nobody was seen to have taken over."""
        self.positions: dict[TopicPartition, int] = {}
        """What is committed, as far as it is known for sure. The broker answers that a transaction is committed before
        its offsets can be fetched, so they must not be asked for again while the lane is owned."""
        self._trail = deque[tuple[float, int]]()
        """How far the log was committed, and when at the latest."""
        self._cluster = cluster
        self._producer: AIOKafkaProducer | None = None

    async def take(self) -> None:
        """Settle what is open, and be the only one who can commit from here on.

        Raises BackendUnavailable where no coordinator answers in time.
        """
        self.leave()
        options = self._cluster.options
        producer = AIOKafkaProducer(
            **self._cluster.settings,
            transactional_id=f"{options.prefix}{options.application}.{self.number}",
            transaction_timeout_ms=int(options.transaction * 1000),
            acks="all",
            max_batch_size=1 << 30,  # batches.py cuts them
        )
        self._cluster.adopt(producer)
        with self._cluster.translating():
            await self._cluster.reaper.start_producer(producer, REQUEST_S)
        self._producer = producer
        self.is_sound = True

    def begin(self, place: TopicPartition, offset: int, safe: int) -> None:
        """A partition goes on there; of the log, all before `safe` was committed long before the last owner's end."""
        self.positions[place] = offset
        if place.topic == self._cluster.options.log:
            self._trail = deque([(-math.inf, min(safe, offset)), (time.monotonic(), offset)])

    def safe(self) -> int:
        """How far the log was committed `lookback` before the last commit: of that, no store has lost anything.

        Not before now: while a store is away, nothing is committed.
        """
        trail, before = self._trail, self._trail[-1][0] - self._cluster.options.lookback
        while len(trail) > 1 and trail[1][0] <= before:
            trail.popleft()
        return trail[0][1]

    def _marks(self, offsets: Mapping[TopicPartition, int], binding: Binding) -> Marks:
        """What is committed: never less than before, also where something is read again."""
        note = f"{binding.id} {self.safe()}" if offsets else ""
        least = self.positions
        return {place: OffsetAndMetadata(max(offset, least.get(place, 0)), note) for place, offset in offsets.items()}

    def _went_on(self, marks: Marks) -> None:
        """These offsets are committed."""
        self.positions.update({place: mark.offset for place, mark in marks.items()})
        mark = marks.get(TopicPartition(self._cluster.options.log, self.number))
        now = time.monotonic()
        if mark is not None and now - self._trail[-1][0] > self._cluster.options.lookback / STEPS:
            self._trail.append((now, mark.offset))

    def leave(self) -> None:
        """Let others take it."""
        self.is_sound = False
        self.positions.clear()
        if self._producer is not None:
            self._cluster.reaper.reap(end_producer(self._producer))
            self._producer = None

    async def commit(self, batches: Batches, offsets: Mapping[TopicPartition, int], binding: Binding) -> None:
        """Publish, and commit all before these offsets, as one; the topics exist.

        What a topic will never take goes to the dead letters instead.

        Raises Fenced where another has taken the lane, and BackendUnavailable where it may do later; either way it
        must be taken anew.
        """
        if not self.is_sound:
            raise Fenced(f"lane {self.number} is not owned any more")
        self.is_sound = False
        marks = self._marks(offsets, binding)
        while True:
            try:
                await self._attempt(batches, marks, binding.application)
            except Refused as refusal:
                entries = await addressed(self._cluster, self._without(batches, refusal))
                batches = batches_of(self._cluster, entries)
                await self.take()
                self.is_sound = False
            else:
                self.is_sound = True
                self.detector.committed()
                self._went_on(marks)
                return

    async def _attempt(self, batches: Batches, offsets: Marks, group: str) -> None:
        producer = self._producer
        assert producer is not None
        try:
            with self._cluster.translating():
                async with asyncio.timeout(2 * REQUEST_S):
                    await producer.begin_transaction()
                    marks = asyncio.ensure_future(self._mark(producer, offsets, group))
                    try:
                        failures = list((await send(self._cluster, producer, batches, as_one=True)).values())
                        if moved := next((one for one in failures if isinstance(one, Moved)), None):
                            raise moved  # while a partition is missing, nothing else of the transaction is answered
                        await asyncio.wait([marks])
                        failures += [error] if (error := marks.exception()) is not None else []
                        # Who was fenced hears of it once, and of its consequences everywhere else.
                        for failure in sorted(failures, key=lambda one: not isinstance(one, FENCED)):
                            raise failure
                    finally:
                        marks.cancel()
                    await producer.commit_transaction()
        except BackendUnavailable:
            for topic in {at.topic for at in batches} - {self._cluster.options.log}:
                self._cluster.topics.pop(topic, None)  # it may be gone
            raise

    @staticmethod
    async def _mark(producer: AIOKafkaProducer, offsets: Marks, group: str) -> None:
        if offsets:
            await producer.send_offsets_to_transaction(dict(offsets), group)

    def _without(self, batches: Batches, refusal: Refused) -> list[Entry]:
        """The entries without those that were refused; of a batch that was too large, with a smaller one."""
        entries = [item.entry for items in batches.values() for item in items]
        if len(refusal.items) > 1:
            topic = refusal.place.topic
            size = sum(len(item.value or b"") for item in refusal.items)
            self._cluster.batch_bytes[topic] = size // 2 if size // 2 > SMALLEST else 1
            return entries
        refused = refusal.items[0].entry
        if refusal.place.topic == self._cluster.options.dead_letters:
            raise BackendError(f"{self._cluster.options.place}: {refusal}") from refusal
        letter = instead(self._cluster, refusal)
        return [letter if entry is refused else entry for entry in entries]


def safe_of(told: OffsetAndMetadata, offset: int) -> int:
    """How far the log was committed some time before that, as stands beside an offset; itself if nothing does."""
    _, _, safe = told.metadata.partition(" ")
    return int(safe) if safe.isdecimal() else offset
