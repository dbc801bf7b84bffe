"""The write-ahead log stays short while several processes write as fast as they can, and nothing is lost by that."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from dagger.backends.sqlite import SqliteBackend, connections, wal
from dagger.backends.sqlite.options import options_of
from dagger.backends.sqlite.wal import Wal
from dagger.engine.ports import Outgoing
from tests.sqlite.programs import ROOT
from tests.sqlite.shop import Shop, in_loop

BYTES_MAX = 256 * 1024
WRITERS = 3
COUNT = 300
"""How many transactions each makes: some 12 MB together, which is many times what the log may have."""
SIZE = 12_000
TIMES_MAX = 4
"""How many times as long as it should be the log may become, since a reader may be at work at a time."""


def shorten() -> None:
    """Let the log be short, and SQLite itself do nothing for it."""
    wal.BYTES_MAX = BYTES_MAX  # type: ignore[misc]  # in a process of its own
    connections.WAL_PAGES_MAX = 1_000_000  # type: ignore[misc]  # as above


def write(url: str) -> None:
    """Write as fast as it goes, once it is told to; say how long the log became."""

    async def run() -> None:
        backend = SqliteBackend(options_of(url))
        longest = 0
        async with backend.open():
            await backend.log.append([Outgoing("T", b"first", b"")])
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            sys.stdin.readline()
            for number in range(COUNT):
                await backend.log.append([Outgoing("T", b"%d" % number, os.urandom(SIZE))])
                longest = max(longest, os.stat(f"{options_of(url).place}-wal").st_size)
        sys.stdout.write(f"{longest}\n")

    shorten()
    anyio.run(run)


def writers(url: str) -> list[int]:
    """How long the log was for each of several processes that write at once."""
    command = [sys.executable, "-m", __name__, url]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(WRITERS)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * WRITERS
    return [int(one) for one in said]


@pytest.mark.slow
def test_it_stays_short_with_three_processes_that_write(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    found = writers(shop.url)
    assert max(found) <= TIMES_MAX * BYTES_MAX
    with closing(sqlite3.connect(shop.path)) as connection:
        assert connection.execute("SELECT count(*) FROM message").fetchone() == (WRITERS * (COUNT + 1),)
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@in_loop
async def test_a_reader_that_takes_long_keeps_it_from_that_and_delays_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A try is made now and then; when the reader has gone, the log is short again."""
    monkeypatch.setattr(wal, "BYTES_MAX", BYTES_MAX)
    monkeypatch.setattr(wal, "READERS_S", 0.001)
    tries = list[int]()
    write_back = Wal.write_back

    def counted(self: Wal) -> None:
        tries.append(1)
        write_back(self)

    monkeypatch.setattr(Wal, "write_back", counted)
    shop = Shop(tmp_path)
    backend = shop.backend()
    async with backend.open():
        log = Path(f"{shop.path}-wal")
        await backend.log.append([Outgoing("T", b"first", b"")])
        with closing(sqlite3.connect(shop.path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM message").fetchall()
            monkeypatch.setattr(wal, "REST_S", 3600.0)
            for number in range(4 * BYTES_MAX // SIZE):
                await backend.log.append([Outgoing("T", b"%d" % number, os.urandom(SIZE))])
            assert size(log) > 2 * BYTES_MAX
            assert len(tries) == 1
        backend.file.database._wal._again = 0.0  # as if that time had passed
        for number in range(3):
            await backend.log.append([Outgoing("T", b"%d" % number, b"")])
        assert size(log) <= BYTES_MAX
        assert len(tries) == 2


def size(path: Path) -> int:
    return path.stat().st_size


if __name__ == "__main__":
    write(sys.argv[1])
