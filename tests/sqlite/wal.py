"""The write-ahead log of a file: where its frames end, and what it looks like when only a part has come to the disk.

The format is told in https://www.sqlite.org/fileformat2.html#the_write_ahead_log.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from tests.sqlite.faults import watched

T = TypeVar("T")

HEADER: Final = 32
FRAME_HEADER: Final = 24


def ends(wal: bytes) -> list[tuple[int, int]]:
    """Where each frame ends, and how many transactions are complete there."""
    size = FRAME_HEADER + int.from_bytes(wal[8:12])
    salts = wal[16:24]
    found = list[tuple[int, int]]()
    commits = 0
    for start in range(HEADER, len(wal) - size + 1, size):
        if wal[start + 8 : start + 16] != salts:  # what follows was written before the log began anew
            break
        commits += wal[start + 4 : start + 8] != bytes(4)  # the size of the file after a commit
        found.append((start + size, commits))
    return found


def commits_of(wal: bytes) -> int:
    """How many transactions are complete."""
    return max((commits for _, commits in ends(wal)), default=0)


def torn(wal: bytes) -> Iterator[tuple[str, bytes, int]]:
    """What may be left of it: a name, the bytes, and how many transactions are complete.

    It is cut at the end of each frame, in its header, behind it, in the middle of its page and before its last byte;
    and half of the page is something else, with all that follows in its place.
    """
    begin, before = HEADER, 0
    for cut in (0, 7, HEADER):
        yield f"cut at {cut}", wal[:cut], 0
    for number, (end, commits) in enumerate(ends(wal)):
        middle = (begin + FRAME_HEADER + end) // 2
        for cut in (begin + 12, begin + FRAME_HEADER, middle, end - 1):
            yield f"frame {number}, cut at {cut - begin}", wal[:cut], before
        mixed = bytes(byte ^ 0xFF for byte in wal[middle:end])
        yield f"frame {number}, half of it torn", wal[:middle] + mixed + wal[end:], before
        yield f"frame {number}, complete", wal[:end], commits
        begin, before = end, commits


def content(path: Path) -> str:
    """All that is in a file, as one short text."""
    found = hashlib.sha256()
    # The class and not `connect`, which may be watched.
    with closing(sqlite3.Connection(path, isolation_level=None)) as connection:
        tables = connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table' ORDER BY name").fetchall()
        for name, sql in tables:
            rows = sorted(map(repr, connection.execute(f"SELECT * FROM {name}")))
            found.update(repr((name, sql, rows)).encode())
        found.update(repr(connection.execute("PRAGMA user_version").fetchone()).encode())
    return found.hexdigest()


@dataclass(frozen=True)
class Copy:
    """A file as it lay on the disk, and what was in it after each transaction of its write-ahead log."""

    file: bytes
    wal: bytes
    states: dict[int, str]

    def put(self, path: Path, wal: bytes) -> None:
        """Lay it down, with another log."""
        path.write_bytes(self.file)
        beside(path).write_bytes(wal)


class Witness:
    """Notes what is in a file after each transaction, whoever in this process commits it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._states = dict[int, str]()

    def run(self, connection: sqlite3.Connection, sql: str, call: Callable[[], T]) -> T:
        """Execute a statement, and look if it has committed."""
        if sql != "COMMIT" or not beside(self._path).exists():  # else it is not a transaction of the file
            return call()
        with self._lock:
            result = call()
            self._states[commits_of(beside(self._path).read_bytes())] = content(self._path)
            return result

    def at_work(self) -> AbstractContextManager[None]:
        """See all that is done meanwhile."""
        return watched(self.run)

    def copy(self) -> Copy:
        """The file as it lies there, while it is in use."""
        with self._lock:
            return Copy(self._path.read_bytes(), beside(self._path).read_bytes(), dict(self._states))

    def begin_anew(self) -> None:
        """Bring the log into the file: what comes next is written over it, from its beginning."""
        while not self._is_begun_anew():  # somebody reads
            time.sleep(0.001)

    def _is_begun_anew(self) -> bool:
        with self._lock, closing(sqlite3.Connection(self._path, isolation_level=None)) as connection:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
            if not busy:
                self._states = {0: content(self._path)}
            return not busy


def beside(path: Path) -> Path:
    """The write-ahead log of a file."""
    return path.with_name(f"{path.name}-wal")
