"""The port of a backend: a log and a store that belong together."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from dagger.engine.ports.log import Log
from dagger.engine.ports.store import Store


class Backend(Protocol):
    """A log and a store that belong together; open while the context is.

    It is open in one event loop at a time, and may be opened in one after the other: what is bound to a loop is created
    when it is opened. If it is open in another loop that has not ended, `open` raises BackendError.
    """

    @property
    def log(self) -> Log: ...

    @property
    def store(self) -> Store: ...

    @property
    def atomic(self) -> bool:
        """Whether writes become visible with the commit that follows, or never: then no record keeps an outbox."""
        ...

    @property
    def size_max(self) -> int:
        """The maximum size of a record or a message, in bytes."""
        ...

    @property
    def shared(self) -> bool:
        """Whether other processes may work on the same records; then `changed` reports their changes."""
        ...

    def announce_ended(self, ids: Collection[str]) -> None:
        """A commit of this process has ended these instances: report them to the `changed` of other processes.

        It returns at once, and may fail silently; a process that misses it finds the end by reading the records.
        """
        ...

    async def changed(self) -> Collection[str] | None:
        """Return when other processes have changed records, also since the last call.

        The ids of instances that were announced as ended, if that is known to be all that have ended since: none if
        records have changed and no instance has ended. None if any record may have changed.
        """
        ...

    def open(self) -> AbstractAsyncContextManager[None]:
        """Connect, and disconnect at the end."""
        ...
