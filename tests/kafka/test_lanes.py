"""Lanes are shared alike, and stay where they are as far as that goes."""

from __future__ import annotations

from functools import partial
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from dagger.backends.kafka.assignor import Claim, assignor, lanes_of
from dagger.backends.kafka.client import TopicInfo
from dagger.backends.kafka.cluster import Cluster
from dagger.backends.kafka.log import KafkaLog
from dagger.backends.kafka.options import options_of
from tests.kafka.pins import pins


@given(
    st.integers(1, 24),
    st.dictionaries(st.text("abc", min_size=1), st.lists(st.integers(0, 30), max_size=30), min_size=1, max_size=8),
)
def test_every_lane_has_one_owner_and_no_owner_has_two_more_than_another(count: int, had: dict[str, list[int]]) -> None:
    found = lanes_of(had, count)
    assert sorted(lane for lanes in found.values() for lane in lanes) == list(range(count))
    sizes = [len(lanes) for lanes in found.values()]
    assert max(sizes) - min(sizes) <= 1


@given(st.integers(1, 24), st.integers(1, 6))
def test_nothing_moves_while_nobody_comes_or_goes(count: int, members: int) -> None:
    first = lanes_of({str(member): [] for member in range(members)}, count)
    assert lanes_of(first, count) == first


def test_who_comes_gets_a_share_and_nothing_else_moves() -> None:
    found = lanes_of({"a": [0, 1, 2, 3], "b": [4, 5, 6, 7], "c": []}, 8)
    assert found == {"a": [0, 1, 2], "b": [4, 5, 6], "c": [3, 7]}


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(1, 24), st.integers(1, 4))
def test_a_message_is_in_the_lane_of_its_key(key: str, lanes: int, times: int) -> None:
    """Else the transactions of two workers would write to the same partitions, and each would wait for the other."""
    cluster = Cluster(options_of("kafka://localhost/app"))
    cluster.topics |= {"app.log": TopicInfo("app.log", "1", lanes), "T": TopicInfo("T", "2", times * lanes)}
    assert cluster.partition_for("T", key.encode()) % lanes == KafkaLog(cluster, pins()).partition_of(key)


class Metadata:
    """A cluster as the assignor sees it."""

    def __init__(self, **topics: int) -> None:
        self._topics = topics

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self._topics[topic])) if topic in self._topics else None


def test_partitions_of_topics_follow_their_lanes_to_who_consumes_them() -> None:
    kind = assignor("log", lambda: Claim("w", [1]), lambda alive: None)
    old, new = kind.metadata(["log", "notes"]), kind.metadata(["log", "notes", "late"])
    cluster: Any = Metadata(log=2, notes=3, late=2)
    found = kind.assign(cluster, {"a": old, "b": new})
    shares = {name: dict(one.assignment) for name, one in found.items()}
    lanes = {name: share["log"] for name, share in shares.items()}
    assert sorted(lane for some in lanes.values() for lane in some) == [0, 1]
    for name, share in shares.items():
        assert all(partition % 2 in lanes[name] for partition in share["notes"])
    assert "late" not in shares["a"]
    assert shares["b"]["late"] == lanes["b"]


def test_each_member_is_told_who_is_alive() -> None:
    heard = list[frozenset[str]]()
    kinds = [assignor("log", partial(Claim, id), heard.append) for id in ("w1", "w2")]
    cluster: Any = Metadata(log=2)
    members = {str(number): kind.metadata(["log"]) for number, kind in enumerate(kinds)}
    for kind, share in zip(kinds, kinds[0].assign(cluster, members).values(), strict=True):
        kind.on_assignment(share)
    assert heard == [frozenset({"w1", "w2"})] * 2
