"""Records in memory: a dictionary, and the indexes that a store has."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Collection, Sequence
from itertools import islice

from dagger.engine.ports import Query, Row, Write


class MemoryStore:
    """A dictionary of rows, and the indexes that a store has."""

    def __init__(self) -> None:
        self._rows: dict[str, Write] = {}
        self._deleted: dict[str, int] = {}
        """The last version of each key whose record was deleted."""
        self._due: dict[int, list[tuple[int, str]]] = {}
        """By partition, a heap of timers; entries that no longer match their row are dropped when they are met."""
        self._busy: dict[str, None] = {}
        self._notes: dict[str, bytes] = {}
        self._listed: list[str] = []
        self._unsorted = False

    async def read(self, keys: Sequence[str]) -> Sequence[Row | None]:
        return [None if (found := self._rows.get(key)) is None else _row(found) for key in keys]

    async def write(self, writes: Sequence[Write]) -> Sequence[bool]:
        return [self._write_one(write) for write in writes]

    def _write_one(self, write: Write) -> bool:
        key, rows = write.key, self._rows
        old = rows.get(key)
        if (0 if old is None else old.next) != write.version:
            return False
        if not write.index_changed and old is not None and write.data is not None:
            rows[key] = write
            return True
        if write.data is None:
            rows.pop(key, None)
            self._remember_deleted(write)
        elif old is None and write.next <= self._deleted.get(key, -1):
            return False
        else:
            rows[key] = write
        if write.due is not None and (old is None or old.due != write.due):
            heapq.heappush(self._due.setdefault(write.partition, []), (write.due, key))
        if write.busy:
            self._busy[key] = None
        elif old is not None and old.busy:
            del self._busy[key]
        self._list(write, old)
        return True

    def _remember_deleted(self, write: Write) -> None:
        self._deleted[write.key] = max(write.next, self._deleted.get(write.key, 0))

    def _list(self, write: Write, old: Write | None) -> None:
        was = old is not None and old.listing is not None
        if write.listing is None or write.data is None:
            if was:
                self._listed.remove(write.key)
        elif not was:
            self._listed.append(write.key)
            self._unsorted = True

    async def due(self, partitions: Collection[int], until: int, limit: int) -> Sequence[tuple[str, int]]:
        """The earliest timers; they stay in the heaps, since a timer is due until its row says otherwise."""
        found = list[tuple[int, str]]()
        for heap in self._heaps(partitions):
            earliest = self._pop_due(heap, until, limit)
            _push(heap, earliest)
            found += earliest
        return [(key, at) for at, key in sorted(found)[:limit]]

    async def next_due(self, partitions: Collection[int], after: int) -> int | None:
        found = list[int]()
        for heap in self._heaps(partitions):
            passed = self._pop_due(heap, after, len(heap))
            following = self._pop_due(heap, None, 1)
            _push(heap, passed + following)
            found += [at for at, _ in following]
        return min(found, default=None)

    def _heaps(self, partitions: Collection[int]) -> list[list[tuple[int, str]]]:
        return [self._due[partition] for partition in partitions if partition in self._due]

    def _pop_due(self, heap: list[tuple[int, str]], until: int | None, limit: int) -> list[tuple[int, str]]:
        """Take the earliest timers off a heap, and drop entries that no longer match their row."""
        found = list[tuple[int, str]]()
        while heap and len(found) < limit and (until is None or heap[0][0] <= until):
            at, key = heapq.heappop(heap)
            if self._is_due(at, key) and (not found or found[-1] != (at, key)):
                found.append((at, key))
        return found

    def _is_due(self, at: int, key: str) -> bool:
        found = self._rows.get(key)
        return found is not None and found.due == at

    async def busy(self, partitions: Collection[int]) -> Sequence[str]:
        return [key for key in self._busy if self._rows[key].partition in partitions]

    async def find(self, query: Query) -> Sequence[Row]:
        if self._unsorted:
            self._listed.sort()
            self._unsorted = False
        start = 0 if query.after is None else bisect_right(self._listed, query.after)
        matching = (self._rows[key] for key in islice(self._listed, start, None))
        return [_row(write) for write in islice((m for m in matching if _matches(m, query)), query.limit)]

    async def count(self, query: Query) -> int:
        return sum(_matches(write, query) for write in self._rows.values())

    async def pin(self, name: str, data: bytes) -> bytes:
        return self._notes.setdefault(name, data)

    async def repin(self, name: str, old: bytes, new: bytes) -> bool:
        if self._notes.get(name) != old:
            return False
        self._notes[name] = new
        return True


def _push(heap: list[tuple[int, str]], timers: list[tuple[int, str]]) -> None:
    for timer in timers:
        heapq.heappush(heap, timer)


def _row(write: Write) -> Row:
    assert write.data is not None
    return Row(write.next, write.data)


def _matches(write: Write, query: Query) -> bool:
    listing = write.listing
    return listing is not None and all(
        wanted is None or wanted == found
        for wanted, found in (
            (query.template, listing.template),
            (query.status, listing.status),
            (query.key, listing.key),
            (query.parent, listing.parent),
        )
    )
