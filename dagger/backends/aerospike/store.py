"""The records of all entities in one set, and pins in another."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from functools import partial
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from dagger.backends.aerospike.bins import DATA, NONCE, VERSION, change_of, lifetimes_of, pins_of
from dagger.backends.aerospike.cluster import Absent, AerospikeCluster, Bins, ConditionalWrite, DataIs
from dagger.backends.aerospike.due_index import DueIndex
from dagger.backends.aerospike.listing_index import ListingIndex
from dagger.backends.aerospike.options import AerospikeOptions, prefix_of
from dagger.backends.aerospike.provisioning import RECORD_MAX, check, data_size_max, incarnation, index, probe
from dagger.backends.aerospike.verified_write import verified_write
from dagger.backends.loops import LoopBinding, nested_contextmanager
from dagger.engine.ports import Query, Row, Write
from dagger.errors import BackendError, BackendUnavailable

T = TypeVar("T")

CHANGED_S: Final = 0.25
"""How often processes check for changes: Aerospike has no notifications."""
THREADS: Final = 2
"""How many calls of one kind are under way at most."""
NONCE_BYTES: Final = 12
PAUSE_S: Final = 0.02
"""The interval for checking whether an index is built, in seconds."""
INDEX_S_MAX: Final = 60.0
"""How long an index is waited for. Building continues after that, and the next process that opens the store waits."""


class AerospikeStore:
    """A store for a separate log: a write is visible to all processes when `write` returns."""

    def __init__(self, options: AerospikeOptions, prefix: str, cluster: AerospikeCluster) -> None:
        self._options = options
        self._set = prefix_of(prefix)
        self._pins = pins_of(prefix)
        self._cluster = cluster
        self._lifetimes = lifetimes_of(options)
        self._due_index = DueIndex(cluster, self._set)
        self._listing_index = ListingIndex(cluster, self._set)
        self._size_max = data_size_max(RECORD_MAX)
        self._loop = LoopBinding(f"Aerospike at {options.place}")
        self._work: anyio.CapacityLimiter | None = None
        self._listing: anyio.CapacityLimiter | None = None

    @property
    def size_max(self) -> int:
        """The maximum size of a record, in bytes: the default of servers, or once it is open, that of these servers."""
        return self._size_max

    @nested_contextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Connect, check the namespace, and create missing indexes."""
        with self._loop.held():
            async with self._open():
                yield

    @nested_contextmanager
    async def _open(self) -> AsyncGenerator[None]:
        self._work, self._listing = anyio.CapacityLimiter(THREADS), anyio.CapacityLimiter(THREADS)
        try:
            self._size_max = await self._do(self._begin)
            await self._have_indexes()
            yield
        finally:
            work, self._work, self._listing = self._work, None, None
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._cluster.close, limiter=work)

    def _begin(self) -> int:
        self._cluster.open()
        size = check(self._cluster, self._options)
        probe(self._cluster, self._pins, self._options.place)
        return size

    async def _have_indexes(self) -> None:
        """Wait for the indexes: building them over existing records takes a while."""
        missing = "no index was created yet"
        with anyio.move_on_after(INDEX_S_MAX):
            while True:
                missing = await self._do(partial(index, self._cluster, self._options.namespace, self._set))
                if not missing:
                    return
                await anyio.sleep(PAUSE_S)
        raise BackendUnavailable(f"Aerospike at {self._options.place}: {missing}")

    async def read(self, keys: Sequence[str]) -> Sequence[Row | None]:
        if not keys:
            return []
        found = await self._do(lambda: self._cluster.get(self._set, keys, [VERSION, DATA]))
        return [_row(kept) for kept in found]

    async def write(self, writes: Sequence[Write]) -> Sequence[bool]:
        """Write records; when this returns, each is written or refused. Raises BackendUnavailable if it is unknown."""
        changes = [change_of(write, self._lifetimes) for write in writes]
        answers = list[bool]()
        for some in _apart(changes):
            answers += await self._do(partial(verified_write, self._cluster, self._set, some))
        vain = [
            at
            for at, (write, ok) in enumerate(zip(writes, answers, strict=True))
            if not ok and write.data is None and not write.version
        ]
        if vain:  # deleting nothing succeeds: a tombstone has a greater version already
            found = await self.read([writes[at].key for at in vain])
            for at, row in zip(vain, found, strict=True):
                answers[at] = row is None
        return answers

    async def due(self, partitions: Collection[int], until: int, limit: int) -> Sequence[tuple[str, int]]:
        return await self._do(partial(self._due_index.due, partitions, until, limit))

    async def next_due(self, partitions: Collection[int], after: int) -> int | None:
        return await self._do(partial(self._due_index.next_due, partitions, after))

    async def busy(self, partitions: Collection[int]) -> Sequence[str]:
        return await self._do(partial(self._due_index.busy, partitions))

    async def find(self, query: Query) -> Sequence[Row]:
        return await self._do(partial(self._listing_index.find, query), listing=True)

    async def count(self, query: Query) -> int:
        return await self._do(partial(self._listing_index.count, query), listing=True)

    async def pin(self, name: str, data: bytes) -> bytes:
        """Store data under a name unless the name exists; returns the stored data. It never expires."""
        return await self._do(partial(self._pin, name, data))

    def _pin(self, name: str, data: bytes) -> bytes:
        (kept,) = self._cluster.get(self._pins, [name], [DATA])
        if kept is None:
            verified_write(self._cluster, self._pins, [ConditionalWrite(name, Absent(), _pinned(data))])
            (kept,) = self._cluster.get(self._pins, [name], [DATA])
        if kept is None:
            raise BackendUnavailable(
                f"Aerospike at {self._options.place}: the pin '{name}' was written and is not there"
            )
        return bytes(kept[DATA])

    async def repin(self, name: str, old: bytes, new: bytes) -> bool:
        """Replace the data under a name if it is `old`; whether it was."""
        change = ConditionalWrite(name, DataIs(old), _pinned(new))
        (made,) = await self._do(partial(verified_write, self._cluster, self._pins, [change]))
        return made

    async def incarnation(self) -> str:
        """The cluster key, which changes each time that a server joins, leaves or restarts."""
        return await self._do(lambda: incarnation(self._cluster))

    @property
    def reports_ends(self) -> bool:
        return False

    def announce_ended(self, ids: Collection[str]) -> None:
        """Aerospike cannot report it: other processes read the records now and then."""

    async def changed(self) -> None:
        """Return after a pause: other processes may have changed records."""
        await anyio.sleep(CHANGED_S)

    async def _do(self, call: Callable[[], T], *, listing: bool = False) -> T:
        """Call in a thread. Listings may take long, so they have threads of their own."""
        limiter = self._listing if listing else self._work
        if limiter is None:
            raise BackendError("the Aerospike store is not open; use it inside `async with store.open()`")
        return await anyio.to_thread.run_sync(call, limiter=limiter)


def _row(kept: Bins | None) -> Row | None:
    """The row of a record; None for a tombstone."""
    return None if kept is None or DATA not in kept else Row(kept[VERSION], bytes(kept[DATA]))


def _pinned(data: bytes) -> dict[str, int | bytes | list[int]]:
    """A pin has a nonce, by which its writer recognises it."""
    return {DATA: data, NONCE: os.urandom(NONCE_BYTES)}


def _apart(changes: Sequence[ConditionalWrite]) -> list[list[ConditionalWrite]]:
    """The writes in order, divided so that no part has a key twice; usually one part."""
    parts, keys = [list[ConditionalWrite]()], set[str]()
    for change in changes:
        if change.key in keys:
            parts.append([])
            keys.clear()
        keys.add(change.key)
        parts[-1].append(change)
    return parts
