"""How log, readers and database deal with a file that fails while something is under way."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from dagger import Dagger, Topic
from dagger.backends.sqlite import SqliteBackend
from dagger.backends.sqlite.connections import open_connection
from dagger.backends.sqlite.options import options_of
from dagger.engine import backoff
from dagger.engine.ports import Append, Outgoing, Reader
from dagger.errors import BackendUnavailable
from tests.sqlite.faults import NEVER, PASSING, Fault, Sort
from tests.sqlite.small import PATIENCE_S, retry_unavailable

TOPIC = Topic("FILE", str, key=lambda m: m)
LETTERS = [chr(ord("a") + number) for number in range(8)]


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "PAUSE_S_MIN", 0.001)


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
            database = backend.file.database
            await database.transact(lambda connection: None)
            with closing(sqlite3.connect(path, isolation_level=None)) as other:
                other.execute("BEGIN IMMEDIATE")
                async with anyio.create_task_group() as group:
                    group.start_soon(database.append, [Outgoing(TOPIC.name, b"a", b'"a"')])
                    await anyio.sleep(0.02)
                    with pytest.raises(BackendUnavailable):
                        await database.query(ask_in_vain)
                    other.execute("COMMIT")
            (count,) = await database.query(
                lambda connection: connection.execute("SELECT count(*) FROM message").fetchone()
            )
            assert count == 1

    limited(run)


@pytest.mark.parametrize("sort", PASSING)
def test_a_poll_that_fails_half_way_skips_nothing(tmp_path: Path, sort: Sort) -> None:
    """At each statement of the poll in turn; what is owned is told, too."""

    async def poll(path: Path, number: int) -> bool:
        backend, fault = on_file(path), Fault(sort)
        with fault.at_work():
            async with backend.open(), backend.log.join():
                await backend.log.append([Append(partition, b"x") for partition in range(4)])
                fault.arm(number)
                batch = await retry_unavailable(lambda: backend.log.poll(100))
                fault.arm(NEVER)
        assert sorted(record.partition for record in batch.records) == [*range(4)], fault.struck
        assert batch.owned is not None, fault.struck
        assert len(batch.owned) == 16
        return bool(fault.struck)

    async def run() -> None:
        number = 0
        while await poll(tmp_path / f"{number}.db", number):
            number += 1
        assert number > 4

    limited(run)


@pytest.mark.parametrize("sort", [PASSING[0], *(pytest.param(one, marks=pytest.mark.slow) for one in PASSING[1:])])
def test_a_subscriber_outlives_what_passes_and_misses_nothing(tmp_path: Path, sort: Sort) -> None:
    """At each statement that it takes to read a few messages."""

    async def subscribe(path: Path, number: int) -> bool:
        engine, fault = Dagger(f"sqlite:///{path}"), Fault(sort)
        found = list[str]()
        with fault.at_work():
            await engine.publish_all(TOPIC, LETTERS)
            fault.arm(number)
            async for batch in engine.subscribe_batches(TOPIC, group="group", limit=3):
                found += batch
                if len(found) >= len(LETTERS):
                    break
            fault.arm(NEVER)
            await engine.aclose()
        assert sorted(found) == LETTERS, fault.struck
        return bool(fault.struck)

    async def run() -> None:
        number = 0
        while await subscribe(tmp_path / f"{number}.db", number):
            number += 1
        assert number > 10

    limited(run)


@pytest.mark.parametrize("turns", range(6))
def test_a_reader_that_gives_up_waiting_misses_nothing(tmp_path: Path, turns: int) -> None:
    """Its question was put, and is answered when it no longer waits."""

    async def run() -> None:
        backend, fault = on_file(tmp_path / "file.db"), Fault("locked before")
        with fault.at_work():
            async with backend.open(), backend.log.reader(TOPIC.name, "group") as reader:
                assert await read_for(reader, turns=100) == []  # it is a member of its group by now
                await backend.log.append([Outgoing(TOPIC.name, b"a", b"x")])
                fault.arm(0)  # so that the question is put again, in a queue
                found = await read_for(reader, turns) or await read_for(reader, turns=100)
        assert found == [b"x"]

    limited(run)


async def read_for(reader: Reader, turns: int) -> list[bytes]:
    """Read; give up after so many turns of the event loop."""
    found = list[bytes]()

    async def give_up() -> None:
        for _ in range(turns):
            await anyio.sleep(0.001 if turns > 10 else 0)
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(give_up)
        found += [one.payload or b"" for one in await reader.read(10)]
        group.cancel_scope.cancel()
    return found


def test_a_file_that_cannot_be_made_now_is_told_as_what_passes(tmp_path: Path) -> None:
    """SQLite itself has rolled back by then; that there is nothing to roll back is not what is told."""
    number = 0
    while True:
        fault = Fault("full after", number)
        with fault.at_work():
            try:
                open_connection(options_of(f"sqlite:///{tmp_path / str(number)}.db")).close()
            except sqlite3.OperationalError as error:
                assert error.sqlite_errorname == "SQLITE_FULL", fault.struck  # noqa: PT017  # of each in turn
        if not fault.struck:
            break
        number += 1
    assert number > 20


def test_an_engine_that_cannot_begin_now_says_so_plainly(tmp_path: Path) -> None:
    """As one error, not a group, wherever it fails; and nothing is left open."""

    async def begin(number: int) -> bool:
        fault = Fault("full before", number)
        with fault.at_work():
            try:
                async with Dagger(f"sqlite:///{tmp_path / str(number)}.db"):
                    fault.arm(NEVER)
            except BackendUnavailable as error:
                assert "disk is full" in str(error)  # noqa: PT017  # of each in turn
        return bool(fault.struck)

    async def run() -> None:
        number = 0
        while await begin(number):
            number += 1
        assert number > 40

    limited(run)
