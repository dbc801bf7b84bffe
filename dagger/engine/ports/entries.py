"""The entries of a log: records, messages of external topics, and batches of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias, final

import msgspec


@final
class Append(msgspec.Struct, frozen=True, array_like=True, tag=1, gc=False):
    """A record for the internal log."""

    partition: int
    data: bytes


Headers: TypeAlias = tuple[tuple[str, bytes | None], ...]
"""The headers of a message in order. A name may occur several times, and a value may be null."""


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
    """How often the topic was deleted and created again since it was first consumed: its offsets started again."""


class Batch(msgspec.Struct, frozen=True, gc=False):
    """The result of one poll: records of the internal log, and messages of external topics."""

    records: Sequence[LogRecord]
    messages: Sequence[TopicRecord]
    owned: Mapping[int, int] | None = None
    """The partitions that are owned from now on, each with an epoch that changes each time it is taken. None if nothing
    has changed since the last poll. Reported again after a `rewind`."""
    committed: Mapping[int, int] = {}
    """Reported with `owned`: by partition, the last offset that is known to be committed. A record at or before it is
    polled because the store may have lost its effect; everything that it ordered is published already."""
    poison: bool = False
    """Whether its record is poison: it has ended its workers repeatedly, and must not be processed."""

    def __bool__(self) -> bool:
        return bool(self.records or self.messages)


class Backlog(msgspec.Struct, frozen=True, gc=False):
    """Records that are accepted and not committed, or a part of them."""

    records: Sequence[LogRecord]
    """The records of one partition are in the order of their offsets."""
    settled: Mapping[int, int]
    """By partition, an offset up to which the result is final. Records after it may belong to a commit that is still
    under way: they are returned again."""
    committed: Mapping[int, int]
    """By partition, the last offset that is committed."""
    more: bool
    """Whether there may be more records after what is settled, because the limit was reached."""


Position: TypeAlias = tuple[str, int]
"""A topic (empty for the internal log) and a partition of it."""


Orders: TypeAlias = Mapping[Position, Sequence[Entry]]
"""What a batch has ordered, by the position of the record that has ordered it."""


def flat(orders: Orders) -> list[Entry]:
    """Everything that was ordered, as one list."""
    return [entry for entries in orders.values() for entry in entries]
