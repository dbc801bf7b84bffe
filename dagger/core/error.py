"""Why a step failed, as data."""

from __future__ import annotations

import msgspec
from typing_extensions import override


class Error(msgspec.Struct, frozen=True, array_like=True, gc=False, eq=False):
    """Why a step failed. `str(error)` is `path: Type: message`. Errors that say the same are equal."""

    path: str
    type: str
    message: str
    kinds: tuple[str, ...] = ()
    """Qualified names of the exception's classes, the base classes too: what `Retry(on=)` is matched by."""
    pure: bool = False
    """Whether a function that must be pure failed: never retried."""
    timed_out: bool = False
    """Whether a task exceeded its own timeout: retried whatever `Retry(on=)` says."""
    traceback: str = ""
    """The traceback of the exception, at most its last 4 KiB; empty for what raised none."""

    @property
    def text(self) -> str:
        """`Type: message`."""
        return f"{self.type}: {self.message}" if self.message else self.type

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Error) and _said(self) == _said(other)

    @override
    def __hash__(self) -> int:
        return hash(_said(self))

    @override
    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


def _said(error: Error) -> tuple[object, ...]:
    return error.path, error.type, error.message, error.kinds
