"""The port of a store that stands beside a log of another kind, and how one is found by its URL."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias

from dagger.engine.connect import STORES, scheme_of
from dagger.engine.ports import Scheme, Store


class StandaloneStore(Store, Protocol):
    """A store that goes with a log of another kind, of which it knows nothing.

    Here no commit tells who was overtaken; the records alone do:

    * A write is kept, and visible to everybody, when `write` returns. The answers tell which versions were not the
      stored ones; the other records of the call are written all the same.
    * A key whose record was deleted remembers its last version, the `next` of the deletion. `read` gives None for it,
      and a write with the version 0 makes a record only if its `next` is greater. So what a worker that was overtaken
      writes late is refused, also after the record was made and deleted by others.
    * To delete what is not there changes no record: its answer is True, and the key remembers the greater version.
    * It is remembered for a time: longer than any log keeps its records. What the store deletes by itself, some time
      after it has `ended`, is remembered like any other.
    * Notes that are pinned outlast everything.
    """

    @property
    def size_max(self) -> int:
        """How large a record may be, in bytes."""
        ...

    async def pin(self, name: str, data: bytes) -> bytes:
        """Keep a note under a name, for good, if none is kept there; gives what is kept."""
        ...

    async def repin(self, name: str, old: bytes, new: bytes) -> bool:
        """Keep another note where the old one is kept; whether it was."""
        ...

    async def incarnation(self) -> str:
        """Another text after whatever may have lost writes that were answered, as a restart or a node that is gone.

        The same for ever where nothing is ever lost."""
        ...

    def announce_ended(self, ids: Collection[str]) -> None:
        """As `Backend.announce_ended`; a store that cannot report it does nothing."""
        ...

    async def changed(self) -> Collection[str] | None:
        """As `Backend.changed`."""
        ...

    def open(self) -> AbstractAsyncContextManager[None]:
        """Connect, and disconnect at the end."""
        ...


ConnectStore: TypeAlias = Callable[[str, str], StandaloneStore]
"""Called with the URL and the name of the application."""


def store_for(url: str, application: str) -> StandaloneStore:
    """The store for a URL, for a log of another kind. Raises BackendError as `connect` does."""
    found: Scheme[ConnectStore] = scheme_of(STORES, "store", url, "aerospike://localhost:3000/test")
    return found.connect(url, application)
