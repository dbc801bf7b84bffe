"""Why a batch is applied again in another way: a record would be too large, or was applied and deleted before."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from dagger.engine.ports import Store, Write
from dagger.errors import Fenced


class TooLarge(Exception):
    """A record would be larger than the store accepts."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key


class UnreadRow(Exception):
    """The row of a key cannot be read by this release."""

    def __init__(self, why: str) -> None:
        super().__init__(f"the record of its key cannot be read: {why}")


class AlreadyApplied(Exception):
    """Everything that came for these keys was applied before, and their records have been deleted since."""

    def __init__(self, keys: Collection[str]) -> None:
        super().__init__(", ".join(keys))
        self.keys = keys


async def conflict_of(store: Store, conflicting: Sequence[Write]) -> Exception:
    """Why a store refuses these writes.

    If it has no record and refuses to create one, it remembers a later version, and everything up to that version was
    applied. Nothing is left to publish: a record is not deleted while its outbox may have to be published again.
    """
    rows = await store.read([write.key for write in conflicting])
    for write, row in zip(conflicting, rows, strict=True):
        if write.version or row is not None:
            return Fenced(f"the record of '{write.key}' was written by another worker")
    return AlreadyApplied([write.key for write in conflicting])
