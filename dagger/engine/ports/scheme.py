"""The URL scheme of a backend or a store."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
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
    """A URL scheme, which a package registers as an entry point; `C` is the type of the function that connects.

    Only `connect` and `example` are required. The engine and the command line know nothing else about URLs.
    """

    connect: C
    """Called with the URLs; returns a backend or a store, which does not connect yet."""
    example: str
    """A URL to show in messages."""
    requires: str | None = None
    """A module of another package that `connect` imports later; without it the scheme is refused at once."""
    store_beside: str | None = None
    """For a log without a store of its own: the URL of the store that is used if only `datadir=` is given."""
    resolve: Callable[[str, Path], str] = _unchanged
    """Makes the relative path of a URL absolute, below a directory."""
    suggest: Callable[[str | Path], str | None] = _no_suggestion
    """A suggestion for a path or a text that is not a URL; None if it does not belong to this scheme."""
    backup: Callable[[str, Path], Awaitable[None]] | None = None
    """Copies the data of a URL to a new file, if `dagger backup` supports it. Raises BackendError."""


@runtime_checkable
class HasNoisyLoggers(Protocol):
    """A backend whose libraries log each attempt of what the engine repeats, and logs itself."""

    @property
    def noisy_loggers(self) -> Collection[str]:
        """The names of these loggers. `dagger worker` shows only their errors, except with `--log-level debug`."""
        ...


@runtime_checkable
class FileBased(Protocol):
    """A backend or a store that keeps its data in a file of this machine, which opening it would create."""

    @property
    def data_file(self) -> Path:
        """The absolute path of the file."""
        ...
