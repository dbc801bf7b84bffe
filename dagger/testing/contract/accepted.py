"""What was accepted is known by its id from then on, in every process, before any worker has begun it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from dagger.core.state import Status
from dagger.dsl import signal, template
from dagger.errors import UnknownInstance, WrongInput
from dagger.testing.clock import VirtualClock
from dagger.testing.contract import shop
from dagger.testing.contract.case import ContractCase
from dagger.testing.contract.driver import Driver
from dagger.testing.contract.harness import in_loop, needs_sharing
from dagger.testing.contract.storage import Storage

answered = signal("answer", str)
asks = template("ContractAsks", answered, key=shop.by_id, takes=shop.Order)
other = template("ContractOther", answered, key=lambda order: "one key", takes=shop.Order)
LATE = 2**52
"""Later than any clock of a test, in microseconds."""


class AcceptedContract(ContractCase):
    """What can be asked of instances that are not begun."""

    @in_loop
    async def test_1_what_is_accepted_is_known_by_its_id(self, storage: Storage) -> None:
        async with client(storage) as sender, client(storage) as asker:
            assert await asker.count() == 0
            run = await sender.start(asks, shop.Order("o-1", 7))
            await sender.start(other, shop.Order("x"), id="o-2")
            for engine in (sender, asker):
                found = await engine.get_instance("o-1")
                assert (found.status, found.input, found.key) == (Status.SUBMITTED, shop.Order("o-1", 7), "o-1")
                assert [step.status for step in found.steps] == [Status.NOT_STARTED]
                assert await ids_of(engine) == await ids_of(engine, status="SUBMITTED") == ["o-1", "o-2"]
                assert await ids_of(engine, template="ContractOther") == await ids_of(engine, key="one key") == ["o-2"]
                assert not await ids_of(engine, status=Status.EXECUTING)
                assert await engine.count() == await engine.count(status="SUBMITTED") == 2
                assert await engine.count(template="ContractAsks") == await engine.count(key="one key") == 1
                assert await engine.count(status="COMPLETED") == 0
                with pytest.raises(UnknownInstance):
                    await engine.get_instance("o-3")
                with pytest.raises(UnknownInstance):
                    await engine.wait("o-3")
            assert (await sender.get_instance(run)).status is Status.SUBMITTED

    @in_loop
    async def test_1_what_is_accepted_can_be_signalled_and_stopped(self, storage: Storage) -> None:
        async with client(storage) as sender:
            await sender.start_all(asks, [shop.Order("o-1"), shop.Order("o-2"), shop.Order("o-3")])
        async with client(storage) as asker:
            await asker.signal("o-1", answered, "yes")
            await asker.stop("o-2")
            with pytest.raises(WrongInput):
                await asker.signal("o-3", "answer", 5)
            for engine_call in (asker.signal("o-4", "answer", "yes"), asker.stop("o-4")):
                with pytest.raises(UnknownInstance):
                    await engine_call
        async with worker(storage) as engine:
            await engine.run_until_idle()
            found = {one.id: one for one in await engine.instances()}
            assert [found[id].status for id in sorted(found)] == [Status.COMPLETED, Status.STOPPED, Status.EXECUTING]
            assert found["o-1"].result == "yes"

    @in_loop
    async def test_1_what_is_accepted_can_be_awaited(self, storage: Storage) -> None:
        async with client(storage) as asker, worker(storage) as engine:
            needs_sharing(engine.backend)
            await asker.start(asks, shop.Order("o-1"))
            seen = list[object]()
            async with anyio.create_task_group() as group:

                async def wait(who: Driver) -> None:
                    seen.append((await who.wait("o-1")).result)

                async with client(storage) as another:
                    group.start_soon(wait, asker)
                    group.start_soon(wait, another)
                    await anyio.wait_all_tasks_blocked()
                    await another.signal("o-1", answered, "yes")
                    while len(seen) < 2:
                        if not await engine.step():
                            await engine.rest()
            assert seen == ["yes", "yes"]

    @in_loop
    async def test_1_pages_hold_each_instance_once_begun_or_not(self, storage: Storage) -> None:
        ids = [f"o-{number:02}" for number in range(20)]
        async with worker(storage) as engine:
            await engine.start_all(asks, [shop.Order(id) for id in ids[::3]])
            await engine.run_until_idle()
        async with client(storage) as asker:
            await asker.start_all(asks, [shop.Order(id) for id in ids])  # those that are begun once more
            await asker.start(asks, shop.Order(ids[1]))
            assert await pages(asker, 4) == await pages(asker, 7) == await pages(asker, 100) == ids
            begun, pending = ids[::3], sorted({*ids} - {*ids[::3]})
            assert await pages(asker, 4, status="EXECUTING") == begun
            assert await pages(asker, 4, status="SUBMITTED") == pending
            assert await asker.count() == len(ids)
            assert await asker.count(status="SUBMITTED") == len(pending)
        async with worker(storage) as engine:
            await engine.run_until_idle()
            assert await pages(engine, 4, status="EXECUTING") == ids
            assert not await pages(engine, 4, status="SUBMITTED")
            assert await engine.count() == await engine.count(status="EXECUTING") == len(ids)

    @in_loop
    async def test_1_what_begins_while_it_is_looked_for_is_found(self, storage: Storage) -> None:
        async with worker(storage) as engine, client(storage) as asker:
            needs_sharing(engine.backend)
            ids = list[str]()
            for number in range(10):
                ids.append(f"o-{number}")
                await asker.start(asks, shop.Order(ids[-1]))
                async with anyio.create_task_group() as group:
                    group.start_soon(engine.step)
                    assert (await asker.get_instance(ids[-1])).id == ids[-1]
                    assert await pages(asker, 3) == ids
                    assert await asker.count() == len(ids)

    @in_loop
    async def test_1_what_waits_for_a_worker_that_knows_its_template_is_known(self, storage: Storage) -> None:
        async with client(storage) as asker:
            await asker.start_all(asks, [shop.Order("o-1"), shop.Order("o-2")])
        async with Driver(storage.backend(), VirtualClock()).working() as stranger:
            await stranger.run_until_idle()
            assert stranger.counts["plan_missing"] == 2
            assert await stranger.count() == 2
        async with client(storage) as asker:
            assert (await asker.get_instance("o-1")).status is Status.SUBMITTED
            assert await pages(asker, 1) == await pages(asker, 1, status="SUBMITTED") == ["o-1", "o-2"]
            assert await asker.count(status="SUBMITTED") == await asker.count(template="ContractAsks") == 2
            await asker.signal("o-1", answered, "yes")
            await asker.stop("o-2")
        async with worker(storage) as engine:
            await engine.run_until_idle()
            assert await pages(engine, 1, status="COMPLETED") == ["o-1"]
            assert await pages(engine, 1, status="STOPPED") == ["o-2"]
            assert await engine.count(status="SUBMITTED") == 0

    @in_loop
    async def test_1_a_wait_ends_where_the_instance_ended_and_was_deleted(self, storage: Storage) -> None:
        async with worker(storage) as engine:
            needs_sharing(engine.backend)
            backend = storage.backend()
            async with backend.open():
                if not await storage.purge(backend, 0):
                    pytest.skip("the backend keeps what has ended (`purge`)")
                async with client(storage) as asker:
                    run = await asker.start(asks, shop.Order("o-1"))
                    await asker.stop(run)
                    await engine.run_until_idle()
                    assert await storage.purge(backend, LATE)
                    with pytest.raises(UnknownInstance, match="'o-1' no longer exists"):
                        await asker.wait(run)
                    assert (await asker.start(asks, shop.Order("o-1"))).status is Status.SUBMITTED
                    await engine.run_until_idle()
                    assert (await asker.get_instance("o-1")).status is Status.EXECUTING


@asynccontextmanager
async def client(storage: Storage) -> AsyncGenerator[Driver]:
    """A process that does not work, and knows the templates."""
    async with Driver(storage.backend(), VirtualClock()).connected() as engine:
        engine.register(asks)
        engine.register(other)
        yield engine


@asynccontextmanager
async def worker(storage: Storage) -> AsyncGenerator[Driver]:
    """A worker that works only when a test calls it."""
    engine = Driver(storage.backend(), VirtualClock())
    engine.register(asks)
    engine.register(other)
    async with engine.working():
        yield engine


async def ids_of(
    engine: Driver, *, template: str | None = None, status: str | None = None, key: str | None = None
) -> list[str]:
    """The ids of a page."""
    return [instance.id for instance in await engine.instances(template=template, status=status, key=key)]


async def pages(engine: Driver, limit: int, status: str | None = None) -> list[str]:
    """The ids of all pages: each is full, but the last."""
    found = list[str]()
    while True:
        page = [
            one.id for one in await engine.instances(status=status, limit=limit, after=found[-1] if found else None)
        ]
        found += page
        if len(page) < limit:
            return found
