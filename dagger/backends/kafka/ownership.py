"""What this worker owns: taking lanes over, and finding where each of their partitions goes on."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import anyio.lowlevel

from dagger.backends.kafka.assignor import Claim
from dagger.backends.kafka.batches import Batches, Refused, addressed, batches_of, without
from dagger.backends.kafka.binding import Binding, Sources
from dagger.backends.kafka.client import GroupMetadata, OffsetAndMetadata, TopicInfo, TopicPartition
from dagger.backends.kafka.cluster import REQUEST_S, Cluster
from dagger.backends.kafka.isolation import Isolation
from dagger.backends.kafka.lane import Lane, OffsetNote
from dagger.backends.kafka.member import Member
from dagger.backends.kafka.poison import PoisonDetector
from dagger.backends.kafka.transactions import Marks, Transactions
from dagger.backends.standalone import StandaloneStore
from dagger.errors import BackendError, BackendUnavailable, Fenced

logger: Final = logging.getLogger("dagger")
T = TypeVar("T")


PENDING_S: Final = 0.005
"""How often is looked whether a transaction that is open has ended, in seconds."""
REST_S: Final = 0.02
"""How long is waited for a rebalance that is under way, in seconds."""
Work: TypeAlias = tuple[Batches, Mapping[TopicPartition, int]]
"""What a lane publishes, and commits."""


class Superseded(Exception):
    """The partitions are assigned anew while they are taken over."""


class Ownership:
    """The lanes of one worker."""

    def __init__(self, cluster: Cluster, store: StandaloneStore, binding: Binding) -> None:
        self.binding = binding
        self.lanes: dict[int, Lane] = {}
        self.epochs: dict[int, int] = {}
        """The lanes that are owned, each with a number that is another one each time that it is taken."""
        self.transactions = Transactions(cluster)
        self.isolation = Isolation()
        self._cluster = cluster
        self._store = store
        self._sources = Sources(store, cluster.options, binding)
        self._group = binding.application
        self._log = cluster.options.log
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

    def join(self) -> None:
        """Another stay at work begins, which commits under an id of its own."""
        self.transactions, self.isolation = Transactions(self._cluster), Isolation()

    def claim(self) -> Claim:
        """What the leader of the group is told."""
        return Claim(self.transactions.id, sorted(self.epochs))

    async def take_over(self, member: Member, assigned: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """Own what is assigned, and nothing else; gives where each partition goes on."""
        mine = {place.partition for place in assigned if place.topic == self._log}
        self.isolation.done(self.lanes.keys() - mine)
        for gone in self.lanes.keys() - mine:
            for known in (self.lanes, self.epochs, self._behind):
                known.pop(gone, None)
        for lane in sorted(mine - self.lanes.keys()):
            self.lanes[lane] = Lane(self._cluster, lane, PoisonDetector(self._store, lane, self.transactions.id))
        was_resolved = self.transactions.is_resolved
        if not was_resolved:
            await self.transactions.resolve()
        await self._succeed(member)
        await self._positions(member, assigned)
        new = sorted(mine - self.epochs.keys())  # also those that were taken by a try that has failed after that
        again = new if was_resolved else sorted(mine)
        there = [place for place in assigned if place.topic not in self._gone]
        positions = {place: self.lanes[self.lane_of(place.partition)].positions[place] for place in there}
        by_lane = defaultdict[int, dict[tuple[str, int], int]](dict)
        for place, offset in positions.items():
            by_lane[self.lane_of(place.partition)][place.topic, place.partition] = offset
        await side_by_side(*(self.lanes[lane].detector.taken(by_lane[lane]) for lane in again))
        positions |= await self._looked_back(member, positions)
        for lane in new:
            self._epoch += 1
            self.epochs[lane] = self._epoch
        self.isolation.resume()
        held = self.isolation.held
        return {place: offset for place, offset in positions.items() if self.lane_of(place.partition) not in held}

    async def _succeed(self, member: Member) -> None:
        """Find out who has owned the lanes, and settle what those have left open who are not alive any more."""
        await side_by_side(*(lane.detector.read() for lane in self.lanes.values()))
        me, alive, identity = self.transactions.id, member.alive, member.identity
        others = {number: lane.detector.owner for number, lane in self.lanes.items() if lane.detector.owner != me}
        for lane in others:
            self.epochs.pop(lane, None)
        # Who was overtaken and has not noticed must fence nobody.
        if others and not (identity is not None and await self._cluster.is_current(identity)):
            await asyncio.sleep(REST_S)  # the member hears of it soon
            raise Superseded
        if me in alive:  # else the leader of the group has told nobody who is
            await gathered(self._cluster.fence(owner) for owner in sorted({*others.values()} - alive - {""}))

    async def _stable(
        self, member: Member, places: Collection[TopicPartition]
    ) -> Mapping[TopicPartition, OffsetAndMetadata]:
        """What is committed, once no open transaction can change it any more.

        Somebody who is alive and has lost lanes is given the time of a session to settle its transaction.
        """
        identity, begun, has_fenced = member.identity, time.monotonic(), False
        while True:
            found, pending = await self._cluster.stable(self._group, places)
            if not pending:
                return found
            if member.is_between or member.identity is not identity:
                raise Superseded
            waited_s = time.monotonic() - begun
            if waited_s > self._cluster.options.lease and not has_fenced:
                has_fenced = True
                owners = {self.lanes[self.lane_of(place.partition)].detector.owner for place in pending}
                await gathered(self._cluster.fence(owner) for owner in sorted(owners - {"", self.transactions.id}))
            if waited_s > self._cluster.options.lease + REQUEST_S:
                at = min(pending)
                raise BackendUnavailable(
                    f"{self._cluster.options.place}: a transaction is open that has offsets of partition "
                    f"{at.partition} of '{at.topic}'; it ends or times out"
                )
            await asyncio.sleep(PENDING_S)

    async def _claim_all(self) -> None:
        """Own all lanes, before the first transaction: whoever takes over then knows what to settle."""
        lanes = list(self.lanes.values())
        claimed = await gathered(lane.detector.claim() for lane in lanes)
        lost = [lane.number for lane, is_mine in zip(lanes, claimed, strict=True) if not is_mine]
        if lost:
            raise Fenced(f"the lanes {lost} of '{self._log}' were claimed by another worker meanwhile")

    async def _positions(self, member: Member, assigned: Collection[TopicPartition]) -> None:
        """Find where each partition goes on: nobody commits there any more but this worker."""
        lanes = {place: self.lanes[self.lane_of(place.partition)] for place in assigned}
        topics = await self._cluster.look({place.topic for place in assigned})
        self._check_log(topics)
        self._gone = frozenset(place.topic for place in assigned) - topics.keys()
        if self._log in self._gone:
            raise BackendUnavailable(f"{self._cluster.options.place}: the topic '{self._log}' is not there now")
        for lane in self.lanes.values():
            lane.positions.clear()
        asked = [place for place in lanes if place.topic in topics]
        begun = await gathered(self._sources.look(topics[place.topic], place.partition) for place in asked)
        committed = dict(await self._stable(member, asked))
        await self._claim_all()
        for place, is_begun in zip(asked, begun, strict=True):
            if is_begun is None:
                committed.pop(place, None)
                continue
            mark = committed.get(place)
            self._sources.check(place.topic, place.partition, OffsetNote.of(mark).binding if mark else None, is_begun)
        for place, mark in committed.items():
            safe = OffsetNote.of(mark).safe
            lanes[place].begin(place, mark.offset, mark.offset if safe is None else safe)
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
        if member.identity is not None:
            await self.commit({lane: ({}, offsets) for lane, offsets in work.items()}, member.identity)

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

    async def commit(self, work: Mapping[int, Work], member: GroupMetadata) -> None:
        """Publish what lanes have ordered, and commit all before their offsets, as one; the topics exist.

        What a topic will never take goes to the dead letters instead. After a failure that may be a single lane's, the
        lanes commit one by one for a while.

        Raises Fenced where others own the lanes by now, and BackendUnavailable where it may work later.
        """
        for group in self.isolation.groups(work):
            try:
                await self._commit_as_one({lane: work[lane] for lane in group}, member)
            except BackendUnavailable:
                self.isolation.failed(group)
                raise
            self.isolation.done(group)

    async def _commit_as_one(self, work: Mapping[int, Work], member: GroupMetadata) -> None:
        if not self.transactions.is_resolved:
            raise Fenced(f"the last transaction of this worker on '{self._log}' is not settled yet")
        marks: Marks = {}
        batches: Batches = {}
        for lane, (ordered, offsets) in sorted(work.items()):
            marks |= self.lanes[lane].marks(offsets, self.binding)
            for place, items in ordered.items():
                batches.setdefault(place, []).extend(items)
        while True:
            try:
                await self.transactions.commit(batches, marks, member)
                break
            except Refused as refusal:
                entries = await addressed(self._cluster, without(self._cluster, batches, refusal))
                batches = batches_of(self._cluster, entries)
                await self.transactions.resolve()
        for lane in work:
            self.lanes[lane].detector.committed()
            self.lanes[lane].went_on(marks)

    async def leave(self) -> None:
        """Let others have everything."""
        await self.release()
        self.transactions.leave()
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
