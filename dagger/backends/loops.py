"""The event loop that a backend is open in: what is bound to it is of no use in another."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager

from dagger.errors import BackendError


class OneLoop:
    """Lets a backend be open in one event loop at a time, and in one after the other."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._loop: asyncio.AbstractEventLoop | None = None

    @contextmanager
    def held(self) -> Generator[None]:
        """Open in the loop that runs. Raises BackendError while it is open in another that has not ended."""
        mine = asyncio.get_running_loop()
        if self._loop is not None and self._loop is not mine and not self._loop.is_closed():
            raise self._elsewhere()
        self._loop = mine
        try:
            yield
        finally:
            if self._loop is mine:
                self._loop = None

    def check(self) -> None:
        """Raise BackendError where it is used from another event loop than that in which it is open."""
        if self._loop is not None and self._loop is not asyncio.get_running_loop():
            raise self._elsewhere()

    def _elsewhere(self) -> BackendError:
        return BackendError(
            f"{self._place} is open in another event loop, and is not to be used from this one; end it there first "
            "(leave its `async with`, or await aclose()), or make another Dagger for each loop"
        )
