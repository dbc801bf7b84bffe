"""Several workers on one file, as engines of this process and as processes of their own."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack
from itertools import product
from pathlib import Path

import anyio
import pytest

from dagger import Dagger, Status
from tests.sqlite.programs import started
from tests.sqlite.shop import (
    Bundle,
    Gate,
    Order,
    Shop,
    bundles,
    ended,
    file_of,
    in_loop,
    orders,
    parcelled,
    pay,
    until,
    waiting,
)

IDS = [f"o-{number}" for number in range(60)]
PARTITIONS = 16
LEASE_S = 1.0
BUSY_MAX = 0.1
"""Which share of the time a worker may be busy in that has nothing to do; one that asks all the time has 1."""


def owned(engine: Dagger) -> set[int]:
    """The partitions that an engine works on."""
    return set(engine._worker._owned)


async def divided(engines: list[Dagger], *shares: int, partitions: int = PARTITIONS) -> None:
    """Wait until the engines own so many partitions, and together all; no two ever own the same for long."""

    async def is_so() -> bool:
        found = [owned(engine) for engine in engines]
        return sorted(map(len, found)) == sorted(shares) and set.union(*found) == set(range(partitions))

    await until(is_so)


async def packing(engine: Dagger, *ids: str) -> None:
    """Wait until the tasks of these orders run."""

    async def is_so() -> bool:
        if await engine.count() < len(ids):
            return False
        return all([(await engine.get_instance(id)).step("pack").status is Status.EXECUTING for id in ids])

    await until(is_so)


@in_loop
async def test_two_and_three_share_what_is_to_be_done(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    engines = [shop.engine() for _ in range(3)]
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(engines[0])
        await divided(engines[:1], 16)
        await stack.enter_async_context(engines[1])
        await divided(engines[:2], 8, 8)
        await stack.enter_async_context(engines[2])
        await divided(engines, 6, 5, 5)
        await engines[0].start_all(orders, [Order(id) for id in IDS])
        await pay(engines[1], *IDS)
        for engine in engines:
            await until(lambda engine=engine: counted(engine))  # type: ignore[misc]  # of this round
            await ended(engine, *IDS)
        await parcelled(engines[2], *IDS)


async def counted(engine: Dagger) -> bool:
    return await engine.count() == len(IDS)


@in_loop
async def test_who_leaves_is_taken_over_from(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    stays, leaves, last = shop.engine(), shop.engine(), shop.engine()
    async with stays:
        async with leaves, last:
            await divided([stays, leaves, last], 6, 5, 5)
            await stays.start_all(orders, [Order(id) for id in IDS])
            await until(lambda: waiting(stays, len(IDS)))
            await pay(leaves, *IDS[:30])
        await divided([stays], 16)
        await pay(stays, *IDS)
        await ended(stays, *IDS)
        await parcelled(stays, *IDS)


@in_loop
async def test_who_comes_when_everything_has_an_owner_waits_for_its_turn(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "lease=1s&partitions=2")
    first, second, third = shop.engine(), shop.engine(), shop.engine()
    async with second, third:
        async with first:
            await divided([first, second, third], 1, 1, 0, partitions=2)
        await divided([second, third], 1, 1, partitions=2)
        await second.start_all(orders, [Order(id) for id in IDS])
        await pay(third, *IDS)
        await until(lambda: counted(second))
        await ended(second, *IDS)


@in_loop
async def test_a_worker_that_was_killed_is_taken_over_from(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    client = shop.engine()
    await pay(client, *IDS)
    with started("slow", shop.url) as process:
        await packing(client, *IDS)
        process.kill()
    async with shop.engine() as engine:
        await ended(engine, *IDS)
        await parcelled(engine, *IDS)
    await client.aclose()


@in_loop
async def test_a_worker_that_is_killed_beside_another_is_taken_over_from(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    async with shop.engine() as engine:
        with started("slow", shop.url) as process:
            await divided_with_another(engine)
            await pay(engine, *IDS)
            await until(lambda: some_hang(engine))
            process.kill()
        await ended(engine, *IDS)
        await parcelled(engine, *IDS)
        await divided([engine], PARTITIONS)


@in_loop
async def test_parents_and_children_go_on_without_the_worker_that_was_killed(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with shop.engine() as engine:
        engine.register(bundles)
        with started("slow", shop.url) as process:
            await divided_with_another(engine)

            def is_mine(id: str) -> bool:
                return engine.backend.log.partition_of(id) in owned(engine)

            names = [f"b-{number}" for number in range(1_000)]
            mine, other = (next(id for id in names if is_mine(id) is whose) for whose in (True, False))
            halves = {mine: IDS[:30], other: IDS[30:]}
            runs = await engine.start_all(bundles, [Bundle(id, half) for id, half in halves.items()])
            children = [f"{id}/each[{number}]/Orders" for id in halves for number in range(30)]
            assert {(is_mine(id), is_mine(id.partition("/")[0])) for id in children} == set(
                product((True, False), repeat=2)
            )
            theirs = {id for id in children if not is_mine(id)}
            await pay(engine, *IDS)
            await until(lambda: children_hang(engine, theirs))
            process.kill()
        for run, half in zip(runs, halves.values(), strict=True):
            assert [note.id for note in (await engine.wait(run)).result] == half
            found = await engine.instances(parent=run, limit=100)
            assert {one.status for one in found} == {Status.COMPLETED}
            assert sorted(one.key for one in found) == sorted(half)
        await parcelled(engine, *IDS)


async def children_hang(engine: Dagger, ids: set[str]) -> bool:
    """Whether exactly these children are left, each with a task that runs."""
    if await engine.count(template="Orders") < len(IDS):
        return False
    found = await engine.instances(template="Orders", status="EXECUTING", limit=100)
    return {one.id for one in found} == ids and all(one.step("pack").status is Status.EXECUTING for one in found)


async def divided_with_another(engine: Dagger) -> None:
    """Wait until another process has its share."""

    async def is_so() -> bool:
        return len(owned(engine)) == PARTITIONS // 2

    await until(is_so)


async def some_hang(engine: Dagger) -> bool:
    """Whether what is left are the tasks of the other process."""
    found = await engine.instances(status="EXECUTING")
    return 0 < len(found) < len(IDS) and all(one.step("pack").status is Status.EXECUTING for one in found)


@pytest.mark.slow
@in_loop
async def test_a_worker_that_was_stopped_past_its_lease_goes_on(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    async with shop.engine() as engine:
        with started("worker", shop.url) as process:
            await divided_with_another(engine)
            stop_outside_of_a_transaction(shop, process.pid)
            await pay(engine, *IDS)
            await ended(engine, *IDS)
            assert len(owned(engine)) == PARTITIONS
            os.kill(process.pid, signal.SIGCONT)
            await divided_with_another(engine)
        await parcelled(engine, *IDS)


def stop_outside_of_a_transaction(shop: Shop, pid: int) -> None:
    """Stop a process where it does not hold the lock of the file: else others wait until it is continued."""
    connection = shop.backend().file.connect(make=False)
    connection.execute("PRAGMA busy_timeout = 60000")
    connection.execute("BEGIN IMMEDIATE")
    os.kill(pid, signal.SIGSTOP)
    os.waitpid(pid, os.WUNTRACED)  # until it has stopped
    connection.execute("ROLLBACK")
    connection.close()


@in_loop
async def test_a_zombie_is_fenced(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    async with shop.engine() as zombie:
        gate = Gate(zombie)
        await pay(zombie, *IDS)
        await gate.reached()
        await asyncio.to_thread(file_of(zombie).maintenance.stop)  # it sends no heartbeat any more
        async with shop.engine() as other:
            await ended(other, *IDS)
            gate.open()

            async def fenced() -> bool:
                return any("going on with what is owned" in record.getMessage() for record in caplog.records)

            await until(fenced)
            run = await other.start(orders, Order("o-new"))
            await pay(other, "o-new")
            await other.wait(run)
            await parcelled(other, *IDS, "o-new")


@in_loop
async def test_a_client_sees_what_a_worker_of_another_process_does(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    with started("worker", shop.url):
        async with shop.engine().client() as client:
            runs = await client.start_all(orders, [Order(id, 10) for id in IDS])
            async with anyio.create_task_group() as group:
                for run in runs:
                    group.start_soon(client.wait, run)
                await pay(client, *IDS)
            assert {(run.status, run.result.text) for run in runs} == {(Status.COMPLETED, "x" * 10)}
            assert owned(client) == set()


@pytest.mark.slow
@in_loop
async def test_a_worker_with_nothing_to_do_is_idle(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "lease=4s")
    await shop.fill(*IDS)
    with started("idle", shop.url) as process:
        told, _ = await asyncio.to_thread(process.communicate)
    assert float(told) < BUSY_MAX
