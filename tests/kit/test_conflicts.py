"""One id for two instances that differ, both submitted before either had begun: the second is told."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from dagger import Dagger, InstanceConflict, Status, WorkflowFailed, task, template
from dagger.backends.memory import MemoryBackend
from dagger.testing import TestEngine


@dataclass(frozen=True)
class Order:
    id: str
    total: int = 0


def by_id(order: Order) -> str:
    return order.id


@task
async def price(order: Order) -> int:
    return order.total


pricing = template("Pricing", price, key=by_id)
others: Any = [template("Pricing", price, key=by_id, version=2), template("Other", price, key=by_id)]


@pytest.fixture
def engine(memory: MemoryBackend) -> TestEngine:
    found = TestEngine(backend=memory)
    found.register(pricing)
    return found


async def test_another_input_was_first(memory: MemoryBackend, engine: TestEngine) -> None:
    await Dagger(backend=memory).start(pricing, Order("o-1", 10))
    run = await engine.start(pricing, Order("o-1", 20))
    for ask in (engine.wait, engine.get_instance):
        with pytest.raises(InstanceConflict, match="the id 'o-1' belongs to another instance, which was submitted"):
            await ask(run)
    assert run.status is Status.SUBMITTED
    with pytest.raises(WorkflowFailed):
        _ = run.result
    assert (await engine.wait("o-1")).result == 10
    same = await engine.start(pricing, Order("o-1", 10))
    assert same.result == 10


@pytest.mark.parametrize("other", others)
async def test_another_template_was_first(memory: MemoryBackend, engine: TestEngine, other: Any) -> None:
    engine.register(other)
    await Dagger(backend=memory).start(other, Order("o-1"))
    run = await engine.start(pricing, Order("o-1"))
    with pytest.raises(InstanceConflict):
        await engine.wait(run)


async def test_the_same_was_first(memory: MemoryBackend, engine: TestEngine) -> None:
    await Dagger(backend=memory).start(pricing, Order("o-1", 10))
    run = await engine.start(pricing, Order("o-1", 10))
    assert (await engine.wait(run)).result == run.result == 10


def test_two_processes_and_a_worker(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'orders.db'}"

    async def run() -> None:
        async with Dagger(url).client() as first, Dagger(url).client() as second:
            won = await first.start(pricing, Order("o-1", 10))
            lost = await second.start(pricing, Order("o-1", 20))
            worker = Dagger(url)
            worker.register(pricing)
            async with worker, asyncio.timeout(30):  # a failure limit
                assert (await first.wait(won)).result == 10
                with pytest.raises(InstanceConflict):
                    await second.wait(lost)
                with pytest.raises(InstanceConflict):
                    await second.start(pricing, Order("o-1", 20))

    asyncio.run(run())
