"""The raw loop on SQLite: the same order in the same three processes, by plain transactions and datagrams.

`python -m benchmarks.sqlite_raw worker|services FOLDER` and `... client FOLDER IN_FLIGHT COUNT`, as `latency_process`.
The worker writes one record and one message for each message that it reads, the services answer each command, and the
client reads the records of its orders. Each takes all that is there in one transaction, and wakes the others after it.
"""

from __future__ import annotations

import json
import socket
import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path

from benchmarks.latency import WARM_UP

ROLES = ("worker", "services", "client")
EVENTS, COMMANDS = 0, 1
STEPS = 3
"""A submission and two answers: after so many events an order has ended."""
SCHEMA = """
PRAGMA journal_mode = WAL;
CREATE TABLE IF NOT EXISTS message (
    topic INTEGER, id INTEGER, key TEXT, payload BLOB, PRIMARY KEY (topic, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS record (key TEXT PRIMARY KEY, version INTEGER, data BLOB) WITHOUT ROWID;
"""
PAYLOAD = b"x" * 60
STATE = b"x" * 240
"""As large as the messages and the rows of a worker."""


class Raw:
    """One of the processes."""

    def __init__(self, role: str, folder: Path) -> None:
        self._folder = folder
        self._others = [str(folder / f"{other}.sock") for other in ROLES if other != role]
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(folder / f"{role}.sock"))
        self.connection = sqlite3.connect(folder / "raw.db", isolation_level=None, cached_statements=256)
        self.connection.executescript(SCHEMA)
        self.connection.execute("PRAGMA synchronous = FULL")
        self._read = 0

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self.connection.execute("BEGIN IMMEDIATE")
        yield
        self.connection.execute("COMMIT")
        for other in self._others:
            with suppress(OSError):
                self._socket.sendto(b"w", socket.MSG_DONTWAIT, other)  # one that has no room will wake

    def wait(self) -> None:
        """Return after the next commit of another process, and forget those that have been by now."""
        self._socket.recv(16)
        with suppress(BlockingIOError):
            while True:
                self._socket.recv(16, socket.MSG_DONTWAIT)

    def new(self, topic: int) -> list[str]:
        """The keys of the messages that have not been read."""
        found = self.connection.execute(
            "SELECT id, key, payload FROM message WHERE topic = ? AND id > ? ORDER BY id", (topic, self._read)
        ).fetchall()
        if found:
            self._read = found[-1][0]
        return [key for _, key, _ in found]

    def put(self, topic: int, keys: Iterable[str]) -> None:
        (last,) = self.connection.execute("SELECT max(id) FROM message WHERE topic = ?", (topic,)).fetchone()
        self.connection.executemany(
            "INSERT INTO message VALUES (?, ?, ?, ?)",
            [(topic, id, key, PAYLOAD) for id, key in enumerate(keys, (last or 0) + 1)],
        )


def work(raw: Raw) -> None:
    versions = dict[str, int]()
    serve(raw, EVENTS, lambda keys: _step(raw, versions, keys))


def _step(raw: Raw, versions: dict[str, int], keys: list[str]) -> None:
    for key in keys:
        versions[key] = versions.get(key, 0) + 1
    raw.connection.executemany(
        "INSERT INTO record VALUES (?, ?, ?) "
        "ON CONFLICT DO UPDATE SET version = excluded.version, data = excluded.data",
        [(key, versions[key], STATE) for key in keys],
    )
    raw.put(COMMANDS, [key for key in keys if versions[key] < STEPS])


def answer(raw: Raw) -> None:
    serve(raw, COMMANDS, lambda keys: raw.put(EVENTS, keys))


def serve(raw: Raw, topic: int, apply: Callable[[list[str]], None]) -> None:
    """Apply what is new, again and again, in one transaction for all that is there."""
    print("ready", flush=True)
    while True:
        keys = raw.new(topic)
        if keys:
            with raw.transaction():
                apply(keys)
        else:
            raw.wait()


def submit(raw: Raw, in_flight: int, count: int) -> None:
    begun, latencies = dict[str, float](), list[float]()
    numbers = iter(range(WARM_UP + count))

    def begin(how_many: int) -> None:
        keys = [f"o-{number}" for number in islice(numbers, how_many)]
        begun.update(dict.fromkeys(keys, time.perf_counter()))
        if keys:
            with raw.transaction():
                raw.put(EVENTS, keys)

    begin(in_flight)
    while begun:
        raw.wait()
        marks = ", ".join("?" * len(begun))
        rows = raw.connection.execute(f"SELECT key, version, data FROM record WHERE key IN ({marks})", list(begun))
        ended = [key for key, version, _ in rows if version == STEPS]
        latencies += [time.perf_counter() - begun.pop(key) for key in ended]
        begin(len(ended))
    print(json.dumps(latencies[WARM_UP:]))


def main(role: str, folder: str, *given: str) -> None:
    raw = Raw(role, Path(folder))
    match role:
        case "worker":
            work(raw)
        case "services":
            answer(raw)
        case _:
            submit(raw, *map(int, given))


if __name__ == "__main__":
    main(*sys.argv[1:])
