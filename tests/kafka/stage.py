"""Kafka under the contract, and what makes it suffer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import anyio
import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.group import LeaveGroupRequest
from typing_extensions import override

from dagger.backends.aerospike import store as aerospike_store
from dagger.backends.kafka import KafkaBackend
from dagger.backends.kafka.options import options_of
from dagger.backends.sqlite import SqliteRecordStore
from dagger.backends.sqlite import store as sqlite_store
from dagger.backends.sqlite.retention import purge_with_tombstones
from dagger.backends.standalone import StandaloneStore
from dagger.engine.ports import Backend
from dagger.errors import DaggerError
from dagger.testing.contract import Storage
from tests.contract.storages import delete
from tests.servers.aerospike import empty
from tests.servers.processes import Process


class OnKafka(Storage):
    """An application of its own on a broker, new each time that it is wiped; beside a store."""

    def __init__(
        self, bootstrap: str, store: Callable[[str], StandaloneStore], wipe: Callable[[], None], more: str = ""
    ) -> None:
        self._bootstrap = bootstrap
        self._store = store
        self._wipe = wipe
        self._more = more
        self.store_url: str | None = None
        self.folder = Path()
        """Where its files are, if it has some."""
        self.wipe()

    @override
    def wipe(self) -> None:
        self._wipe()
        self.prefix = f"t{uuid4().hex[:10]}."
        more = self._more if "lease=" in self._more else f"&lease=6s{self._more}"
        self.url = f"kafka://{self._bootstrap}/contract?prefix={self.prefix}&partitions=4{more}"
        if self.store_url is not None:
            self.urls = (self.url, self.store_url)

    def empty_store(self) -> None:
        """Delete the records, and leave the rest. Nothing is open meanwhile."""
        self._wipe()

    @override
    def backend(self) -> KafkaBackend:
        return KafkaBackend(options_of(self.url), self._store(f"{self.prefix}contract"))

    @override
    async def expire(self, backend: Backend) -> bool:
        """Nothing of its group gets through any more, and the group has forgotten it, until it rewinds."""
        assert isinstance(backend, KafkaBackend)
        log, goes_on = backend.log, asyncio.Event()
        consumer = consumer_of(backend)
        coordinator = consumer._coordinator
        send, rewind = coordinator._send_req, log.rewind

        async def held(request: Any) -> Any:
            while not (goes_on.is_set() or consumer._closed):  # noqa: ASYNC110  # no event tells the latter
                await asyncio.sleep(0.02)
            return await send(request)

        async def rewound() -> None:
            log.rewind = rewind  # type: ignore[method-assign]  # as it was
            goes_on.set()
            await rewind()

        coordinator._send_req = held
        log.rewind = rewound  # type: ignore[method-assign]  # once
        await forget(self._bootstrap, coordinator)
        return True

    @override
    async def purge(self, backend: Backend, before: int) -> bool:
        if not isinstance(backend.store, SqliteRecordStore):
            return False
        await backend.store.file.database.transact(lambda connection: purge_with_tombstones(connection, before, 0))
        return True


def kafka_of(backend: Backend) -> KafkaBackend:
    """A backend, as what it is."""
    assert isinstance(backend, KafkaBackend)
    return backend


def consumer_of(backend: KafkaBackend) -> Any:
    """The client that is in the group."""
    member = backend.log._member
    assert member is not None
    return member._consumer


async def forget(bootstrap: str, coordinator: Any) -> None:
    """Let a group take a member for one that has left."""
    if coordinator.coordinator_id is None:  # it has not joined yet
        return
    client = AIOKafkaClient(bootstrap_servers=bootstrap)
    await client.bootstrap()
    try:
        request = LeaveGroupRequest(coordinator.group_id, coordinator.member_id)
        await client.send(coordinator.coordinator_id, request)
    finally:
        await client.close()


def beside_sqlite(bootstrap: str, folder: Path, more: str = "") -> OnKafka:
    """With a file of records."""
    file = folder / "records.db"
    url = f"sqlite:///{file}"
    storage = OnKafka(bootstrap, lambda name: sqlite_store(url, name), lambda: delete(file), more)
    storage.store_url, storage.folder = url, folder
    storage.wipe()
    return storage


def beside_aerospike(bootstrap: str, url: str, more: str = "") -> OnKafka:
    """With one set of Aerospike, whatever the application is called: it takes seconds to make its indexes."""
    return OnKafka(bootstrap, lambda name: aerospike_store(url, "kafka"), lambda: empty(url, "kafka"), more)


@contextmanager
def program(name: str, storage: OnKafka) -> Generator[Process]:
    """A process, which is killed at the end."""
    assert storage.store_url is not None
    command = [sys.executable, "-m", "tests.kafka.programs", name, storage.url, storage.store_url]
    process = Process(command, storage.folder / f"{name}-{uuid4().hex[:6]}.log")
    try:
        yield process
    finally:
        if process.exit is None:
            process.kill()
        else:
            process.wait()


async def says(process: Process, word: str) -> None:
    """Wait until a process has printed something."""
    while word not in process.log.read_text():
        assert process.exit is None, process.last_lines()
        await anyio.sleep(0.02)


async def fails(test: Awaitable[None], why: str) -> None:
    """A test that must fail, since the product was broken for it, and why it does."""
    with pytest.raises((AssertionError, BaseExceptionGroup, DaggerError)) as found:
        await test
    assert why in "; ".join(_said(found.value))


def _said(error: BaseException) -> Iterable[str]:
    """What an error says, and all that are in it."""
    yield str(error)
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _said(one)
