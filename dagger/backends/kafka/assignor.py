"""Who owns which lanes: each member about as many as any other, and those that it had, as far as that goes.

The partitions of external topics follow their lanes, to members that consume the topic. Where the owner of a lane does
not, nobody gets them: they wait until it does, as they do while new releases replace old ones.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

import msgspec
from typing_extensions import override

from dagger.backends.kafka.client import (
    AbstractPartitionAssignor,
    ClusterMetadata,
    ConsumerProtocolMemberAssignment,
    ConsumerProtocolMemberMetadata,
)

logger: Final = logging.getLogger("dagger")


def lanes_of(members: Mapping[str, Collection[int]], count: int) -> dict[str, list[int]]:
    """The lanes of each member, given those that each had."""
    free = set(range(count))
    kept = dict[str, list[int]]()
    for name in sorted(members):
        kept[name] = sorted(free & set(members[name]))
        free -= set(kept[name])
    least, more = divmod(count, len(kept))
    for name, lanes in sorted(kept.items(), key=lambda one: -len(one[1])):  # who has most has one more than others
        most = least + (more > 0)
        if len(lanes) >= most:
            more -= most > least
            free |= set(lanes[most:])
            kept[name] = lanes[:most]
    for lane in sorted(free):
        kept[min(kept, key=lambda name: len(kept[name]))].append(lane)
    return {name: sorted(lanes) for name, lanes in kept.items()}


class Claim(msgspec.Struct, frozen=True):
    """What a member tells the leader of its group."""

    id: str = ""
    """Its transactional id."""
    lanes: list[int] = []
    """The lanes that it owns."""


def assignor(
    log: str, claim: Callable[[], Claim], heard: Callable[[frozenset[str]], None]
) -> type[AbstractPartitionAssignor]:
    """The assignor for an application's log.

    Args:
        log: the name of the log's topic.
        claim: what this member tells.
        heard: is told the transactional ids of all members of a generation, before its partitions are assigned. The
            dead can't tell theirs, so every other id belongs to nobody who is alive.
    """

    class LaneAssignor(AbstractPartitionAssignor):
        name = "dagger-lanes"

        @classmethod
        @override
        def assign(
            cls, cluster: ClusterMetadata, members: Mapping[str, ConsumerProtocolMemberMetadata]
        ) -> dict[str, ConsumerProtocolMemberAssignment]:
            count = len(cluster.partitions_for_topic(log) or ())
            claims = {name: _claim(member.user_data) for name, member in members.items()}
            lanes = lanes_of({name: claim.lanes for name, claim in claims.items()}, count)
            alive = msgspec.json.encode(sorted({claim.id for claim in claims.values()}))
            topics = {topic for member in members.values() for topic in member.subscription}
            partitions = {topic: sorted(cluster.partitions_for_topic(topic) or ()) for topic in sorted(topics)}
            shares = {
                name: _share(lanes[name], count, {t: partitions[t] for t in sorted(member.subscription)})
                for name, member in members.items()
            }
            _warn(partitions, shares.values())
            return {name: ConsumerProtocolMemberAssignment(0, share, alive) for name, share in shares.items()}

        @classmethod
        @override
        def metadata(cls, topics: Iterable[str]) -> ConsumerProtocolMemberMetadata:
            return ConsumerProtocolMemberMetadata(0, sorted(topics), msgspec.json.encode(claim()))

        @classmethod
        @override
        def on_assignment(cls, assignment: ConsumerProtocolMemberAssignment) -> None:
            heard(_alive(assignment.user_data))

    return LaneAssignor


def _claim(user_data: bytes) -> Claim:
    try:
        return msgspec.json.decode(user_data, type=Claim)
    except msgspec.MsgspecError:  # of another program
        return Claim()


def _alive(user_data: bytes) -> frozenset[str]:
    try:
        return frozenset(msgspec.json.decode(user_data, type=list[str]))
    except msgspec.MsgspecError:
        return frozenset()


def _share(lanes: Collection[int], count: int, topics: Mapping[str, list[int]]) -> list[tuple[str, list[int]]]:
    mine = set(lanes)
    share = [(topic, [p for p in partitions if p % count in mine]) for topic, partitions in topics.items()]
    return [(topic, partitions) for topic, partitions in share if partitions]


def _warn(partitions: Mapping[str, list[int]], shares: Iterable[list[tuple[str, list[int]]]]) -> None:
    """Tell what nobody consumes."""
    given = defaultdict[str, int](int)
    for share in shares:
        for topic, some in share:
            given[topic] += len(some)
    for topic, all_of_it in partitions.items():
        if given[topic] < len(all_of_it):
            left = len(all_of_it) - given[topic]
            logger.warning("%d partitions of '%s' wait: the owners of their lanes do not consume it", left, topic)
