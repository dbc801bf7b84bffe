"""Timers and running tasks, by secondary index.

An index returns its records unordered, and can stop after a number of them. So the earliest timers are found by
samples, as quickselect finds the smallest numbers: a sample shows below which time there are fewer, and the next query
goes no further. The cost of a query grows with what it returns, and not with the number of waiting records.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, TypeAlias

from dagger.backends.aerospike.bins import AT, BUSY, DUE, KEY, MILLISECOND, TIME_MAX, due_from
from dagger.backends.aerospike.cluster import AerospikeCluster, Bins, Range

SAMPLE_MAX: Final = 256
"""How many records a sample has, at most."""
SAME_MILLISECOND_MAX: Final = 8_192
"""If more records than this are due in the same millisecond, any of them are found instead of the earliest."""

Timer: TypeAlias = tuple[int, str]
"""The time at which a timer is due, in microseconds, and the key of its record."""


class DueIndex:
    """The timers and running tasks of a set. Its calls are made in threads."""

    def __init__(self, cluster: AerospikeCluster, set_name: str) -> None:
        self._cluster = cluster
        self._set = set_name

    def due(self, partitions: Collection[int], until: int, limit: int) -> list[tuple[str, int]]:
        """The earliest timers that are due at or before a time, at most `limit`."""
        found = list[Timer]()
        for partition in partitions:
            if until >= 0:
                found = sorted({*found, *self._earliest(partition, until, limit)})[:limit]
            if len(found) == limit:  # later timers are not wanted
                until = found[-1][0]
        return [(key, at) for at, key in found]

    def _earliest(self, partition: int, until: int, limit: int) -> list[Timer]:
        """The earliest of one partition."""
        found = list[Timer]()
        spans = [(due_from(partition, 0), due_from(partition, until))]
        """The ranges that are left to query, the earliest last."""
        while spans and len(found) < limit:
            low, high = spans.pop()
            wanted = limit - len(found)
            some, complete = self._look(low, high, max(2 * wanted, SAMPLE_MAX if low < high else SAME_MILLISECOND_MAX))
            if complete or low == high:
                due = sorted(timer for timer in some if timer[0] <= until)
                if not complete and len(due) < wanted:
                    some, _ = self._look(low, high, None)
                    due = sorted(timer for timer in some if timer[0] <= until)
                found += due
            else:
                places = sorted(due_from(partition, at) for at, _ in some)
                middle = min(max(places[len(places) // 2], low), high - 1) if places else low
                spans += [(middle + 1, high), (low, middle)]
        return found[:limit]

    def next_due(self, partitions: Collection[int], after: int) -> int | None:
        """The time of the first timer that is due after a time."""
        first: int | None = None
        for partition in partitions:
            found = self._first(partition, after, first)
            if found is not None and (first is None or found < first):
                first = found
        return first

    def _first(self, partition: int, after: int, before: int | None) -> int | None:
        """The time of the first timer of a partition that is due after a time, and before another one, if given."""
        low = due_from(partition, after + 1)
        high = due_from(partition, TIME_MAX * MILLISECOND if before is None else before)
        some, complete = self._look(low, high, SAMPLE_MAX)
        if not complete:  # only what is due in the first millisecond may be too early
            here, _ = self._look(low, low, SAME_MILLISECOND_MAX)
            some = [timer for timer in here if timer[0] > after] or self._fewest(partition, low + 1, high)
        return min((at for at, _ in some if at > after), default=None)

    def _fewest(self, partition: int, low: int, high: int) -> list[Timer]:
        """The timers of the first millisecond that has any, between two index entries."""
        found = list[Timer]()
        while low <= high:
            some, complete = self._look(low, high, SAMPLE_MAX)
            if complete:
                return some or found
            if not some:
                return found
            place = due_from(partition, min(some)[0])
            found, _ = self._look(place, place, SAME_MILLISECOND_MAX)
            found = found or some
            high = place - 1
        return found

    def busy(self, partitions: Collection[int]) -> list[str]:
        """The keys of records with running tasks."""
        found = set[str]()

        def visit(bins: Bins) -> None:
            found.add(bins[KEY].decode())

        for partition in partitions:
            self._cluster.query(self._set, Range(BUSY, partition, partition), [KEY], visit)
        return sorted(found)

    def _look(self, low: int, high: int, limit: int | None) -> tuple[list[Timer], bool]:
        """Some of the timers between two index entries, and whether these are all."""
        found = list[Timer]()

        def visit(bins: Bins) -> None:
            found.append((bins[AT], bins[KEY].decode()))

        complete = self._cluster.query(self._set, Range(DUE, low, high), [AT, KEY], visit, limit)
        return found, complete
