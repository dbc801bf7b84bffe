"""What a backend is: a log and a store. No port knows what a workflow is.

Contract of a log:

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

Contract of a store:

* `write` is compare-and-swap, record by record: a write whose `version` is not the stored one changes nothing. It is
  told by the answer False, or by Fenced from the commit that follows, which then keeps nothing.
* The stored version becomes `next`. Whoever writes chooses it so that no version comes twice for a key, even if its
  record was deleted in between: so a worker that was overtaken changes nothing.
* The partition of a key never changes.
* A write may become visible as late as the commit of the log that follows it.
* `due` and `busy` never scan records that are not due, or not busy.

Calls of one owner come one after the other: `poll`, `read`, `write`, `commit`. Everything else comes at any time.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol, TypeAlias, final

import msgspec


@final
class Append(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """A record for the internal log."""

    partition: int
    data: bytes


Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]
"""The headers of a message in their order. A name may come several times, and a value may be null."""


@final
class Outgoing(msgspec.Struct, frozen=True, array_like=True, tag=4, gc=False):
    """A message for an external topic: key, value and headers as they are written, each as bytes or null."""

    topic: str
    key: bytes | None
    payload: bytes | None
    headers: Headers = ()


Entry: TypeAlias = Append | Outgoing


class LogRecord(msgspec.Struct, frozen=True, gc=False):
    """A record of the internal log, as polled."""

    partition: int
    offset: int
    data: bytes


class TopicRecord(msgspec.Struct, frozen=True, gc=False):
    """A message of an external topic, as polled: byte for byte as it was published. No payload: a tombstone."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    payload: bytes | None
    headers: Headers = ()
    made: int = 0
    """How often the topic was deleted and made again since it was consumed first: its offsets have begun anew."""


class Batch(msgspec.Struct, frozen=True, gc=False):
    """What one poll gave: records of the internal log, and messages of external topics."""

    records: Sequence[LogRecord]
    messages: Sequence[TopicRecord]
    owned: Mapping[int, int] | None = None
    """The partitions that are owned from here on, each with a number that is another one for each time it is taken;
    None where that is as the last poll told. Told anew after a `rewind`."""
    committed: Mapping[int, int] = {}
    """Told with `owned`: by partition, the last offset that is known to be committed. What is polled although it is not
    behind that, because the store may have lost it, has been told of by everything that it ordered."""
    poison: bool = False
    """Whether what is in it has ended its workers again and again, and nobody should look into it any more."""

    def __bool__(self) -> bool:
        return bool(self.records or self.messages)


class Backlog(msgspec.Struct, frozen=True, gc=False):
    """Records that are accepted and not committed, or a part of them."""

    records: Sequence[LogRecord]
    """Those of one partition in the order of their offsets."""
    settled: Mapping[int, int]
    """By partition, an offset up to which nothing will be found any more that was not given by now. Records behind it
    may be of a commit that is still under way: they are given again."""
    committed: Mapping[int, int]
    """By partition, the last offset that is committed."""
    more: bool
    """Whether there may be more behind what is settled, since no more were asked for."""


Position: TypeAlias = tuple[str, int]
"""A topic (empty for the internal log) and a partition of it."""


Orders: TypeAlias = Mapping[Position, Sequence[Entry]]
"""What a batch has ordered, by the position of the record that ordered it."""


def flat(orders: Orders) -> list[Entry]:
    """All that was ordered, as one list."""
    return [entry for entries in orders.values() for entry in entries]


class Listing(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What instances are found by."""

    template: str
    status: str
    key: str
    created: int


class Row(msgspec.Struct, frozen=True, gc=False):
    """A stored record and its version."""

    version: int
    data: bytes


class Write(msgspec.Struct, frozen=True, gc=False):
    """A record to be written, if the stored version is `version` (0: there is none); it becomes `next`."""

    key: str
    partition: int
    version: int
    next: int
    data: bytes | None
    """None deletes the record."""
    due: int | None = None
    """When a timer of it is due, in microseconds; None if it has none."""
    busy: bool = False
    """Whether a task of it runs."""
    listing: Listing | None = None
    ended: int | None = None
    """When the last that lives in it ended, in microseconds: a store may delete it later. None while it lives."""
    moved: bool = True
    """Whether what it is found by (`due`, `busy`, `listing`, `ended`) may be another than in the version before."""


class Query(msgspec.Struct, frozen=True, gc=False):
    """Which instances are wanted: all that match what is set, ordered by id, after `after`."""

    template: str | None = None
    status: str | None = None
    key: str | None = None
    limit: int = 100
    after: str | None = None


class Reader(Protocol):
    """A member of a group that reads one external topic, outside any workflow.

    All readers of a group share the partitions, wherever they are: in one process, or in several. Each message comes to
    at least one of them; to another once more where a partition passes on before what was read of it is committed.
    """

    async def read(self, limit: int) -> Sequence[TopicRecord]:
        """The next messages, from the first on that is kept; waits until there is one.

        What was read before is committed: whoever owns the partition next goes on behind it, with what was read last. A
        call that is cancelled has read nothing. Raises BackendError once the backend is closed.
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
        """When the first timer of these partitions that is due later than `after` is; None if there is none."""
        ...

    async def busy(self, partitions: Collection[int]) -> Sequence[str]:
        """Records of these partitions in which tasks run."""
        ...

    async def find(self, query: Query) -> Sequence[Row]:
        """The instances that a query asks for, ordered by id."""
        ...

    async def count(self, query: Query) -> int:
        """How many instances match all that a query asks for; `limit` and `after` do not matter."""
        ...


class StandaloneStore(Store, Protocol):
    """A store that goes with a log of another kind, of which it knows nothing.

    Here no commit tells who was overtaken; the records alone do:

    * A write is kept, and visible to everybody, when `write` returns. The answers tell which versions were not the
      stored ones; the other records of the call are written all the same.
    * A key whose record was deleted remembers its last version, the `next` of the deletion. `read` gives None for it,
      and a write with the version 0 makes a record only if its `next` is greater. So what a worker that was overtaken
      writes late is refused, also after the record was made and deleted by others.
    * To delete what is not there changes no record: its answer is True, and the key remembers the greater version.
    * It is remembered for a time: longer than any log keeps its records. What the store deletes by itself, some time
      after it has `ended`, is remembered like any other.
    * Notes that are pinned outlast everything.
    """

    @property
    def size_max(self) -> int:
        """How large a record may be, in bytes."""
        ...

    async def pin(self, name: str, data: bytes) -> bytes:
        """Keep a note under a name, for good, if none is kept there; gives what is kept."""
        ...

    async def repin(self, name: str, old: bytes, new: bytes) -> bool:
        """Keep another note where the old one is kept; whether it was."""
        ...

    async def incarnation(self) -> str:
        """Another text after whatever may have lost writes that were answered, as a restart or a node that is gone.

        The same for ever where nothing is ever lost."""
        ...

    async def changed(self) -> None:
        """Return when other processes may have changed records."""
        ...

    def open(self) -> AbstractAsyncContextManager[None]:
        """Connect, and disconnect at the end."""
        ...


class Backend(Protocol):
    """A log and a store that belong together; open while the context is.

    It is open in one event loop at a time, and may be opened in one after the other: what is bound to a loop is made
    when it is opened. Where it is open in another loop that has not ended, `open` raises BackendError.
    """

    @property
    def log(self) -> Log: ...

    @property
    def store(self) -> Store: ...

    @property
    def atomic(self) -> bool:
        """Whether writes become visible with the commit that follows, or never: then no record keeps an outbox."""
        ...

    @property
    def size_max(self) -> int:
        """How large a record or a message may be, in bytes."""
        ...

    @property
    def shared(self) -> bool:
        """Whether other processes may work on the same records; then `changed` tells when to look again."""
        ...

    async def changed(self) -> None:
        """Return when other processes may have changed records."""
        ...

    def open(self) -> AbstractAsyncContextManager[None]:
        """Connect, and disconnect at the end."""
        ...
