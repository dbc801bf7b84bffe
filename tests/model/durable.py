"""A test engine on SQLite: the same kit, on a file that can be closed and opened again at any time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from typing_extensions import override

from dagger import Topic
from dagger.backends.sqlite import SqliteBackend
from dagger.backends.sqlite.options import options_of
from dagger.engine.client.poller import ChangePoller
from dagger.engine.client.validation import checked_message
from dagger.engine.connection import Connection
from dagger.engine.dagger import Lifespan
from dagger.testing import TestEngine

M = TypeVar("M")

OUTSIDE = {"outside": "yes"}
"""Marks what the test delivered."""


class DurableEngine(TestEngine):
    """Waits for nothing but what it has to do itself, as the test kit does."""

    __test__ = False

    def __init__(self, path: Path, *, lifespan: Lifespan, early_limit: int) -> None:
        super().__init__(lifespan=lifespan, early_limit=early_limit)
        # One partition: the order between entities is told only where they share one.
        self.sqlite = SqliteBackend(options_of(f"sqlite:///{path}?partitions=1"))
        self._backend = self.sqlite
        self._poller = ChangePoller(self.sqlite, lambda: self._watch.open_ids, self._watch.is_open, self._poll)
        self._worker = self._new_worker()
        self._database = self.sqlite.file.database

    @override
    async def _open(self) -> Connection:
        found = self._current()
        if found is not None:
            return found
        connection = await super()._open()
        await connection.stack.enter_async_context(self.sqlite.log.join())
        return connection

    async def reopen(self) -> None:
        """Close the file, and go on from it with a worker that knows nothing."""
        seen = self._watch
        await self.close()
        self._worker = self._make_worker()
        self._tasks = self._new_tasks()
        self.sqlite.log.consume(self._registry.consumed)
        await self._open()
        await self.run_until_idle()
        states = [await self._state(id) for id in seen.ids]
        seen.show([state for state in states if state is not None])

    @override
    async def deliver(
        self, topic: Topic[M], message: M, *, headers: Mapping[str, str] | None = None, id: str | None = None
    ) -> None:
        await self._open()
        await self.sqlite.log.append([checked_message(topic, message, {**OUTSIDE, **(headers or {})}, id)])
        await self.run_until_idle()

    async def published(self, topic: Topic[M]) -> list[M]:
        """What `sent` gives in memory."""
        rows = await self.sqlite.file.database.query(
            lambda connection: connection.execute(
                "SELECT payload, headers FROM message WHERE topic = ? ORDER BY partition, offset", (topic.name,)
            ).fetchall()
        )
        found = [payload for payload, headers in rows if "outside" not in (headers or "")]
        return [topic.wire.decode(payload) for payload in found]

    @override
    async def run_until_idle(self) -> None:
        await self._open()
        if self._opening:
            return
        while True:
            if await self._ring_tasks() or await self._run_once():
                continue
            self._raise_spawned()
            await self._yield()
            await asyncio.sleep(0)  # what a task reports is on its way to the file
            if not self._database.is_busy and not await self._run_once() and not self._tasks.paths:
                return
