"""Listings of instances, by secondary index.

An index has no order, so a page reads the ids of all matching instances. It reads data only for the page itself.
"""

from __future__ import annotations

import heapq
from typing import Final

from dagger.backends.aerospike.bins import BY, DATA, KEY, VERSION, Wanted, wanted_by
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
        wanted = wanted_by(query)
        after = query.after
        while len(found) < query.limit:
            missing = query.limit - len(found)
            ids = self._ids(wanted, after, missing)
            rows = self._cluster.get(self._set, ids, [VERSION, DATA, BY])
            found += [
                Row(row[VERSION], row[DATA])
                for row in rows
                if row is not None and wanted.number in (by := row.get(BY, ())) and wanted.matches(by)
            ]
            if len(ids) < missing:
                break
            after = ids[-1]
        return found

    def count(self, query: Query) -> int:
        """The number of matching instances."""
        wanted = wanted_by(query)
        count = 0

        def visit(bins: Bins) -> None:
            nonlocal count
            count += wanted.is_exact or wanted.matches(bins[BY])

        self._cluster.query(self._set, Contains(BY, wanted.number), [] if wanted.is_exact else [BY], visit)
        return count

    def _ids(self, wanted: Wanted, after: str | None, limit: int) -> list[str]:
        """The first ids after a given one, of matching instances."""
        first = list[str]()
        last: str | None = None  # the largest that may still be among the first

        def visit(bins: Bins) -> None:
            nonlocal first, last
            id = bins[KEY].decode()
            if (
                (after is None or id > after)
                and (last is None or id < last)
                and (wanted.is_exact or wanted.matches(bins[BY]))
            ):
                first.append(id)
                if len(first) == SPARE * limit:
                    first = heapq.nsmallest(limit, first)
                    last = first[-1]

        self._cluster.query(self._set, Contains(BY, wanted.number), [KEY] if wanted.is_exact else [KEY, BY], visit)
        return sorted(set(first))[:limit]
