"""A file of records alone, beside a log of another kind: whose it is, what it forgets, and several processes on it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import msgspec
import pytest

from dagger import BackendError, BackendUnavailable, Dagger
from dagger.backends.sqlite import SqliteRecordStore, backup, store
from dagger.backends.sqlite.options import options_of
from dagger.backends.sqlite.schema import RECORDS_ONLY
from dagger.backends.standalone import store_for
from dagger.engine.ports import Row, Write
from tests.sqlite.programs import ROOT
from tests.sqlite.shop import Shop, fails, in_loop, until
from tests.sqlite.test_migrations import dump

KEYS = 40
"""Records that two processes write."""
EACH = 25
"""How often each process adds one to each of them."""


def url_of(folder: Path, options: str = "") -> str:
    return f"sqlite:///{folder}/records.db{options}"


def quick(folder: Path, **options: float) -> SqliteRecordStore:
    """A store that looks for what is old all the time."""
    given = msgspec.structs.replace(options_of(url_of(folder)), lease=0.04, **options)
    return SqliteRecordStore(given, "shop")


def rows(store: SqliteRecordStore, text: str) -> Awaitable[list[Any]]:
    answer: Awaitable[list[Any]] = store.file.database.query(lambda one: one.execute(text).fetchall())
    return answer


async def made(folder: Path) -> None:
    """Let there be a file of the application."""
    records = store(url_of(folder), "shop")
    async with records.open():
        assert await records.incarnation()


# Whose it is.


@in_loop
async def test_it_is_found_by_its_url(tmp_path: Path) -> None:
    found = store_for(url_of(tmp_path, "?busy_timeout=1s&finished=1d&deleted=2d"), "shop")
    assert isinstance(found, SqliteRecordStore)
    options = found.file.options
    assert (options.busy_timeout, options.finished, options.deleted) == (1, 86_400, 2 * 86_400)
    assert options_of(url_of(tmp_path)).deleted == 14 * 86_400
    async with found.open():
        assert await found.write([]) == []
        assert await found.read([]) == []


@pytest.mark.parametrize("option", ["partitions=3", "retention=1d", "lease=2s", "nothing=1"])
def test_options_that_mean_nothing_here_are_refused(tmp_path: Path, option: str) -> None:
    with pytest.raises(BackendError, match=r"there is no option .*\. There are: busy_timeout, finished, deleted$"):
        store(url_of(tmp_path, f"?{option}"), "shop")
    with pytest.raises(BackendError, match="there is no option 'deleted'"):
        options_of(url_of(tmp_path, "?deleted=1d"))


@in_loop
async def test_the_file_of_a_whole_backend_is_refused(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill("o-1")
    before = dump(shop.path)
    async with fails(BackendError) as said, store(f"sqlite:///{shop.path}", "shop").open():
        pass
    assert said[0] == (
        f"the file '{shop.path}' has the log and the records of engines that need nothing else, "
        "Dagger('sqlite:///...'); give another path"
    )
    assert dump(shop.path) == before
    await shop.finish("o-1")


@in_loop
async def test_a_file_of_records_is_refused_as_a_whole_backend(tmp_path: Path) -> None:
    records = store(url_of(tmp_path), "shop")
    async with records.open():
        assert await records.write([Write("key", 0, 0, 1, b"")]) == [True]
    before = dump(tmp_path / "records.db")
    expected = (
        f"the file '{tmp_path}/records.db' has the records of an application whose log is elsewhere, "
        "Dagger(..., store='sqlite:///...'); give another path"
    )
    async with fails(BackendError) as said:
        await Dagger(url_of(tmp_path)).count()
    assert said[0] == expected
    async with fails(BackendError) as said:
        await backup(url_of(tmp_path), tmp_path / "copy.db")
    assert said[0] == expected
    assert dump(tmp_path / "records.db") == before


@in_loop
async def test_the_file_of_another_application_is_refused(tmp_path: Path) -> None:
    for _ in range(2):
        await made(tmp_path)
    before = dump(tmp_path / "records.db")
    for name in ("Shop", ""):
        async with fails(BackendError) as said, store(url_of(tmp_path), name).open():
            pass
        assert said[0] == (
            f"the file '{tmp_path}/records.db' has the records of the application 'shop', and this one is '{name}'; "
            "give each application a file of its own. Nothing was changed"
        )
        assert dump(tmp_path / "records.db") == before


@in_loop
async def test_a_database_of_something_else_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "records.db")) as connection:
        connection.execute("CREATE TABLE record (key TEXT)")
    async with fails(BackendError) as said, store(url_of(tmp_path), "shop").open():
        pass
    assert said[0] == f"the file '{tmp_path}/records.db' is a database of something else; give another path"


@in_loop
async def test_one_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    await made(tmp_path)
    with closing(sqlite3.connect(tmp_path / "records.db")) as connection:
        connection.execute(f"PRAGMA user_version = {RECORDS_ONLY.version + 1}")
    async with fails(BackendError) as said, store(url_of(tmp_path), "shop").open():
        pass
    assert "written by a newer release of dagger" in said[0]


@in_loop
async def test_a_file_is_the_same_until_another_is_made(tmp_path: Path) -> None:
    one, other = store(url_of(tmp_path), "shop"), store(url_of(tmp_path), "shop")
    async with one.open(), other.open():
        first = await one.incarnation()
        assert await other.incarnation() == first
    async with one.open():
        assert await one.incarnation() == first
    (tmp_path / "records.db").unlink()
    async with one.open():
        assert await one.incarnation() != first


# What is forgotten.


@in_loop
async def test_what_has_ended_goes_and_is_remembered(tmp_path: Path) -> None:
    long_ago = time.time_ns() // 1_000 - 3_600_000_000
    records = quick(tmp_path, finished=0.05)
    async with records.open():
        old = [Write(f"old-{number}", 0, 0, 5, b"", ended=long_ago) for number in range(1_200)]
        assert all(await records.write([*old, Write("lives", 0, 0, 5, b"")]))
        await until(none_of(records, "SELECT key FROM record WHERE ended IS NOT NULL"))
        assert await records.read(["lives", "old-0"]) == [Row(5, b""), None]
        assert not any(await records.write([Write(f"old-{number}", 0, 0, 5, b"late") for number in range(1_200)]))
        assert await records.write([Write("old-0", 0, 0, 6, b"new")]) == [True]


@pytest.mark.slow
@in_loop
async def test_what_is_remembered_goes_after_a_time(tmp_path: Path) -> None:
    """And nothing else does."""
    records = quick(tmp_path, deleted=0.05)
    async with records.open():
        keys = [f"k-{number}" for number in range(1_200)]
        assert all(await records.write([Write(key, 0, 0, 5, b"") for key in [*keys, "stays"]]))
        assert await records.pin("name", b"note") == b"note"
        assert all(await records.write([Write(key, 0, 5, 6, None) for key in keys]))
        await until(none_of(records, "SELECT key FROM tombstone"))
        assert await records.write([Write("k-0", 0, 0, 5, b"")]) == [True]
        assert await records.read(["stays"]) == [Row(5, b"")]
        assert await records.pin("name", b"other") == b"note"


@in_loop
async def test_nothing_is_remembered_of_what_is_there(tmp_path: Path) -> None:
    """So the file has a row for each key, however often its record is made and deleted."""
    records = store(url_of(tmp_path), "shop")
    async with records.open():
        for version in range(1, 20, 2):
            assert await records.write([Write("key", 0, 0, version, b"")]) == [True]
            assert await rows(records, "SELECT * FROM tombstone") == []
            assert await records.write([Write("key", 0, version, version + 1, None)]) == [True]
            assert [row[:2] for row in await rows(records, "SELECT * FROM tombstone")] == [("key", version + 1)]


def none_of(store: SqliteRecordStore, text: str) -> Callable[[], Awaitable[bool]]:
    async def none() -> bool:
        return not await rows(store, text)

    return none


# Several processes.


async def add(url: str) -> None:
    """Add one to each record, again and again, as often as `EACH` says."""
    records = store(url, "shop")
    keys = [f"k-{number}" for number in range(KEYS)]
    missing = dict.fromkeys(keys, EACH)
    async with records.open():
        while missing:
            found = zip(missing, await records.read(list(missing)), strict=True)
            writes = [added(key, row) for key, row in found]
            for write, ok in zip(writes, await records.write(writes), strict=True):
                missing[write.key] -= ok
            missing = {key: count for key, count in missing.items() if count}


def added(key: str, row: Row | None) -> Write:
    if row is None:
        return Write(key, 0, 0, 1, b"1")
    return Write(key, 0, row.version, row.version + 1, b"%d" % (int(row.data) + 1))


def run_two(url: str) -> list[int]:
    """Two processes at once; their exit codes."""
    code = f"import sys, anyio; from {__name__} import add; anyio.run(add, sys.argv[1])"
    command = [sys.executable, "-c", code, url]
    with subprocess.Popen(command, cwd=ROOT) as one, subprocess.Popen(command, cwd=ROOT) as other:
        return [one.wait(), other.wait()]


@in_loop
async def test_two_processes_lose_no_write_of_each_other(tmp_path: Path) -> None:
    """Each adds to the same records; what one answers with True stays, and False means that nothing was changed."""
    assert await anyio.to_thread.run_sync(run_two, url_of(tmp_path)) == [0, 0]
    records = store(url_of(tmp_path), "shop")
    async with records.open():
        found = await records.read([f"k-{number}" for number in range(KEYS)])
    assert found == [Row(2 * EACH, b"%d" % (2 * EACH))] * KEYS


@in_loop
async def test_who_finds_it_locked_is_told_and_has_written_nothing(tmp_path: Path) -> None:
    records = store(url_of(tmp_path, "?busy_timeout=200ms"), "shop")
    async with records.open():
        with closing(sqlite3.connect(tmp_path / "records.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(BackendUnavailable, match="is locked by another process"):
                await records.write([Write("key", 0, 0, 1, b"")])
            assert await records.read(["key"]) == [None]
            other.execute("COMMIT")
        assert await records.write([Write("key", 0, 0, 1, b"")]) == [True]


@in_loop
async def test_it_waits_until_the_disk_has_what_is_written(tmp_path: Path) -> None:
    records = store(url_of(tmp_path), "shop")
    async with records.open():
        assert await records.incarnation()
        assert await rows(records, "PRAGMA synchronous") == [(2,)]
        assert await rows(records, "PRAGMA journal_mode") == [("wal",)]
