"""The URL of a file: `sqlite:///orders.db`, `sqlite:////var/lib/orders.db?lease=10s&finished=90d`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

import msgspec

from dagger.backends.settings import OptionParser, integer_up_to, parse_duration, parse_options
from dagger.errors import BackendError

PARTITIONS_MAX: Final = 1024
PREFIX: Final = "sqlite:///"
SUFFIXES: Final = (".db", ".db3", ".sqlite", ".sqlite3")
"""The endings of file names that are taken for files of SQLite."""


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError:  # it was deleted; opening a relative path will fail
        return Path()


class SqliteOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The place of the file, and how it is used. Durations are in seconds."""

    path: Path
    folder: Path = msgspec.field(default_factory=_here)
    """What the path is relative to: the working directory at that time, since connections are also opened later."""
    lease: float = 4.0
    """How long a worker owns its partitions after its last heartbeat."""
    busy_timeout: float = 30.0
    """How long a call waits for a file that another process has locked."""
    finished: float = 30 * 86_400.0
    """How long an instance is kept after its end."""
    retention: float = 7 * 86_400.0
    """How long a message is kept on its topic."""
    deleted: float = 14 * 86_400.0
    """How long deletions of records are remembered, where the log is of another kind: longer than that log keeps its
    records."""
    partitions: int = 16
    """The number of partitions of a new file, and so the highest number of workers that share the work."""

    @property
    def place(self) -> Path:
        """The path, independent of the current working directory."""
        return self.folder / self.path

    @property
    def tick(self) -> float:
        """How often a heartbeat is sent."""
        return self.lease / 4


FULL_OPTIONS: Final = ("lease", "busy_timeout", "finished", "retention", "partitions")
"""The options of a URL whose file has a log and records."""
STANDALONE_OPTIONS: Final = ("busy_timeout", "finished", "deleted")
"""The options of a URL whose file has records only."""


def options_of(url: str, known: Collection[str] = FULL_OPTIONS) -> SqliteOptions:
    """Parse a URL with options that are `known`. Raises BackendError, which says what is wrong and what to write."""
    # urlsplit drops line breaks, and what follows a #, so the path would lead to another file.
    if "#" in url or min(url, default="") < " ":
        raise BackendError(f"{url!r}: write a # of a path as %23, and leave out line breaks and the like")
    path, _, query = url.removeprefix(PREFIX).partition("?")
    path = unquote(path)
    if not url.startswith(PREFIX) or not path or path.endswith("/") or "\0" in path:
        raise BackendError(
            f"'{url}' names no file; write sqlite:///orders.db for a file in the working directory, and "
            "sqlite:////var/lib/orders.db (four slashes) for an absolute path"
        )
    if path == ":memory:":
        raise BackendError(f"'{url}': SQLite's in-memory databases are not supported; write memory:// instead")
    reads: dict[str, OptionParser] = {
        name: integer_up_to(PARTITIONS_MAX) if name == "partitions" else parse_duration for name in known
    }
    return SqliteOptions(path=Path(path), **parse_options(url, query, reads))


def absolute_url(url: str, folder: Path) -> str:
    """The URL with its path made absolute, below a directory."""
    if not url.startswith(PREFIX):  # refused when it is parsed
        return url
    path, question, query = url.removeprefix(PREFIX).partition("?")
    return f"{PREFIX}{quote(str(folder.absolute() / unquote(path)))}{question}{query}"


def url_of_path(given: str | Path) -> str | None:
    """The URL of a file; None for a text that does not look like the path of a file of SQLite."""
    path = str(given).removeprefix("sqlite:")
    is_meant = isinstance(given, Path) or path != given or path.endswith(SUFFIXES)
    return f"{PREFIX}{quote(path)}" if is_meant else None
