"""The backends that are here, as storages."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path

from typing_extensions import override

from dagger.backends.aerospike import store as aerospike_store
from dagger.backends.memory import MemoryBackend
from dagger.backends.sqlite import SqliteBackend, SqliteRecordStore, store
from dagger.backends.sqlite.options import options_of
from dagger.backends.sqlite.processes import remove_process
from dagger.backends.sqlite.retention import purge, purge_with_tombstones
from dagger.backends.standalone import StandaloneStore
from dagger.engine.ports import Backend
from dagger.testing.contract import Storage, StoreStorage
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


def delete(file: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        with suppress(FileNotFoundError):
            file.with_name(file.name + suffix).unlink()


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
        delete(self.file)

    @override
    async def expire(self, backend: Backend) -> bool:
        assert isinstance(backend, SqliteBackend)
        file = backend.file
        await asyncio.to_thread(file.maintenance.stop)
        await file.database.transact(lambda connection: remove_process(connection, file.processes.id))
        return True

    @override
    async def purge(self, backend: Backend, before: int) -> bool:
        assert isinstance(backend, SqliteBackend)
        await backend.file.database.transact(lambda connection: purge(connection, before, 0, ()))
        return True


class RecordsOnSqlite(StoreStorage):
    """A file of records, beside a log in memory."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "records.db"
        super().__init__(lambda: store(f"sqlite:///{self.file}", "contract"), lambda: delete(self.file))

    @override
    async def purge(self, backend: Backend, before: int) -> bool:
        assert isinstance(backend.store, SqliteRecordStore)
        await backend.store.file.database.transact(lambda connection: purge_with_tombstones(connection, before, 0))
        return True


class OnAerospike(StoreStorage):
    """A set of a namespace: one for all tests, since it takes seconds to make its indexes."""

    def __init__(self, url: str, prefix: str) -> None:
        super().__init__(lambda: aerospike_store(url, prefix), lambda: empty(url, prefix))
        self.wipe()


class OnFakeServers(StoreStorage):
    """The same, with servers that a test stands in for."""

    def __init__(self) -> None:
        self._servers = Servers()
        super().__init__(self._one, self._none)

    def _one(self) -> StandaloneStore:
        return self._servers.store()

    def _none(self) -> None:
        self._servers = Servers()
