"""Encodes log records and stored rows: arrays of msgpack that begin with the number of the format.

Bytes of another release are examined only if decoding fails, so that it costs nothing otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final, TypeAlias, get_args

import msgspec

from dagger.core.entity import EMPTY, Entity
from dagger.core.events import Event, MessagesHandedOver, UnreadRecord
from dagger.core.format import FORMAT, UNNUMBERED, unknown_format
from dagger.core.invariants import NUMBER_MAX, why_broken
from dagger.core.many import encode
from dagger.core.state import State
from dagger.engine.fanout import Fanout, Kept
from dagger.engine.ports import Append, Entry
from dagger.plan.plan import Plan


class Record(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=FORMAT):
    """A record of the internal log: an event, and the key of its entity."""

    to: str
    event: Event


Outbox: TypeAlias = tuple[tuple[int, Kept], ...]
"""What transitions have ordered, by the offset of their records."""


class StoredEntity(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=FORMAT):
    """A stored row: an entity, the last offset applied to it, and the entries that its transitions ordered."""

    offset: int = -1
    outbox: Outbox = ()
    entity: Entity = EMPTY


encode_record: Final = encode
decode_record: Final = msgspec.msgpack.Decoder(Record).decode
encode_stored: Final = encode
decode_stored: Final = msgspec.msgpack.Decoder(StoredEntity).decode


def expanded(kept: Kept, partition_of: Callable[[str], int]) -> list[Entry]:
    """The entries in an outbox. `partition_of` returns the home partition of a key."""
    if type(kept) is not Fanout:
        return [kept]
    return [Append(partition_of(to), encode_record(Record(to, kept.event))) for to in kept.to]


# What cannot be decoded.

_EVENTS: Final = frozenset(kind.__struct_config__.tag for kind in get_args(Event))
"""The numbers of the events that this release knows."""


def unread_record(data: bytes, error: msgspec.MsgspecError) -> Record | str:
    """The replacement of a record that can't be decoded: one that is parked at its key until it can, or the reason why
    it never can."""
    match _array(data):
        case [int(number), str(to), *_] if number > FORMAT:
            return Record(to, UnreadRecord(data, unknown_format(number)))
        case [number, str(to), [int(kind), *_], *_] if number == FORMAT and kind not in _EVENTS:
            return Record(to, UnreadRecord(data, f"this release of dagger has no event {kind}; use a later one"))
        case [str(), [int(), *_]]:
            return unknown_format(UNNUMBERED)
        case _:
            return str(error)


def why_unread(data: bytes, error: msgspec.MsgspecError) -> str:
    """The reason why a stored row can't be decoded."""
    match _array(data):
        case [int(), [*_], [*_]]:
            return unknown_format(UNNUMBERED)
        case [int(number), *_] if number != FORMAT:
            return unknown_format(number)
        case _:
            return str(error)


def why_damaged(entity: Entity, key: str, plan_of: Callable[[State], Plan | None]) -> str:
    """The reason why a stored row that can be decoded can't be what a worker wrote; empty if it can be.

    `plan_of` returns the plan of an instance, if its template is registered.
    """
    state = entity.state
    why = "" if state is None else why_broken(plan_of(state), state)
    if state is not None and state.id != key:
        why = why or f"it holds the instance '{state.id}'"
    submission = entity.submission
    times = [0 if submission is None else submission.at, *_times_kept(entity)]
    if not why and not 0 <= min(times) <= max(times) < NUMBER_MAX:
        why = "something that is kept has a time that does not exist"
    return f"its bytes were changed: {why}" if why else ""


def _times_kept(entity: Entity) -> Iterator[int]:
    """When what is kept at a key expires."""
    yield from (held.expires for held in entity.held)
    yield from (given.until for given in entity.given)
    yield from (revoked.until for revoked in entity.revoked)
    yield from (event.expires for event in entity.parked if isinstance(event, MessagesHandedOver))


def _array(data: bytes) -> Any:
    with suppress(msgspec.MsgspecError):
        return msgspec.msgpack.decode(data)
    return None


def read_stored(data: bytes) -> StoredEntity:
    """A stored row. Records that another release has parked are decoded if this release can do so."""
    cell = decode_stored(data)
    if not cell.entity.parked:
        return cell
    entity = msgspec.structs.replace(cell.entity, parked=tuple(_reread(event) for event in cell.entity.parked))
    return msgspec.structs.replace(cell, entity=entity)


def _reread(event: Event) -> Event:
    if isinstance(event, UnreadRecord):
        with suppress(msgspec.MsgspecError):
            return decode_record(event.data).event
    return event
