"""What is old is deleted, and nothing else; so the file stops growing."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from dagger import Dagger, Topic
from dagger.backends.sqlite import SqliteBackend
from tests.sqlite.shop import (
    Note,
    Order,
    Shop,
    by_id,
    ended,
    in_loop,
    orders,
    parcels,
    pay,
    payments,
    until,
    waiting,
)

IDS = [f"o-{number}" for number in range(40)]
news = Topic("NEWS", Note, key=by_id)
"""A topic that no worker hears."""
SOON = "lease=400ms"
"""How often is looked for what is old: four times in a lease, where something may be old so soon."""


def ask(backend: Any, text: str, *values: Any) -> Awaitable[list[Any]]:
    """What a statement gives."""
    assert isinstance(backend, SqliteBackend)
    answer: Awaitable[list[Any]] = backend.file.database.query(lambda one: one.execute(text, values).fetchall())
    return answer


async def messages(engine: Dagger, topic: Topic[Any]) -> int:
    """How many messages of a topic are kept."""
    ((count,),) = await ask(engine.backend, "SELECT count(*) FROM message WHERE topic = ?", topic.name)
    return int(count)


def no_messages(engine: Dagger, topic: Topic[Any]) -> Callable[[], Awaitable[bool]]:
    async def none() -> bool:
        return await messages(engine, topic) == 0

    return none


@in_loop
async def test_instances_go_some_time_after_their_end(tmp_path: Path) -> None:
    shop = Shop(tmp_path, f"{SOON}&finished=100ms")
    async with shop.engine() as engine:
        runs = await engine.start_all(orders, [Order(id) for id in IDS])
        await pay(engine, *IDS[:-1])
        for run in runs[:-1]:
            await engine.wait(run)

        async def only_one() -> bool:
            return await engine.count() == 1

        await until(only_one)
        assert (await engine.get_instance(IDS[-1])).waiting_for == ("paid (PAYMENTS)",)
        await engine.start(orders, Order(IDS[0]))  # its id is free again
        await pay(engine, IDS[-1])
        await engine.wait(runs[-1])
        assert await messages(engine, parcels) == len(IDS), "messages are kept longer"


@pytest.mark.slow
@in_loop
async def test_nothing_goes_that_is_not_old(tmp_path: Path) -> None:
    shop = Shop(tmp_path, f"{SOON}&finished=1d&retention=100ms")
    async with shop.engine() as engine:
        runs = await engine.start_all(orders, [Order(id) for id in IDS])
        await pay(engine, *IDS)
        for run in runs:
            await engine.wait(run)
        await engine.publish(news, Note("n-1"))
        await until(no_messages(engine, news))  # so that it was looked for what is old
        await until(no_messages(engine, payments))
        await until(no_messages(engine, parcels))
        assert await engine.count() == len(IDS)
    await instances_are_whole(shop)


async def instances_are_whole(shop: Shop) -> None:
    async with shop.engine() as engine:
        await ended(engine, *IDS)


@in_loop
async def test_what_the_workers_have_not_read_stays(tmp_path: Path) -> None:
    """They are there and hear the topic, and are held up."""
    shop = Shop(tmp_path, f"{SOON}&retention=100ms")
    await shop.fill(*IDS)
    held_up = shop.backend()
    held_up.log.consume([payments.name])
    async with held_up.open(), held_up.log.join():
        client = shop.engine()
        await pay(client, *IDS)
        for number in range(3):
            await client.publish(news, Note(f"n-{number}"))
            await until(no_messages(client, news))
        assert await messages(client, payments) == len(IDS)
        await client.aclose()
    async with shop.engine() as engine:
        await ended(engine, *IDS)
        await until(no_messages(engine, payments))


@pytest.mark.slow
@in_loop
async def test_what_the_workers_have_heard_before_stays_until_they_hear_it_again(tmp_path: Path) -> None:
    shop = Shop(tmp_path, f"{SOON}&retention=100ms")
    await shop.fill(*IDS)
    async with shop.engine() as engine:
        await pay(engine, IDS[0])
        await ended(engine, IDS[0])
    async with Dagger(backend=shop.backend()) as of_others:  # with no template, so it hears nothing
        await pay(of_others, *IDS)
        await of_others.publish(news, Note("n-1"))
        await until(no_messages(of_others, news))
        assert await messages(of_others, payments) >= len(IDS)
    async with shop.engine() as engine:
        await ended(engine, *IDS)


@pytest.mark.slow
@in_loop
async def test_a_message_that_was_held_for_an_instance_stays_with_it(tmp_path: Path) -> None:
    """It was read from its topic, where it is deleted, and waits for the instance to begin."""
    shop = Shop(tmp_path, f"{SOON}&retention=100ms&finished=100ms")
    async with shop.engine() as engine:
        await pay(engine, *IDS)
        await until(no_messages(engine, payments))
        runs = await engine.start_all(orders, [Order(id) for id in IDS])
        for run in runs:
            assert (await engine.wait(run)).result.id == run.id


@in_loop
async def test_a_reader_goes_on_behind_what_was_deleted(tmp_path: Path) -> None:
    shop = Shop(tmp_path, f"{SOON}&retention=1s")
    async with shop.engine() as engine:
        await engine.publish_all(news, [Note(f"n-{number}") for number in range(20)])
        await until(no_messages(engine, news))
        await engine.publish_all(news, [Note(f"n-{number}") for number in range(20, 40)])
        found = set[str]()
        async for some in engine.subscribe_batches(news, group="test"):
            found.update(one.id for one in some)
            if len(found) >= 20:
                break
        assert found == {f"n-{number}" for number in range(20, 40)}


ROUNDS = 12
SIZE = 20_000


def size(path: Path) -> int:
    """How large the file is, with what is beside it, in bytes."""
    return sum(found.stat().st_size for found in path.parent.glob(f"{path.name}*"))


@pytest.mark.slow
@in_loop
async def test_the_file_stops_growing(tmp_path: Path) -> None:
    shop = Shop(tmp_path, f"{SOON}&finished=50ms&retention=50ms")
    sizes = list[int]()
    async with shop.engine() as engine:
        for number in range(ROUNDS):
            inputs = [Order(f"{number}-{id}", SIZE) for id in IDS]
            runs = await engine.start_all(orders, inputs)
            await pay(engine, *[one.id for one in inputs])
            for run in runs:
                await engine.wait(run)

            async def nothing_is_left() -> bool:
                return await engine.count() + await messages(engine, payments) + await messages(engine, parcels) == 0

            await until(nothing_is_left)
            await anyio.to_thread.run_sync(checkpoint, shop.path)
            sizes.append(size(shop.path))
    assert sizes[0] > len(IDS) * SIZE, "it was hardly filled"
    assert sizes[-1] < 2 * max(sizes[:3]), sizes


def checkpoint(path: Path) -> None:
    """Bring the write-ahead log into the file, so that sizes can be compared."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA busy_timeout = 60000")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    connection.close()


@pytest.mark.slow
@in_loop
async def test_one_of_several_workers_deletes_for_all(tmp_path: Path) -> None:
    shop = Shop(tmp_path, f"{SOON}&finished=50ms&retention=50ms")
    async with shop.engine() as one, shop.engine() as other:
        await one.start_all(orders, [Order(id) for id in IDS])
        await until(lambda: waiting(other, len(IDS)))
        await pay(one, *IDS)

        async def nothing_is_left() -> bool:
            return await other.count() == 0

        await until(nothing_is_left)
        await until(no_messages(one, payments))
        await until(no_messages(one, parcels))
