"""A file that is deleted, moved or replaced while it is open: nothing is accepted that nobody would find again."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from dagger import BackendError, Dagger, Run
from dagger.backends.sqlite import backup
from dagger.backends.sqlite.connections import ReadConnection, open_connection
from dagger.backends.sqlite.options import options_of
from tests.sqlite.shop import Note, Order, Shop, ended, fails, file_of, in_loop, orders, pay, until, waiting

IDS = [f"o-{number}" for number in range(10)]
TOLD = "was deleted, moved or replaced while it was open; nothing was changed"


def delete(path: Path) -> None:
    for found in path.parent.glob(f"{path.name}*"):
        found.unlink()


def move(path: Path) -> None:
    for found in list(path.parent.glob(f"{path.name}*")):
        found.rename(path.parent / f"moved-{found.name}")


def replace(path: Path) -> None:
    move(path)
    path.write_text("another file")


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder, and what is in those of the place that was left."""
    return {found.name: b"" if found.name.startswith("moved") else found.read_bytes() for found in folder.iterdir()}


@pytest.mark.parametrize("change", [delete, move, replace])
@in_loop
async def test_a_worker_with_nothing_to_do_ends(tmp_path: Path, change: Callable[[Path], None]) -> None:
    shop = Shop(tmp_path, "lease=400ms")
    async with fails(BackendError) as said, shop.engine():
        change(shop.path)
        await anyio.sleep_forever()
    assert said[0].startswith(f"the file '{shop.path}' {TOLD}")


@pytest.mark.parametrize("change", [delete, move, replace])
@in_loop
async def test_nothing_is_accepted_and_no_file_is_made(tmp_path: Path, change: Callable[[Path], None]) -> None:
    shop = Shop(tmp_path, "lease=1h")  # so that nobody looks by himself
    engine = shop.engine()
    opened = noted(engine)
    await engine.start(orders, Order("o-1"))
    await until(lambda: reached(opened, 2))  # that of the chores, too: SQLite opens the parts of a file one by one
    change(shop.path)
    before = contents(tmp_path)
    for _ in range(2):
        async with fails(BackendError) as said:
            await engine.start(orders, Order("o-2"))
        assert TOLD in said[0]
        async with fails(BackendError):
            await engine.count()
    assert contents(tmp_path) == before
    await engine.aclose()


@pytest.mark.parametrize("change", [delete, move, replace])
@in_loop
async def test_who_waits_for_an_end_is_told(
    tmp_path: Path, change: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Once, and not in the log again and again."""
    shop = Shop(tmp_path, "lease=400ms")
    async with shop.engine().client() as engine:
        runs = await engine.start_all(orders, [Order(id) for id in IDS])
        said = list[str]()

        async def wait(id: Run[Note]) -> None:
            try:
                await engine.wait(id)
            except BackendError as error:
                said.append(str(error))

        async with anyio.create_task_group() as group:
            for run in runs:
                group.start_soon(wait, run)
            await anyio.sleep(0.1)
            change(shop.path)
        assert len(said) == len(IDS)
        assert all(TOLD in one for one in said)
        assert "looking again" not in caplog.text


def noted(engine: Dagger) -> list[bool]:
    """For each connection that the engine has opened from now on, whether it could have made the file."""
    file, opened = file_of(engine), list[bool]()
    connect, look = file.connect, file.connect_for_reading

    def looking() -> ReadConnection:
        found = look()
        if found.is_reusable:
            opened.append(False)
        return found

    def noting(*, make: bool) -> sqlite3.Connection:
        connection = connect(make=make)
        opened.append(make)
        return connection

    file.connect, file.connect_for_reading = noting, looking
    return opened


async def reached(opened: list[bool], count: int) -> bool:
    return len(opened) == count


def replace_by_nothing(path: Path) -> None:
    move(path)
    path.touch()


@pytest.mark.parametrize("change", [delete, move, replace, replace_by_nothing])
@in_loop
async def test_it_goes_just_before_it_is_opened_once_more(tmp_path: Path, change: Callable[[Path], None]) -> None:
    shop = Shop(tmp_path, "lease=1h")
    await shop.fill(*IDS)
    engine = shop.engine()
    opened = noted(engine)
    assert await engine.count() == len(IDS)
    await until(lambda: reached(opened, 3))  # the chores' own, and that which counts
    before = dict[str, bytes]()
    file = file_of(engine)
    connect = file.connect

    def late(*, make: bool) -> sqlite3.Connection:
        if not before:
            change(shop.path)
            before.update(contents(tmp_path))
        return connect(make=make)

    file.connect = late
    file.database.drop()
    async with fails(BackendError) as said:
        await engine.start(orders, Order("o-2"))
    assert TOLD in said[0]
    assert contents(tmp_path) == before
    assert not any(opened)
    await engine.aclose()


def test_tables_are_made_by_the_first_connection_only(tmp_path: Path) -> None:
    options = options_of(f"sqlite:///{tmp_path}/orders.db")
    with pytest.raises(sqlite3.OperationalError) as found:
        open_connection(options, make=False)
    assert found.value.sqlite_errorname == "SQLITE_CANTOPEN"
    (tmp_path / "orders.db").touch()
    with pytest.raises(BackendError, match="was emptied while it was open"):
        open_connection(options, make=False)
    assert contents(tmp_path) == {"orders.db": b""}
    open_connection(options).close()
    open_connection(options, make=False).close()


@in_loop
async def test_what_was_moved_and_put_back_goes_on(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    engine = shop.engine()
    assert await engine.count() == len(IDS)
    shop.path.rename(tmp_path / "moved.db")
    async with fails(BackendError):
        await engine.start(orders, Order("o-new"))
    (tmp_path / "moved.db").rename(shop.path)
    await engine.start(orders, Order("o-new"))
    await engine.aclose()
    await shop.finish(*IDS, "o-new")


@in_loop
async def test_a_copy_that_takes_its_place_is_left_as_it_is(tmp_path: Path) -> None:
    """Whoever had the other file open does it no harm, and does not go on in it unseen."""
    shop = Shop(tmp_path, "lease=400ms")
    await shop.fill(*IDS)
    await backup(shop.url, tmp_path / "copy.db")
    async with fails(BackendError), shop.engine() as engine:
        await engine.start(orders, Order("o-late"))
        await until(lambda: waiting(engine, len(IDS) + 1))
        move(shop.path)  # with its log, which would be taken for the copy's
        (tmp_path / "copy.db").rename(shop.path)
        await pay(engine, *IDS)
    await shop.finish(*IDS)
    async with shop.engine().client() as client:
        assert await client.count() == len(IDS)


@in_loop
async def test_the_working_directory_may_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    engine = Dagger("sqlite:///orders.db?lease=400ms")
    engine.register(orders)
    os.chdir("elsewhere")
    async with engine:
        await engine.start_all(orders, [Order(id) for id in IDS])
        await anyio.sleep(0.5)  # heartbeats are sent
        await pay(engine, *IDS)
        await ended(engine, *IDS)
    assert list((tmp_path / "elsewhere").iterdir()) == []
    async with fails(BackendError) as said:
        await backup("sqlite:///orders.db", "copy.db")
    assert said[0] == "the file 'orders.db' does not exist"
    os.chdir("..")
    await backup("sqlite:///orders.db", "copy.db")
