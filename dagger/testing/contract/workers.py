"""Several processes on the same data: they share the work, take over from each other, and see what others do."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

import anyio
import anyio.to_thread
import pytest

from dagger.core.state import Status
from dagger.dsl import listener, task, template
from dagger.engine.dagger import Dagger
from dagger.engine.headers import text_of
from dagger.engine.worker.context import context
from dagger.testing.clock import VirtualClock
from dagger.testing.contract import shop, victim
from dagger.testing.contract.case import ContractCase
from dagger.testing.contract.driver import Driver, messages_of
from dagger.testing.contract.harness import in_loop, needs_sharing
from dagger.testing.contract.storage import Storage


@listener(shop.NOTES)
def wait_for_note(order: shop.Order, message: shop.Paid) -> shop.Order:
    """Waits, so that the work can be divided first."""
    return order


@task
async def by_whom(order: shop.Order) -> str:
    """The name of the engine that has run it."""
    name: str = context().resources
    return name


who = template("ContractWho", wait_for_note >> by_whom, key=shop.by_id)
IDS = [f"o-{number}" for number in range(40)]


class WorkersContract(ContractCase):
    """The contract of several processes."""

    @in_loop
    async def test_two_workers_share_the_instances(self, storage: Storage) -> None:
        clock = VirtualClock()
        async with named(storage, clock, "one") as one, named(storage, clock, "two") as two:
            await divided(one, two)
            await one.start_all(who, [shop.Order(id) for id in IDS])
            await two.publish_all(shop.NOTES, [shop.Paid(id, "go") for id in IDS])
            await together(one, two, until=partial(ended, one))
            assert {instance.result for instance in await two.instances(template=who.name)} == {"one", "two"}

    @in_loop
    async def test_when_one_leaves_the_other_finishes(self, storage: Storage) -> None:
        clock = VirtualClock()
        async with named(storage, clock, "stays") as stays:
            async with named(storage, clock, "leaves") as leaves:
                await divided(stays, leaves)
                await stays.start_all(who, [shop.Order(id) for id in IDS])
                await together(stays, leaves, until=partial(executing, stays))
            await stays.publish_all(shop.NOTES, [shop.Paid(id, "go") for id in IDS])
            await stays.until(partial(ended, stays))
            assert {instance.result for instance in await stays.instances(template=who.name)} == {"stays"}

    @in_loop
    async def test_a_process_that_does_not_work_waits_for_one_that_does(self, storage: Storage) -> None:
        clock = VirtualClock()
        outside = Driver(storage.backend(), clock)
        async with named(storage, clock, "works") as works, outside.connected() as client:
            run = await client.start(who, shop.Order("o-1"))
            async with anyio.create_task_group() as group:
                group.start_soon(client.wait, run)
                await works.run_until_idle()
                assert not run.status.is_end
                await client.publish(shop.NOTES, shop.Paid("o-1", "go"))
                await works.run_until_idle()
            assert (run.status, run.result) == (Status.COMPLETED, "works")

    @in_loop
    async def test_what_a_process_accepted_survives_its_being_killed(self, storage: Storage) -> None:
        if storage.urls is None:
            pytest.skip("the data is gone with the process (`urls`)")
        broker, store = storage.urls
        code = f"import sys; from {victim.__name__} import main; main(sys.argv[1:])"
        command = [sys.executable, "-c", code, broker, store or ""]
        accepted = await anyio.to_thread.run_sync(kill_half_way, command)
        engine = Driver(storage.backend(), VirtualClock())
        engine.register(shop.order)
        async with engine.working():
            runs = [await engine.start(shop.order, shop.Order(id)) for id in victim.IDS]
            for id in set(victim.IDS) - set(accepted):
                await engine.publish(shop.PAYMENTS, shop.Paid(id, "r"), id=f"p-{id}")
            await engine.finish(*runs)
            assert {run.status for run in runs} == {Status.COMPLETED}
            for topic in (shop.CHARGES, shop.SHIPMENTS):
                found = await messages_of(engine.backend, topic.name, set(victim.IDS))
                assert sorted(text_of(one.key or b"") for one in found) == sorted(victim.IDS)


@asynccontextmanager
async def named(storage: Storage, clock: VirtualClock, name: str) -> AsyncGenerator[Driver]:
    """A worker whose tasks know its name."""

    @asynccontextmanager
    async def lifespan(engine: Dagger) -> AsyncGenerator[str]:
        yield name

    backend = storage.backend()
    needs_sharing(backend)
    engine = Driver(backend, clock, lifespan=lifespan)
    engine.register(who)
    async with engine.working():
        yield engine


async def together(*engines: Driver, until: Callable[[], Awaitable[bool]]) -> None:
    """Let several work, in turn, until something is so."""
    while not await until():
        if not any([await engine.step() for engine in engines]):
            for engine in engines:
                await engine.rest()


async def divided(one: Driver, two: Driver) -> None:
    """Let them work until each has its share."""
    count = one.backend.log.partitions
    if count < 2:
        pytest.skip("the log has one partition: nothing can be shared")

    async def is_so() -> bool:
        return bool(one.owned and two.owned) and len(one.owned | two.owned) == count

    await together(one, two, until=is_so)


async def ended(engine: Driver) -> bool:
    """Whether all have ended."""
    return await engine.count(template=who.name, status=Status.COMPLETED) == len(IDS)


async def executing(engine: Driver) -> bool:
    """Whether all have begun."""
    return await engine.count(template=who.name, status=Status.EXECUTING) == len(IDS)


def kill_half_way(command: list[str]) -> list[str]:
    """Start a process, and kill it when half of what it is to accept is accepted; gives what it has said so far."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = list[str]()
        for line in process.stdout:
            said.append(line.strip())
            if len(said) == len(victim.IDS) // 2:
                process.kill()
        assert said, "it has accepted nothing"
    return said
