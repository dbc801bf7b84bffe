"""What this worker owns: taking lanes over, and finding where each of their partitions goes on."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import uuid4

import anyio.lowlevel

from dagger.backends.kafka.binding import Binding, Sources
from dagger.backends.kafka.client import TopicInfo, TopicPartition
from dagger.backends.kafka.cluster import Cluster
from dagger.backends.kafka.lane import Lane, safe_of
from dagger.backends.kafka.member import Member
from dagger.backends.kafka.poison import PoisonDetector
from dagger.backends.standalone import StandaloneStore
from dagger.errors import BackendError, BackendUnavailable

logger: Final = logging.getLogger("dagger")
T = TypeVar("T")


class Ownership:
    """The lanes of one worker."""

    def __init__(self, cluster: Cluster, store: StandaloneStore, binding: Binding) -> None:
        self.binding = binding
        self.lanes: dict[int, Lane] = {}
        self.epochs: dict[int, int] = {}
        """The lanes that are owned, each with a number that is another one each time that it is taken."""
        self._cluster = cluster
        self._store = store
        self._sources = Sources(store, cluster.options, binding)
        self._group = binding.application
        self._log = cluster.options.log
        self._me = uuid4().hex
        self._epoch = 0
        self._counted: dict[str, str] = {}
        """By topic, the id of that in which the positions are counted that are known."""
        self._gone = frozenset[str]()
        """The topics that are assigned, and not there."""
        self._behind: dict[int, tuple[int, str]] = {}
        """By lane that is read again, how far, and beside which incarnation of the store."""

    def lane_of(self, partition: int) -> int:
        """The lane of a partition of any topic."""
        return partition % self.binding.partitions

    async def take_over(self, member: Member, assigned: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Own what is assigned, and nothing else; gives where each partition goes on."""
        mine = {place.partition for place in assigned if place.topic == self._log}
        for gone in self.lanes.keys() - mine:
            self.lanes.pop(gone).leave()
            self.epochs.pop(gone, None)
            self._behind.pop(gone, None)
        for lane in sorted(mine):
            if lane not in self.lanes:
                self.lanes[lane] = Lane(self._cluster, lane, PoisonDetector(self._store, lane, self._me))
            if not self.lanes[lane].is_sound:
                self.epochs.pop(lane, None)
        new = sorted(mine - self.epochs.keys())  # also those that were taken by a try that has failed behind that
        await side_by_side(*(self.lanes[lane].take() for lane in new if not self.lanes[lane].is_sound))
        await self._positions(member, assigned)
        there = [place for place in assigned if place.topic not in self._gone]
        positions = {place: self.lanes[self.lane_of(place.partition)].positions[place] for place in there}
        by_lane = defaultdict[int, dict[tuple[str, int], int]](dict)
        for place, offset in positions.items():
            by_lane[self.lane_of(place.partition)][place.topic, place.partition] = offset
        await side_by_side(*(self.lanes[lane].detector.taken(by_lane[lane]) for lane in new))
        positions |= await self._looked_back(member, positions)
        for lane in new:
            self._epoch += 1
            self.epochs[lane] = self._epoch
        return positions

    async def _positions(self, member: Member, assigned: Collection[TopicPartition]) -> None:
        """Find what is not known: all lanes are taken, so that nobody commits there any more but this worker."""
        lanes = {place: self.lanes[self.lane_of(place.partition)] for place in assigned}
        topics = await self._cluster.look({place.topic for place in assigned})
        self._check_log(topics)
        self._gone = frozenset(place.topic for place in assigned) - topics.keys()
        if self._log in self._gone:
            raise BackendUnavailable(f"{self._cluster.options.place}: the topic '{self._log}' is not there now")
        for place, lane in lanes.items():
            if place.topic not in topics or self._counted.get(place.topic) != topics[place.topic].id:
                lane.positions.pop(place, None)
        asked = [place for place, lane in lanes.items() if place not in lane.positions and place.topic in topics]
        begun = await gathered(self._sources.look(topics[place.topic], place.partition) for place in asked)
        committed = await self._cluster.committed(self._group, asked)
        for place, is_begun in zip(asked, begun, strict=True):
            if is_begun is None:
                committed.pop(place, None)
                continue
            told = committed.get(place)
            self._sources.check(place.topic, place.partition, told.metadata if told else None, is_begun)
        for place, told in committed.items():
            lanes[place].begin(place, told.offset, safe_of(told, told.offset))
        for topic in sorted({place.topic for place, known in zip(asked, begun, strict=True) if known is None}):
            logger.error(
                "%s: '%s' was deleted and made again: its messages are read from the first on, and what was not read "
                "of the old topic is lost",
                self._cluster.options.place,
                topic,
            )
        await self._begin(member, [place for place in asked if place not in committed])
        # Only now: who goes on after a failure before this finds that the topic was made again, as here.
        await side_by_side(*(self._sources.begun(topics[place.topic], place.partition) for place in asked))
        self._counted = {name: topic.id for name, topic in topics.items()}

    def are_counted_in(self, topics: Mapping[str, TopicInfo]) -> bool:
        """Whether the positions that are known are those of these topics, all that are consumed and there.

        Raises BackendError for another log.
        """
        self._check_log(topics)
        if self._gone & topics.keys() or self._counted.keys() - topics.keys():
            return False
        return all(self._counted.get(name, topic.id) == topic.id for name, topic in topics.items())

    def _check_log(self, topics: Mapping[str, TopicInfo]) -> None:
        """Raises BackendError where the log was made again: with it is gone what was accepted."""
        log = topics.get(self._log)
        if log is not None and log.id != self.binding.log:
            raise BackendError(
                f"{self._cluster.options.place}: '{self._log}' was deleted and made again while it was consumed: the "
                "records of the store belong to the one before. Give the application another name, and the store "
                "another place"
            )

    def made(self, topic: str, partition: int) -> int:
        """How often the topic of a partition was made again since it was consumed first."""
        return self._sources.made(topic, partition)

    async def _begin(self, member: Member, places: Collection[TopicPartition]) -> None:
        """Commit the beginning of partitions that were never consumed, so that it is known that they were."""
        if not places:
            return
        work = defaultdict[int, dict[TopicPartition, int]](dict)
        earliest = await member.earliest(places)
        for place in sorted(
            places, key=lambda place: place.topic != self._log
        ):  # the log's first: it tells what is safe
            offset = earliest[place]
            lane = self.lane_of(place.partition)
            self.lanes[lane].begin(place, offset, offset)
            work[lane][place] = offset
        await side_by_side(*(self.lanes[lane].commit({}, marks, self.binding) for lane, marks in work.items()))

    async def _looked_back(self, member: Member, positions: Mapping[TopicPartition, int]) -> dict[TopicPartition, int]:
        """Where the log is read once more, because the store may have lost what it had accepted.

        A record that is still there is not applied again: its offset is in its row.
        """
        now = await self._store.incarnation()
        lost = [
            TopicPartition(self._log, number)
            for number, lane in self.lanes.items()
            if now != lane.detector.incarnation or number in self._behind
        ]
        old = [place for place in lost if self.lanes[place.partition].detector.incarnation]
        kept = await member.earliest(old) if old else {}
        back = dict[TopicPartition, int]()
        for place in lost:
            self._behind[place.partition] = positions[place], now
            safe = max(self.lanes[place.partition].safe(), kept.get(place, 0))
            if place in kept and safe < positions[place]:
                back[place] = safe
        if back:
            logger.warning(
                "%s: the store may have lost what it had accepted; %d records are read again",
                self._cluster.options.place,
                sum(positions[place] - offset for place, offset in back.items()),
            )
        await self.caught_up({place.partition: back.get(place, positions[place]) for place in lost})
        return back

    def committed(self) -> dict[int, int]:
        """By lane, the last offset of the log that is committed, whatever is read again before it."""
        return {lane: self.lanes[lane].positions[TopicPartition(self._log, lane)] - 1 for lane in self.epochs}

    async def caught_up(self, offsets: Mapping[int, int]) -> None:
        """Lanes were read and committed up to these offsets: note those that are where they were before."""
        for lane in [lane for lane in offsets if lane in self._behind]:
            until, incarnation = self._behind[lane]
            if offsets[lane] >= until:
                await self.lanes[lane].detector.caught_up(incarnation)
                del self._behind[lane]

    async def release(self) -> None:
        """Others may get some of it now: none of that has killed this worker."""
        try:
            await side_by_side(*(lane.detector.released() for lane in self.lanes.values()))
        except BackendError as error:
            logger.warning("%s", error)  # what it says is enough

    async def leave(self) -> None:
        """Let others have everything."""
        await self.release()
        for lane in self.lanes.values():
            lane.leave()
        self.lanes.clear()
        self.epochs.clear()


async def side_by_side(*calls: Coroutine[Any, Any, None]) -> None:
    """Make calls at once, and wait for all of them, also where one raises something."""
    await gathered(calls)


async def gathered(calls: Iterable[Coroutine[Any, Any, T]]) -> Sequence[T]:
    """Make calls at once, and give their answers; of what they have raised, the gravest is raised."""
    try:
        answers = await asyncio.gather(*calls, return_exceptions=True)
    except asyncio.CancelledError:
        await anyio.lowlevel.checkpoint()  # says whose cancelling it is, which gather may forget
        raise
    failures = [answer for answer in answers if isinstance(answer, BaseException)]
    gravest = [*(one for one in failures if not isinstance(one, BackendUnavailable)), *failures]
    for failure in gravest:
        raise failure
    return [answer for answer in answers if not isinstance(answer, BaseException)]
