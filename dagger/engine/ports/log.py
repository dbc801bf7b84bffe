"""The port of a log.

The contract:

* `append` returns once the records are accepted; an accepted record is never lost.
* A partition has one owner at a time: who has joined. Only records of owned partitions are polled, and none of them
  waits for ever while there is always more in another.
* Records of one partition are polled in the order of their offsets, which grow and never come twice; a record is
  polled again after a restart, a take-over or a `rewind` until its offset is committed.
* `commit` is atomic for each home partition: what its records and its share of the external topics have ordered is
  appended, and all their offsets are committed, or nothing is. Where it raises, some partitions may be done and some
  not, and an answer may have been lost; who calls it finds out by a `rewind`.
* A commit of offsets of a partition that somebody else has owned since it was polled raises Fenced.
* `backlog` gives every record that was accepted before the call and is not committed, to anybody, and changes nothing
  of what is polled. It may give what a commit under way appends; it gives no record of a commit that has failed.

Calls of one owner come one after the other: `poll`, `read`, `write`, `commit`. Everything else comes at any time.
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
        """How many partitions the internal log has."""
        ...

    @property
    def counts(self) -> Mapping[str, int]:
        """How often something was sent elsewhere than it was to go: `too_large`, `refused`, in all `dead_letters`."""
        ...

    def consume(self, topics: Collection[str], published: Collection[str] = ()) -> None:
        """Poll these external topics too, from now on; each from the first message on that is kept, or from behind what
        was committed. The `published` ones will be published to: where topics must be made first, who joins makes them,
        or refuses to."""
        ...

    async def append(self, entries: Sequence[Entry]) -> None:
        """Accept records and messages."""
        ...

    async def poll(self, limit: int) -> Batch:
        """At most `limit` of what has not been polled yet; an empty batch if there is nothing."""
        ...

    async def wait(self) -> None:
        """Return when there may be something to poll: also if it came between the last poll and this call, and after
        `consume`, since what is consumed for another template may be here already."""
        ...

    async def commit(self, entries: Orders, offsets: Mapping[Position, int]) -> None:
        """Append entries, by what has ordered them, and commit, for each position, all offsets up to the given one.

        Raises Fenced where a partition is no longer owned, and BackendUnavailable where it may do later.
        """
        ...

    async def backlog(self, after: Mapping[int, int], limit: int) -> Backlog:
        """At most `limit` records of these partitions that are accepted and not committed, behind the given offsets.

        -1 is before the first record of a partition.
        """
        ...

    async def rewind(self) -> None:
        """After a failure: forget what was polled or written and not committed, and poll it again."""
        ...

    def join(self) -> AbstractAsyncContextManager[None]:
        """Own a share of the partitions while the context is open; what is owned goes to others at its end."""
        ...

    @property
    def is_early(self) -> bool:
        """Whether this machine's clock is known to be too far ahead of the log's, or not compared yet: then timers
        must wait."""
        ...

    def reader(self, topic: str, group: str) -> AbstractAsyncContextManager[Reader]:
        """Another member of a group that reads an external topic, while the context is open.

        At its end, what it owns passes to the other members at once.
        """
        ...
