"""Appends from anywhere in the process, put together: what is asked for at the same time goes out at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Final, NamedTuple

import anyio

from dagger.backends.kafka.batches import Batches, EncodedEntry, Moved, Refused, batches_of, send
from dagger.backends.kafka.client import AIOKafkaProducer, TopicPartition, errors
from dagger.backends.kafka.cluster import REQUEST_S, Cluster
from dagger.backends.kafka.errors import translate
from dagger.backends.kafka.shutdown import end_producer
from dagger.backends.loops import nested_contextmanager
from dagger.engine.ports import Append, Entry, Outgoing
from dagger.errors import BackendError, BackendUnavailable

FLUSH_S: Final = 5.0
"""How long appends that somebody waits for are given when the log is closed, in seconds."""


class _Asked(NamedTuple):
    """What one caller wants to append."""

    batches: Batches
    done: asyncio.Future[None]


class Appender:
    """One idempotent producer for all appends that belong to no transaction."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._waiting = list[_Asked]()
        self._running: asyncio.Task[None] | None = None
        self._producer: AIOKafkaProducer | None = None
        self._is_awaited = 0
        """How many callers wait."""

    @nested_contextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Appends are taken while the context is open; at its end, those that somebody waits for are given a time."""
        try:
            yield
        finally:
            if self._running is not None:
                if self._is_awaited:
                    with anyio.CancelScope(shield=True):
                        await asyncio.wait([self._running], timeout=FLUSH_S)
                self._running.cancel()
            self._drop()

    async def append(self, entries: Sequence[Entry]) -> None:
        """Return once the brokers have everything. Where it raises, a part of it may have been appended."""
        prefixed = self._cluster.options.prefixed
        topics = {prefixed(entry.topic) for entry in entries if type(entry) is Outgoing}
        if not topics <= self._cluster.topics.keys():
            await self._cluster.need(topics)
        asked = _Asked(batches_of(self._cluster, entries), asyncio.get_running_loop().create_future())
        self._wait_for(asked)
        self._is_awaited += 1
        try:
            await asked.done
        finally:
            self._is_awaited -= 1

    def _wait_for(self, asked: _Asked) -> None:
        """Send it with the next that is sent; whatever has ended the task that does so, here is another."""
        self._waiting.append(asked)
        if self._running is None or self._running.done():
            self._running = asyncio.ensure_future(self._run())

    def probe(self, lane: int) -> None:
        """Ask for the brokers' time, by a record without a value; nobody is given it."""
        place = TopicPartition(self._cluster.options.log, lane)
        done = asyncio.get_running_loop().create_future()
        done.add_done_callback(lambda one: one.cancelled() or one.exception())
        self._wait_for(_Asked({place: [EncodedEntry(b"clock", None, (), Append(lane, b""))]}, done))

    async def _run(self) -> None:
        """Send all that waits, until nothing does."""
        while self._waiting:
            asked, self._waiting = self._waiting, list[_Asked]()
            try:
                await self._send(asked)
            except BaseException as error:
                ended = f"{self._cluster.options.place}: the sending was ended ({type(error).__name__}: {error})"
                for one in [*asked, *self._waiting]:
                    _resolve(one, BackendUnavailable(ended))
                self._waiting.clear()
                self._drop()
                raise

    async def _send(self, asked: Sequence[_Asked]) -> None:
        """Send what several want; each hears of its own failures only."""
        batches: Batches = {}
        for one in asked:
            for place, items in one.batches.items():
                batches.setdefault(place, []).extend(items)
        failures = await self._tried(batches)
        if any(isinstance(error, Moved) for error in failures.values()):
            failures = await self._elsewhere(batches, failures)
        for one in asked:
            failed = [failures[place] for place in one.batches if place in failures]
            if not failed:
                _resolve(one, None)
            elif len(asked) > 1 and any(isinstance(error, Refused) for error in failed):
                await self._send([one])  # it may be the fault of another
            else:
                _resolve(one, self._translated(failed[0]))

    async def _elsewhere(
        self, batches: Batches, failures: dict[TopicPartition, BaseException]
    ) -> dict[TopicPartition, BaseException]:
        """Send what was to go to partitions that are gone to those that there are; gives what went wrong then."""
        gone = {place for place, error in failures.items() if isinstance(error, Moved)}
        failed = {place: error for place, error in failures.items() if place not in gone}
        for place in gone:
            try:
                await self._cluster.need([place.topic])
                again = await self._tried(batches_of(self._cluster, [item.entry for item in batches[place]]))
            except (BackendError, TimeoutError) as error:
                failed[place] = error
            else:
                if again:
                    failed[place] = next(iter(again.values()))
        return failed

    async def _tried(self, batches: Batches) -> dict[TopicPartition, BaseException]:
        """Send everything; gives what went wrong, by place."""
        failures: dict[TopicPartition, BaseException]
        try:
            async with asyncio.timeout(2 * REQUEST_S):
                producer = await self._ready()
                failures = await send(self._cluster, producer, batches)
        except (BackendError, TimeoutError) as error:
            failures = dict.fromkeys(batches, error)
        if failures:  # its sequence numbers may have a gap now
            self._drop()
            for place in failures:
                if place.topic != self._cluster.options.log:
                    self._cluster.topics.pop(place.topic, None)
        return failures

    async def _ready(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                **self._cluster.settings,
                enable_idempotence=True,
                acks="all",
                max_batch_size=1 << 30,  # batches.py cuts them
            )
            self._cluster.adopt(producer)
            with self._cluster.translating():
                await self._cluster.reaper.start_producer(producer, REQUEST_S)
            self._producer = producer
        return self._producer

    def _drop(self) -> None:
        if self._producer is not None:
            self._cluster.reaper.reap(end_producer(self._producer))
            self._producer = None

    def _translated(self, error: BaseException) -> BaseException:
        place = self._cluster.options.place
        if isinstance(error, Refused):
            return BackendError(f"{place}: {error}")
        if isinstance(error, TimeoutError):
            return BackendUnavailable(f"{place} has not answered within {2 * REQUEST_S:g} s")
        # Some of aiokafka's own states are only asserted.
        return translate(error, place) if isinstance(error, errors.KafkaError | OSError | AssertionError) else error


def _resolve(one: _Asked, error: BaseException | None) -> None:
    if one.done.done():  # nobody waits for it any more
        return
    if error is None:
        one.done.set_result(None)
    else:
        one.done.set_exception(error)
