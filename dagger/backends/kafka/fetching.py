"""Fetching from many partitions, one of which may hold what nobody here can read.

A batch may be compressed by what is not installed, be damaged, or have headers that break the protocol. aiokafka then
raises, without saying where, whenever records are asked for: from all partitions at once, and for ever. What it had
taken from other batches by then is lost to who has asked.

So it is known here where each partition goes on. After such an error all partitions are sought to that place, and for
a while read one by one and record by record: all that can be read is given out, and the one that fails is left alone
for a time that grows. The others go on.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

import msgspec

from dagger.backends.kafka.client import AIOKafkaConsumer, ConsumerRecord, TopicPartition, errors

logger: Final = logging.getLogger("dagger")

DOUBT_S: Final = 10.0
"""How long partitions are read record by record after an error, in seconds."""
PAUSE_S: Final = 1.0
"""How long a partition is left alone that cannot be read, in seconds; then twice as long, and so on."""
PAUSE_S_MAX: Final = 300.0
REST_S: Final = 0.05
"""How long is waited for partitions that are read one by one, in seconds."""

_PASSING: Final = (
    errors.KafkaError,
    errors.IllegalOperation,
    errors.ConsumerStoppedError,
    OSError,
    TimeoutError,
    AssertionError,  # some of aiokafka's own states are only asserted
)


class _Stuck(msgspec.Struct):
    """A partition that cannot be read."""

    until: float
    """When it is tried again."""
    pause_s: float
    is_tried: bool = False


class Fetching:
    """The records of the partitions that are assigned to a consumer, from where they go on."""

    def __init__(self, consumer: AIOKafkaConsumer, place: str, now: Callable[[], float] = time.monotonic) -> None:
        self._consumer = consumer
        self._place = place
        self._now = now
        self._at: dict[TopicPartition, int] = {}
        """Where each partition goes on."""
        self._doubted: dict[TopicPartition, float] = {}
        """The partitions that are read record by record, and until when."""
        self._stuck: dict[TopicPartition, _Stuck] = {}
        self._found: list[ConsumerRecord] = []
        """What was found and not given out, for an error came in between."""

    @property
    def stuck(self) -> frozenset[TopicPartition]:
        """The partitions that cannot be read."""
        return frozenset(self._stuck)

    @property
    def places(self) -> set[TopicPartition]:
        """The partitions that are read."""
        return set(self._at)

    @property
    def has_more(self) -> bool:
        """Whether something was found that is not given out."""
        return bool(self._found)

    def begin(self, positions: Mapping[TopicPartition, int]) -> None:
        """These partitions are assigned, and no others; each goes on there. What stands still there goes on to."""
        before, self._at = self._at, dict(positions)
        self._doubted.clear()
        self._found.clear()
        self._stuck = {place: one for place, one in self._stuck.items() if positions.get(place) == before[place]}
        for place, one in self._stuck.items():
            one.is_tried = False
            self._consumer.pause(place)

    async def take(self, limit: int, timeout_ms: int = 0) -> Sequence[ConsumerRecord]:
        """At most so many records, where there are none within the time none."""
        if not (self._doubted or self._stuck or self._found):
            try:
                return self._given(await self._consumer.getmany(timeout_ms=timeout_ms, max_records=limit))
            except Exception as error:
                if not is_unreadable(error):
                    raise
                self._doubt([*self._at])
        self._try_again()
        for place in [*self._doubted]:
            await self._one_by_one(place, limit)
        if len(self._found) < limit:
            await self._others(limit - len(self._found), 0 if self._found else timeout_ms)
        found, self._found = self._found[:limit], self._found[limit:]
        return found

    def _given(self, several: Mapping[TopicPartition, Sequence[ConsumerRecord]]) -> list[ConsumerRecord]:
        found = list[ConsumerRecord]()
        for place, records in several.items():
            self._at[place] = records[-1].offset + 1
            found += records
        return found

    def _doubt(self, places: Collection[TopicPartition]) -> None:
        """Something of these cannot be read: go back to where they were, and on by single records."""
        until, assigned = self._now() + DOUBT_S, self._consumer.assignment()
        for place in places:
            if place in assigned:
                self._consumer.seek(place, self._at[place])
                self._doubted[place] = until

    def _try_again(self) -> None:
        """Stuck partitions whose time has come are tried; what was read for a while is not doubted any more."""
        now = self._now()
        for place, one in self._stuck.items():
            if not one.is_tried and now >= one.until:
                one.is_tried = True
                self._consumer.seek(place, self._at[place])
                self._consumer.resume(place)
                self._doubted[place] = now + DOUBT_S
        for place, until in [*self._doubted.items()]:
            if now >= until and place not in self._stuck:
                del self._doubted[place]

    async def _one_by_one(self, place: TopicPartition, limit: int) -> None:
        if place not in self._consumer.assignment():
            return
        while len(self._found) < limit:
            try:
                several = await self._consumer.getmany(place, timeout_ms=0, max_records=1)
            except Exception as error:
                if not is_unreadable(error):
                    raise
                self._leave_alone(place, error)
                return
            if not several:
                return
            self._found += self._given(several)
            if self._stuck.pop(place, None) is not None:
                logger.warning("%s: partition %d of '%s' can be read again", self._place, place.partition, place.topic)

    def _leave_alone(self, place: TopicPartition, error: Exception) -> None:
        before = self._stuck.get(place)
        pause_s = PAUSE_S if before is None else min(2 * before.pause_s, PAUSE_S_MAX)
        self._stuck[place] = _Stuck(self._now() + pause_s, pause_s)
        self._doubted.pop(place, None)
        self._consumer.pause(place)
        self._consumer.seek(place, self._at[place])
        logger.error(
            "%s: partition %d of '%s' stands still at offset %d: %s. Other partitions go on; this one is tried again "
            "in %g s",
            self._place,
            place.partition,
            place.topic,
            self._at[place],
            _remedy(error, place, self._at[place]),
            pause_s,
        )

    async def _others(self, limit: int, timeout_ms: int) -> None:
        """What else is assigned, as long as it can be read."""
        others = [place for place in self._at if place not in self._doubted and place not in self._stuck]
        if not others:
            await asyncio.sleep(min(timeout_ms / 1000, REST_S))
            return
        if self._doubted:
            timeout_ms = min(timeout_ms, int(REST_S * 1000))
        try:
            several = await self._consumer.getmany(*others, timeout_ms=timeout_ms, max_records=limit)
        except Exception as error:
            if not is_unreadable(error):
                raise
            self._doubt(others)
        else:
            self._found += self._given(several)


def is_unreadable(error: Exception) -> bool:
    """Whether it is about what was fetched, and not about a broker, the group or the client."""
    if isinstance(error, errors.UnsupportedCodecError | errors.CorruptRecordException):
        return True
    if isinstance(error, OSError):
        return error.errno is None and not isinstance(error, TimeoutError | ConnectionError)  # what gzip raises
    return not isinstance(error, _PASSING)


def _remedy(error: Exception, place: TopicPartition, offset: int) -> str:
    if isinstance(error, errors.UnsupportedCodecError):
        return (
            f"its batch is compressed by what is not installed here ({error}); install it with "
            "pip install 'dagger-workflow[kafka]'"
        )
    what = "the name of a header is not UTF-8" if isinstance(error, UnicodeDecodeError) else "its batch is damaged"
    return (
        f"{what} ({type(error).__name__}: {error}); to go on without it, end all workers, and set the group's offset "
        f"behind it: kafka-consumer-groups.sh --topic {place.topic}:{place.partition} --reset-offsets --to-offset "
        f"{offset + 1}, or more"
    )
