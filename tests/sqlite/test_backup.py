"""A copy is made while the work goes on; it is whole, and goes on from there."""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
from pathlib import Path
from threading import Barrier

import anyio
import pytest

from dagger import BackendError, Dagger
from dagger.backends.sqlite import backup
from tests.sqlite.faults import damage
from tests.sqlite.shop import Note, Order, Shop, ended, fails, in_loop, orders, parcelled, pay, payments, until

AT_ONCE = 50
COPIES = 3


class Load:
    """Orders that come as long as it goes on."""

    def __init__(self, engine: Dagger) -> None:
        self.ids = list[str]()
        """What was accepted, with the payment."""
        self._engine = engine
        self._is_over = False

    async def run(self) -> None:
        while not self._is_over:
            ids = [f"o-{len(self.ids) + number}" for number in range(AT_ONCE)]
            await self._engine.start_all(orders, [Order(id, 1_000) for id in ids])
            await pay(self._engine, *ids)
            self.ids += ids

    async def more(self) -> None:
        """Wait until more was accepted."""
        count = len(self.ids) + AT_ONCE

        async def accepted() -> bool:
            return len(self.ids) >= count

        await until(accepted)

    def end(self) -> None:
        self._is_over = True


def names(path: Path) -> set[str]:
    return {found.name for found in path.iterdir()}


@in_loop
async def test_a_copy_under_load_is_whole_and_goes_on(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    before = dict[Path, list[str]]()
    engine = shop.engine()
    load = Load(engine)
    async with engine, anyio.create_task_group() as group:
        group.start_soon(load.run)
        for number in range(COPIES):
            await load.more()
            path = tmp_path / f"copy-{number}.db"
            before[path] = list(load.ids)
            await backup(shop.url, path)
        load.end()
    async with shop.engine() as engine:
        await ended(engine, *load.ids)
    for path, ids in before.items():
        examine(path)
        await go_on(path, ids)
    assert names(tmp_path) == {"orders.db", *(path.name for path in before)}


def examine(path: Path) -> None:
    """The copy is whole, and nobody owns anything in it."""
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("SELECT count(*) FROM peer").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM member").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM lease WHERE owner IS NOT NULL").fetchone() == (0,)
    connection.close()


async def go_on(path: Path, ids: list[str]) -> None:
    """All that was accepted before the copy was begun is in it, and ends."""
    engine = Dagger(f"sqlite:///{path}?lease=1s")
    engine.register(orders)
    async with engine:

        async def begun() -> bool:
            return await engine.count() >= len(ids)

        await until(begun)  # what was accepted was on the log, perhaps
        await ended(engine, *ids)
        await parcelled(engine, *ids)


@in_loop
async def test_a_copy_of_a_file_that_nobody_has_open(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill("o-1")
    await backup(shop.url, str(tmp_path / "copy.db"))
    shop.path.unlink()
    (tmp_path / "copy.db").rename(shop.path)
    await shop.finish("o-1")


@in_loop
async def test_both_go_on_apart(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill("o-1", "o-2")
    await backup(shop.url, tmp_path / "copy.db")
    await shop.finish("o-1")
    copy = Dagger(f"sqlite:///{tmp_path}/copy.db")
    copy.register(orders)
    async with copy:
        await copy.publish(payments, Note("o-2"))
        await ended(copy, "o-2")
        assert await copy.count(status="EXECUTING") == 1
    async with shop.engine().client() as client:
        assert await client.count(status="EXECUTING") == 1
        assert (await client.get_instance("o-1")).status.is_end


@in_loop
async def test_what_keeps_a_copy_from_being_made(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    async with fails(BackendError) as said:
        await backup(shop.url, tmp_path / "copy.db")
    assert said[0] == f"the file '{shop.path}' does not exist"
    assert names(tmp_path) == set()
    await shop.fill("o-1")
    async with fails(BackendError) as said:
        await backup(shop.url, shop.path)
    assert said[0].startswith(f"'{shop.path}' exists already; name another place for the copy")
    nowhere = tmp_path / "nowhere" / "copy.db"
    async with fails(BackendError) as said:
        await backup(shop.url, nowhere)
    assert said[0].startswith(f"the file '{nowhere}' cannot be opened; its directory must exist and be writable")
    assert names(tmp_path) == {"orders.db"}
    await shop.finish("o-1")


@in_loop
async def test_a_damaged_file_is_told_by_its_name(tmp_path: Path) -> None:
    path = tmp_path / "letter.db"
    path.write_text("a letter" * 1_000)
    async with fails(BackendError) as said:
        await backup(f"sqlite:///{path}", tmp_path / "copy.db")
    assert said[0].startswith(f"the file '{path}' is not an SQLite file")
    assert names(tmp_path) == {"letter.db"}


@in_loop
@pytest.mark.parametrize("table", ["record", "message", "peer"])
async def test_a_damaged_page_is_found_before_there_is_a_copy(tmp_path: Path, table: str) -> None:
    shop = Shop(tmp_path)
    await shop.fill("o-1")
    connection = sqlite3.connect(shop.path)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    connection.close()
    damage(shop.path, page, page)
    async with fails(BackendError) as said:
        await backup(shop.url, tmp_path / "copy.db")
    assert said[0].startswith(f"the file '{shop.path}' is damaged; nothing was changed; restore a backup")
    assert names(tmp_path) == {"orders.db"}


@in_loop
async def test_what_was_left_of_a_copy_that_was_cut_off_is_in_nobodys_way(tmp_path: Path) -> None:
    """It may be that of another, which still goes on."""
    shop = Shop(tmp_path)
    await shop.fill("o-1")
    (tmp_path / "copy.db.part").write_bytes(b"half of it")
    await backup(shop.url, tmp_path / "copy.db")
    examine(tmp_path / "copy.db")
    assert names(tmp_path) == {"orders.db", "copy.db", "copy.db.part"}


@pytest.mark.parametrize("links", [True, False], ids=["with links", "without links"])
@in_loop
async def test_of_several_copies_to_one_place_one_is_made(
    tmp_path: Path, links: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole, by whoever was first; the others are told so, and leave nothing."""
    shop = Shop(tmp_path)
    await shop.fill("o-1", "o-2")
    together = Barrier(4)
    backups = sys.modules[backup.__module__]
    check = backups._damage

    def all_at_once(copy: Path) -> object:
        together.wait()
        return check(copy)

    monkeypatch.setattr(backups, "_damage", all_at_once)
    if not links:
        monkeypatch.setattr(os, "link", unsupported)
    told = list[str]()

    async def copy() -> None:
        try:
            await backup(shop.url, tmp_path / "copy.db")
        except BackendError as error:
            told.append(str(error))

    async with anyio.create_task_group() as group:
        for _ in range(4):
            group.start_soon(copy)
    assert len(told) == 3
    assert all("exists already; name another place" in one for one in told)
    # SQLite may keep these two of the original where its last readers close it at the same time.
    assert names(tmp_path) - {"orders.db-wal", "orders.db-shm"} == {"orders.db", "copy.db"}
    examine(tmp_path / "copy.db")


def unsupported(source: object, target: object) -> None:
    raise OSError(errno.EPERM, "Operation not permitted")


@pytest.mark.parametrize("url", ["memory://", "orders.db"])
def test_only_a_file_can_be_copied(url: str, tmp_path: Path) -> None:
    with pytest.raises(BackendError, match="names no file; write sqlite:///"):
        anyio.run(backup, url, tmp_path / "copy.db")
