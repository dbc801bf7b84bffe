"""Subscriptions on a file: one that is left, by whatever way, gives its share back at once, and nothing is lost."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import aclosing, closing
from pathlib import Path

import anyio
import pytest

from dagger import Dagger
from tests.sqlite.programs import started
from tests.sqlite.shop import Note, Shop, by_id, in_loop, parcels, until

IDS = [f"o-{number}" for number in range(60)]
LEASE = "lease=1h"
"""Nobody waits for that: what is given back is given back at once."""


def groups(shop: Shop) -> list[tuple[int, int]]:
    """How many members and leases there are of groups of readers."""
    with closing(sqlite3.connect(shop.path)) as connection:
        return connection.execute(
            "SELECT (SELECT count(*) FROM member WHERE team <> ''), (SELECT count(*) FROM lease WHERE team <> '')"
        ).fetchall()


def shares(shop: Shop) -> list[int]:
    """How many partitions each reader has."""
    with closing(sqlite3.connect(shop.path)) as connection:
        rows = connection.execute(
            "SELECT count(*) FROM lease WHERE team <> '' AND owner IS NOT NULL GROUP BY owner"
        ).fetchall()
    return [count for (count,) in rows]


async def nothing_is_kept(shop: Shop) -> None:
    async def is_so() -> bool:
        return groups(shop) == [(0, 0)]

    await until(is_so)


async def fill(engine: Dagger, *ids: str) -> None:
    await engine.publish_all(parcels, [Note(id) for id in ids], id=by_id)


async def by_break(engine: Dagger) -> None:
    async for _ in engine.subscribe(parcels, group="test"):
        break


async def by_closing(engine: Dagger) -> None:
    async with aclosing(engine.subscribe_batches(parcels, group="test")) as batches:
        await anext(batches)


async def by_an_error(engine: Dagger) -> None:
    async def fail() -> None:
        async for _ in engine.subscribe(parcels, group="test"):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()


async def by_cancelling_who_waits(engine: Dagger) -> None:
    found = list[Note]()

    async def read() -> None:
        async for message in engine.subscribe(parcels, group="test"):
            found.append(message)

    task = asyncio.create_task(read())

    async def all_read() -> bool:
        return len(found) == len(IDS)

    await until(all_read)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def by_a_time_limit(engine: Dagger) -> None:
    with anyio.move_on_after(0.1):
        async for _ in engine.subscribe(parcels, group="test"):
            await anyio.sleep_forever()


async def by_cancelling_who_begins(engine: Dagger) -> None:
    """At each turn of the event loop."""
    for turns in range(12):
        task = asyncio.create_task(by_break(engine))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])


async def by_closing_the_engine(engine: Dagger) -> None:
    batches = engine.subscribe_batches(parcels, group="test", limit=len(IDS))
    await anext(batches)
    waiting = asyncio.create_task(anext(batches))
    await anyio.sleep(0.05)
    await engine.aclose()
    with pytest.raises(StopAsyncIteration):  # it ends
        await waiting


@pytest.mark.parametrize(
    "leave",
    [
        by_break,
        by_closing,
        by_an_error,
        by_cancelling_who_waits,
        by_a_time_limit,
        by_cancelling_who_begins,
        by_closing_the_engine,
    ],
)
@in_loop
async def test_who_leaves_keeps_nothing(tmp_path: Path, leave: Callable[[Dagger], Awaitable[None]]) -> None:
    shop = Shop(tmp_path, LEASE)
    async with shop.engine().client() as other, shop.engine().client() as engine:
        await fill(engine, *IDS)
        await leave(engine)
        await nothing_is_kept(shop)
        await fill(other, "last")
        async with aclosing(other.subscribe(parcels, group="test")) as messages:
            async for message in messages:
                if message.id == "last":
                    break
        await nothing_is_kept(shop)


@pytest.mark.parametrize("beside", ["in the engine", "in another engine"])
@in_loop
async def test_what_one_has_left_comes_to_the_other_at_once(tmp_path: Path, beside: str) -> None:
    """With all that it had read, and not finished."""
    shop = Shop(tmp_path, LEASE)
    async with shop.engine().client() as engine, shop.engine().client() as another:
        await fill(engine, IDS[0])  # so that there is a file
        found = set[str]()
        other = engine if beside == "in the engine" else another

        async def read() -> None:
            async for message in other.subscribe(parcels, group="test"):
                found.add(message.id)

        task = asyncio.create_task(read())
        async with aclosing(engine.subscribe_batches(parcels, group="test", limit=3)) as left:
            batch = asyncio.create_task(anext(left))

            async def both_have_a_share() -> bool:
                return shares(shop) == [8, 8]

            await until(both_have_a_share)
            await fill(engine, *IDS)
            await batch

        async def all_is_read() -> bool:
            return found == set(IDS)

        await until(all_is_read)
        task.cancel()
        await asyncio.wait([task])


@in_loop
async def test_a_reader_that_is_killed_is_taken_over_from(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with shop.engine().client() as engine:
        await fill(engine, *IDS)
        with started("reader", shop.url) as process:
            assert process.stdout is not None
            await asyncio.to_thread(process.stdout.readline)  # it has read something, and is in the middle of it
            process.kill()
            await asyncio.to_thread(process.wait)
        found = set[str]()
        async with aclosing(engine.subscribe(parcels, group="test")) as messages:
            async for message in messages:
                found.add(message.id)
                if found == set(IDS):
                    break
        await nothing_is_kept(shop)


@in_loop
async def test_who_could_not_say_that_it_left_says_so_later(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "lease=400ms&busy_timeout=100ms")
    async with shop.engine().client() as engine:
        await fill(engine, *IDS)
        with closing(sqlite3.connect(shop.path, isolation_level=None)) as lock:
            async with aclosing(engine.subscribe(parcels, group="test")) as messages:
                await anext(messages)
                lock.execute("BEGIN IMMEDIATE")
            assert groups(shop) == [(1, 16)]
            lock.execute("ROLLBACK")
        await nothing_is_kept(shop)
