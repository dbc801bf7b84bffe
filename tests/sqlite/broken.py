"""A connection one statement of which goes wrong: the disk fails, is full, or the process dies there."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import anyio

from dagger import BackendError
from dagger.backends.sqlite import SqliteBackend
from dagger.backends.sqlite.options import options_of
from dagger.backends.sqlite.peers import forget
from dagger.backends.sqlite.schema import open_file
from dagger.testing.clock import VirtualClock
from dagger.testing.contract.crashes import play, worker

Sort: TypeAlias = Literal["disk fails before", "disk fails after", "disk full", "dies before", "dies after"]

_ERRORS: Final = {
    "disk": ("disk I/O error", "SQLITE_IOERR_WRITE", 778),
    "full": ("database or disk is full", "SQLITE_FULL", 13),
}


def error(kind: str) -> sqlite3.OperationalError:
    """An error as SQLite raises it."""
    text, name, code = _ERRORS[kind]
    found = sqlite3.OperationalError(text)
    found.sqlite_errorname, found.sqlite_errorcode = name, code
    return found


class Fate:
    """Which statement goes wrong, counted from 0, and how."""

    def __init__(self, sort: Sort, number: int) -> None:
        self.sort = sort
        self.struck = ""
        """The statement at which it did."""
        self.dead = anyio.Event()
        self._left = number

    def strikes(self, text: str) -> bool:
        if self.struck:
            return False
        self._left -= 1
        if self._left < 0:
            self.struck = f"{self.sort}: {' '.join(text.split())[:60]}"
        return bool(self.struck)


class Broken:
    """A connection with a fate."""

    def __init__(self, connection: sqlite3.Connection, fate: Fate) -> None:
        self._connection = connection
        self._fate = fate

    def execute(self, text: str, values: Any = ()) -> sqlite3.Cursor:
        return self._run(text, lambda: self._connection.execute(text, values))

    def executemany(self, text: str, rows: Iterable[Any]) -> sqlite3.Cursor:
        return self._run(text, lambda: self._connection.executemany(text, rows))

    @property
    def total_changes(self) -> int:
        return self._connection.total_changes

    def close(self) -> None:
        self._connection.close()

    def _run(self, text: str, call: Any) -> sqlite3.Cursor:
        fate = self._fate
        if fate.dead.is_set():
            raise error("disk")
        if not fate.strikes(text):
            return call()  # type: ignore[no-any-return]  # a cursor
        if fate.sort.endswith("after"):
            call()
        if fate.sort.startswith("dies"):
            fate.dead.set()
            self._connection.close()
        raise error("full" if fate.sort == "disk full" else "disk")


def backend_at(path: Path, fate: Fate | None = None) -> SqliteBackend:
    """A backend on the file; what it does to it by its fate fails."""
    options = options_of(f"sqlite:///{path}?partitions=3&lease=20s")
    backend = SqliteBackend(options)
    if fate is not None:
        opened = list[None]()

        def connect() -> Any:
            if fate.dead.is_set():
                raise error("disk")
            connection = open_file(options)
            opened.append(None)
            # The first is the one that works; when it is closed, so is the one that is opened in its place.
            return Broken(connection, fate) if len(opened) != 2 else connection

        backend.hub.connect = connect
    return backend


async def work(path: Path, clock: VirtualClock, fate: Fate | None = None) -> None:
    """A process that plays the scenario, and says again what was not taken; it may die."""
    async with anyio.create_task_group() as process:

        async def watch() -> None:
            if fate is not None:
                await fate.dead.wait()
                process.cancel_scope.cancel()

        process.start_soon(watch)
        try:
            async with worker(backend_at(path, fate), clock).working() as engine:
                while True:
                    try:
                        await play(engine)
                        break
                    except BackendError:
                        if fate is None or fate.dead.is_set():
                            raise
        except BackendError:
            if fate is None or not fate.struck:
                raise
        process.cancel_scope.cancel()


def bury(path: Path) -> None:
    """What a dead process owns is free once it is known to be dead: here at once."""
    connection = open_file(options_of(f"sqlite:///{path}"))
    for (id,) in connection.execute("SELECT id FROM peer").fetchall():
        forget(connection, id)
    connection.close()


@asynccontextmanager
async def opened(path: Path) -> AsyncGenerator[SqliteBackend]:
    """An open backend."""
    backend = backend_at(path)
    async with backend.open():
        yield backend
