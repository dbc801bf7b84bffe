"""A chaos on one file: log, records and topics are all in it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.chaos.report import Message
from tests.chaos.site import WORKERS
from tests.chaos.workflow import Note, diary


class SqliteSite:
    """A file of SQLite, as it looks from outside."""

    title = "one SQLite file"
    lanes = 8
    session_s = 1.0
    has_lock = True

    def __init__(self, path: Path) -> None:
        self.targets = {"kill": WORKERS, "stop": WORKERS, "roll": WORKERS}
        self._path = path
        self._read = dict[int, int]()
        """By partition of the diary, what was read last."""

    def urls(self, worker: int | None = None) -> list[str]:
        return [f"sqlite:///{self._path}?lease={self.session_s:g}s&partitions={self.lanes}"]

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        with closing(sqlite3.connect(self._path)) as self._connection:
            yield

    def _ask(self, question: str, *values: Any) -> list[tuple[Any, ...]]:
        if not self._connection.execute("SELECT 1 FROM sqlite_schema").fetchone():
            return []  # nobody has written to it yet
        return self._connection.execute(question, values).fetchall()

    async def notes(self) -> Sequence[Note]:
        found = list[Note]()
        for (partition,) in self._ask("SELECT partition FROM head WHERE topic = ?", diary.name):
            after = self._read.get(partition, -1)
            rows = self._ask(_NOTES, diary.name, partition, after)
            found += [diary.wire.decode(payload) for _, payload in rows]
            if rows:
                self._read[partition] = rows[-1][0]
        return found

    async def is_shared(self) -> bool:
        return self._ask(_SHARES) == [(WORKERS, self.lanes)]

    async def is_applied(self) -> bool:
        return self._ask("SELECT count(*) FROM log") == [(0,)]

    async def messages(self) -> Sequence[Message]:
        rows = self._ask("SELECT topic, headers, payload FROM message ORDER BY topic, partition, offset")
        return [
            Message(topic, dict(_HEADERS.decode(headers or "[]")).get("dagger-id") or "", payload)
            for topic, headers, payload in rows
        ]

    async def left_over(self, gone: Collection[int]) -> list[str]:
        found = [f"{what} {row}" for what, question in _LEAVINGS.items() for row in self._ask(question)]
        known = {pid for (pid,) in self._ask("SELECT pid FROM peer")}
        return found + [f"worker {pid} is still known" for pid in known & set(gone)]

    async def standing(self) -> list[str]:
        return [f"{table}: {self._ask(f'SELECT * FROM {table}')}" for table in ("position", "lease", "peer")]

    async def hurt(self, sort: str, target: int) -> None:
        raise NotImplementedError(f"{sort}: there is no server")

    async def heal(self, sort: str, target: int) -> None:
        raise NotImplementedError(f"{sort}: there is no server")


_HEADERS: Final = msgspec.json.Decoder(list[tuple[str, str | None]])
_NOTES: Final = "SELECT offset, payload FROM message WHERE topic = ? AND partition = ? AND offset > ? ORDER BY offset"
_SHARES: Final = "SELECT count(DISTINCT owner), count(owner) FROM lease WHERE team = ''"
_LEAVINGS: Final = {
    "log": "SELECT partition, offset FROM log",
    "running or waiting": "SELECT key FROM record WHERE busy OR due IS NOT NULL",
    "owned partition": "SELECT partition FROM lease WHERE team = '' AND owner IS NOT NULL",
    "member": "SELECT peer FROM member WHERE team = ''",
    "dead letter": "SELECT topic, partition, offset FROM message WHERE topic LIKE '%dead-letter%'",
}
