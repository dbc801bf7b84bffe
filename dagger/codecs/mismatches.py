"""Why a value does not fit its declared type: the path to the part at fault, and what is wrong with it."""

from __future__ import annotations

import datetime as dt
import enum
import reprlib
from collections.abc import Iterator
from itertools import islice
from typing import Any

from dagger.codecs.exact import INT_MAX, INT_MIN
from dagger.codecs.formats import PLAIN, plain
from dagger.codecs.models import change_of
from dagger.codecs.names import type_name
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
from dagger.codecs.time_zones import zone_fault

_ABSENT = object()
_SCALARS = (str, bytes, int, float)


def mismatch(shape: TypeShape, value: Any, where: str = "") -> str | None:
    """Why a value is refused: `Charge.total: declared int, got str 'x'`. None if it can be stored.

    A value need not be exact: an int for a declared float, or a subclass of str or dict, is converted to the
    declared type. A subclass of a class with fields is refused, because its own fields would be lost.
    Constraints are checked by the load. Raises `RecursionError` on a value that contains itself.
    """
    if (fault := _own_fault(shape, value)) is not None:
        return f"{where}: {fault}" if where else fault
    if isinstance(shape, UnionShape):
        return _no_member(shape, value, where)
    parts = inside(shape, value, where or shape.name)
    return next((why for part in parts if (why := mismatch(*part)) is not None), None)


def _own_fault(shape: TypeShape, value: Any) -> str | None:
    """What is wrong with a value, without its parts."""
    match shape:
        case AtomShape():
            return _atom(shape, value)
        case ChoiceShape():
            return None if _is_among(shape, value) else _declared(shape, value)
        case CollectionShape() | MappingShape():
            return None if isinstance(value, shape.takes) else _declared(shape, value)
        case TupleShape():
            return None if _is_long(value, len(shape.items)) else _declared(shape, value)
        case RecordShape():
            return _class(shape, shape.cls, value) or _keys(shape, value)
        case ModelShape():
            return _class(shape, shape.cls, value) or _model(shape, value)
        case _:
            return None


def inside(shape: TypeShape, value: Any, here: str) -> Iterator[tuple[TypeShape, Any, str]]:
    """The parts of a value with their shapes and paths."""
    match shape:
        case CollectionShape():
            for i, item in enumerate(value):
                yield shape.item, item, f"{here}[{i}]"
        case TupleShape():
            for i, (part, item) in enumerate(zip(shape.items, value, strict=True)):
                yield part, item, f"{here}[{i}]"
        case MappingShape():
            for key, item in value.items():
                yield shape.key, key, f"{here} key"
                yield shape.value, item, f"{here}[{reprlib.repr(key)}]"
        case RecordShape():
            yield from _fields(shape, value, here)
        case UnionShape():
            fitting = (member for member in shape.members if mismatch(member, value) is None)
            yield from ((member, value, here) for member in islice(fitting, 1))
        case ConstrainedShape():
            yield shape.inner, value, here
        case _:
            pass


def _fields(shape: RecordShape, value: Any, here: str) -> Iterator[tuple[TypeShape, Any, str]]:
    for field in shape.fields:
        if shape.cls is not dict:
            yield field.shape, getattr(value, field.name, _ABSENT), f"{here}.{field.name}"
        elif field.name in value:
            yield field.shape, value[field.name], f"{here}[{field.name!r}]"


def _no_member(shape: UnionShape, value: Any, where: str) -> str | None:
    if value is None and shape.optional:
        return None
    faults = {member: mismatch(member, value, where) for member in shape.members}
    if None in faults.values():
        return None
    # The member with the value's own class has the best explanation.
    own = [fault for member, fault in faults.items() if getattr(member, "cls", None) is type(value)]
    return own[0] if own else f"{where}: {_declared(shape, value)}" if where else _declared(shape, value)


def _atom(shape: AtomShape, value: Any) -> str | None:
    if not _is_kind_of(value, shape.cls):
        return _declared(shape, value)
    if isinstance(value, int) and not INT_MIN <= value <= INT_MAX:
        return f"declared {shape.name}, got an int of more than 64 bits; a str or Decimal holds it"
    if isinstance(value, str) and not _is_encodable(value):
        return f"declared {shape.name}, got one with a lone surrogate {reprlib.repr(value)}; it is not valid text"
    if type(value) is not shape.cls and not _is_same(value, becomes := _plain(shape.cls, value)):
        return f"declared {shape.name}, got {_shown(value)}, which would become {_shown(becomes)}"
    if isinstance(value, dt.datetime | dt.time) and (fault := zone_fault(value)) is not None:
        return f"declared {shape.name}, got one {fault}"
    return None


def _plain(cls: type, value: Any) -> Any:
    """The converted value of a subclass, or of an int for a declared float."""
    if cls is float:
        return float(value)
    return plain(value) if cls in PLAIN else value


def _is_same(one: Any, other: Any) -> bool:
    return bool(one == other) or bool(one != one and other != other)


def _is_long(value: Any, length: int) -> bool:
    # The argument is a tuple of anything.
    return isinstance(value, tuple) and len(value) == length  # pyright: ignore[reportUnknownArgumentType]


def _is_kind_of(value: Any, cls: type) -> bool:
    if isinstance(value, bool) or (cls is dt.date and isinstance(value, dt.datetime)):
        return cls is type(value)
    return isinstance(value, (int, float) if cls is float else cls)


def _is_encodable(value: str) -> bool:
    try:
        return value.isascii() or bool(value.encode())
    except UnicodeEncodeError:
        return False


def _is_among(shape: ChoiceShape, value: Any) -> bool:
    if shape.cls is not None:
        return isinstance(value, shape.cls)
    return any(type(each) is type(value) and each == value for each in shape.values)


def _class(shape: TypeShape, cls: type, value: Any) -> str | None:
    if type(value) is cls or (cls is dict and isinstance(value, dict)):
        return None
    if isinstance(value, cls):
        own = type_name(type(value))
        return f"declared {shape.name}, got its subclass {own}, which would lose its own fields; declare {own}"
    return _declared(shape, value)


def _keys(shape: RecordShape, value: Any) -> str | None:
    if shape.cls is not dict:
        return None
    missing = [f.name for f in shape.fields if f.required and f.name not in value]
    if missing:
        return f"declared {shape.name}, got a dict without {missing[0]!r}"
    extra = sorted(map(repr, value.keys() - {f.name for f in shape.fields}))
    return f"declared {shape.name}, got a dict with {extra[0]}, which is not declared" if extra else None


def _model(shape: ModelShape, value: Any) -> str | None:
    change = change_of(shape.adapter, value)
    return None if change is None else f"{shape.name} can't be stored by pydantic: {change}"


def _declared(shape: TypeShape, value: Any) -> str:
    return f"declared {shape.name}, got {_shown(value)}"


def _shown(value: Any) -> str:
    """The class of a value, and the value itself if it is short."""
    if value is None or value is _ABSENT:
        return "None" if value is None else "nothing"
    name = type_name(type(value))
    is_scalar = isinstance(value, _SCALARS) and not isinstance(value, enum.Enum)
    return f"{name} {reprlib.repr(value)}" if is_scalar else name
