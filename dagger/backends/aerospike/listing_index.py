"""Listings of instances, by secondary index.

An index has no order, so a page reads the ids of all matching instances. It reads data only for the page itself.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Final

from dagger.backends.aerospike.bins import BY, DATA, KEY, VERSION, wanted_by
from dagger.backends.aerospike.cluster import AerospikeCluster, Bins, Contains
from dagger.engine.ports import Query, Row

SPARE: Final = 8
"""How many pages of ids are kept in memory before they are sorted."""


class ListingIndex:
    """The instances of a set. Its calls are made in threads."""

    def __init__(self, cluster: AerospikeCluster, set_name: str) -> None:
        self._cluster = cluster
        self._set = set_name

    def find(self, query: Query) -> list[Row]:
        """The matching instances, ordered by id. One that changes meanwhile and no longer matches is left out."""
        found = list[Row]()
        number, besides = wanted_by(query)
        after, wanted = query.after, {number, *besides}
        while len(found) < query.limit:
            missing = query.limit - len(found)
            ids = self._ids(number, besides, after, missing)
            rows = self._cluster.get(self._set, ids, [VERSION, DATA, BY])
            found += [
                Row(row[VERSION], row[DATA]) for row in rows if row is not None and wanted <= set(row.get(BY, ()))
            ]
            if len(ids) < missing:
                break
            after = ids[-1]
        return found

    def count(self, query: Query) -> int:
        """The number of matching instances."""
        number, besides = wanted_by(query)
        count = 0

        def visit(bins: Bins) -> None:
            nonlocal count
            count += not besides or set(besides) <= set(bins[BY])

        self._cluster.query(self._set, Contains(BY, number), [BY] if besides else [], visit)
        return count

    def _ids(self, number: int, besides: Sequence[int], after: str | None, limit: int) -> list[str]:
        """The first ids after a given one, of matching instances."""
        first = list[str]()
        last: str | None = None  # the largest that may still be among the first

        def visit(bins: Bins) -> None:
            nonlocal first, last
            id = bins[KEY].decode()
            if (
                (after is None or id > after)
                and (last is None or id < last)
                and (not besides or set(besides) <= set(bins[BY]))
            ):
                first.append(id)
                if len(first) == SPARE * limit:
                    first = heapq.nsmallest(limit, first)
                    last = first[-1]

        self._cluster.query(self._set, Contains(BY, number), [KEY, BY] if besides else [KEY], visit)
        return sorted(set(first))[:limit]
