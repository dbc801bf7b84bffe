"""The notes of a store, without the rest of it."""

from __future__ import annotations

from typing import Any, cast

from dagger.backends.standalone import StandaloneStore


def pins() -> StandaloneStore:
    """A store of which only the notes are asked for."""
    return cast("StandaloneStore", _Pins())


class _Pins:
    """Keeps notes in memory."""

    def __init__(self) -> None:
        self.notes = dict[str, bytes]()

    async def pin(self, name: str, data: bytes) -> bytes:
        return self.notes.setdefault(name, data)

    async def repin(self, name: str, old: bytes, new: bytes) -> bool:
        if self.notes.get(name) != old:
            return False
        self.notes[name] = new
        return True

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"nothing but notes is needed, not {name}")
