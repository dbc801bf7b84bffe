"""Where a chaos takes place: what it wants to know of the servers, whatever they are."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

from tests.chaos.report import Message
from tests.chaos.workflow import Note

WORKERS: Final = 3
"""How many there are."""


class Site(Protocol):
    """A log and a store, and what can be seen of them from outside."""

    @property
    def title(self) -> str:
        """What they are, for the report."""
        ...

    @property
    def lanes(self) -> int:
        """How many partitions the internal log has."""
        ...

    @property
    def session_s(self) -> float:
        """After how long without a heartbeat a worker's partitions go to others."""
        ...

    @property
    def has_lock(self) -> bool:
        """Whether a worker that is stopped may hold a lock for which all others wait."""
        ...

    @property
    def targets(self) -> Mapping[str, int]:
        """How many there are that a sort of fault can strike."""
        ...

    def urls(self, worker: int | None = None) -> list[str]:
        """What an engine is made with: for one of the workers, or for anybody else."""
        ...

    def open(self) -> AbstractAsyncContextManager[None]:
        """Look at it while the context is open."""
        ...

    async def notes(self) -> Sequence[Note]:
        """What was written into the diary since this was asked last."""
        ...

    async def is_shared(self) -> bool:
        """Whether every worker has its share, and nobody else has any."""
        ...

    async def is_applied(self) -> bool:
        """Whether all that is on the log was applied."""
        ...

    async def messages(self) -> Sequence[Message]:
        """All that lies on the topics where workflows publish, in the order of each partition."""
        ...

    async def left_over(self, gone: Collection[int]) -> list[str]:
        """What is unfinished when all is done, or is still owned by processes that are gone."""
        ...

    async def standing(self) -> list[str]:
        """How it stands, for whoever has to find out why nothing goes on."""
        ...

    async def hurt(self, sort: str, target: int) -> None:
        """Break something of it."""
        ...

    async def heal(self, sort: str, target: int) -> None:
        """Put it right again."""
        ...
