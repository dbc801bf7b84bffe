"""The forms of records and containers that hold what msgspec alone can't store.

Their bytes are those that msgspec would write: a record is a map by the names of its fields, a `NamedTuple`
and any other collection an array. Only a dict whose keys are composed is an array of pairs.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import UNSET

from ._forms import Form, Turn, revived, revived_items
from ._shapes import Field, Items, Record, Row, Table


def stub_of(shape: Record) -> Any:
    """A struct to be read in place of a record; the types of its fields are set when they are known.

    Its fields go by numbers, since those of the record may have any name.
    """
    fields = [(f"f{i}", Any, _stub_field(field)) for i, field in enumerate(shape.fields)]
    array = shape.positional
    return msgspec.defstruct("Stub", fields, array_like=array, forbid_unknown_fields=array, kw_only=True)


def _stub_field(field: Field) -> Any:
    return msgspec.field(name=field.wire) if field.required else msgspec.field(name=field.wire, default=UNSET)


def fill_record(form: Form, shape: Record, parts: list[Form]) -> None:
    """Completes the form of a record, whose `wire` is its stub."""
    form.wire.__annotations__ = {f"f{i}": part.wire for i, part in enumerate(parts)}
    form.dump = _record_dump(shape, parts)
    form.revive = _record_revive(form.wire, shape, parts)


def _record_dump(shape: Record, parts: list[Form]) -> Turn:
    rows = [(field.wire, field.name, part) for field, part in zip(shape.fields, parts, strict=True)]
    if shape.positional:
        return lambda value: [part.dump(getattr(value, name)) for _, name, part in rows]
    if shape.cls is dict:
        return lambda value: {name: part.dump(value[name]) for _, name, part in rows if name in value}

    def dump(value: Any) -> Any:
        read = [(wire, part, getattr(value, name)) for wire, name, part in rows]
        return {wire: part.dump(each) for wire, part, each in read if each is not UNSET}

    return dump


def _record_revive(stub: Any, shape: Record, parts: list[Form]) -> Turn:
    names = [field.name for field in shape.fields]
    numbers = [f"f{i}" for i in range(len(names))]
    read: Callable[[Any], list[Any]] = lambda made: [getattr(made, number) for number in numbers]
    path = "[{}]" if shape.positional else ".{}"
    turns = [
        (field.name, part, path.format(i if shape.positional else field.wire))
        for i, (field, part) in enumerate(zip(shape.fields, parts, strict=True))
        if not part.is_native
    ]
    defaults = {field.name: field.default for field in shape.fields if not field.required}
