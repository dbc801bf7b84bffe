"""Whether every value of one static type is a value of another, as far as the types determine it.

The rules are those of `mismatch`, which checks one value: a subclass of a class with fields does not fit, an int fits a
declared float. Constraints are ignored.
"""

from __future__ import annotations

import types
import typing
from typing import Any, Never, NoReturn, get_args, get_origin

from dagger.codecs.introspection import PLAIN, shape_of
from dagger.codecs.mismatches import mismatch
from dagger.codecs.names import erased, type_name
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
from dagger.errors import UnsupportedType

_OPEN = (Any, Never, NoReturn)


def mismatch_of(declared: Any, given: Any) -> str | None:
    """The name of the type `given`, or of a member of it, that `declared` does not accept. None if everything fits.

    Open types, such as `Any`, fit.
    """
    wide = shape_of(declared)
    return next((name for each in _members(given) if (name := _mismatch_of(wide, each)) is not None), None)


def _members(given: Any) -> tuple[Any, ...]:
    bare = erased(given)
    return get_args(bare) if get_origin(bare) in (typing.Union, types.UnionType) else (bare,)


def _mismatch_of(wide: TypeShape, given: Any) -> str | None:
    if _is_open(given):
        return None
    try:
        narrow = shape_of(_storable(given))
    except UnsupportedType:
        return type_name(given)
    if covers(wide, narrow):
        return None
    name = type_name(given)
    return f"{given.__module__}.{name}" if name == wide.name and isinstance(given, type) else name


def _is_open(given: Any) -> bool:
    if get_origin(given) is typing.Literal:
        return False
    return (
        given in _OPEN
        or isinstance(given, typing.TypeVar | str | typing.ForwardRef)
        or any(_is_open(arg) for arg in get_args(given) if not isinstance(arg, list | tuple))
    )


def _storable(given: Any) -> Any:
    """A subclass of a plain class has no stored form of its own, and is taken as that class."""
    mro = given.__mro__ if isinstance(given, type) else ()
    plain = [base for base in mro if base in PLAIN]
    return plain[0] if plain and not hasattr(given, "__members__") else given


def covers(wide: TypeShape, narrow: TypeShape) -> bool:
    """Whether every value of `narrow` fits `wide`."""
    return _Cover().covers(wide, narrow)


class _Cover:
    """One comparison. A pair that recurs inside itself fits unless something else does not."""

    def __init__(self) -> None:
        self._met: set[tuple[TypeShape, TypeShape]] = set()

    def covers(self, wide: TypeShape, narrow: TypeShape) -> bool:
        if wide is narrow or (wide, narrow) in self._met:
            return True
        self._met.add((wide, narrow))
        match narrow:
            case ChoiceShape():
                return all(mismatch(wide, value) is None for value in narrow.values)
            case ConstrainedShape():
                return self.covers(wide, narrow.inner)
            case UnionShape():
                is_none_taken = not narrow.optional or mismatch(wide, None) is None
                return is_none_taken and all(self.covers(wide, member) for member in narrow.members)
            case AtomShape() if narrow.cls in (bool, types.NoneType):
                values = (True, False) if narrow.cls is bool else (None,)
                return all(mismatch(wide, value) is None for value in values)
            case _:
                return self._takes(wide, narrow)

    def _takes(self, wide: TypeShape, narrow: TypeShape) -> bool:
        match wide:
            case UnionShape():
                return any(self.covers(member, narrow) for member in wide.members)
            case ConstrainedShape():
                return self.covers(wide.inner, narrow)
            case AtomShape():
                return isinstance(narrow, AtomShape) and (
                    narrow.cls is wide.cls or (narrow.cls, wide.cls) == (int, float)
                )
            case CollectionShape():
                return self._takes_items(wide, narrow)
            case TupleShape():
                parts = _row_of(narrow)
                return parts is not None and self._all(wide.items, parts)
            case MappingShape():
                return self._takes_table(wide, narrow)
            case RecordShape():
                return isinstance(narrow, RecordShape) and wide.cls is narrow.cls and self._takes_fields(wide, narrow)
            case ModelShape():
                return isinstance(narrow, ModelShape) and wide.cls is narrow.cls
            case _:
                return False

    def _all(self, wides: tuple[TypeShape, ...], narrows: tuple[TypeShape, ...]) -> bool:
        return len(wides) == len(narrows) and all(map(self.covers, wides, narrows))

    def _takes_items(self, wide: CollectionShape, narrow: TypeShape) -> bool:
        if isinstance(narrow, CollectionShape):
            return issubclass(narrow.make, wide.takes) and self.covers(wide.item, narrow.item)
        parts = _row_of(narrow)
        return parts is not None and issubclass(tuple, wide.takes) and all(self.covers(wide.item, p) for p in parts)

    def _takes_table(self, wide: MappingShape, narrow: TypeShape) -> bool:
        if isinstance(narrow, MappingShape):
            return self.covers(wide.key, narrow.key) and self.covers(wide.value, narrow.value)
        if not isinstance(narrow, RecordShape) or narrow.cls is not dict:
            return False
        return mismatch(wide.key, "") is None and all(self.covers(wide.value, field.shape) for field in narrow.fields)

    def _takes_fields(self, wide: RecordShape, narrow: RecordShape) -> bool:
        """Fields of one class may differ by its type arguments, keys of two `TypedDict`s in anything."""
        known = {field.name: field for field in wide.fields}
        if narrow.cls is dict:
            required = {field.name for field in narrow.fields if field.required}
            if not {f.name for f in wide.fields if f.required} <= required:
                return False
        return all(f.name in known and self.covers(known[f.name].shape, f.shape) for f in narrow.fields)


def _row_of(shape: TypeShape) -> tuple[TypeShape, ...] | None:
    """The parts of a tuple of a fixed length, named or not."""
    if isinstance(shape, TupleShape):
        return shape.items
    if isinstance(shape, RecordShape) and issubclass(shape.cls, tuple):
        return tuple(field.shape for field in shape.fields)
    return None
