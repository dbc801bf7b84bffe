"""The forms of records with a field that msgspec alone can't store.

Their bytes are those that msgspec would write: a map by the names of the fields, of a `NamedTuple` an array.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from dagger.codecs.forms import Convert, Form, revived
from dagger.codecs.shapes import Field, RecordShape


def incomplete_form(shape: RecordShape) -> Form:
    """The form of a record whose fields are not yet known: they may contain the record."""
    return Form(_stub(shape), _unknown, _unknown)


def complete_form(form: Form, shape: RecordShape, parts: list[Form]) -> None:
    """Fills in the form of a record from those of its fields."""
    form.wire.__annotations__ = {f"f{i}": part.wire for i, part in enumerate(parts)}
    form.dump = _positional_dump(shape, parts) if shape.positional else _named_dump(shape, parts)
    form.revive = _revive(shape, parts)


def _unknown(_: Any) -> Any:
    raise AssertionError("the form of a record is used before it is complete")


def _stub(shape: RecordShape) -> Any:
    """A struct to be read in place of a record. Its fields go by number: the record's may have any name."""
    fields = [(f"f{i}", Any, _stub_field(field)) for i, field in enumerate(shape.fields)]
    tag_field, tag = shape.tag or (None, None)
    return msgspec.defstruct(
        "Stub",
        fields,
        array_like=shape.positional,
        forbid_unknown_fields=shape.closed,
        kw_only=True,
        tag_field=tag_field,
        tag=tag,
    )


def _stub_field(field: Field) -> Any:
    return msgspec.field(name=field.wire, default=msgspec.NODEFAULT if field.required else UNSET)


def _positional_dump(shape: RecordShape, parts: list[Form]) -> Convert:
    rows = [(field.name, part) for field, part in zip(shape.fields, parts, strict=True)]
    tags = [] if shape.tag is None else [shape.tag[1]]
    return lambda value: [*tags, *(part.dump(getattr(value, name)) for name, part in rows)]


def _named_dump(shape: RecordShape, parts: list[Form]) -> Convert:
    rows = [(field.wire, field.name, part) for field, part in zip(shape.fields, parts, strict=True)]

    tags = {} if shape.tag is None else dict([shape.tag])

    def dump(value: Any) -> Any:
        stored: dict[str, Any] = {**tags}
        for wire, name, part in rows:
            each = value.get(name, UNSET) if shape.cls is dict else getattr(value, name)
            if each is not UNSET:
                stored[wire] = each if part.native else part.dump(each)
        return stored

    return dump


def _revive(shape: RecordShape, parts: list[Form]) -> Convert:
    rows = [(f"f{i}", *row, _path(shape, i)) for i, row in enumerate(zip(shape.fields, parts, strict=True))]

    def revive(read: Any) -> Any:
        values: dict[str, Any] = {}
        for number, field, part, path in rows:
            each = getattr(read, number)
            if each is not UNSET:
                values[field.name] = each if part.native else revived(part, each, path)
            elif field.default is not None:
                values[field.name] = field.default()
        return shape.build(values)

    return revive


def _path(shape: RecordShape, i: int) -> str:
    return f"[{i}]" if shape.positional else f".{shape.fields[i].wire}"
