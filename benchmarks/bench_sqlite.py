"""The order workflow on SQLite, against a program that does nothing but run the same transactions.

Measured twice: as it is deployed, with the worker in one process and those who submit and answer in another, and with
all in one process. The raw program is one process both times, since SQLite lets one write at a time; it neither submits
nor answers, so the bound is on the worker.
"""

from __future__ import annotations

import asyncio
import pickle
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import anyio
import pytest

from benchmarks.measure import NO_BOUND, at_least, compare, note
from benchmarks.sqlite_load import COUNT, ORDERS, Statement, recording, serve
from benchmarks.workflow import Shipped, orders
from dagger import Dagger
from dagger.backends.sqlite import SqliteBackend
from dagger.backends.sqlite.connections import open_connection
from dagger.backends.sqlite.options import SqliteOptions, options_of

ALONE = 4000
"""How many orders where one process does everything."""


async def run_engine(options: SqliteOptions, statements: list[Statement] | None = None) -> tuple[list[Shipped], float]:
    """Every order through the engine, submissions and answers too; the results, and the seconds that it took."""
    backend = SqliteBackend(options)
    if statements is not None:
        recording(backend, statements)
    results, took = list[Shipped](), 0.0
    async with Dagger(backend=backend) as engine, anyio.create_task_group() as services:
        engine.register(orders)
        serve(engine, services)
        begun = time.perf_counter()
        runs = await engine.start_all(orders, ORDERS[:ALONE])
        for run in runs:
            await engine.wait(run)
        took = time.perf_counter() - begun
        results = [run.result for run in runs]
        services.cancel_scope.cancel()
    return results, took


def run_apart(url: str, files: Sequence[Path] = ()) -> float:
    """The same with the worker as it is deployed, and a process beside it that submits and answers; the seconds.

    Where there are files, one for each of them, both leave what they have changed there.
    """
    ours, theirs = [[str(file)] for file in files] or [[], []]
    with subprocess.Popen([sys.executable, "-m", "benchmarks.sqlite_worker", url, *ours]) as worker:
        try:
            program = [sys.executable, "-m", "benchmarks.sqlite_load", url, *theirs]
            done = subprocess.run(program, capture_output=True, text=True, check=True)
        finally:
            worker.terminate()
    assert worker.returncode == 0
    return float(done.stdout)


def run_noting(url: str, folder: Path) -> list[Statement]:
    """What changed the file while both ran once, transaction by transaction."""
    files = folder / "ours.pickle", folder / "theirs.pickle"
    run_apart(url, files)
    statements = [Statement(*one) for file in files for one in pickle.loads(file.read_bytes())]
    return list(_in_turn(statements))


def _in_turn(statements: list[Statement]) -> Iterator[Statement]:
    """Whole transactions, in the order in which they were begun: the lock of the file has kept them apart."""
    ours = [one for one in statements if one.begun]
    yield from sorted(ours, key=lambda one: one.begun)


def run_raw(path: Path, statements: list[Statement]) -> float:
    """The same statements with the same values in the same transactions; the seconds that it took."""
    open_connection(options_of(f"sqlite:///{path}")).close()  # which makes the tables
    connection = sqlite3.connect(path, isolation_level=None, cached_statements=256)
    connection.execute("PRAGMA synchronous = FULL")
    begun = time.perf_counter()
    for one in statements:
        if one.many:
            connection.executemany(one.text, one.values)
        else:
            connection.execute(one.text, one.values).fetchall()
    took = time.perf_counter() - begun
    connection.close()
    return took


def contents(path: Path) -> list[Any]:
    """All instances and messages of a file, but for their times."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT key, status, version FROM record ORDER BY key").fetchall()
    rows += connection.execute("SELECT topic, partition, offset, key, payload FROM message ORDER BY 1, 2, 3").fetchall()
    connection.close()
    return rows


@pytest.fixture
def files(tmp_path: Path) -> Iterator[Path]:
    """Paths of files that are not there yet."""
    return (tmp_path / f"{number}.db" for number in count())


def options_at(path: Path) -> SqliteOptions:
    return options_of(f"sqlite:///{path}")


def test_orders_in_one_process(benchmark: Any, files: Iterator[Path]) -> None:
    statements = list[Statement]()
    first, second = next(files), next(files)
    results, _ = asyncio.run(run_engine(options_at(first), statements))
    assert results == [Shipped(results[n].order, f"p-o-{n}") for n in range(ALONE)]
    assert [result.order.order for result in results] == ORDERS[:ALONE]
    run_raw(second, statements)
    assert contents(first) == contents(second)

    def ours() -> float:
        return asyncio.run(run_engine(options_at(next(files))))[1] / ALONE * 1e6

    def theirs() -> float:
        return run_raw(next(files), statements) / ALONE * 1e6

    name = "SQLite: orders in one process, to raw"
    compare(benchmark, name, ours, theirs, NO_BOUND, rounds=9, speed=True)


def test_orders_beside_a_worker(benchmark: Any, files: Iterator[Path], tmp_path: Path) -> None:
    costs = list[tuple[float, float]]()

    def pair() -> None:
        noted, ours, theirs = next(files), next(files), next(files)
        statements = run_noting(f"sqlite:///{noted}", tmp_path)
        seconds = run_apart(f"sqlite:///{ours}")
        raw = run_raw(theirs, statements)
        assert contents(noted) == contents(theirs)
        costs.append((seconds / COUNT * 1e6, raw / COUNT * 1e6))

    benchmark.pedantic(pair, rounds=9)
    note(benchmark, "SQLite: orders through a worker, to raw", costs, at_least(1 / 2), speed=True)
