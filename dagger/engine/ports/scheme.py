"""What a backend or a store knows about the URLs of its scheme."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, Protocol, TypeVar, runtime_checkable

C = TypeVar("C")


def _unchanged(url: str, folder: Path) -> str:
    return url


def _no_suggestion(given: str | Path) -> str | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheme(Generic[C]):
    """A URL scheme, as a package offers it by entry point; a `C` is the function that connects.

    Only `connect` and `example` are required. The engine and the command line know nothing else about a URL.
    """

    connect: C
    """Called with the URLs; gives a backend or a store, which is not connected yet."""
    example: str
    """A URL to show in messages."""
    requires: str | None = None
    """A module of another package that `connect` imports later; without it the scheme is refused at once."""
    store_beside: str | None = None
    """For a log without a store of its own: the URL of the store that is used where only `datadir=` is given."""
    resolve: Callable[[str, Path], str] = _unchanged
    """Makes the relative path of a URL absolute, below a directory."""
    suggest: Callable[[str | Path], str | None] = _no_suggestion
    """The URL that was meant by a path or a text that is not a URL; None if it is not of this scheme."""
    backup: Callable[[str, Path], Awaitable[None]] | None = None
    """Copies what is behind a URL to a new file, if `dagger backup` can do that. Raises BackendError."""


@runtime_checkable
class FileBased(Protocol):
    """A backend or a store that keeps its data in a file of this machine, which opening it would create."""

    @property
    def data_file(self) -> Path:
        """The absolute path of the file."""
        ...
