"""The port of a store for a separate log, and how it is found by its URL."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

from dagger.engine.connect import STORES, scheme_of
from dagger.engine.ports import Scheme, Store


class StandaloneStore(Store, Protocol):
    """A store for a separate log, about which it knows nothing.

    No commit detects here that a worker has lost its partition. Only the records do:

    * A write is durable, and visible to every process, when `write` returns. The answers say for each record whether
      the stored version was the expected one. The other records of the call are written regardless.
    * A key whose record was deleted keeps its last version, the `next` of the deletion. `read` returns None for it, and
      a write with version 0 creates a record only if its `next` is greater. So a late write of a previous owner is
      refused, even after others have created and deleted the record.
    * Deleting a record that does not exist returns True, and the key keeps the greater version.
    * These versions are kept longer than any log keeps its records. This includes records that the store itself
    deletes,
      some time after they have `ended`.
    """

    @property
    def size_max(self) -> int:
        """How large a record may be, in bytes."""
        ...

    async def incarnation(self) -> str:
        """A text that changes after any event that may have lost acknowledged writes, such as the loss of a node.

        It never changes if nothing is ever lost."""
        ...

    @property
    def reports_ends(self) -> bool:
        """Whether `announce_ended` reaches the `changed` of all processes that use the store; else the log does it."""
        ...

    def announce_ended(self, ids: Collection[str]) -> None:
        """Like `Backend.announce_ended`; a store that can't report it does nothing."""
        ...

    async def changed(self) -> Collection[str] | None:
        """Like `Backend.changed`."""
        ...

    def open(self) -> AbstractAsyncContextManager[None]:
        """Connect, and disconnect at the end."""
        ...


ConnectStore: TypeAlias = Callable[[str, str], StandaloneStore]
"""Called with the URL and the name of the application."""


def store_for(url: str, application: str) -> StandaloneStore:
    """The standalone store for a URL. Raises BackendError like `connect`."""
    found: Scheme[ConnectStore] = scheme_of(STORES, "store", url, "aerospike://localhost:3000/test")
    return found.connect(url, application)
