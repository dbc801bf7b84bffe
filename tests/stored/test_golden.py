"""Yesterday's bytes are read today, and today's values give the same bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from dagger.backends.kafka.binding import Binding, Source
from dagger.backends.kafka.notes import PinnedNote
from dagger.backends.kafka.poison import LaneNote
from dagger.core.format import FORMAT
from dagger.engine.directory import ChannelNote
from dagger.engine.records import Record, StoredEntity
from tests.stored.golden import VALUES, decoded, encoded, golden

GOLDEN = golden()


def test_each_value_has_its_bytes_and_the_other_way_round() -> None:
    assert list(GOLDEN) == list(VALUES)


@pytest.mark.parametrize("name", GOLDEN)
def test_what_was_stored_is_read(name: str) -> None:
    assert decoded(name, GOLDEN[name]) == VALUES[name]


@pytest.mark.parametrize("name", GOLDEN)
def test_what_is_stored_is_the_same(name: str) -> None:
    """Whoever changes this changes what running applications have: see tests/stored/golden.py."""
    assert encoded(name).hex() == GOLDEN[name].hex()


@pytest.mark.parametrize("name", GOLDEN)
def test_the_number_of_the_format_is_in_it(name: str) -> None:
    if name.startswith("note: "):
        assert msgspec.json.decode(GOLDEN[name])["format"] == FORMAT
    else:
        assert msgspec.msgpack.decode(GOLDEN[name])[0] == FORMAT


# That nothing is left out.


def structs_in(hint: Any, seen: set[type]) -> set[type]:
    """Every struct that a value of a type may hold."""
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        if hint not in seen:
            seen.add(hint)
            for inner in get_type_hints(hint).values():
                structs_in(inner, seen)
    elif get_origin(hint) in (Union, UnionType, dict, list, tuple, Mapping, MutableMapping, Sequence):
        for inner in get_args(hint):
            structs_in(inner, seen)
    else:
        assert hint in (str, int, bool, bytes, float, NoneType, ...) or get_args(hint), hint
    return seen


STORED: set[type] = {
    kind for root in (Record, StoredEntity, ChannelNote, Binding, Source, LaneNote) for kind in structs_in(root, set())
}


def parts(value: Any) -> Iterator[msgspec.Struct]:
    """A value, and all structs in it."""
    if isinstance(value, msgspec.Struct):
        yield value
        value = [getattr(value, name) for name in value.__struct_fields__]
    elif isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list | tuple):
        for inner in value:
            yield from parts(inner)


PARTS = [part for value in VALUES.values() for part in parts(value)]


def test_everything_that_can_be_stored_occurs() -> None:
    assert {type(part) for part in PARTS} == STORED


def test_every_field_with_a_default_occurs_with_another_value() -> None:
    """So that no two fields can change places unseen."""
    missing = [
        f"{kind.__name__}.{field.name}"
        for kind in STORED
        for field in msgspec.structs.fields(kind)
        if not field.required
        and all(getattr(part, field.name) == default_of(field) for part in PARTS if type(part) is kind)
    ]
    assert missing == []


def default_of(field: msgspec.structs.FieldInfo) -> Any:
    return field.default_factory() if field.default is msgspec.NODEFAULT else field.default


# What a later release may do.


def with_another_field(kind: Any) -> Any:
    """The same struct in a later release: with a field more, at the end."""
    config = kind.__struct_config__
    fields: list[Any] = [
        (field.name, Any) if field.required else (field.name, Any, default_of(field))
        for field in msgspec.structs.fields(kind)
    ]
    return msgspec.defstruct(
        kind.__name__,
        [*fields, ("later", int, 77)],
        array_like=config.array_like,
        tag=config.tag,
        tag_field=config.tag_field if not config.array_like else None,
    )


BY_NAME: dict[str, Any] = {kind.__name__: kind for kind in STORED}


@pytest.mark.parametrize("name", sorted(BY_NAME))
def test_a_struct_with_another_field_reads_what_is_stored_today_and_the_other_way_round(name: str) -> None:
    kind = BY_NAME[name]
    assert len(BY_NAME) == len(STORED)
    later = with_another_field(kind)
    codec: Any = msgspec.json if issubclass(kind, PinnedNote) else msgspec.msgpack
    found = [part for part in PARTS if type(part) is kind]
    for part in found:
        data = codec.encode(part)
        read = codec.decode(data, type=later)
        assert read.later == 77
        assert codec.encode(tuple(getattr(read, name) for name in kind.__struct_fields__)) == codec.encode(
            tuple(getattr(part, name) for name in kind.__struct_fields__)
        )
        longer = codec.decode(data)
        if isinstance(longer, dict):
            longer["later"] = 78
        else:
            longer.append(78)
        assert codec.decode(codec.encode(longer), type=kind) == part
