"""Those who submit orders and answer for the services, as a process beside a worker on a SQLite file.

`python -m benchmarks.sqlite_load URL [FILE]` prints the seconds from the first submission until all orders are
completed, and leaves in FILE what it has changed. To note that takes time, too: a run that is timed has no FILE.
"""

from __future__ import annotations

import asyncio
import pickle
import sqlite3
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import anyio.abc

from benchmarks.workflow import Order, Paid, Sent, Shipped, charges, orders, parcels, payments, shipments
from dagger import Dagger, Run
from dagger.backends.sqlite import SqliteBackend
from dagger.backends.sqlite.connections import ReadConnection
from dagger.backends.sqlite.options import options_of

COUNT = 40_000
ORDERS = [Order(f"o-{number}", number) for number in range(COUNT)]
AT_ONCE = 500
"""How many messages the services take at a time, and orders are submitted at a time."""


class Statement(NamedTuple):
    """Something that changed a file."""

    text: str
    values: Any
    many: bool
    """Whether the values are those of many rows."""
    begun: float
    """When its transaction had the lock of the file, in seconds of the machine's monotonic clock."""


class Recorder:
    """A connection that notes the transactions that it commits."""

    def __init__(self, connection: sqlite3.Connection, statements: list[Statement]) -> None:
        self._connection = connection
        self._statements = statements
        self._transaction: list[Statement] = []
        self._begun = 0.0

    def execute(self, text: str, values: Any = ()) -> sqlite3.Cursor:
        cursor = self._connection.execute(text, values)
        if text.startswith("BEGIN"):
            self._begun = time.monotonic()
        if not text.lstrip().startswith(("SELECT", "PRAGMA")):
            self._transaction.append(Statement(text, values, False, self._begun))
        if text == "COMMIT":
            self._statements += self._transaction
            self._transaction = []
        return cursor

    def executemany(self, text: str, rows: Iterable[Any]) -> sqlite3.Cursor:
        found = list(rows)
        if found:
            self._transaction.append(Statement(text, found, True, self._begun))
        return self._connection.executemany(text, found)

    @property
    def total_changes(self) -> int:
        return self._connection.total_changes

    def rollback(self) -> None:
        self._transaction = []
        self._connection.rollback()

    def close(self) -> None:
        self._connection.close()


def recording(backend: SqliteBackend, statements: list[Statement]) -> None:
    """Note what a backend changes in its file: each of its threads has a connection of its own."""
    connect, connect_for_reading = backend.file.connect, backend.file.connect_for_reading

    def noting(*, make: bool) -> Any:
        return Recorder(connect(make=make), statements)

    def noting_reader() -> ReadConnection:
        found = connect_for_reading()
        recorder: Any = Recorder(found.connection, statements)
        return found._replace(connection=recorder)

    backend.file.connect, backend.file.connect_for_reading = noting, noting_reader


def serve(engine: Dagger, group: anyio.abc.TaskGroup) -> None:
    """The two services."""
    group.start_soon(_answer, engine, charges, payments, lambda id: Paid(id, f"r-{id}"))
    group.start_soon(_answer, engine, parcels, shipments, lambda id: Sent(id, f"p-{id}"))


async def _answer(engine: Dagger, source: Any, target: Any, make: Any) -> None:
    async for found in engine.subscribe_batches(source, group=target.name, limit=AT_ONCE):
        await engine.publish_all(target, [make(one.order_id) for one in found])


def keep(statements: list[Statement], target: Path) -> None:
    """Leave what was noted in a file."""
    target.write_bytes(pickle.dumps([tuple(one) for one in statements]))


async def load(backend: SqliteBackend) -> float:
    engine = Dagger(backend=backend)
    engine.register(orders)
    took = 0.0
    async with engine.client(), anyio.create_task_group() as services:
        serve(engine, services)
        begun = time.perf_counter()
        runs = list[Run[Shipped]]()
        for start in range(0, COUNT, AT_ONCE):
            runs += await engine.start_all(orders, ORDERS[start : start + AT_ONCE])
        for run in runs:
            await engine.wait(run)
        took = time.perf_counter() - begun
        services.cancel_scope.cancel()
    return took


def main(url: str, target: Path | None = None) -> None:
    statements = list[Statement]()
    backend = SqliteBackend(options_of(url))
    if target is not None:
        recording(backend, statements)
    print(asyncio.run(load(backend)))
    if target is not None:
        keep(statements, target)


if __name__ == "__main__":
    main(sys.argv[1], *map(Path, sys.argv[2:]))
