"""What is due is found exactly, however an index answers, and by looking at few."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dagger.backends.aerospike.bins import AT, DUE, KEY, VERSION, due_from
from dagger.backends.aerospike.cluster import AbsentOrTombstone, Bin, ConditionalWrite
from dagger.backends.aerospike.due_index import SAMPLE_MAX, DueIndex
from tests.aerospike.fake import FakeCluster, Servers

Timers = list[tuple[int, int]]
"""Partitions, and when they are due."""


def index_of(timers: Timers) -> tuple[DueIndex, FakeCluster]:
    servers = Servers()
    for number, (partition, at) in enumerate(timers):
        key = f"k{number}"
        bins: dict[str, Bin] = {VERSION: 1, KEY: key.encode(), AT: at, DUE: due_from(partition, at)}
        servers.apply("app", ConditionalWrite(key, AbsentOrTombstone(1), bins))
    cluster = servers.cluster()
    return DueIndex(cluster, "app"), cluster


def naive_due(timers: Timers, partitions: list[int], until: int, limit: int) -> list[int]:
    return sorted(at for partition, at in timers if partition in partitions and at <= until)[:limit]


def naive_next(timers: Timers, partitions: list[int], after: int) -> int | None:
    return min((at for partition, at in timers if partition in partitions and at > after), default=None)


few = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 5_000)), max_size=40)
crowds = st.tuples(st.integers(0, 2**32), st.integers(1, 2_000), st.sampled_from([1, 500, 100_000])).map(
    lambda given: [(n % 3, (given[0] + n * n * 7919) % (given[1] * given[2])) for n in range(3 * SAMPLE_MAX)]
)
partitions = st.lists(st.integers(0, 4), unique=True)


@given(few | crowds, partitions, st.integers(-1, 6_000) | st.integers(0, 200_000_000), st.sampled_from([1, 2, 10, 600]))
def test_the_earliest_are_found(timers: Timers, asked: list[int], until: int, limit: int) -> None:
    due_index, _ = index_of(timers)
    found = due_index.due(asked, until, limit)
    assert [at for _, at in found] == naive_due(timers, asked, until, limit)
    assert len({key for key, _ in found}) == len(found)


@given(few | crowds, partitions, st.integers(-1, 6_000) | st.integers(0, 200_000_000))
def test_the_next_is_found(timers: Timers, asked: list[int], after: int) -> None:
    due_index, _ = index_of(timers)
    assert due_index.next_due(asked, after) == naive_next(timers, asked, after)


def test_a_look_costs_as_much_as_it_gives() -> None:
    timers = [(0, at * 1_000_003) for at in range(1, 20_001)]
    due_index, cluster = index_of(timers)
    assert due_index.next_due([0], -1) == timers[0][1]
    assert cluster.looks < 6 * SAMPLE_MAX
    cluster.looks = 0
    assert due_index.due([0], 0, 2_048) == []
    assert cluster.looks == 0
    assert [at for _, at in due_index.due([0], timers[-1][1], 500)] == [at for _, at in timers[:500]]
    assert cluster.looks < 30 * SAMPLE_MAX


def test_more_than_a_crowd_in_one_millisecond_are_given_all_the_same() -> None:
    timers = [(0, 1_000 + n % 1_000) for n in range(20_000)]
    due_index, _ = index_of(timers)
    assert len(due_index.due([0], 1_999, 2_048)) == 2_048
    assert len(due_index.due([0], 1_000, 2_048)) == 20
