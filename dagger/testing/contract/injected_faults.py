"""A backend around another, whose calls are counted, and one of which goes wrong."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final, Literal, TypeAlias, TypeVar

import anyio

from dagger.engine.ports import (
    Backend,
    Backlog,
    Batch,
    Entry,
    Orders,
    Position,
    Query,
    Reader,
    Row,
    TopicRecord,
    Write,
)
from dagger.errors import BackendUnavailable, Fenced
from dagger.testing.contract.storage import HasCaughtUp

T = TypeVar("T")

Sort: TypeAlias = Literal["dies before", "dies after", "paused", "fenced", "unavailable", "answer lost"]
"""What goes wrong: the process dies before or after a call, or is paused before it; a commit is refused, cannot be done
now, or is done but its answer is lost."""
ANYWHERE: Final = ("dies before", "dies after", "paused")
"""What can go wrong at any call."""


class ProcessDied(BaseException):
    """The process is dead: whatever it still calls does nothing."""


class InjectedFault:
    """Something that goes wrong at the call with this number, from 0: of all calls, or of those of one method."""

    def __init__(self, sort: Sort, number: int, method: str = "commit") -> None:
        self.sort = sort
        self._method = method
        self.struck = ""
        """Where it went wrong; empty if it did not yet."""
        self.meanwhile: Callable[[], Awaitable[None]] = _nothing
        """What happens while it is paused."""
        self._left = number
        self._dead = False
        self._paused: anyio.Event | None = None

    async def call(self, name: str, work: Callable[[], Awaitable[T]]) -> T:
        """Make a call of a port, or let it go wrong."""
        if self._dead:
            raise ProcessDied(self.struck)
        if self._paused is not None:
            await self._paused.wait()
        strikes = self._strikes(name)
        if not strikes:
            return await work()
        if self.sort == "paused":
            await self._pause()
            return await work()
        if self.sort in ANYWHERE:
            self._dead = True
            if self.sort == "dies after":
                await work()
            raise ProcessDied(self.struck)
        if self.sort == "answer lost":
            await work()
        raise (Fenced if self.sort == "fenced" else BackendUnavailable)(self.struck)

    async def _pause(self) -> None:
        """Nothing that the process does goes on meanwhile."""
        paused = self._paused = anyio.Event()
        try:
            await self.meanwhile()
        finally:
            self._paused = None
            paused.set()

    def _strikes(self, name: str) -> bool:
        if self.struck or (name != self._method and self.sort not in ANYWHERE):
            return False
        self._left -= 1
        if self._left < 0:
            self.struck = f"{self.sort} {name}"
        return bool(self.struck)


class InterceptedReader:
    """A reader, some call of which may go wrong."""

    def __init__(self, inner: Reader, fault: InjectedFault) -> None:
        self._inner = inner
        self._fault = fault

    async def read(self, limit: int) -> Sequence[TopicRecord]:
        """As the port says."""
        return await self._fault.call("reader.read", lambda: self._inner.read(limit))


class InterceptedLog:
    """A log, some call of which may go wrong."""

    def __init__(self, backend: Backend, fault: InjectedFault) -> None:
        self._inner = backend.log
        self._fault = fault

    @property
    def partitions(self) -> int:
        """As the port says."""
        return self._inner.partitions

    def partition_of(self, key: str) -> int:
        """As the port says."""
        return self._inner.partition_of(key)

    @property
    def is_early(self) -> bool:
        """As the port says."""
        return self._inner.is_early

    @property
    def counts(self) -> Mapping[str, int]:
        """As the port says."""
        return self._inner.counts

    def consume(self, topics: Collection[str], published: Collection[str] = ()) -> None:
        """As the port says."""
        self._inner.consume(topics, published)

    async def append(self, entries: Sequence[Entry]) -> None:
        """As the port says."""
        await self._fault.call("append", lambda: self._inner.append(entries))

    async def poll(self, limit: int) -> Batch:
        """As the port says."""
        return await self._fault.call("poll", lambda: self._inner.poll(limit))

    async def wait(self) -> None:
        """As the port says; how often it is called is a matter of time, and it is not counted."""
        await self._inner.wait()

    async def commit(self, entries: Orders, offsets: Mapping[Position, int]) -> None:
        """As the port says."""
        await self._fault.call("commit", lambda: self._inner.commit(entries, offsets))

    async def backlog(self, after: Mapping[int, int], limit: int) -> Backlog:
        """As the port says."""
        return await self._inner.backlog(after, limit)

    async def rewind(self) -> None:
        """As the port says."""
        await self._fault.call("rewind", self._inner.rewind)

    @asynccontextmanager
    async def join(self) -> AsyncGenerator[None]:
        """As the port says."""
        async with self._inner.join():
            await self._fault.call("join", _nothing)
            yield

    @asynccontextmanager
    async def reader(self, topic: str, group: str) -> AsyncGenerator[Reader]:
        """As the port says."""
        async with self._inner.reader(topic, group) as reader:
            yield InterceptedReader(reader, self._fault)


class InterceptedStore:
    """A store, some call of which may go wrong."""

    def __init__(self, backend: Backend, fault: InjectedFault) -> None:
        self._inner = backend.store
        self._fault = fault

    async def read(self, keys: Sequence[str]) -> Sequence[Row | None]:
        """As the port says."""
        return await self._fault.call("read", lambda: self._inner.read(keys))

    async def write(self, writes: Sequence[Write]) -> Sequence[bool]:
        """As the port says."""
        return await self._fault.call("write", lambda: self._inner.write(writes))

    async def due(self, partitions: Collection[int], until: int, limit: int) -> Sequence[tuple[str, int]]:
        """As the port says."""
        return await self._fault.call("due", lambda: self._inner.due(partitions, until, limit))

    async def next_due(self, partitions: Collection[int], after: int) -> int | None:
        """As the port says."""
        return await self._fault.call("next_due", lambda: self._inner.next_due(partitions, after))

    async def busy(self, partitions: Collection[int]) -> Sequence[str]:
        """As the port says."""
        return await self._fault.call("busy", lambda: self._inner.busy(partitions))

    async def find(self, query: Query) -> Sequence[Row]:
        """As the port says."""
        return await self._fault.call("find", lambda: self._inner.find(query))

    async def count(self, query: Query) -> int:
        """As the port says."""
        return await self._fault.call("count", lambda: self._inner.count(query))

    async def pin(self, name: str, data: bytes) -> bytes:
        """As the port says."""
        return await self._fault.call("pin", lambda: self._inner.pin(name, data))

    async def repin(self, name: str, old: bytes, new: bytes) -> bool:
        """As the port says."""
        return await self._fault.call("repin", lambda: self._inner.repin(name, old, new))


class InterceptedBackend:
    """A backend around another."""

    def __init__(self, inner: Backend, fault: InjectedFault) -> None:
        self._inner = inner
        self.log = InterceptedLog(inner, fault)
        self.store = InterceptedStore(inner, fault)

    @property
    def atomic(self) -> bool:
        """As the port says."""
        return self._inner.atomic

    @property
    def size_max(self) -> int:
        """As the port says."""
        return self._inner.size_max

    @property
    def shared(self) -> bool:
        """As the port says."""
        return self._inner.shared

    def announce_ended(self, ids: Collection[str]) -> None:
        """As the port says."""
        self._inner.announce_ended(ids)

    async def changed(self) -> Collection[str] | None:
        """As the port says."""
        return await self._inner.changed()

    async def caught_up(self) -> bool:
        """As the backend says, where it has something to say."""
        return not isinstance(self._inner, HasCaughtUp) or await self._inner.caught_up()

    def open(self) -> AbstractAsyncContextManager[None]:
        """As the port says."""
        return self._inner.open()


async def _nothing() -> None:
    pass
