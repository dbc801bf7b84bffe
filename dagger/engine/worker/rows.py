"""The rows in memory: read once, and written back by compare-and-swap."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

import msgspec
from typing_extensions import override

from dagger.core.events import Submitted
from dagger.core.head import Head
from dagger.core.state import STATUSES, State, Status
from dagger.engine.ports import Backend, Listing, Row, Write
from dagger.engine.records import StoredEntity, encode_stored, read_stored, why_damaged, why_unread
from dagger.engine.worker.conflicts import TooLarge, conflict_of
from dagger.plan.plan import Plan

CACHE_MAX: Final = 100_000
"""How many rows are kept in memory."""
CACHE_BYTES_MAX: Final = 128 * 1024 * 1024
"""How large they may be together, in bytes as stored; in memory a row takes several times as much."""


_ABSENT: Final = StoredEntity()


class LoadedRow(msgspec.Struct, gc=False, eq=False):
    """A row in memory."""

    version: int
    cell: StoredEntity
    partition: int = 0
    listing: Listing | None = None
    index_key: tuple[int | None, bool, Listing | None, int | None] | None = None
    """The index key of the stored version, if it is known."""
    size: int = 0
    """The size of the stored version, in bytes."""
    unread: str = ""
    """Why this release cannot read the stored version, or why it is damaged; nothing is applied to it then."""


class RowCache(dict[str, LoadedRow]):
    """The rows that were loaded, by key. A row that does not exist is empty."""

    def __init__(self, backend: Backend, due: Callable[[int], None], plan_of: Callable[[State], Plan | None]) -> None:
        """`due` is called with the time of each timer that is written. `plan_of` returns the plan of an instance, if
        its template is registered: clear the cache when more are registered, since rows are checked with their plans.
        """
        super().__init__()
        self._backend = backend
        self._store = backend.store
        self._due = due
        self._plan_of = plan_of
        self.size = 0
        """Their total size, in bytes as stored."""

    @override
    def __delitem__(self, key: str, /) -> None:
        self.size -= self[key].size
        super().__delitem__(key)

    @override
    def clear(self) -> None:
        super().clear()
        self.size = 0

    async def load(self, keys: Iterable[str]) -> None:
        """Read the rows that are not in memory."""
        missing = [key for key in dict.fromkeys(keys) if key not in self]
        if not missing:
            return
        for key, row in zip(missing, await self._store.read(missing), strict=True):
            if row is None:
                self[key] = LoadedRow(0, _ABSENT)
            else:
                self[key] = self._loaded(key, row)
                self.size += len(row.data)

    async def write(self, dirty: Mapping[str, LoadedRow]) -> None:
        """Write rows. Raises TooLarge for a row that is larger than the store accepts, and the cause of a conflict."""
        if not dirty:
            return
        writes = [self._write(key, loaded) for key, loaded in dirty.items()]
        size_max = self._backend.size_max  # a store tells it once it is open
        sizes = [0 if write.data is None else len(write.data) for write in writes]
        if max(sizes) > size_max:
            key, size = next((write.key, size) for write, size in zip(writes, sizes, strict=True) if size > size_max)
            raise TooLarge(key, f"its record would have {size:,} bytes, and may have {size_max:,}")
        answers = await self._store.write(writes)
        if not all(answers):
            conflicting = [write for write, ok in zip(writes, answers, strict=True) if not ok]
            raise await conflict_of(self._store, conflicting)
        for loaded, write, size in zip(dirty.values(), writes, sizes, strict=True):
            loaded.version = write.next if size else 0
            self.size += size - loaded.size
            loaded.size = size

    def _write(self, key: str, loaded: LoadedRow) -> Write:
        cell = loaded.cell
        entity = cell.entity
        state = entity.state
        after = cell.offset + 1
        keeps = entity.held or entity.parked or entity.given
        due, busy = entity.wakeup() if keeps or state is None else state.wakeup()
        if due is not None:
            self._due(due)
        if state is None:
            data = None if entity.is_empty and not cell.outbox else encode_stored(cell)
            loaded.index_key = None
            event = entity.submission  # no worker has registered its template
            listing = (
                None
                if event is None
                else Listing(event.template, Status.SUBMITTED, event.key, event.at, _parent_of(event))
            )
            return Write(key, loaded.partition, loaded.version, after, data, due, busy, listing)
        listing, status = loaded.listing, STATUSES[state.status]
        head = state.head
        if listing is None or listing.status is not status or listing.created != head.created:
            listing = loaded.listing = Listing(head.template, status, head.key, head.created, _parent_of(head))
        ended = None
        if state.ended and not (entity.held or entity.subscribers or entity.parked):
            ended = state.ended
        index_key = (due, busy, listing, ended)
        index_changed = loaded.index_key != index_key
        loaded.index_key = index_key
        data = encode_stored(cell)
        return Write(key, loaded.partition, loaded.version, after, data, due, busy, listing, ended, index_changed)

    def _loaded(self, key: str, row: Row) -> LoadedRow:
        try:
            cell = read_stored(row.data)
        except msgspec.MsgspecError as error:
            unread = why_unread(row.data, error)
        else:
            unread = why_damaged(cell.entity, key, self._plan_of)
            if not unread:
                return LoadedRow(row.version, cell, size=len(row.data))
        return LoadedRow(row.version, _ABSENT, size=len(row.data), unread=unread)

    def evict(self) -> None:
        """Drop the rows that were loaded first, if there are too many or they are too large."""
        while len(self) > CACHE_MAX or self.size > CACHE_BYTES_MAX:
            del self[next(iter(self))]


def _parent_of(start: Head | Submitted) -> str:
    """The id of the instance whose step starts another one; empty if none does."""
    return "" if start.parent is None else start.parent.id
