"""The order workflow on SQLite, against a program that does nothing but run the same transactions."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import anyio

from benchmarks.measure import at_least, compare
from benchmarks.workflow import Order, Paid, Sent, Shipped, charges, orders, parcels, payments, shipments
from dagger import Dagger
from dagger.backends.sqlite import SqliteBackend
from dagger.backends.sqlite.options import Options, options_of
from dagger.backends.sqlite.schema import open_file

COUNT = 4000
ORDERS = [Order(f"o-{number}", number) for number in range(COUNT)]
AT_ONCE = 500
"""How many messages the services take at a time."""

Statement = tuple[str, Any, bool]
"""Text, parameters, and whether these are of many rows."""


class Recorder:
    """A connection that notes what changes the file."""

    def __init__(self, connection: sqlite3.Connection, statements: list[Statement]) -> None:
        self._connection = connection
        self._statements = statements

    def execute(self, text: str, parameters: Any = ()) -> sqlite3.Cursor:
        if not text.lstrip().startswith(("SELECT", "PRAGMA")):
            self._statements.append((text, parameters, False))
        return self._connection.execute(text, parameters)

    def executemany(self, text: str, rows: Iterable[Any]) -> sqlite3.Cursor:
        found = list(rows)
        if found:
            self._statements.append((text, found, True))
        return self._connection.executemany(text, found)

    def close(self) -> None:
        self._connection.close()


async def pay(engine: Dagger) -> None:
    async for found in engine.subscribe_batches(charges, group="payment", limit=AT_ONCE):
        await engine.publish_all(payments, [Paid(one.order_id, f"r-{one.order_id}") for one in found])


async def send(engine: Dagger) -> None:
    async for found in engine.subscribe_batches(parcels, group="shipping", limit=AT_ONCE):
        await engine.publish_all(shipments, [Sent(one.order_id, f"p-{one.order_id}") for one in found])


async def run_engine(options: Options, statements: list[Statement] | None = None) -> tuple[list[Shipped], float]:
    """Every order through the engine, submissions and answers too; the results, and the seconds that it took."""
    backend = SqliteBackend(options)
    if statements is not None:
        # The first connection is the one that works; the other gives signs of life.
        opened = list[None]()

        def connect() -> Any:
            opened.append(None)
            connection = open_file(options)
            return Recorder(connection, statements) if len(opened) == 1 else connection

        backend.hub.connect = connect  # type: ignore[method-assign]
    async with Dagger(backend=backend) as engine, anyio.create_task_group() as services:
        engine.register(orders)
        services.start_soon(pay, engine)
        services.start_soon(send, engine)
        begun = time.perf_counter()
        runs = await engine.start_all(orders, ORDERS)
        for run in runs:
            await engine.wait(run)
        took = time.perf_counter() - begun
        results = [run.result for run in runs]
        services.cancel_scope.cancel()
    return results, took


def run_raw(options: Options, statements: list[Statement]) -> float:
    """The same statements with the same values in the same transactions; the seconds that it took."""
    connection = open_file(options)
    begun = time.perf_counter()
    for text, parameters, many in statements:
        if many:
            connection.executemany(text, parameters)
        else:
            connection.execute(text, parameters).fetchall()
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


def test_orders_on_sqlite(benchmark: Any, tmp_path: Path) -> None:
    statements = list[Statement]()
    first = options_of(f"sqlite:///{tmp_path}/recorded.db")
    results, _ = asyncio.run(run_engine(first, statements))
    assert results == [Shipped(results[n].order, f"p-o-{n}") for n in range(COUNT)]
    assert [result.order.order for result in results] == ORDERS
    second = options_of(f"sqlite:///{tmp_path}/raw.db")
    run_raw(second, statements)
    assert contents(first.path) == contents(second.path)
    files = iter(range(1_000))

    def fresh() -> Options:
        return options_of(f"sqlite:///{tmp_path}/{next(files)}.db")

    def ours() -> float:
        return asyncio.run(run_engine(fresh()))[1] / COUNT * 1e6

    def theirs() -> float:
        return run_raw(fresh(), statements) / COUNT * 1e6

    name = "SQLite: an order, against its raw transactions"
    compare(benchmark, name, ours, theirs, at_least(1 / 2), rounds=9, speed=True)
