"""The port of a store.

The contract:

* `write` is compare-and-swap for each record: a write whose `version` is not the stored one changes nothing. It is
  reported by the answer False, or by Fenced from the following commit, which then keeps nothing.
* The stored version becomes `next`. The writer chooses it so that no version is reused for a key, even if its record
  was deleted in between. So a worker that has lost its partition changes nothing.
* The partition of a key never changes.
* A write may become visible only with the following commit of the log.
* `due` and `busy` never scan records that are not due, or not busy.
* Pinned notes are never deleted. A note is visible to every process when `pin` or `repin` returns.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from dagger.engine.ports.rows import Query, Row, Write


class Store(Protocol):
    """The records of all entities."""

    async def read(self, keys: Sequence[str]) -> Sequence[Row | None]:
        """The records of the keys, None for those that do not exist."""
        ...

    async def write(self, writes: Sequence[Write]) -> Sequence[bool]:
        """Write records; for each whether its version was the stored one."""
        ...

    async def due(self, partitions: Collection[int], until: int, limit: int) -> Sequence[tuple[str, int]]:
        """Records of these partitions whose timers are due at or before `until`, and when; the earliest first."""
        ...

    async def next_due(self, partitions: Collection[int], after: int) -> int | None:
        """When the first timer of these partitions is due that is due after `after`; None if there is none."""
        ...

    async def busy(self, partitions: Collection[int]) -> Sequence[str]:
        """Records of these partitions in which tasks run."""
        ...

    async def find(self, query: Query) -> Sequence[Row]:
        """The instances that match a query, ordered by id."""
        ...

    async def count(self, query: Query) -> int:
        """The number of instances that match a query; `limit` and `after` are ignored."""
        ...

    async def pin(self, name: str, data: bytes) -> bytes:
        """Store a note under a name permanently, unless the name exists; returns the stored note."""
        ...

    async def repin(self, name: str, old: bytes, new: bytes) -> bool:
        """Replace a note if the old one is stored; whether it was."""
        ...
