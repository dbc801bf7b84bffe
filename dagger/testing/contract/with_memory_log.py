"""A store that goes with a log of another kind, under the whole contract: beside the log in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Collection
from contextlib import asynccontextmanager

from typing_extensions import override

from dagger.backends.memory import MemoryLog
from dagger.backends.standalone import StandaloneStore
from dagger.engine.ports import Backend
from dagger.testing.contract.storage import Storage


def with_memory_log(store: StandaloneStore, log: MemoryLog | None = None) -> WithMemoryLog:
    """A backend of the log in memory, a new one unless it is given, and of a store; for one process."""
    return WithMemoryLog(store, MemoryLog() if log is None else log)


class WithMemoryLog:
    """A backend of two parts."""

    atomic = False
    shared = False

    def __init__(self, store: StandaloneStore, log: MemoryLog) -> None:
        self.store = store
        self.log = log

    @property
    def size_max(self) -> int:
        """As the port says."""
        return self.store.size_max

    def announce_ended(self, ids: Collection[str]) -> None:
        """As the port says."""
        self.store.announce_ended(ids)

    async def changed(self) -> Collection[str] | None:
        """As the port says."""
        return await self.store.changed()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        """As the port says."""
        with self.log.opened():
            async with self.store.open():
                yield


class StoreStorage(Storage):
    """The data of standalone stores, beside a log in memory that lasts until it is wiped.

    Derive from it for the hook `purge`, and where `urls` are to be known.
    """

    def __init__(self, store: Callable[[], StandaloneStore], wipe: Callable[[], None]) -> None:
        self.store = store
        """Gives a store object on the data, not open yet. Each stands for a process of its own."""
        self._wipe = wipe
        self._log = MemoryLog()

    @override
    def backend(self) -> Backend:
        """The log, and a new store object."""
        return with_memory_log(self.store(), self._log)

    @override
    def wipe(self) -> None:
        """Delete what is in both."""
        self._wipe()
        self._log = MemoryLog()
