"""The forms of unions, of enums and literals beyond str and int, and of pydantic models.

A union of several members is a map with one entry, `{"Charge": ...}`: the key is the member's name. It is
looked up among the members that the type declares and nowhere else; None is bare. An odd enum is the name
of its member, an odd literal is as it is written. A model is its own JSON, within MessagePack as a str.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable
from typing import Any, Optional

import msgspec
from msgspec import UNSET

from dagger.codecs import models as models
from dagger.codecs.exact import compile_exact
from dagger.codecs.formats import Format
from dagger.codecs.forms import Form, Misread, revived
from dagger.codecs.introspection import shape_of
from dagger.codecs.mismatches import mismatch
from dagger.codecs.names import literal_name
from dagger.codecs.shapes import (
    AtomShape,
    ChoiceShape,
    CollectionShape,
    ConstrainedShape,
    MappingShape,
    ModelShape,
    RecordShape,
    TupleShape,
    TypeShape,
    UnionShape,
)


def optional_form(member: Form) -> Form:
    """One member or None, without a tag."""

    def dump(value: Any) -> Any:
        return None if value is None else member.dump(value)

    def revive(read: Any) -> Any:
        return None if read is None or _is_null(read) else member.revive(read)

    # A Raw accepts None too, and msgspec would read nothing else in a union with it.
    wire: Any = member.wire if member.wire is msgspec.Raw else Optional[member.wire]  # noqa: UP045  # made at run time
    return Form(wire, dump, revive)


def _is_null(read: Any) -> bool:
    return isinstance(read, msgspec.Raw) and bytes(read) == b"null"


def union_form(shape: UnionShape, members: list[Form]) -> Form:
    """One of several members under its name, or None."""
    names = [member.name for member in shape.members]
    rows = dict(zip(names, members, strict=True))
    stub, name_of = _stub(names, members), _chooser(shape)

    def dump(value: Any) -> Any:
        if value is None and shape.optional:
            return None
        name = name_of(value)
        form = rows[name]
        return {name: value if form.native else form.dump(value)}

    wire: Any = Optional[stub] if shape.optional else stub  # noqa: UP045  # made at run time
    return Form(wire, dump, _union_revive(names, members))


def marked_form(tagged: Form) -> Form:
    """A union with times in it that msgspec would take: under the key None, so that no member can be read from it."""
    wire: Any = dict[None, tagged.wire]  # type: ignore[name-defined]  # made at run time

    def revive(read: Any) -> Any:
        if None not in read:
            raise Misread("Expected an object under the key None; got none")
        return revived(tagged, read[None], "")

    return Form(wire, lambda value: {None: tagged.dump(value)}, revive)


def _stub(names: list[str], members: list[Form]) -> Any:
    """A struct with a field for each member; exactly one must be set."""
    rows = enumerate(zip(names, members, strict=True))
    fields = [(f"f{i}", form.wire, msgspec.field(name=name, default=UNSET)) for i, (name, form) in rows]
    return msgspec.defstruct("Stub", fields, forbid_unknown_fields=True)


def _union_revive(names: list[str], members: list[Form]) -> Callable[[Any], Any]:
    rows = [(f"f{i}", form, f".{names[i]}") for i, form in enumerate(members)]

    def revive(read: Any) -> Any:
        if read is None:
            return None
        found = [row for row in rows if getattr(read, row[0]) is not UNSET]
        if len(found) != 1:
            raise Misread(f"Expected an object with one of {', '.join(names)}; got {len(found)} of them")
        number, form, path = found[0]
        part = getattr(read, number)
        return part if form.native else revived(form, part, path)

    return revive


def _chooser(shape: UnionShape) -> Callable[[object], str]:
    """Finds the name of a value's member: by its class if that is unambiguous, else by its content."""
    by_class = _by_class(shape)
    exact = [(member.name, compile_exact(member)) for member in shape.members]

    def name_of(value: object) -> str:
        name = by_class.get(type(value))
        return name or next((n for n, is_exact in exact if is_exact(value)), None) or loose(value)

    def loose(value: object) -> str:
        for member in shape.members:
            if mismatch(member, value) is None:
                return member.name
        raise TypeError(f"it is no {shape.name}")

    return name_of


def _by_class(shape: UnionShape) -> dict[type, str]:
    """The members with an unambiguous class, by that class."""
    classes = [_class_of(member) for member in shape.members]
    counts = Counter(classes)
    pairs = zip(classes, shape.members, strict=True)
    return {cls: member.name for cls, member in pairs if cls is not None and counts[cls] == 1}


def _class_of(member: TypeShape) -> type | None:
    match member:
        case AtomShape() | RecordShape() | ModelShape() | ChoiceShape():
            return member.cls
        case CollectionShape():
            return member.make
        case TupleShape():
            return tuple
        case MappingShape():
            return dict
        case ConstrainedShape():
            return _class_of(member.inner)
        case _:
            return None


def class_of(declared: Any) -> type | None:
    """The exact class of all values of a type, as they are loaded; None if they have no class of their own."""
    return _class_of(shape_of(declared))


def choice_form(shape: ChoiceShape) -> Form:
    """The name of an enum's member; a literal as it is written."""
    names = {(type(value), value): _choice_name(shape, value) for value in shape.values}
    values = {name: value for (_, value), name in names.items()}

    def dump(value: object) -> str:
        return names[type(value), value]

    def revive(name: str) -> Any:
        if name not in values:
            raise Misread(f"Invalid value {name!r}, expected one of {', '.join(values)}")
        return values[name]

    return Form(str, dump, revive)


def _choice_name(shape: ChoiceShape, value: object) -> str:
    return str(value.name) if shape.cls is not None and isinstance(value, enum.Enum) else literal_name(value)


def model_form(shape: ModelShape, fmt: Format) -> Form:
    """The form of a model, which pydantic writes and reads."""
    adapter, by_alias = shape.adapter, fmt.by_alias

    def dump(value: Any) -> Any:
        return fmt.embed(models.written(adapter, value, by_alias))

    def revive(text: Any) -> Any:
        return models.read(adapter, fmt.extract(text), by_alias)

    return Form(fmt.text, dump, revive)
