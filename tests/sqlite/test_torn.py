"""A power cut tears the write-ahead log at any place: all of a batch is there, or nothing, and the work goes on."""

from __future__ import annotations

import shutil
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from dagger.backends.sqlite.options import options_of
from dagger.backends.sqlite.schema import open_file
from dagger.testing.clock import VirtualClock
from dagger.testing.contract.crashes import Outcome, look, play, worker
from tests.contract.storages import OnSqlite
from tests.sqlite.broken import backend_at, bury, work

HEADER: Final = 32
"""The size of the head of a write-ahead log, in bytes."""
FRAME: Final = 24
"""The size of the head of a frame; a page follows."""


async def record(path: Path, copy: Path) -> None:
    """Play the scenario, and copy file and log before the log is written back."""
    backend = backend_at(path)
    open_one = backend.hub.connect

    def connect() -> sqlite3.Connection:
        connection = open_one()
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        return connection

    def stay(connection: sqlite3.Connection) -> float:
        return 3_600.0

    backend.hub.connect = connect
    backend.hub._write_back = stay  # type: ignore[method-assign]  # the log is to hold everything
    async with worker(backend, VirtualClock()).working() as engine:
        await play(engine)
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")


class Log:
    """A write-ahead log, as bytes."""

    def __init__(self, path: Path) -> None:
        self.data = Path(f"{path}-wal").read_bytes()
        (self.page,) = struct.unpack(">I", self.data[8:12])
        self.salt = self.data[16:24]

    def frames(self) -> Iterator[tuple[int, bool]]:
        """Where each frame that is valid ends, and whether it ends a transaction."""
        at = HEADER
        while at + FRAME + self.page <= len(self.data):
            if self.data[at + 8 : at + 16] != self.salt:
                break
            (committed,) = struct.unpack(">I", self.data[at + 4 : at + 8])
            at += FRAME + self.page
            yield at, committed != 0

    def cuts(self) -> Iterator[tuple[int, int]]:
        """Every length to which it may be torn, and the length up to which it is whole transactions."""
        yield 0, 0
        yield HEADER // 2, 0
        yield HEADER, 0
        whole, before = 0, HEADER
        for end, commits in self.frames():
            yield before + FRAME // 2, whole
            yield before + FRAME + self.page // 2, whole
            whole = end if commits else whole
            yield end, whole
            before = end


def torn(copy: Path, target: Path, length: int, log: Log) -> Path:
    """The file, and so much of its log."""
    shutil.copy(copy, target)
    Path(f"{target}-wal").write_bytes(log.data[:length])
    Path(f"{target}-shm").unlink(missing_ok=True)
    return target


def contents(path: Path) -> list[Any]:
    """Everything that is in a file."""
    connection = sqlite3.connect(path)
    tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
    found = [(table, connection.execute(f"SELECT * FROM {table}").fetchall()) for table in sorted(tables)]
    connection.close()
    return found


async def go_on(storage: OnSqlite) -> Outcome:
    with anyio.fail_after(60):
        bury(storage.file)
        await work(storage.file, VirtualClock())
        return await look(storage, VirtualClock())


def check(tmp_path: Path, every: int) -> None:
    source, copy = tmp_path / "source.db", tmp_path / "copy.db"
    anyio.run(record, source, copy)
    log = Log(copy)
    cuts = list(log.cuts())
    transactions = len({whole for _, whole in cuts})
    assert transactions > 10, "hardly anything was committed"
    folder = tmp_path / "whole"
    folder.mkdir()
    expected = anyio.run(go_on, OnSqlite(folder, "partitions=3"))
    for number, (length, whole) in enumerate(cuts):
        place = tmp_path / f"{number}"
        place.mkdir()
        cut, clean = (torn(copy, place / name, size, log) for name, size in (("torn.db", length), ("clean.db", whole)))
        assert contents(cut) == contents(clean), f"torn at byte {length}"
        if number % every == 0:
            storage = OnSqlite(place, "partitions=3")
            torn(copy, storage.file, length, log)
            assert anyio.run(go_on, storage) == expected, f"torn at byte {length}"


def test_a_torn_log_holds_whole_batches(tmp_path: Path) -> None:
    """At every place; the work goes on from a few of them."""
    check(tmp_path, 40)


@pytest.mark.slow
def test_the_work_goes_on_from_any_torn_log(tmp_path: Path) -> None:
    check(tmp_path, 1)


def test_a_new_file_is_whole_or_empty(tmp_path: Path) -> None:
    """Making the tables is one transaction too."""
    path = tmp_path / "new.db"
    connection = open_file(options_of(f"sqlite:///{path}"))
    copy = tmp_path / "copy.db"
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{copy}{suffix}")
    connection.close()
    log = Log(copy)
    for number, (length, whole) in enumerate(log.cuts()):
        cut = torn(copy, tmp_path / f"{number}.db", length, log)
        tables = len(contents(cut))
        assert bool(tables) == bool(whole), f"torn at byte {length}"
        open_file(options_of(f"sqlite:///{cut}")).close()
        assert len(contents(cut)) >= max(tables, 8)
