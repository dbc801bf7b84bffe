"""What fails lets go of the file at once, tells who waits, and goes on: whatever it is that fails, and who keeps it."""

from __future__ import annotations

import asyncio
import gc
import logging
import sqlite3
import warnings
from contextlib import closing
from pathlib import Path

import anyio.from_thread
import pytest

from dagger import BackendError
from dagger.backends.sqlite import SqliteBackend
from dagger.backends.sqlite.options import options_of
from dagger.engine.ports import Outgoing
from tests.sqlite.shop import Order, Shop, ended, file_of, in_loop, orders, pay, until, waiting

IDS = [f"o-{number}" for number in range(20)]


def half_way(connection: sqlite3.Connection) -> None:
    """A change that has not come to its end."""
    connection.execute("INSERT INTO head VALUES ('half', 0, 1), ('half', 1, 1) RETURNING next").fetchone()
    rows = connection.execute("SELECT * FROM message")
    next(rows)
    raise ZeroDivisionError("half way")


def amid_rows(connection: sqlite3.Connection) -> None:
    """A question that has not come to its end."""
    rows = connection.execute("SELECT * FROM message")
    next(rows)
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname, error.sqlite_errorcode = "SQLITE_IOERR", 10
    raise error


@pytest.mark.parametrize("way", ["transact", "query", "scan"])
@in_loop
async def test_whoever_keeps_the_error_keeps_no_lock(tmp_path: Path, way: str) -> None:
    shop = Shop(tmp_path, "lease=1h&busy_timeout=100ms")
    backend = shop.backend()
    async with backend.open():
        await backend.log.append([Outgoing("T", b"%d" % number, b"x" * 5_000) for number in range(10)])
        work = half_way if way == "change" else amid_rows
        with pytest.raises((BackendError, ZeroDivisionError)) as kept:
            await getattr(backend.file.database, way)(work)
        with closing(sqlite3.connect(shop.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            other.execute("ROLLBACK")
            (busy, _, _) = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            assert not busy, "neither writing nor reading"
        assert kept.value is not None
        assert await backend.file.database.query(
            lambda one: one.execute("SELECT count(*) FROM message").fetchone()
        ) == (10,)


@in_loop
async def test_a_chore_that_fails_as_nobody_expects_is_told_and_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Signs of life are given all the same, and a worker goes on."""
    shop = Shop(tmp_path, "lease=400ms")
    async with shop.engine() as engine:
        file = file_of(engine)
        look, failures = file.processes.load_ports, list[BaseException]()

        def failing(connection: sqlite3.Connection) -> None:
            if len(failures) < 2:
                failures.append([ZeroDivisionError("a fault"), SystemExit(3)][len(failures)])
                raise failures[-1]
            look(connection)

        file.processes.load_ports = failing  # type: ignore[method-assign]  # for a while
        await engine.start_all(orders, [Order(id) for id in IDS])

        async def told() -> bool:
            return len(failures) == 2

        await until(told)
        await pay(engine, *IDS)
        await ended(engine, *IDS)
    found = [record for record in caplog.records if "a background job failed" in record.getMessage()]
    assert [record.levelno for record in found] == [logging.ERROR] * 2
    assert "ZeroDivisionError: a fault" in found[0].getMessage()
    assert all(record.exc_info for record in found)


@in_loop
async def test_what_fails_as_nobody_expects_is_told_to_all_who_wait(tmp_path: Path) -> None:
    """Those whose turn has not come yet, too."""
    backend = Shop(tmp_path).backend()
    async with backend.open():
        database = backend.file.database
        await database.transact(lambda connection: None)
        committed = database._committed

        def failing(rows: int, wakes: bool) -> None:
            database._committed = committed
            raise ZeroDivisionError("a fault")

        database._committed = failing
        first = asyncio.ensure_future(database.append([Outgoing("T", b"k", b"first")]))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(database.append([Outgoing("T", b"k", b"second")]))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for one in (first, second):
                with pytest.raises((BackendError, ZeroDivisionError)):
                    await one
        await database.append([Outgoing("T", b"k", b"third")])


# One event loop after the other.


KEPT = list[object]()
"""What an event loop has left open: else its end would close it."""


@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")
@pytest.mark.parametrize("closes", [True, False], ids=["closed each time", "never closed"])
def test_a_file_is_used_in_one_loop_after_the_other(tmp_path: Path, closes: bool) -> None:
    """Also where a loop has ended without closing it: what was owned there is not kept."""
    shop = Shop(tmp_path, "lease=1h")
    backend = SqliteBackend(options_of(shop.url))

    async def use(number: int) -> int:
        context = backend.open()
        await context.__aenter__()
        joined = backend.log.join()
        await joined.__aenter__()
        assert len(backend.file.groups.leases[""].owned) == 16
        await backend.log.append([Outgoing("T", b"%d" % number, b"")])
        if closes:
            await joined.__aexit__(None, None, None)
            await context.__aexit__(None, None, None)
        else:
            KEPT.extend([context, joined])  # else the end of the loop closes it
        (count,) = await_first(backend)
        return count

    def await_first(backend: SqliteBackend) -> tuple[int]:
        with closing(sqlite3.connect(shop.path)) as connection:
            return connection.execute("SELECT count(*) FROM message").fetchone()  # type: ignore[no-any-return]  # a row

    for number in range(3):
        loop = asyncio.new_event_loop()
        try:
            assert loop.run_until_complete(use(number)) == number + 1
        finally:
            loop.close()
    if not closes:
        backend.file.maintenance.stop()
        backend.file._abandon()
    with closing(sqlite3.connect(shop.path)) as connection:
        assert connection.execute("SELECT count(*) FROM peer").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM lease WHERE owner IS NOT NULL").fetchone() == (0,)
    KEPT.clear()
    gc.collect()


@pytest.mark.filterwarnings("ignore:unclosed transport:ResourceWarning")
def test_what_a_loop_has_left_open_passes_to_others(tmp_path: Path) -> None:
    """Without anybody using it again here."""
    shop = Shop(tmp_path, "lease=400ms")
    backend = SqliteBackend(options_of(shop.url))

    async def leave_open() -> None:
        context = backend.open()
        await context.__aenter__()
        joined = backend.log.join()
        await joined.__aenter__()
        KEPT.extend([context, joined])

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave_open())
    loop.close()

    async def work() -> None:
        async with shop.engine() as engine:
            await engine.start_all(orders, [Order(id) for id in IDS])
            await until(lambda: waiting(engine, len(IDS)))
            await pay(engine, *IDS)
            await ended(engine, *IDS)

    with anyio.from_thread.start_blocking_portal() as portal:
        portal.call(work)
    backend.file._abandon()
    KEPT.clear()
    gc.collect()


@in_loop
async def test_an_end_that_fails_leaves_no_socket_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backend = SqliteBackend(options_of(f"sqlite:///{tmp_path}/orders.db"))
    stop = backend.file.database.stop

    async def failing() -> None:
        await stop()
        raise BackendError("the end fails")

    monkeypatch.setattr(backend.file.database, "stop", failing)
    with pytest.raises(BackendError, match="the end fails"):
        async with backend.open():
            assert backend.file.processes._socket is not None
    assert backend.file.processes._socket is None
