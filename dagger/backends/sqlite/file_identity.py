"""The very file that was opened. By its path another may be found later, or none: it was deleted, moved or replaced.

SQLite goes on with the file that it has open, which nobody else finds any more, and opens the other for the next
connection. So what is committed is lost when the last process ends, unless somebody looks.
"""

from __future__ import annotations

import os

from dagger.backends.sqlite.options import Options
from dagger.errors import BackendError


class FileIdentity:
    """Tells whether the path still leads to the file."""

    def __init__(self, options: Options) -> None:
        self._path = options.path
        self._place = str(options.place)
        self._file: tuple[int, int] | None = None

    def remember(self) -> None:
        """A connection was opened: from the first one on it is this file. Raises BackendError."""
        if self._file is None:
            self._file = self._found()
        self.check()

    @property
    def is_known(self) -> bool:
        """Whether a connection was opened before."""
        return self._file is not None

    @property
    def is_unchanged(self) -> bool:
        """Whether it is still there."""
        return self._file is None or self._found() == self._file

    def check(self) -> None:
        """Raises BackendError where it is not there any more."""
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
