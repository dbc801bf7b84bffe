"""A workflow for the tests of SQLite, and the engines that run it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Final, ParamSpec

import anyio
import pytest

from dagger import BackendError, Dagger, Topic, command, context, for_each, listener, task, template
from dagger.backends.sqlite import SqliteBackend
from dagger.backends.sqlite.open_file import OpenFile
from dagger.backends.sqlite.options import options_of
from dagger.engine.ports import Orders, Position

P = ParamSpec("P")

LIMIT_S: Final = 120.0
"""After so many seconds a test has failed. Nothing else depends on it."""


@dataclass(frozen=True)
class Order:
    id: str
    size: int = 0


@dataclass(frozen=True)
class Note:
    id: str
    text: str = ""


def by_id(value: Order | Note) -> str:
    return value.id


payments = Topic("PAYMENTS", Note, key=by_id)
parcels = Topic("PARCELS", Note, key=by_id)


@listener(payments)
def paid(order: Order, message: Note) -> Order:
    return order


@task
async def pack(order: Order) -> Note:
    """Takes for ever in a process that says so."""
    if context().resources == "slow":
        await anyio.sleep_forever()
    return Note(order.id, "x" * order.size)


orders = template("Orders", paid >> pack >> command(parcels), key=by_id)


@dataclass(frozen=True)
class Bundle:
    """Several orders at once."""

    id: str
    orders: list[str]


def bundle_id(bundle: Bundle) -> str:
    return bundle.id


def each(bundle: Bundle) -> list[Order]:
    return [Order(id) for id in bundle.orders]


bundles = template("Bundles", for_each(each, orders), key=bundle_id)
"""The parent of its orders."""


def file_of(engine: Dagger) -> OpenFile:
    """What the backend of an engine has in common while it is open."""
    backend = engine.backend
    assert isinstance(backend, SqliteBackend)
    return backend.file


class Shop:
    """A file, and backends and engines on it, each of which stands for a process."""

    def __init__(self, folder: Path, options: str = "lease=1s") -> None:
        self.path = folder / "orders.db"
        self.url = f"sqlite:///{self.path}?{options}"

    def backend(self, more: str = "") -> SqliteBackend:
        return SqliteBackend(options_of(self.url + more))

    def engine(self, more: str = "") -> Dagger:
        engine = Dagger(backend=self.backend(more))
        engine.register(orders)
        return engine

    async def fill(self, *ids: str) -> None:
        """Let these orders wait for their payment."""
        async with self.engine() as engine:
            await engine.start_all(orders, [Order(id) for id in ids])
            await until(lambda: waiting(engine, len(ids)))

    async def finish(self, *ids: str) -> None:
        """Nothing was lost: these orders wait, are paid, and end."""
        async with self.engine() as engine:
            await pay(engine, *ids)
            await ended(engine, *ids)


async def pay(engine: Dagger, *ids: str) -> None:
    """Each once, however often it is said."""
    await engine.publish_all(payments, [Note(id) for id in ids], id=by_id)


async def ended(engine: Dagger, *ids: str) -> None:
    """Wait until these orders have ended, and see that they ended well."""
    for id in ids:
        found = await engine.wait(id)
        assert found.result.id == id


async def parcelled(engine: Dagger, *ids: str) -> None:
    """Wait until there is a parcel of each of these orders, and see that there is no second one of any."""
    found = Counter[str]()
    async for messages in engine.subscribe_batches(parcels, group="test", limit=1_000):
        found.update(message.id for message in messages)
        if set(found) >= set(ids):
            break
    assert set(found.values()) == {1}


async def waiting(engine: Dagger, count: int) -> bool:
    """Whether so many orders have begun, and not ended."""
    return await engine.count(status="EXECUTING") == count


class Gate:
    """Holds the commits of an engine back."""

    def __init__(self, engine: Dagger) -> None:
        self._log = engine.backend.log
        self._commit = self._log.commit
        self._is_there = anyio.Event()
        self._may_go = anyio.Event()
        self._log.commit = self._held  # type: ignore[method-assign]  # for a while

    async def _held(self, entries: Orders, offsets: Mapping[Position, int]) -> None:
        self._is_there.set()
        await self._may_go.wait()
        await self._commit(entries, offsets)

    async def reached(self) -> None:
        """Wait until there is one."""
        await self._is_there.wait()

    def open(self) -> None:
        """Hold nothing back any more."""
        self._may_go.set()


async def until(done: Callable[[], Awaitable[bool]]) -> None:
    """Return when something is so."""
    while not await done():  # noqa: ASYNC110  # what others do is no event here
        await anyio.sleep(0.01)


def in_loop(test: Callable[P, Awaitable[None]]) -> Callable[P, None]:
    """Makes a plain test of an async one."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        async def limited() -> None:
            with anyio.fail_after(LIMIT_S):
                await test(*args, **kwargs)

        anyio.run(limited)

    return run


@asynccontextmanager
async def fails(kind: type[BackendError]) -> AsyncGenerator[list[str]]:
    """The block raises this very error; what it says is in the list afterwards."""
    said = list[str]()
    with pytest.raises(BackendError) as found:
        yield said
    assert found.type is kind
    said.append(str(found.value))
