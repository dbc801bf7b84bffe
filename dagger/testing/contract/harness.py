"""A backend in the hands of a test: polled, written to and committed call by call."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import wraps
from typing import Concatenate, Final, ParamSpec, TypeVar

import anyio
import pytest

from dagger.engine.headers import headers_of
from dagger.engine.ports import (
    Append,
    Backend,
    Batch,
    Entry,
    LogRecord,
    Outgoing,
    Position,
    Row,
    TopicRecord,
    Write,
)
from dagger.errors import Fenced
from dagger.testing.contract.storage import Storage

P = ParamSpec("P")
S = TypeVar("S")

LIMIT_S: Final = 30.0
"""After so many seconds a test has failed. Nothing else depends on it."""
REST_S: Final = 0.01
"""How long is waited, in seconds, before a backend that had nothing is asked again."""
FEW: Final = 100
"""How many records a poll may give, where a test does not say."""


def in_loop(test: Callable[Concatenate[S, P], Awaitable[None]]) -> Callable[Concatenate[S, P], None]:
    """Makes a plain test of an async one: it runs in an event loop of its own."""

    @wraps(test)
    def run(self: S, /, *args: P.args, **kwargs: P.kwargs) -> None:
        async def limited() -> None:
            with anyio.fail_after(LIMIT_S):
                await test(self, *args, **kwargs)

        anyio.run(limited)

    return run


class Harness:
    """A backend that has joined, and what it owns."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.log = backend.log
        self.store = backend.store
        self.owned: dict[int, int] = {}
        """What it owns, as the last poll reported."""

    async def poll(self, limit: int = FEW) -> Batch:
        """One poll."""
        batch = await self.log.poll(limit)
        if batch.owned is not None:
            self.owned = dict(batch.owned)
        return batch

    async def own(self, count: int) -> None:
        """Poll, where there is nothing to be polled, until so many partitions are owned."""
        while len(self.owned) != count:
            assert not await self.poll(), "nothing was appended"
            if len(self.owned) != count:
                await self.rest()

    async def own_all(self) -> None:
        """Poll, where there is nothing to be polled, until everything is owned."""
        await self.own(self.log.partitions)

    async def rest(self) -> None:
        """Let others have their turn."""
        with anyio.move_on_after(REST_S):
            await self.log.wait()

    async def take(self, count: int, limit: int = FEW) -> list[LogRecord | TopicRecord]:
        """Poll until there are at least so many records and messages."""
        found = list[LogRecord | TopicRecord]()
        while len(found) < count:
            batch = await self.poll(limit)
            assert len(batch.records) + len(batch.messages) <= limit, "it gives more than it was asked for"
            found += [*batch.records, *batch.messages]
            if not batch and len(found) < count:
                await self.rest()
        return found

    async def records(self, count: int, limit: int = FEW) -> list[LogRecord]:
        """Poll until there are exactly so many records of the internal log, and nothing else."""
        found = await self.take(count, limit)
        records = [record for record in found if isinstance(record, LogRecord)]
        assert len(records) == len(found) == count, f"expected {count} records, got {found}"
        return records

    async def messages(self, count: int, limit: int = FEW) -> list[TopicRecord]:
        """Poll until there are exactly so many messages, and nothing else."""
        found = await self.take(count, limit)
        messages = [message for message in found if isinstance(message, TopicRecord)]
        assert len(messages) == len(found) == count, f"expected {count} messages, got {found}"
        return messages

    async def commit(self, done: Sequence[LogRecord | TopicRecord], entries: Sequence[Entry] = ()) -> None:
        """Commit what was polled, and append entries with it."""
        offsets = offsets_of(done)
        await self.log.commit({next(iter(offsets), ("", 0)): entries} if entries else {}, offsets)

    async def nothing_is_left(self, partition: int = 0) -> None:
        """What is appended now is the next to be polled, so that nothing was before it."""
        await self.log.append([Append(partition, b"the last")])
        (found,) = await self.records(1)
        assert found.data == b"the last"
        await self.commit([found])

    async def save(self, *writes: Write) -> bool:
        """Write and commit; whether everything was accepted. Either call may report a refusal."""
        answers = await self.store.write(writes)
        assert len(answers) == len(writes)
        try:
            await self.log.commit({}, {})
        except Fenced:
            await self.begin_again()
            return False
        return all(answers)

    async def begin_again(self) -> None:
        """Rewind, where there is nothing to be polled, and own everything again."""
        await self.log.rewind()
        self.owned = {}
        await self.own_all()

    async def row(self, key: str) -> Row | None:
        """The record of a key."""
        (found,) = await self.store.read([key])
        return found


@asynccontextmanager
async def working(storage: Storage, *topics: str) -> AsyncGenerator[Harness]:
    """A backend that is open and has joined; it leaves at the end, and is closed."""
    backend = storage.backend()
    backend.log.consume(topics)
    async with backend.open(), backend.log.join():
        yield Harness(backend)


@asynccontextmanager
async def alone(storage: Storage, *topics: str) -> AsyncGenerator[Harness]:
    """The same, of one who owns everything, while there is nothing to be polled yet."""
    async with working(storage, *topics) as harness:
        await harness.own_all()
        yield harness


def offsets_of(done: Sequence[LogRecord | TopicRecord]) -> dict[Position, int]:
    """How far each position is done."""
    offsets = dict[Position, int]()
    for record in done:
        topic = record.topic if isinstance(record, TopicRecord) else ""
        at = (topic, record.partition)
        offsets[at] = max(record.offset, offsets.get(at, -1))
    return offsets


def datas(records: Sequence[LogRecord]) -> list[bytes]:
    """What is in records."""
    return [record.data for record in records]


def note(topic: str, key: str, payload: bytes = b"", **headers: str) -> Outgoing:
    """A message."""
    return Outgoing(topic, key.encode(), payload, headers_of(headers))


def needs_sharing(backend: Backend) -> None:
    """Skip a test of several processes where there can only be one."""
    if not backend.shared:
        pytest.skip("the backend is not shared: it is used by one process at a time")
