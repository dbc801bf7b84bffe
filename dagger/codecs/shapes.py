"""A static type, read once into a graph of shapes.

Every question about a type (is it deeply immutable, does a value fit, how is it stored) is a separate
small interpreter over the same shapes. A shape is compared by identity, and a class that refers to
itself gives a graph with a cycle: an interpreter keeps what it has visited.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from typing_extensions import override


@dataclass(eq=False, slots=True)
class TypeShape:
    """The root of all shapes. `type` is what msgspec is asked to decode, `name` what people read."""

    type: Any
    name: str

    def parts(self) -> Iterable[TypeShape]:
        """The shapes directly inside."""
        return ()

    @property
    def immutable(self) -> bool:
        """Whether a value can't change, its parts apart."""
        return True


@dataclass(eq=False, slots=True)
class AtomShape(TypeShape):
    """A value without parts: `cls` is its exact class, such as `int` or `datetime`."""

    cls: type[Any]


@dataclass(eq=False, slots=True)
class ChoiceShape(TypeShape):
    """An enum (`cls` is the class) or a `Literal` (`cls` is None) of the given values."""

    cls: type[Any] | None
    values: tuple[object, ...]


@dataclass(eq=False, slots=True)
class CollectionShape(TypeShape):
    """Any number of items in a list, tuple, set or frozenset (`make`), from a collection that `takes` is."""

    make: type[Any]
    takes: type[Any]
    item: TypeShape

    @override
    def parts(self) -> Iterable[TypeShape]:
        return (self.item,)

    @property
    @override
    def immutable(self) -> bool:
        return self.make in (tuple, frozenset)


@dataclass(eq=False, slots=True)
class TupleShape(TypeShape):
    """A tuple of a fixed length."""

    items: tuple[TypeShape, ...]

    @override
    def parts(self) -> Iterable[TypeShape]:
        return self.items


@dataclass(eq=False, slots=True)
class MappingShape(TypeShape):
    """A dict, from a mapping that `takes` is."""

    takes: type[Any]
    key: TypeShape
    value: TypeShape

    @override
    def parts(self) -> Iterable[TypeShape]:
        return (self.key, self.value)

    @property
    @override
    def immutable(self) -> bool:
        return False


@dataclass(slots=True)
class Field:
    """A member of a record: `wire` is its name when stored, `default` makes what a reload fills in.

    A field that is not required and has no default is left to the class.
    """

    name: str
    wire: str
    shape: TypeShape
    required: bool
    default: Callable[[], Any] | None


@dataclass(eq=False, slots=True)
class RecordShape(TypeShape):
    """A class with declared fields, or a `TypedDict` (then `cls` is dict).

    `build` makes a value of loaded fields by name; `hooked` says that code of the user's runs then. Fields
    are stored by their order if it is `positional`, others than those are refused if it is `closed`, and the
    `tag` of a struct (a name and a value) is stored with them.
    """

    cls: type[Any]
    fixed: bool
    hooked: bool
    positional: bool
    build: Callable[[dict[str, Any]], Any]
    closed: bool = False
    tag: tuple[str, str | int] | None = None
    fields: tuple[Field, ...] = ()

    @override
    def parts(self) -> Iterable[TypeShape]:
        return (field.shape for field in self.fields)

    @property
    @override
    def immutable(self) -> bool:
        return self.fixed


@dataclass(eq=False, slots=True)
class UnionShape(TypeShape):
    """A union: the members by name, and whether None is one more."""

    members: tuple[TypeShape, ...]
    optional: bool

    @override
    def parts(self) -> Iterable[TypeShape]:
        return self.members


@dataclass(eq=False, slots=True)
class ConstrainedShape(TypeShape):
    """A type with constraints on its values (`Annotated[int, msgspec.Meta(gt=0)]`)."""

    inner: TypeShape

    @override
    def parts(self) -> Iterable[TypeShape]:
        return (self.inner,)


@dataclass(eq=False, slots=True)
class ModelShape(TypeShape):
    """A pydantic model or dataclass, which pydantic itself writes and reads."""

    cls: type[Any]
    adapter: Any
    fixed: bool
    members: tuple[TypeShape, ...] = ()

    @override
    def parts(self) -> Iterable[TypeShape]:
        return self.members

    @property
    @override
    def immutable(self) -> bool:
        return self.fixed


def reachable(root: TypeShape) -> list[TypeShape]:
    """The shape and all that are inside, each once."""
    found: dict[int, TypeShape] = {id(root): root}
    waiting = [root]
    while waiting:
        fresh = {id(part): part for part in waiting.pop().parts() if id(part) not in found}
        found |= fresh
        waiting += fresh.values()
    return list(found.values())


def is_frozen(root: TypeShape) -> bool:
    """Whether a value is immutable all the way down."""
    return all(shape.immutable for shape in reachable(root))


def is_evident(root: TypeShape) -> bool:
    """Whether the exact classes of a value and its parts prove that it can be stored and loaded.

    They do not where code of the user's runs at a load, or where values are constrained.
    """
    return not any(_needs_a_load(shape) for shape in reachable(root))


def has_sets(root: TypeShape) -> bool:
    """Whether equal values may be stored as different bytes, since a set has no order."""
    return any(isinstance(s, CollectionShape) and s.make in (set, frozenset) for s in reachable(root))


def is_moment(shape: TypeShape) -> bool:
    """Whether its values are times, with constraints or without."""
    inner = shape.inner if isinstance(shape, ConstrainedShape) else shape
    return isinstance(inner, AtomShape) and inner.cls in (dt.datetime, dt.time)


def has_moments(root: TypeShape) -> bool:
    """Whether there may be times in a value, and zones with them."""
    return any(is_moment(shape) for shape in reachable(root))


def _needs_a_load(shape: TypeShape) -> bool:
    return isinstance(shape, ConstrainedShape | ModelShape) or (isinstance(shape, RecordShape) and shape.hooked)
