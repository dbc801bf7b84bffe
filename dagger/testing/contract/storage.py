"""What an author gives the suite: the data that a backend keeps, and the hooks by which it is made to suffer."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from dagger.engine.ports import Backend


@runtime_checkable
class HasCaughtUp(Protocol):
    """A backend whose log takes a while to bring what it has accepted: by this, tests know when nothing is left."""

    async def caught_up(self) -> bool:
        """Whether all that was accepted so far for what is owned has been polled."""
        ...


class Storage(Protocol):
    """The data under test. Derive from it: the hooks have defaults, for backends to which they mean nothing."""

    urls: tuple[str, str | None] | None = None
    """The URLs, of the broker and of the store, by which another process connects to the same data; None where all is
    gone with the process."""

    def backend(self) -> Backend:
        """A backend object on the data, not open yet. Each that is asked for stands for a process of its own."""
        ...

    def wipe(self) -> None:
        """Delete all data. Nothing is open meanwhile."""
        ...

    async def expire(self, backend: Backend) -> bool:
        """Let all that an open backend owns pass to others without its noticing, as if it had been paused.

        It must take nothing back before `rewind` is called. False where there is never a second owner.
        """
        return False

    async def purge(self, backend: Backend, before: int) -> bool:
        """Let an open backend delete all that ended before a time, in microseconds. False where it never does."""
        return False
