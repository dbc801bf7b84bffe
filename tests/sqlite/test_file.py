"""How log, readers and clerk deal with a file that fails while something is under way."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from dagger import Topic
from dagger.backends.sqlite import SqliteBackend
from dagger.backends.sqlite.options import options_of
from dagger.backends.sqlite.schema import open_file
from dagger.engine.ports import Outgoing
from dagger.errors import BackendUnavailable
from tests.sqlite.faults import Fault
from tests.sqlite.small import PATIENCE_S

TOPIC = Topic("FILE", str, key=lambda m: m)
LETTERS = [chr(ord("a") + number) for number in range(8)]


def on_file(path: Path) -> SqliteBackend:
    return SqliteBackend(options_of(f"sqlite:///{path}"))


def limited(test: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        with anyio.fail_after(PATIENCE_S):
            await test()

    anyio.run(run)


def failing() -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname, error.sqlite_errorcode = "SQLITE_IOERR", 10
    return error


def test_a_question_that_fails_does_no_harm_to_a_change_that_waits_for_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "file.db"

    def ask_in_vain(connection: sqlite3.Connection) -> None:
        raise failing()

    async def run() -> None:
        backend = on_file(path)
        async with backend.open():
            clerk = backend.hub.clerk
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                async with anyio.create_task_group() as group:
                    group.start_soon(clerk.append, [Outgoing(TOPIC.name, "a", b'"a"')])
                    await anyio.sleep(0.02)
                    with pytest.raises(BackendUnavailable):
                        await clerk.ask(ask_in_vain)
                    other.execute("COMMIT")
            (count,) = await clerk.ask(lambda connection: connection.execute("SELECT count(*) FROM message").fetchone())
            assert count == 1

    limited(run)


def test_a_file_that_cannot_be_made_now_is_told_as_what_passes(tmp_path: Path) -> None:
    """SQLite itself has rolled back by then; that there is nothing to roll back is not what is told."""
    number = 0
    while True:
        fault = Fault("full after", number)
        with fault.at_work():
            try:
                open_file(options_of(f"sqlite:///{tmp_path / str(number)}.db")).close()
            except sqlite3.OperationalError as error:
                assert str(error) == "database or disk is full", fault.struck  # noqa: PT017  # of each in turn
        if not fault.struck:
            break
        number += 1
    assert number > 20
