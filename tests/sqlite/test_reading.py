"""Who only asks changes nothing: not the file, nor what is beside it; so it works where nothing can be written."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio
import anyio._backends._asyncio
import anyio.to_thread
import msgspec
import pytest

from dagger import BackendError, Dagger, UnknownInstance, template
from dagger.backends.sqlite import SqliteBackend
from dagger.backends.sqlite.connections import open_connection, open_read_connection
from dagger.backends.sqlite.options import options_of
from dagger.backends.sqlite.schema import LOG_AND_RECORDS
from dagger.errors import BackendUnavailable
from tests.sqlite.faults import watched
from tests.sqlite.programs import ROOT
from tests.sqlite.shop import Order, Shop, by_id, ended, fails, file_of, in_loop, orders, pack, pay, until

T = TypeVar("T")

IDS = [f"o-{number}" for number in range(10)]
NOBODY = 65534
WRITES = ("BEGIN", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "COMMIT", "PRAGMA journal_mode", "PRAGMA wal_check")


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All files of a folder, when they were written, and what is in them; without those that only readers need."""
    found = [one for one in folder.iterdir() if not one.name.endswith("-shm")]
    return {one.name: (one.stat().st_mtime_ns, one.read_bytes()) for one in found if one.is_file()}


async def ask_all(engine: Dagger) -> None:
    """Everything that can be asked for."""
    assert await engine.count(status="EXECUTING") == len(IDS)
    assert [one.id for one in await engine.instances()] == IDS
    assert "paid" in (await engine.get_instance(IDS[0])).tree()
    with pytest.raises(UnknownInstance):
        await engine.get_instance("nobody")
    with pytest.raises(UnknownInstance):
        await engine.stop("nobody")
    with anyio.move_on_after(0.05):
        await engine.wait(IDS[0])


@in_loop
async def test_who_asks_changes_nothing(tmp_path: Path) -> None:
    """Not even beside others: nothing is there of it but what it was told."""
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    others = sqlite3.connect(shop.path)  # so that the log stays when the engine closes the file
    others.execute("SELECT count(*) FROM record").fetchall()
    before = contents(tmp_path)
    statements = list[str]()

    def noted(connection: sqlite3.Connection, sql: str, call: Callable[[], T]) -> T:
        statements.append(sql)
        return call()

    with watched(noted):
        engine = shop.engine()
        async with engine.client():
            assert await engine.count(status="EXECUTING") == len(IDS)
            assert [one.id for one in await engine.instances()] == IDS
            assert (await engine.get_instance(IDS[0])).id == IDS[0]
            with pytest.raises(UnknownInstance):
                await engine.stop("nobody")
    assert statements
    assert [sql for sql in statements if sql.lstrip().startswith(WRITES)] == []
    assert contents(tmp_path) == before
    others.close()


@pytest.mark.parametrize("kept", [True, False], ids=["with a log", "without a log"])
@in_loop
async def test_on_a_full_disk(tmp_path: Path, kept: bool) -> None:
    """Every statement that writes fails; `wait` sees what others do all the same."""
    shop = Shop(tmp_path, "lease=200ms")
    await shop.fill(*IDS)
    others = sqlite3.connect(shop.path)
    if kept:
        others.execute("SELECT count(*) FROM record").fetchall()

    def full(connection: sqlite3.Connection, sql: str, call: Callable[[], T]) -> T:
        if sql.lstrip().startswith(WRITES):
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorname, error.sqlite_errorcode = "SQLITE_FULL", 13
            raise error
        return call()

    engine = shop.engine()
    with watched(full):
        async with engine.client():
            await ask_all(engine)
            async with fails(BackendUnavailable) as said:
                await engine.start(orders, Order("o-new"))
            assert "the disk is full; nothing was changed; free some space" in said[0]
            async with anyio.create_task_group() as group:
                group.start_soon(engine.wait, IDS[0])
                await anyio.wait_all_tasks_blocked()
                await anyio.to_thread.run_sync(partial(in_a_process, "finish", shop.url, IDS[0]))
    others.close()


def in_a_process(*arguments: str) -> str:
    """What a process of these tests has said."""
    done = subprocess.run(
        [sys.executable, "-m", __name__, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def finish(url: str, id: str) -> None:
    """Let an order end, in a process of its own."""

    async def run() -> None:
        engine = Dagger(url)
        engine.register(orders)
        async with engine:
            await pay(engine, id)
            await ended(engine, id)

    anyio.run(run)


def ask(url: str) -> None:
    """Ask for all, and say what came of a change."""

    async def run() -> None:
        engine = Dagger(url)
        engine.register(orders)
        await ask_all(engine)
        try:
            await engine.start(orders, Order("o-new"))
        except BackendError as error:
            sys.stdout.write(f"{error}\n")
        await engine.aclose()

    anyio.run(run)


def told(url: str) -> None:
    """Say why nothing can be asked for."""

    async def run() -> None:
        engine = Dagger(url)
        engine.register(orders)
        try:
            await engine.count()
        except BackendError as error:
            sys.stdout.write(f"{type(error).__name__}: {error}\n")
        await engine.aclose()

    anyio.run(run)


def open_to_all(folder: Path, mode: int) -> None:
    """Let another user come here, who is not to write."""
    for one in [folder, *list(folder.parents)[:-2]]:
        one.chmod(one.stat().st_mode | 0o055)
    for one in folder.iterdir():
        one.chmod(0o644)
    folder.chmod(mode)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can be another user, who may not write")


@needs_root
@in_loop
async def test_in_a_directory_that_cannot_be_written_to(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    open_to_all(tmp_path, 0o755)
    before = contents(tmp_path)
    said = await anyio.to_thread.run_sync(partial(in_a_process, "ask as nobody", shop.url))
    assert said.startswith(f"the file '{shop.path}' ")
    assert "writ" in said
    assert contents(tmp_path) == before
    await shop.finish(*IDS)


@needs_root
@in_loop
async def test_a_log_that_cannot_be_read_there_is_told_with_the_remedy(tmp_path: Path) -> None:
    """What was left by a process that was killed is in the log; without it the answers would be wrong."""
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    with closing(sqlite3.connect(shop.path)) as connection:
        connection.execute("UPDATE record SET busy = busy")
        connection.commit()
        log = (tmp_path / "orders.db-wal").read_bytes()
    (tmp_path / "orders.db-wal").write_bytes(log)
    open_to_all(tmp_path, 0o755)
    said = await anyio.to_thread.run_sync(partial(in_a_process, "told as nobody", shop.url))
    assert said.startswith(f"BackendError: the file '{shop.path}' cannot be read here: what was written last is in")
    assert "let this user write to the directory, free some space, or copy" in said


@in_loop
async def test_a_file_that_is_not_there_is_not_made_by_who_asks(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "lease=200ms")
    engine = shop.engine()
    async with engine.client():
        assert await engine.count() == 0
        assert await engine.instances() == []
        with pytest.raises(UnknownInstance):
            await engine.get_instance("o-1")
        with pytest.raises(UnknownInstance):
            await engine.wait("o-1")
        assert contents(tmp_path) == {}
        await shop.fill(*IDS)  # now it is made, by another
        assert await engine.count() == len(IDS)
        await engine.start(orders, Order("o-new"))
    await shop.finish(*IDS, "o-new")


@in_loop
async def test_another_makes_it_with_other_partitions_just_before_the_first_change(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    late = SqliteBackend(options_of(f"{shop.url}&partitions=4"))
    engine = Dagger(backend=late)
    engine.register(orders)
    connect = late.file.connect
    made = list[sqlite3.Connection]()

    def after_another(*, make: bool) -> sqlite3.Connection:
        if not made:
            made.append(open_connection(options_of(shop.url)))
        return connect(make=make)

    late.file.connect = after_another
    async with engine.client():
        assert await engine.count() == 0
        async with fails(BackendUnavailable) as said:
            await engine.start(template("Packed", pack, key=by_id), Order("o-2"))  # with no channel to declare before
        assert "was made by another process just now, with 16 partitions, and not 4; nothing was changed" in said[0]
        await engine.start(orders, Order("o-1"))
    made[0].close()
    await shop.finish("o-1")


@in_loop
async def test_one_of_an_older_version_is_left_as_it_is_by_who_asks(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "lease=200ms")
    await shop.fill(*IDS)
    options = options_of(shop.url)
    later = msgspec.structs.replace(LOG_AND_RECORDS, migrations=(*LOG_AND_RECORDS.migrations, "CREATE TABLE extra (x)"))
    engine = shop.engine()
    file = file_of(engine)
    file.connect, file.connect_for_reading = (
        partial(open_connection, options, later),
        partial(open_read_connection, options, later),
    )
    before = contents(tmp_path)
    async with engine.client():
        await ask_all(engine)
        assert contents(tmp_path) == before
        await engine.start(orders, Order("o-new"))  # who writes brings it to the new version
        with closing(sqlite3.connect(shop.path)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone() == (later.version,)
        assert await engine.count(status="EXECUTING") == len(IDS)


@in_loop
async def test_one_too_old_to_be_asked_says_what_to_do(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    later = msgspec.structs.replace(
        LOG_AND_RECORDS,
        migrations=(*LOG_AND_RECORDS.migrations, "CREATE TABLE extra (x)"),
        readable_from=LOG_AND_RECORDS.version + 1,
    )
    engine = shop.engine()
    file_of(engine).connect_for_reading = partial(open_read_connection, options_of(shop.url), later)
    async with fails(BackendError) as said:
        await engine.count()
    assert "can be read from version" in said[0]
    assert "start a worker on it" in said[0]


@in_loop
async def test_who_waits_is_woken_by_others_once_it_is_entered(tmp_path: Path) -> None:
    """Who only asks has no entry; who waits has one while the file can be written."""
    shop = Shop(tmp_path, "lease=1h")  # so that nobody sees by himself what others do
    await shop.fill(*IDS)
    engine, other = shop.engine(), shop.engine()
    async with engine.client():
        await engine.count()
        assert peers(shop) == 0
        async with anyio.create_task_group() as group:
            group.start_soon(engine.wait, IDS[0])

            async def entered() -> bool:
                return peers(shop) == 1

            await until(entered)
            async with other:
                await pay(other, IDS[0])
                await ended(other, IDS[0])
    assert peers(shop) == 0


def peers(shop: Shop) -> int:
    with closing(sqlite3.connect(shop.path)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM peer").fetchone()
    return int(count)


def as_nobody(program: Callable[[str], None]) -> Callable[[str], None]:
    """By a user who may not write. All that is to be imported has been by then: it may not be readable."""

    def run(url: str) -> None:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        program(url)

    return run


PROGRAMS: dict[str, Callable[..., None]] = {
    "finish": finish,
    "ask as nobody": as_nobody(ask),
    "told as nobody": as_nobody(told),
}

if __name__ == "__main__":
    PROGRAMS[sys.argv[1]](*sys.argv[2:])
