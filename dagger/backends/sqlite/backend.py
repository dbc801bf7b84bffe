"""A log and a store in one file."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from dagger.backends.sqlite.log import SqliteLog
from dagger.backends.sqlite.open_file import OpenFile
from dagger.backends.sqlite.options import SqliteOptions, options_of
from dagger.backends.sqlite.records import SIZE_MAX, SqliteStore
from dagger.backends.sqlite.retention import PURGE_S, purge
from dagger.backends.sqlite.transactions import run_transaction
from dagger.errors import BackendError


def connect(broker: str, store: str | None) -> SqliteBackend:
    """The backend for `sqlite:///orders.db`. Raises BackendError for a URL without a file or with invalid options."""
    if store is not None:
        raise BackendError("sqlite:// keeps its records itself; leave store= out")
    return SqliteBackend(options_of(broker))


class SqliteBackend:
    """A log and a store in one file, which several processes may have open."""

    atomic = True
    shared = True
    size_max = SIZE_MAX

    def __init__(self, options: SqliteOptions) -> None:
        self.file = OpenFile(options)
        self.store = SqliteStore(self.file.database)
        self.log = SqliteLog(self.file, self.store)

    @property
    def data_file(self) -> Path:
        """The absolute path of the file."""
        return self.file.options.place.absolute()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        async with self.file.open():
            self.log.begin()
            self.file.maintenance.add(self._purge)
            yield

    def announce_ended(self, ids: Collection[str]) -> None:
        self.file.announce_ended(ids)

    async def changed(self) -> Collection[str] | None:
        return await self.file.wait_for_others()

    def _purge(self, connection: sqlite3.Connection) -> float:
        """A maintenance job: delete what is old. The owner of partition 0 does it for all workers."""
        options = self.file.options
        workers = self.file.groups.leases.get("")
        more = False
        if workers is not None and 0 in workers.owned:
            now = time.time()
            work = partial(
                purge,
                ended_before=int((now - options.finished) * 1e6),
                published_before=int((now - options.retention) * 1e6),
                consumed=self.log.topics,
            )
            more = run_transaction(connection, work, options.busy_timeout)
        return 0.0 if more else max(options.tick, min(PURGE_S, options.finished, options.retention))
