"""Which instances have ended, reported to all processes of an application by a topic that is read in no group.

A worker publishes the ids after the commit; whoever waits for ends in another process reads the topic from its end on.
Reports may be lost, and nothing depends on them: where the topic is not there, or may not be read, the store is asked
now and then instead.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Collection
from functools import partial
from typing import Final

import msgspec

from dagger.backends.kafka.appender import Appender
from dagger.backends.kafka.client import AIOKafkaConsumer, TopicPartition
from dagger.backends.kafka.cluster import REQUEST_S, Cluster
from dagger.backends.kafka.shutdown import end_consumer
from dagger.engine.ports import Outgoing
from dagger.errors import BackendError, BackendUnavailable

logger: Final = logging.getLogger("dagger")

KEPT_S: Final = 600.0
"""How long a report is kept, in seconds."""
AT_ONCE: Final = 4096
"""How many ids are in one report, at most."""
SLICE_MS: Final = 1000
"""How long a look at the topic takes, in milliseconds, if nothing is there."""
LOOK_S: Final = 0.25
"""After how long without a report something else than an end may have changed, in seconds."""
AGAIN_S: Final = 10.0
"""How long is waited before it is tried again to read a topic that could not be read, in seconds."""
_IDS: Final = msgspec.json.Decoder(list[str])


class Ends:
    """The reports of one process, and what it has heard of others'."""

    def __init__(self, cluster: Cluster, appender: Appender) -> None:
        self._cluster = cluster
        self._appender = appender
        self._name = f"{cluster.options.application}.ends"
        self._is_there = False
        self._pending = list[str]()
        self._sending: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._is_ready = False
        """Whether whatever is reported from now on is heard."""
        self._failed_at = -AGAIN_S
        self._news = asyncio.Event()
        self._heard = set[str]()
        self._may_have_missed = True

    async def have(self) -> None:
        """Have the topic, if it is there or may be created."""
        settings = {"retention.ms": str(int(KEPT_S * 1000))}
        try:
            await self._cluster.need([self._topic], 1, **settings)
        except BackendUnavailable:
            raise
        except BackendError as error:
            logger.debug("%s: ends are not reported: %s", self._cluster.options.place, error)
        else:
            self._is_there = True

    @property
    def _topic(self) -> str:
        return self._cluster.options.prefixed(self._name)

    def announce(self, ids: Collection[str]) -> None:
        """Report ends, in the background."""
        if not self._is_there:
            return
        self._pending += ids
        if self._sending is None or self._sending.done():
            self._sending = asyncio.ensure_future(self._send())

    async def _send(self) -> None:
        while self._pending:
            some, self._pending = self._pending[:AT_ONCE], self._pending[AT_ONCE:]
            try:
                await self._appender.append([Outgoing(self._name, None, msgspec.json.encode(some))])
            except BackendError as error:
                logger.debug("%s: ends were not reported: %s", self._cluster.options.place, error)

    @property
    def is_heard(self) -> bool:
        """Whether reports are heard, or may be from now on."""
        if not self._is_there or time.monotonic() - self._failed_at < AGAIN_S:
            return False
        if self._listening is None or self._listening.done():
            self._listening = asyncio.ensure_future(self._listen())
        return True

    async def changed(self) -> Collection[str] | None:
        """What was reported since the last call, as `Backend.changed`."""
        if not self._may_have_missed or not self._is_ready:
            try:
                async with asyncio.timeout(LOOK_S):
                    await self._news.wait()
            except TimeoutError:
                if self._is_ready and not self._may_have_missed:
                    return ()
        self._news.clear()
        heard, self._heard = self._heard, set[str]()
        missed, self._may_have_missed = self._may_have_missed, not self._is_ready
        return None if missed else heard

    async def _listen(self) -> None:
        """Hear reports until it is cancelled, or something goes wrong."""
        self._is_ready, self._may_have_missed = False, True
        consumer = AIOKafkaConsumer(
            **self._cluster.settings,
            group_id=None,
            auto_offset_reset="latest",
            enable_auto_commit=False,
            isolation_level="read_uncommitted",
        )
        self._cluster.adopt(consumer)
        try:
            with self._cluster.translating():
                await self._cluster.reaper.start(consumer.start(), 2 * REQUEST_S, partial(end_consumer, consumer))
                place = TopicPartition(self._topic, 0)
                consumer.assign([place])
                await consumer.position(place)
                self._is_ready = True
                self._news.set()
                while True:
                    for records in (await consumer.getmany(timeout_ms=SLICE_MS)).values():
                        for record in records:
                            self._heard.update(_IDS.decode(record.value or b"[]"))
                        self._news.set()
        except (BackendError, msgspec.MsgspecError) as error:
            logger.debug("%s: ends are not heard: %s", self._cluster.options.place, error)
            self._failed_at = time.monotonic()
        finally:
            self._is_ready, self._may_have_missed = False, True
            self._news.set()
            self._cluster.reaper.reap(end_consumer(consumer))

    def close(self) -> None:
        """Report and hear nothing more."""
        self._is_there = False
        for task in (self._sending, self._listening):
            if task is not None:
                task.cancel()
