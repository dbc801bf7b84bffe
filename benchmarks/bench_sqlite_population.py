"""SQLite: what a waiting population costs, how soon a worker has begun, and that it is idle when nothing happens."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from benchmarks.measure import at_least, at_most, note
from benchmarks.sqlite_load import serve
from benchmarks.workflow import Order, key, orders, payments
from dagger import Dagger, listener, template

POPULATION: Final = 100_000
ROUND: Final = 1_000
waits = template("Waits", listener(payments).named("wait"), key=key)


def url(path: Path) -> str:
    return f"sqlite:///{path}?finished=1d"


async def fill(path: Path, count: int) -> None:
    """A file in which so many instances wait for a message that never comes."""
    async with Dagger(url(path)) as engine:
        for start in range(0, count, 5_000):
            await engine.start_all(waits, [Order(f"w-{n}", n) for n in range(start, min(start + 5_000, count))])
        while await engine.count(status="EXECUTING") < count:  # noqa: ASYNC110  # they end no other way
            await anyio.sleep(0.05)


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file with the whole population."""
    path = tmp_path_factory.mktemp("crowded") / "crowded.db"
    asyncio.run(fill(path, POPULATION))
    return path


class Rounds:
    """An engine at work on a file: round after round of orders."""

    def __init__(self, path: Path) -> None:
        self.engine = Dagger(url(path))
        self.engine.register(waits)
        self.number = 0

    async def take(self) -> float:
        """A round; the seconds that it took."""
        self.number += 1
        inputs = [Order(f"r-{self.number}-{n}", n) for n in range(ROUND)]
        begun = time.perf_counter()
        runs = await self.engine.start_all(orders, inputs)
        for run in runs:
            await self.engine.wait(run)
        took = time.perf_counter() - begun
        assert all(run.result.order.order == order for run, order in zip(runs, inputs, strict=True))
        return took


async def rounds_of(first: Path, second: Path, count: int) -> list[tuple[float, float]]:
    """Rounds on both files alternately."""
    ours, theirs = Rounds(first), Rounds(second)
    found = list[tuple[float, float]]()
    async with ours.engine, theirs.engine, anyio.create_task_group() as services:
        for one in (ours, theirs):
            serve(one.engine, services)
        for _ in range(count):
            found.append((await ours.take(), await theirs.take()))
        services.cancel_scope.cancel()
    return found[2:]


def test_throughput_with_a_population(benchmark: Any, crowded: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copy(crowded, tmp_path / "crowded.db"))
    found = list[tuple[float, float]]()
    benchmark.pedantic(lambda: found.extend(asyncio.run(rounds_of(copy, tmp_path / "few.db", 17))), rounds=1)
    name = "SQLite: orders beside 100,000 waiting, to none"
    costs = [(many / ROUND * 1e6, few / ROUND * 1e6) for many, few in found]
    note(benchmark, name, costs, at_least(0.90), speed=True)


def test_start_with_a_population(benchmark: Any, crowded: Path) -> None:
    """From nothing to a new order's first command: in a process of its own."""
    times = list[float]()

    def start() -> None:
        program = Path(__file__).with_name("start_worker.py")
        done = subprocess.run([sys.executable, program, url(crowded)], capture_output=True, text=True, check=True)
        times.append(float(done.stdout))

    benchmark.pedantic(start, rounds=5)
    note(
        benchmark,
        "SQLite: a start among 100,000 waiting, to 2 s",
        [(t * 1e6, 2e6) for t in times],
        at_most(1.0),
        speed=False,
    )


def test_an_idle_worker(benchmark: Any, crowded: Path) -> None:
    """The processor time of a worker that has nothing to do, in a share of the time."""
    shares = list[float]()

    def idle() -> None:
        program = Path(__file__).with_name("start_worker.py")
        command = [sys.executable, str(program), url(crowded), "--idle", "5"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        shares.append(float(done.stdout))

    benchmark.pedantic(idle, rounds=1)
    name = "SQLite: an idle worker, to a busy one"
    note(benchmark, name, [(share * 1e6, 1e6) for share in shares], at_most(0.005), speed=False)
