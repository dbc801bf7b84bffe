"""The backends that are here, as storages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from typing_extensions import override

from dagger.backends.aerospike import store as aerospike_store
from dagger.backends.memory import MemoryBackend, MemoryLog
from dagger.backends.sqlite import SqliteBackend
from dagger.backends.sqlite.options import options_of
from dagger.backends.sqlite.peers import forget
from dagger.backends.sqlite.retention import purge
from dagger.engine.ports import Backend, StandaloneStore
from dagger.testing.contract import Storage
from tests.aerospike.fake import Servers
from tests.servers.aerospike import empty


class InMemory(Storage):
    """One object: to close and open it stands for another process, since it forgets what only a process knows."""

    def __init__(self, kind: type[MemoryBackend] = MemoryBackend) -> None:
        self._kind = kind
        self._one = kind()

    @override
    def backend(self) -> Backend:
        return self._one

    @override
    def wipe(self) -> None:
        self._one = self._kind()


class OnSqlite(Storage):
    """A file."""

    def __init__(self, folder: Path, options: str = "lease=2s") -> None:
        self.file = folder / "contract.db"
        url = f"sqlite:///{self.file}?{options}"
        self.urls = (url, None)
        self._options = options_of(url)

    @override
    def backend(self) -> Backend:
        return SqliteBackend(self._options)

    @override
    def wipe(self) -> None:
        for suffix in ("", "-wal", "-shm"):
            with suppress(FileNotFoundError):
                self.file.with_name(self.file.name + suffix).unlink()

    @override
    async def expire(self, backend: Backend) -> bool:
        assert isinstance(backend, SqliteBackend)
        hub = backend.hub
        await asyncio.to_thread(hub.pulse.stop)
        await hub.clerk.change(lambda connection: forget(connection, hub.peers.id))
        return True

    @override
    async def purge(self, backend: Backend, before: int) -> bool:
        assert isinstance(backend, SqliteBackend)
        await backend.hub.clerk.change(lambda connection: purge(connection, before, 0, ()))
        return True


class Composed:
    """The log in memory, and a store of another kind."""

    atomic = False
    shared = False

    def __init__(self, log: MemoryLog, store: StandaloneStore) -> None:
        self.log = log
        self.store = store

    @property
    def size_max(self) -> int:
        return self.store.size_max

    async def changed(self) -> None:
        await self.store.changed()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        self.log.open_anew()
        async with self.store.open():
            yield


class OnAerospike(Storage):
    """A set of a namespace: one for all tests, since it takes seconds to make its indexes."""

    def __init__(self, url: str, prefix: str) -> None:
        self.url = url
        self._prefix = prefix
        self.wipe()

    @override
    def backend(self) -> Backend:
        return Composed(self._log, aerospike_store(self.url, self._prefix))

    @override
    def wipe(self) -> None:
        empty(self.url, self._prefix)
        self._log = MemoryLog()


class OnFakeServers(Storage):
    """The same, with servers that a test stands in for."""

    def __init__(self) -> None:
        self.wipe()

    @override
    def backend(self) -> Backend:
        return Composed(self._log, self._servers.store())

    @override
    def wipe(self) -> None:
        self._servers = Servers()
        self._log = MemoryLog()
