"""An engine that works again, or that never came to work: nothing is kept of what was before."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from dagger import BackendUnavailable, Dagger, Status, Topic, command, listener, task, template
from dagger.backends.sqlite.leases import Leases
from tests.sqlite.shop import file_of, in_loop, until


@dataclass(frozen=True)
class Order:
    id: str


def by_id(order: Order) -> str:
    return order.id


commands = Topic("COMMANDS", Order, key=by_id)
answers = Topic("ANSWERS", Order, key=by_id)


def awaited(order: Order) -> str:
    return f"key-{order.id}"


@listener(answers, on=awaited)
def answered(order: Order, message: Order) -> Order:
    return order


@task
async def quick(order: Order) -> Order:
    await asyncio.sleep(0.05)
    return order


@task
async def slow(order: Order) -> Order:
    await asyncio.sleep(1)
    return order


asking = template("Asking", command(commands) >> answered, key=by_id, takes=Order)
quickly = template("Quickly", quick, key=by_id)
slowly = template("Slowly", slow, key=by_id)
IDS = [str(number) for number in range(20)]


async def completed(engine: Dagger, count: int) -> bool:
    return await engine.count(status=Status.COMPLETED) == count


@in_loop
async def test_on_a_file_that_was_made_anew(tmp_path: Path) -> None:
    engine = Dagger(f"sqlite:///{tmp_path}/orders.db")
    engine.register(asking)
    for _ in range(2):
        async with engine:
            await engine.start_all(asking, [Order(id) for id in IDS])
            await engine.publish_all(answers, [Order(f"key-{id}") for id in IDS])
            await until(lambda: completed(engine, len(IDS)))
        deleted(tmp_path)


def deleted(folder: Path) -> None:
    for file in folder.glob("orders.db*"):
        file.unlink()


@in_loop
async def test_who_leaves_amid_new_tasks_does_not_wait_for_those_that_it_has_not_begun(tmp_path: Path) -> None:
    engine = Dagger(f"sqlite:///{tmp_path}/orders.db", grace=timedelta(seconds=60))
    engine.register(quickly)
    begun = time.monotonic()
    for turn in range(4):
        async with engine:
            await engine.start_all(quickly, [Order(f"{turn}-{id}") for id in IDS])
            feeding = asyncio.create_task(feed(engine, turn))
            await asyncio.sleep(0.2)
            feeding.cancel()
    assert time.monotonic() - begun < 60  # far more than it takes, and less than one that waits
    async with engine:
        await until(lambda: none_is_left(engine))


async def feed(engine: Dagger, turn: int) -> None:
    number = 0
    while True:
        number += 1
        await engine.start(quickly, Order(f"{turn}-more-{number}"))


async def none_is_left(engine: Dagger) -> bool:
    return await completed(engine, await engine.count())


@pytest.mark.slow
@in_loop
async def test_a_task_of_a_partition_that_was_away_for_a_moment_begins_anew(tmp_path: Path) -> None:
    engine = Dagger(f"sqlite:///{tmp_path}/orders.db")
    engine.register(slowly)
    async with engine:
        await engine.start_all(slowly, [Order(id) for id in IDS])
        await asyncio.sleep(0.3)
        file = file_of(engine)

        def away(connection: sqlite3.Connection) -> None:
            """Another takes all of it and gives it back, before anybody here has looked."""
            connection.execute("UPDATE lease SET epoch = epoch + 1 WHERE team = ''")
            file.groups.leases[""].rebalance(connection)

        await file.database.transact(away)
        await until(lambda: completed(engine, len(IDS)))


@pytest.mark.parametrize("way", ["given up", "refused"])
@in_loop
async def test_who_could_not_begin_to_work_keeps_no_partition(tmp_path: Path, way: str) -> None:
    url = f"sqlite:///{tmp_path}/orders.db?lease=400ms&busy_timeout=1s"
    engine = Dagger(url)
    async with engine.client():
        lock = sqlite3.connect(tmp_path / "orders.db", isolation_level=None)
        lock.execute("BEGIN IMMEDIATE")
        with pytest.raises(TimeoutError if way == "given up" else BackendUnavailable):
            async with asyncio.timeout(0.3 if way == "given up" else 30), engine:
                pass
        lock.execute("ROLLBACK")
        lock.close()
        await owns_all(Dagger(url))


@in_loop
async def test_who_could_not_say_that_it_left_says_so_later(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/orders.db?lease=400ms"
    async with Dagger(url).client() as engine:
        file = file_of(engine)
        await file.database.transact(Leases("", file.processes.id, file.partitions).join)  # as if it had worked
        async with Dagger(url) as other:
            await file.groups.rebalance()  # the next heartbeat
            await until(lambda: owned(other))


async def owns_all(other: Dagger) -> None:
    async with other:
        await until(lambda: owned(other))


async def owned(engine: Dagger) -> bool:
    file = file_of(engine)
    return len(file.groups.leases[""].owned) == file.partitions
