"""The notes that the backend keeps in its store: JSON, with the number of the stored format.

A note is replaced by comparing its bytes. So the bytes are kept as they were read: those of a later release may have a
field more.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

from dagger.backends.standalone import StandaloneStore
from dagger.core.format import FORMAT, UNNUMBERED, unknown_format
from dagger.errors import BackendError


class PinnedNote(msgspec.Struct, frozen=True, kw_only=True, tag_field="format", tag=FORMAT):
    """The root of all notes."""


N = TypeVar("N", bound=PinnedNote)


class Pin(Generic[N]):
    """One note of a store."""

    def __init__(self, store: StandaloneStore, name: str) -> None:
        self._store = store
        self._name = name
        self._data = b""

    async def get(self, new: N) -> N:
        """What is kept, or `new` if nothing is. Raises BackendError for what this release cannot read."""
        self._data = await self._store.pin(self._name, msgspec.json.encode(new))
        try:
            _check(self._data)
            return msgspec.json.decode(self._data, type=type(new))
        except msgspec.MsgspecError as error:
            raise BackendError(f"the note '{self._name}' of the store cannot be used: {error}") from error

    async def replace(self, note: N) -> bool:
        """Keep another note in place of the one that was read; False if somebody else has replaced that."""
        data = msgspec.json.encode(note)
        if not await self._store.repin(self._name, self._data, data):
            return False
        self._data = data
        return True


def _check(data: bytes) -> None:
    """Raises ValidationError for another format. For msgspec, a tag may be missing where no other type is possible."""
    number = msgspec.json.decode(data, type=dict[str, Any]).get("format", UNNUMBERED)
    if number != FORMAT:
        raise msgspec.ValidationError(
            unknown_format(number) if isinstance(number, int) else f"its format is {number!r}"
        )
