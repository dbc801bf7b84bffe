"""The port of a log.

The contract:

* `append` returns once the records are accepted; an accepted record is never lost.
* A partition has one owner at a time, which has joined. Only records of owned partitions are polled, and no partition
  starves while there is always more in another.
* Records of one partition are polled in the order of their offsets, which increase and are never reused. A record is
  polled again after a restart, a takeover or a `rewind` until its offset is committed.
* `commit` is atomic for each home partition: either everything that its records and its share of the external topics
  have ordered is appended, and all their offsets are committed, or nothing is. If it raises, some partitions may be
  committed and others not, and an answer may have been lost. The caller finds out with `rewind`.
* Committing offsets of a partition that had another owner since it was polled raises Fenced.
* `backlog` returns every record that was accepted before the call and is not committed, in any process, and does not
  affect polling. It may return records of a commit under way, but none of a commit that has failed.

An owner makes these calls one after the other: `poll`, `read`, `write`, `commit`. All others may be made at any time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from dagger.engine.ports.entries import Backlog, Batch, Entry, Orders, Position, TopicRecord


class Reader(Protocol):
    """A member of a group that reads one external topic, outside any workflow.

    All readers of a group share the partitions, in one process or in several. Each message is read by at least one of
    them. It is read again if its partition passes to another reader before it was committed.
    """

    async def read(self, limit: int) -> Sequence[TopicRecord]:
        """The next messages, starting with the first one that is kept; waits until there is one.

        This commits what earlier calls have read: the next owner of a partition continues with the messages of the
        last call. A call that is cancelled has read nothing. Raises BackendError once the backend is closed.
        """
        ...


class Log(Protocol):
    """The internal log and the external topics."""

    @property
    def partitions(self) -> int:
        """The number of partitions of the internal log."""
        ...

    def partition_of(self, key: str) -> int:
        """The home partition of a key, which is the same in every process and never changes.

        Where external topics are divided in the same way, the messages of a key are best in the partition of the same
        number: one owner then has both.
        """
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """How many entries were dead-lettered instead of sent: `too_large`, `refused`, and `dead_letters` in total."""
        ...

    def consume(self, topics: Collection[str], published: Collection[str] = ()) -> None:
        """Poll these external topics too, from now on; each from the first message that is kept, or after the committed
        offset. The `published` topics will be published to: if topics must be created first, `join` creates or refuses
        them."""
        ...

    async def append(self, entries: Sequence[Entry]) -> None:
        """Accept records and messages."""
        ...

    async def poll(self, limit: int) -> Batch:
        """At most `limit` records and messages that were not polled yet; an empty batch if there are none."""
        ...

    async def wait(self) -> None:
        """Return when there may be something to poll, including what came between the last poll and this call. Also
        return after `consume`, because messages of the new topic may be there already."""
        ...

    async def commit(self, entries: Orders, offsets: Mapping[Position, int]) -> None:
        """Append entries, by the position that has ordered them, and commit all offsets up to the given ones.

        Raises Fenced if a partition is no longer owned, and BackendUnavailable if a retry may succeed.
        """
        ...

    async def backlog(self, after: Mapping[int, int], limit: int) -> Backlog:
        """At most `limit` records of these partitions that are accepted and not committed, after the given offsets.

        -1 is before the first record of a partition.
        """
        ...

    async def rewind(self) -> None:
        """After a failure: discard what was polled or written and not committed, so that it is polled again."""
        ...

    def join(self) -> AbstractAsyncContextManager[None]:
        """Own a share of the partitions while the context is open; at its end they pass to other workers."""
        ...

    @property
    def is_early(self) -> bool:
        """Whether this machine's clock is too far ahead of the log's, or not compared yet. Then no timer may fire."""
        ...

    def reader(self, topic: str, group: str) -> AbstractAsyncContextManager[Reader]:
        """A new member of a group that reads an external topic, while the context is open.

        At its end, its partitions pass to the other members at once.
        """
        ...
