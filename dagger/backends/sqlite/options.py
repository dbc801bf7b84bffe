"""What the URL of a file says: `sqlite:///orders.db`, `sqlite:////var/lib/orders.db?lease=10s&finished=90d`."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import msgspec

from dagger.backends.settings import OptionParser, integer_up_to, parse_duration, parse_options
from dagger.errors import BackendError

PARTITIONS_MAX: Final = 1024


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError:  # it is gone; what is relative to it is refused when it is opened
        return Path()


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Where the file is, and how it is used. Times are in seconds."""

    path: Path
    folder: Path = msgspec.field(default_factory=_here)
    """What the path is relative to: the working directory as it was then; connections are opened later, too."""
    lease: float = 4.0
    """How long a worker owns its partitions after its last sign of life."""
    busy_timeout: float = 30.0
    """How long is waited for a file that others have locked."""
    finished: float = 30 * 86_400.0
    """How long an instance is kept after its end."""
    retention: float = 7 * 86_400.0
    """How long a message is kept on its topic."""
    deleted: float = 14 * 86_400.0
    """How long is remembered that a record was deleted, where the log is of another kind: longer than that keeps its
    records."""
    partitions: int = 16
    """Into how many partitions a new file is divided: at most so many workers share the work."""

    @property
    def place(self) -> Path:
        """The path, wherever the working directory is by now."""
        return self.folder / self.path

    @property
    def tick(self) -> float:
        """How often a sign of life is given."""
        return self.lease / 4


FULL_OPTIONS: Final = ("lease", "busy_timeout", "finished", "retention", "partitions")
"""What a URL can say behind its path, where everything is in the file."""
STANDALONE_OPTIONS: Final = ("busy_timeout", "finished", "deleted")
"""The same, where the log is of another kind."""


def options_of(url: str, known: Collection[str] = FULL_OPTIONS) -> Options:
    """What a URL says, with options that are `known`. Raises BackendError: what is wrong with it, and what to write."""
    # Not by urlsplit, which drops line breaks and what is behind a #: that would be another file.
    if "#" in url or min(url, default="") < " ":
        raise BackendError(f"{url!r}: write a # of a path as %23, and leave out line breaks and the like")
    strokes = "sqlite:///"
    path, _, query = url.removeprefix(strokes).partition("?")
    path = unquote(path)
    if not url.startswith(strokes) or not path or path.endswith("/") or "\0" in path:
        raise BackendError(
            f"'{url}' names no file; write sqlite:///orders.db for a file in the working directory, and "
            "sqlite:////var/lib/orders.db (four strokes) for an absolute path"
        )
    if path == ":memory:":
        raise BackendError(f"'{url}': what is kept in memory is no file; write memory:// instead")
    reads: dict[str, OptionParser] = {
        name: integer_up_to(PARTITIONS_MAX) if name == "partitions" else parse_duration for name in known
    }
    return Options(path=Path(path), **parse_options(url, query, reads))
