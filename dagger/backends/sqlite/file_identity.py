"""Which file was opened. Later its path may lead to another file or to none, if it was deleted, moved or replaced.

SQLite keeps working on the file that it has open, which nobody else can find any more, and opens the other one for the
next connection. Without a check, what is committed would be lost when the last process ends.
"""

from __future__ import annotations

import os

from dagger.backends.sqlite.options import SqliteOptions
from dagger.errors import BackendError


class FileIdentity:
    """Checks that the path still leads to the file that was opened first."""

    def __init__(self, options: SqliteOptions) -> None:
        self._path = options.path
        self._place = str(options.place)
        self._file: tuple[int, int] | None = None

    def remember(self) -> None:
        """A connection was opened: remember the file the first time, check it later. Raises BackendError."""
        if self._file is None:
            self._file = self._found()
        self.check()

    @property
    def is_known(self) -> bool:
        """Whether a connection has been opened."""
        return self._file is not None

    @property
    def is_unchanged(self) -> bool:
        """Whether the path still leads to the file."""
        return self._file is None or self._found() == self._file

    def check(self) -> None:
        """Raise BackendError if the path does not lead to the file any more."""
        if not self.is_unchanged:
            raise BackendError(
                f"the file '{self._path}' was deleted, moved or replaced while it was open; nothing was changed; end "
                "all processes that have it open before you do so, and put it back if it is still there"
            )

    def _found(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._place)  # before each commit: a Path costs four times as much
        except OSError:
            return None
        return found.st_dev, found.st_ino
