"""What the URL of a file says: `sqlite:///orders.db`, `sqlite:////var/lib/orders.db?lease=10s&finished=90d`."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec

from dagger.errors import BackendError

PARTITIONS_MAX: Final = 1024
_SPAN: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_SPAN_S_MAX: Final = timedelta(days=36_500).total_seconds()


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
    patience: float = 30.0
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


GIVEN_WHOLE: Final = ("lease", "patience", "finished", "retention", "partitions")
"""What a URL can say behind its path, where everything is in the file."""
GIVEN_BESIDE: Final = ("patience", "finished", "deleted")
"""The same, where the log is of another kind."""


def options_of(url: str, known: Collection[str] = GIVEN_WHOLE) -> Options:
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
    given: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise BackendError(f"'{url}': there is no option '{name}'; there are: {', '.join(known)}")
        if name in given:
            raise BackendError(f"'{url}': {name} is given twice; give it once")
        given[name] = _partitions(url, text) if name == "partitions" else _seconds(url, name, text)
    return Options(path=Path(path), **given)


def _partitions(url: str, text: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= PARTITIONS_MAX:
        return int(text)
    raise BackendError(f"'{url}': partitions={text}; give a whole number from 1 to {PARTITIONS_MAX}")


def _seconds(url: str, name: str, text: str) -> float:
    found = _SPAN.fullmatch(text)
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if 0 < seconds <= _SPAN_S_MAX:
        return seconds
    raise BackendError(f"'{url}': {name}={text} is no time; write a number and its unit, as 500ms, 4s, 10m, 12h or 7d")
