"""How log records and stored rows are written as bytes (msgpack, arrays)."""

from __future__ import annotations

import zlib
from typing import Final, TypeAlias

import msgspec

from dagger.core.entity import EMPTY, Entity
from dagger.core.events import Event
from dagger.engine.fanout import Fanout, Kept
from dagger.engine.headers import headers_of
from dagger.engine.ports import Append, Entry, Outgoing


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A record of the internal log: an event, and the key whose entity it goes to."""

    to: str
    event: Event


class TextMessage(msgspec.Struct, frozen=True, array_like=True, tag=2, gc=False):
    """A message as rows held it in which keys and headers were text: it is read, and never written."""

    topic: str
    key: str
    payload: bytes
    headers: dict[str, str] = {}


Outbox: TypeAlias = tuple[tuple[int, Kept | TextMessage], ...]
"""What steps ordered, each with the offset of the record that it was a step of."""


class StoredEntity(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A stored row: an entity, the last offset applied to it, and the entries that its steps ordered, by offset."""

    offset: int = -1
    outbox: Outbox = ()
    entity: Entity = EMPTY


_ENCODER: Final = msgspec.msgpack.Encoder()

encode_record: Final = _ENCODER.encode
decode_record: Final = msgspec.msgpack.Decoder(Record).decode
encode_stored: Final = _ENCODER.encode
decode_stored: Final = msgspec.msgpack.Decoder(StoredEntity).decode


def partition_of(key: str, partitions: int) -> int:
    """The home partition of a key."""
    return zlib.crc32(key.encode()) % partitions


def expanded(kept: Kept | TextMessage, partitions: int) -> list[Entry]:
    """The entries of what is in an outbox."""
    if isinstance(kept, TextMessage):
        return [Outgoing(kept.topic, kept.key.encode(), kept.payload, headers_of(kept.headers))]
    if type(kept) is not Fanout:
        return [kept]
    return [Append(partition_of(to, partitions), encode_record(Record(to, kept.event))) for to in kept.to]
