"""What goes through a log: records, messages of external topics, and batches of both."""

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
