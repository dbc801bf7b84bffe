"""What a child workflow costs, and what an item costs among many."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import NO_BOUND, at_most, compare, note, timed
from benchmarks.workflow import Order, key
from dagger import Dagger, Template, Topic, command, for_each, listener, process, task, template
from dagger.testing import TestEngine

ORDERS = 500
EVENTS = 50
FEW, MANY = 100, 10_000


@task
async def pack(order: Order) -> int:
    return order.total


packing: Template[Order, int] = template("Packing", pack, key=key)
with_a_child = template("WithAChild", process("P", packing), key=key)
without = template("Without", process("P", process("Packing", pack)), key=key)


def test_a_child(benchmark: Any) -> None:
    """An order whose only step is a task: as a child, and as a process of the same body."""
    loop = asyncio.new_event_loop()
    rounds = 0

    def side(whole: Template[Order, int]) -> Callable[[], float]:
        engine = TestEngine()

        async def run() -> None:
            runs = await engine.start_all(whole, [Order(f"o-{rounds}-{number}", number) for number in range(ORDERS)])
            assert [run.result for run in runs] == list(range(ORDERS))

        def cost() -> float:
            nonlocal rounds
            rounds += 1
            return timed(lambda: loop.run_until_complete(run()), ORDERS)

        return cost

    name = "engine in memory: a child to a step"
    compare(benchmark, name, side(with_a_child), side(without), NO_BOUND, rounds=15, speed=False)
    loop.close()


@dataclass(frozen=True)
class Batch:
    id: str
    count: int


@dataclass(frozen=True)
class Item:
    id: str


checked = Topic("CHECKED", Item, key=lambda item: item.id)


applied = Topic("APPLIED", Item, key=lambda item: item.id)


def items(batch: Batch) -> list[Item]:
    return [Item(f"{batch.id}-{number}") for number in range(batch.count)]


def item_id(item: Item) -> str:
    return item.id


@listener(checked, on=item_id)
def heard(item: Item, message: Item) -> str:
    return message.id


@command(applied)
def inform(id: str) -> Item:
    return Item(id)


batches = template("Batches", for_each(items, heard >> inform), key=lambda batch: batch.id)


class InMemory:
    """An instance with so many items; a message for some of them, one after the other."""

    def __init__(self, loop: asyncio.AbstractEventLoop, count: int) -> None:
        self.loop, self.count = loop, count

    def cost(self) -> float:
        engine = TestEngine()
        self.loop.run_until_complete(engine.start(batches, Batch("b", self.count)))

        async def deliver() -> None:
            for number in range(EVENTS):
                await engine.deliver(checked, Item(f"b-{number}"))

        return timed(lambda: self.loop.run_until_complete(deliver()), EVENTS)


def test_an_item_in_memory(benchmark: Any) -> None:
    loop = asyncio.new_event_loop()
    many, few = InMemory(loop, MANY), InMemory(loop, FEW)
    name = "engine in memory: an item of 10,000, to 100"
    compare(benchmark, name, many.cost, few.cost, at_most(2.0), rounds=9, speed=False)
    loop.close()


async def on_sqlite(path: Path, count: int) -> float:
    """The real time of an item's message on a file, in microseconds: until the command that follows it is read."""
    async with Dagger(f"sqlite:///{path}") as engine:
        await engine.start(batches, Batch("b", count))
        found = engine.subscribe(applied, group="bench")
        await engine.publish(checked, Item("b-0"))
        assert (await anext(found)).id == "b-0"
        begun = time.perf_counter()
        for number in range(1, EVENTS + 1):
            await engine.publish(checked, Item(f"b-{number}"))
            assert (await anext(found)).id == f"b-{number}"
        took = time.perf_counter() - begun
        await found.aclose()
    return took / EVENTS * 1e6


def test_an_item_on_sqlite(benchmark: Any, tmp_path: Path) -> None:
    costs = list[tuple[float, float]]()

    def pair() -> None:
        made = len(costs)
        many, few = (asyncio.run(on_sqlite(tmp_path / f"{made}-{count}.db", count)) for count in (MANY, FEW))
        costs.append((many, few))

    benchmark.pedantic(pair, rounds=5)
    note(benchmark, "SQLite: an item of 10,000, to 100", costs, NO_BOUND, speed=False)
