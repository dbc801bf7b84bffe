"""Messages for channels that this worker does not know: they wait, as they were published, for a worker that does.

A listener with `by=` has a channel of its own, and so have the messages of a topic that start instances. A worker of
another release may lack it. Such a worker publishes messages, together with their offsets, as records in the lane of
their partition, which it owns. There they are parked, like any event that a worker cannot apply, until a worker that
knows the channel owns the lane, and routes them.

Messages keep their order. A worker that knows the channel, and has taken over a lane, may find records of this kind in
it, parked or still to be polled. So it sends what it reads itself through the lane too, behind them, until its own
first such record has come. It does so only for channels of which some worker has handed messages over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import count
from typing import Final

import msgspec

from dagger.core.effects import Effect, Unmatched
from dagger.core.entity import Entity
from dagger.core.events import Event, MessagesHandedOver, PlanRegistered, RawMessage, TimerDue
from dagger.engine.directory import FRESH, Directory, kept_us
from dagger.engine.ports import Append, Backend, Entry, Position, TopicRecord
from dagger.engine.records import Record, encode_record
from dagger.engine.registry import Registry
from dagger.engine.worker.decoding import NewEntries
from dagger.engine.worker.router import TOO_LARGE, Aside, Router

PART_BYTES: Final = 16 * 1024
"""About how much data one record has: all that its messages become is stored in one row until it is published."""
PART_MAX: Final = 64
"""How many messages one record has at most."""


class Handover:
    """Hands messages over, and takes what others have handed over."""

    def __init__(self, registry: Registry, directory: Directory, router: Router, backend: Backend) -> None:
        self._registry = registry
        self._directory = directory
        self._router = router
        self._backend = backend
        self._kept_us = kept_us(registry.limits)
        self.declare_at = 0
        """When it is to be said again that this worker is there, in microseconds."""
        self.taken_over()

    def taken_over(self) -> None:
        """What is owned has changed: records of another worker may be in any lane."""
        self._settled = set[tuple[int, str]]()
        """The lanes in which everything for a channel that was handed over before has been routed."""
        self._awaited: dict[tuple[int, str], set[str]] = {}
        """The keys of the records that this worker has sent through a lane itself, until they come."""

    async def declare(self, now: int) -> None:
        """This worker has what is registered."""
        names = [name for topic in self._registry.consumed for name in self._registry.receivers(topic)]
        await self._directory.declare(names, now)
        self.declare_at = now + FRESH

    def knows(self, event: Event) -> bool:
        """Whether this worker can route what was handed over."""
        return isinstance(event, MessagesHandedOver) and event.channel in self._registry.receivers(event.topic)

    async def aside(self, messages: Sequence[TopicRecord], now: int) -> Aside:
        """By position, the channels for which its messages are not routed at once."""
        topics = await self._directory.topics(now)
        partitions = self._backend.log.partitions
        found, unmarked = dict[Position, frozenset[str]](), set[str]()
        for topic, partition in {(message.topic, message.partition) for message in messages}:
            known = topics.get(topic, {})
            here = self._registry.receivers(topic)
            missing = known.keys() - here
            lane = partition % partitions
            behind = {
                name
                for name, one in known.items()
                if one.handed_over and name in here and (lane, name) not in self._settled
            }
            if missing or behind:
                found[topic, partition] = frozenset(missing | behind)
            unmarked |= {name for name in missing if not known[name].handed_over}
        if unmarked:
            await self._directory.mark(unmarked, now)
        return found

    def route(
        self,
        messages: Sequence[TopicRecord],
        aside: Aside,
        offsets: dict[Position, int],
        counts: Counter[str],
        now: int,
    ) -> NewEntries:
        """The entries for a batch of messages, by their positions; notes their offsets."""
        orders = self._router.route(messages, offsets, counts, aside)
        if not aside:
            return orders
        waiting: dict[tuple[Position, str], list[TopicRecord]] = {}
        for message in messages:
            at = message.topic, message.partition
            for name in aside.get(at, ()):
                waiting.setdefault((at, name), []).append(message)
        for ((topic, partition), name), some in sorted(waiting.items()):
            known = name in self._registry.receivers(topic)
            for part in _parts(some):
                orders[topic, partition] += self._record(name, part, counts, now, known=known)
        return orders

    def _record(
        self, channel: str, part: Sequence[TopicRecord], counts: Counter[str], now: int, *, known: bool
    ) -> list[Entry]:
        """The record of messages for a channel; of one that is too large for it, the dead letter."""
        first = part[0]
        log = self._backend.log
        lane = first.partition % log.partitions
        place = f"dagger:handed-over/{channel}/{first.partition}/{first.made:06}/{first.offset:020}/"
        home = next(key for salt in count() if log.partition_of(key := f"{place}{salt}") == lane)
        raw = tuple([RawMessage(one.offset, one.key, one.payload, one.headers, one.made) for one in part])
        event = MessagesHandedOver(channel, first.topic, first.partition, raw, now + self._kept_us)
        data = encode_record(Record(home, event))
        if len(data) > self._backend.size_max:
            return self._too_large(event, f"its record would have {len(data):,} bytes", counts)
        if known:
            self._awaited.setdefault((lane, channel), set()).add(home)
        else:
            counts["handed_over"] += len(part)
        return [Append(lane, data)]

    def receive(
        self, home: str, entity: Entity, event: Event, now: int, oversized: str, counts: Counter[str]
    ) -> tuple[Entity, tuple[Effect, ...], list[Entry]] | None:
        """What comes of messages that were handed over, where that is not only that they wait; else None.

        `oversized` says why the row would be too large with what they become, if it would.
        """
        if not isinstance(event, MessagesHandedOver | PlanRegistered | TimerDue):
            return None
        effects: tuple[Effect, ...] = ()
        entries, left = list[Entry](), list[Event]()
        parked = entity.parked
        waiting = (*parked, event) if isinstance(event, MessagesHandedOver) else parked
        for one in waiting:
            if type(one) is not MessagesHandedOver:
                left.append(one)
            elif one.expires <= now:
                lost = [self._router.envelope(record, one.channel) for record in _records(one)]
                effects += tuple([Unmatched(envelope, "expired") for envelope in lost])
            elif not self.knows(one):
                left.append(one)
            elif oversized and parked:
                entries += self._too_large(one, oversized, counts)
            else:
                entries += self._router.routed(_records(one), one.channel, counts)
        if isinstance(event, MessagesHandedOver):
            self._has_come(home, event.channel)
        if len(left) == len(waiting):
            return None
        if (
            parked and not left and entries and not self._backend.atomic
        ):  # so that its row is written again, without them
            entries += [Append(self._backend.log.partition_of(home), encode_record(Record(home, PlanRegistered())))]
        return msgspec.structs.replace(entity, parked=tuple(left)) if parked else entity, effects, entries

    def _has_come(self, home: str, channel: str) -> None:
        at = self._backend.log.partition_of(home), channel
        awaited = self._awaited.get(at)
        if awaited is None:
            return
        awaited.discard(home)
        if not awaited:
            del self._awaited[at]
            self._settled.add(at)

    def _too_large(self, event: MessagesHandedOver, why: str, counts: Counter[str]) -> list[Entry]:
        reason = f"{TOO_LARGE}: {why}, and may have {self._backend.size_max:,}"
        return [self._router.dead_letter(record, reason, counts) for record in _records(event)]


def _parts(messages: Sequence[TopicRecord]) -> Iterable[Sequence[TopicRecord]]:
    """The messages of a partition, in parts of one record each."""
    part, size = list[TopicRecord](), 0
    for message in messages:
        weight = len(message.payload or b"") + len(message.key or b"")
        if part and (size + weight > PART_BYTES or len(part) == PART_MAX):
            yield part
            part, size = [], 0
        part.append(message)
        size += weight
    if part:
        yield part


def _records(event: MessagesHandedOver) -> list[TopicRecord]:
    """The messages as they were polled."""
    return [
        TopicRecord(event.topic, event.partition, one.offset, one.key, one.payload, one.headers, one.made)
        for one in event.messages
    ]
