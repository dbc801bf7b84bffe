"""A member of the application's consumer group: what is assigned to it, and the records of that.

aiokafka gives out all partitions anew at each rebalance, and calls the listener from the task that also keeps the
membership alive. So the listener only notes what has changed: everything assigned is paused there, at a place that does
not matter, and begins to be fetched once `go_on` says where. Nothing is fetched, kept or given out before, and no
position is ever reset by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Generator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Final

from typing_extensions import override

from dagger.backends.kafka.assignor import Claim, assignor
from dagger.backends.kafka.client import (
    AIOKafkaConsumer,
    ConsumerRebalanceListener,
    ConsumerRecord,
    GroupMetadata,
    TopicPartition,
    check_tasks,
    errors,
    group_metadata,
    refresh,
)
from dagger.backends.kafka.cluster import REQUEST_S, Cluster
from dagger.backends.kafka.fetching import Fetching
from dagger.backends.kafka.shutdown import END_S, SOON_S, end_consumer
from dagger.errors import BackendError, BackendUnavailable

FETCH_BYTES: Final = 1024 * 1024
"""How much of a partition is fetched ahead, in bytes; then nothing more is until it is polled."""
FETCH_WAIT_MS: Final = 50
"""How long a broker keeps a question for records for which there are none, in milliseconds. A partition that was just
emptied is asked for again only after that, if all others are quiet."""
SLICE_MS: Final = 1000
"""How long is waited for records at a time, in milliseconds."""


class OffsetsGone(BackendError):
    """Nothing is kept where a partition goes on."""

    at: Mapping[TopicPartition, int]
    """The partition, and where that is."""


class Member(ConsumerRebalanceListener):
    """Polls what is assigned, from where it is told to go on."""

    def __init__(
        self,
        cluster: Cluster,
        topics: Collection[str],
        claim: Callable[[], Claim],
        released: Callable[[], Awaitable[None]],
    ) -> None:
        self._cluster = cluster
        self._claim = claim
        self._released = released
        """Is awaited before others may get what is owned."""
        self._place = cluster.options.place
        self.topics = frozenset(topics)
        self.assigned = frozenset[TopicPartition]()
        self.assignments = 0
        """How often something was assigned."""
        self.identity: GroupMetadata | None = None
        """Who this was in the group when something was assigned last."""
        self.alive = frozenset[str]()
        """The transactional ids of all members then."""
        self.is_between = True
        """Whether a rebalance is under way: nothing is polled."""
        self._has_gone_on = False
        """Whether anything was polled ever."""
        self.is_lost = False
        """Whether the consumer has ended by itself, and must be renewed."""
        self._running = frozenset[TopicPartition]()
        self._stash = list[ConsumerRecord]()
        """What was given out by the consumer and not polled here."""
        self._waiting: asyncio.Task[Sequence[ConsumerRecord]] | None = None
        self._bell = asyncio.Event()
        self._done = asyncio.Event()
        self._done.set()
        self._make()

    def _make(self) -> None:
        """Have a consumer, which is to be started."""
        options = self._cluster.options
        session_ms = int(options.lease * 1000)
        self._consumer = AIOKafkaConsumer(
            **self._cluster.settings,
            group_id=options.group,
            auto_offset_reset="none",
            enable_auto_commit=False,
            isolation_level="read_committed",
            partition_assignment_strategy=[assignor(options.log, self._claim, self._heard)],
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=max(session_ms // 5, 50),
            rebalance_timeout_ms=session_ms,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=FETCH_BYTES,
            metadata_max_age_ms=30_000,
        )
        self._cluster.adopt(self._consumer)
        self._fetching = Fetching(self._consumer, self._place)

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """In the group while the context is open."""
        try:
            await self._start()
            yield
        finally:
            self._done.set()
            if self._waiting is not None:
                self._waiting.cancel()
            await end_consumer(self._consumer, END_S if self._has_gone_on else SOON_S)

    async def _start(self) -> None:
        with self._cluster.translating():
            await self._cluster.reaper.start(
                self._consumer.start(), 2 * REQUEST_S, partial(end_consumer, self._consumer)
            )
        self.subscribe(self.topics)

    async def renew(self) -> None:
        """Join anew, where a task of the consumer has ended that it cannot go on without."""
        self._done.set()
        await end_consumer(self._consumer)
        self._make()
        await self._start()
        self.is_lost = False

    def subscribe(self, topics: Collection[str]) -> None:
        """Consume these topics; what is owned is found out anew, also where they are the same."""
        self.topics = frozenset(topics)
        self.is_between = True
        self._forget()
        self._consumer.subscribe(sorted(topics), listener=self)

    @override
    async def on_partitions_revoked(self, revoked: set[TopicPartition]) -> None:
        """Others may get them: let what was polled be committed first, for a time."""
        self.is_between = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._cluster.options.lease * 0.6):
                await self._done.wait()
                await self._released()
        self._forget()

    @override
    async def on_partitions_assigned(self, assigned: set[TopicPartition]) -> None:
        """Note it, and fetch nothing yet."""
        for place in assigned:
            self._consumer.pause(place)
            self._consumer.seek(place, 0)  # so that no other position is looked for
        self._forget()
        self.assigned = frozenset(assigned)
        self.identity = group_metadata(self._consumer)
        self.assignments += 1
        self.is_between = False
        self._bell.set()

    def _heard(self, alive: frozenset[str]) -> None:
        self.alive = alive

    def _forget(self) -> None:
        """Drop what was fetched ahead, also what is waited for: it would be given out before what is sought next."""
        self._running = frozenset[TopicPartition]()
        self._stash.clear()
        waiting = self._waiting
        if waiting is None or (waiting.done() and not waiting.cancelled() and waiting.exception() is not None):
            return  # what has gone wrong in the group is still to be heard of
        waiting.cancel()
        self._waiting = None

    async def refresh(self, topics: Mapping[str, int]) -> None:
        """Find what is owned anew where topics have other partitions than was known. Raises BackendError."""
        with self._cluster.translating():
            await refresh(self._consumer, {name: count for name, count in topics.items() if name in self.topics})

    async def has_left(self, gone: OffsetsGone) -> bool:
        """Whether the partition goes on elsewhere by now: a broker had been asked before that was found out."""
        with self._cluster.translating():
            for place, at in gone.at.items():
                if place in self._consumer.assignment() and await self._consumer.position(place) == at:
                    return False
        return True

    async def earliest(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """The first offsets that are kept."""
        with self._cluster.translating():
            return await self._consumer.beginning_offsets(places)

    async def at_end(self) -> bool:
        """Whether nothing is left by now that can be polled."""
        if self._stash or self._fetching.has_more or (self._waiting is not None and self._waiting.done()):
            return False
        with self._cluster.translating():
            ends = await self._consumer.end_offsets(self._running - self._fetching.stuck)
            for place, end in ends.items():
                if await self._consumer.position(place) < end:
                    return False
        return True

    def go_on(self, positions: Mapping[TopicPartition, int]) -> None:
        """Poll all that is assigned from these positions on."""
        self._forget()
        self._has_gone_on = True
        for place, offset in positions.items():
            self._consumer.seek(place, offset)
            self._consumer.resume(place)
        self._fetching.begin(positions)
        self._running = frozenset(positions)

    def hold(self) -> None:
        """Poll nothing until it is told to go on."""
        for place in self._running:
            self._consumer.pause(place)
        self._forget()

    def nudge(self) -> None:
        """Let `wait` return."""
        self._bell.set()

    async def take(self, limit: int) -> Sequence[ConsumerRecord]:
        """At most so many of the records that are there; until `finished` they are under way."""
        self._collect()
        if len(self._stash) < limit:
            with self._errors():
                found = await self._fetching.take(limit - len(self._stash))
            self._keep(found)
        taken, self._stash = self._stash[:limit], self._stash[limit:]
        if taken:
            self._done.clear()
        return taken

    def check(self) -> None:
        """Raise what has gone wrong in the group meanwhile."""
        self._collect()

    def finished(self) -> None:
        """What was taken is committed, or given up."""
        self._done.set()

    async def wait(self) -> None:
        """Return when there may be records, or something else has changed."""
        self._collect()
        if self._stash or self._bell.is_set():
            self._bell.clear()
            await asyncio.sleep(0)
            return
        if self._waiting is None:  # also while nothing is assigned: so errors of the group are heard of
            self._waiting = asyncio.ensure_future(self._fetching.take(1, SLICE_MS))
        ring = asyncio.ensure_future(self._bell.wait())
        try:
            await asyncio.wait({ring, self._waiting}, return_when="FIRST_COMPLETED")
        finally:
            ring.cancel()
        self._bell.clear()

    def _collect(self) -> None:
        """Keep what came while it was waited. Raises BackendUnavailable where the consumer has ended by itself."""
        try:
            check_tasks(self._consumer, self._place)
        except BackendUnavailable:
            self.is_lost = True
            raise
        if self._waiting is not None and self._waiting.done():
            waited, self._waiting = self._waiting, None
            if not waited.cancelled():
                with self._errors():
                    self._keep(waited.result())

    def _keep(self, found: Sequence[ConsumerRecord]) -> None:
        self._stash += [one for one in found if (one.topic, one.partition) in self._running]

    @contextlib.contextmanager
    def _errors(self) -> Generator[None]:
        try:
            with self._cluster.translating():
                yield
        except BackendError as error:
            gone = error.__cause__
            if isinstance(gone, errors.OffsetOutOfRangeError):
                found = OffsetsGone(
                    f"{self._place}: messages were deleted before they were read: nothing is kept at {gone}. Set the "
                    "group's offsets to what is to be read next, and give topics a longer retention"
                )
                found.at = gone.args[0]
                raise found from gone
            raise
