"""The transactions of one worker, one after the other, under a transactional id of its own.

One transaction publishes what the records of all its lanes order, and commits all their offsets. The coordinator of the
group decides who may do so: the offsets name the member and the generation under which the records were polled, and are
refused once a rebalance is over, so that a worker that was overtaken cannot commit. A transaction without offsets would
not be refused, so there is none.

The id is another one each time that a worker joins. Who takes lanes over from a worker that is gone initialises its
id, which settles its open transaction at once; else readers, and the offsets, would wait until it times out.

aiokafka commits a transaction of which a batch has failed, as if it had never been sent. So each batch is awaited
here, and a transaction in which anything went wrong is never committed: the id is initialised again, which settles it.
"""

from __future__ import annotations

import asyncio
from typing import TypeAlias
from uuid import uuid4

from dagger.backends.kafka.batches import Batches, Moved, send
from dagger.backends.kafka.client import (
    AIOKafkaProducer,
    GroupMetadata,
    OffsetAndMetadata,
    TopicPartition,
    commits_as,
    stop_sending,
)
from dagger.backends.kafka.cluster import REQUEST_S, Cluster
from dagger.backends.kafka.errors import FENCED
from dagger.backends.kafka.shutdown import SOON_S, end_producer
from dagger.errors import BackendUnavailable

Marks: TypeAlias = dict[TopicPartition, OffsetAndMetadata]
"""Offsets, with what stands beside them."""


class Transactions:
    """The right of one worker to commit."""

    def __init__(self, cluster: Cluster) -> None:
        options = cluster.options
        self.id = f"{options.group}.{uuid4().hex}"
        self.is_resolved = False
        """Whether nothing is open, and how the last transaction has ended is known."""
        self._cluster = cluster
        self._producer: AIOKafkaProducer | None = None

    async def resolve(self) -> None:
        """Resolve what is open: after that it is either committed or not, and stays so.

        Raises BackendUnavailable where no coordinator answers in time.
        """
        producer, self._producer = self._producer, None
        if producer is not None:
            await stop_sending(producer, SOON_S)  # nothing of the old session may arrive after the new one has begun
            self._cluster.reaper.reap(end_producer(producer))
        producer = AIOKafkaProducer(
            **self._cluster.settings,
            transactional_id=self.id,
            transaction_timeout_ms=int(self._cluster.options.transaction * 1000),
            acks="all",
            max_batch_size=1 << 30,  # batches.py cuts them
        )
        self._cluster.adopt(producer)
        with self._cluster.translating():
            await self._cluster.reaper.start_producer(producer, REQUEST_S)
        self._producer = producer
        self.is_resolved = True

    def leave(self) -> None:
        """Commit nothing more."""
        self.is_resolved = False
        if self._producer is not None:
            self._cluster.reaper.reap(end_producer(self._producer))
            self._producer = None

    async def commit(self, batches: Batches, marks: Marks, member: GroupMetadata) -> None:
        """Publish, and commit offsets, as one; the topics exist.

        Raises Fenced where the member is not in its generation any more, BackendUnavailable where it may work later,
        and Refused where a broker will never take something. After each, `resolve` comes before anything else.
        """
        producer = self._producer
        assert producer is not None, "it is resolved"
        assert marks, "offsets are what is refused to those who were overtaken"
        self.is_resolved = False
        commits_as(producer, member)
        try:
            with self._cluster.translating():
                async with asyncio.timeout(2 * REQUEST_S):
                    await self._attempt(producer, batches, marks, member.group)
        except BackendUnavailable:
            for topic in {at.topic for at in batches} - {self._cluster.options.log}:
                self._cluster.topics.pop(topic, None)  # it may be gone
            raise
        self.is_resolved = True

    async def _attempt(self, producer: AIOKafkaProducer, batches: Batches, marks: Marks, group: str) -> None:
        await producer.begin_transaction()
        offsets = asyncio.ensure_future(producer.send_offsets_to_transaction(dict(marks), group))
        try:
            failures = list((await send(self._cluster, producer, batches, as_one=True)).values())
            if moved := next((one for one in failures if isinstance(one, Moved)), None):
                raise moved  # while a partition is missing, nothing else of the transaction is answered
            await asyncio.wait([offsets])
            failures += [error] if (error := offsets.exception()) is not None else []
            # Who was fenced hears of it once, and of its consequences everywhere else.
            for failure in sorted(failures, key=lambda one: not isinstance(one, FENCED)):
                raise failure
        finally:
            offsets.cancel()
        await producer.commit_transaction()
