"""Reads a static type into shapes, and refuses what can't be stored."""

from __future__ import annotations

import collections.abc
import datetime as dt
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Callable
from typing import Any, get_args, get_origin

import msgspec

from dagger.codecs.fields import Draft, Style, style_of
from dagger.codecs.hints import is_typed_dict, qualified, substituted
from dagger.codecs.models import adapter_of, has_fixed_config, model_hints
from dagger.codecs.names import type_name
from dagger.codecs.shapes import (
    AtomShape,
    ChoiceShape,
    CollectionShape,
    ConstrainedShape,
    Field,
    MappingShape,
    ModelShape,
    RecordShape,
    TupleShape,
    TypeShape,
    UnionShape,
)
from dagger.codecs.unsupported import refused, refused_class, refused_open, refused_style
from dagger.errors import UnsupportedType

PLAIN: frozenset[type] = frozenset(
    {
        *(str, int, float, bool, bytes, types.NoneType, msgspec.UnsetType),
        *(dt.datetime, dt.date, dt.time, dt.timedelta, decimal.Decimal, uuid.UUID),
    }
)
"""The classes of values without parts."""
_ITEMS: dict[Any, type] = {
    **{kind: kind for kind in (list, set, frozenset)},
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
}
_TABLES = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
_UNIONS = (typing.Union, types.UnionType)
_LITERALS = (str, int, bool, bytes, types.NoneType, enum.Enum)
_BOUNDS = ("gt", "ge", "lt", "le", "multiple_of", "pattern", "min_length", "max_length", "tz")


def shape_of(declared: Any) -> TypeShape:
    """The shape of a static type; raises `UnsupportedType` naming the member at fault."""
    try:
        return _Reader({}).read(declared, type_name(declared))
    except RecursionError:
        raise refused(declared, "", "has an alias in it that refers to itself; use a class") from None


class _Reader:
    """Reads one type. `where` is the path to what is read: `Order.lines`."""

    def __init__(self, seen: dict[Any, TypeShape]) -> None:
        self._seen = seen

    def read(self, declared: Any, where: str) -> TypeShape:
        plain = _unwrapped(declared, where)
        if plain is None or (isinstance(plain, type) and plain in PLAIN):
            cls = plain or types.NoneType
            return AtomShape(cls, type_name(cls), cls)
        return self._reader_of(plain)(plain, where)

    def _reader_of(self, plain: Any) -> Callable[[Any, str], TypeShape]:
        origin = get_origin(plain)
        if origin in _UNIONS:
            return self._one_of
        if origin is typing.Literal:
            return _literal
        if origin is typing.Annotated:
            return self._bounded
        if origin is tuple and plain is not typing.Tuple:  # noqa: UP006  # the bare alias itself
            return self._tuple
        if get_args(plain) and origin in _ITEMS:
            return self._items
        return self._table if get_args(plain) and origin in _TABLES else self._class

    def _bounded(self, declared: Any, where: str) -> TypeShape:
        inner = self.read(declared.__origin__, where)
        return ConstrainedShape(declared, inner.name, inner)

    def _items(self, declared: Any, where: str) -> TypeShape:
        takes, item = get_origin(declared), self.read(get_args(declared)[0], f"{where}[...]")
        return CollectionShape(declared, type_name(declared), _ITEMS[takes], takes, item)

    def _table(self, declared: Any, where: str) -> TypeShape:
        key, value = get_args(declared)
        shapes = self.read(key, f"{where} key"), self.read(value, f"{where}[...]")
        return MappingShape(declared, type_name(declared), get_origin(declared), *shapes)

    def _tuple(self, declared: Any, where: str) -> TypeShape:
        args = get_args(declared)
        if args[1:] == (...,):
            item = self.read(args[0], f"{where}[...]")
            return CollectionShape(declared, type_name(declared), tuple, tuple, item)
        items = tuple(self.read(arg, f"{where}[{i}]") for i, arg in enumerate(args))
        return TupleShape(declared, type_name(declared), items)

    def _one_of(self, declared: Any, where: str) -> TypeShape:
        read = [self.read(arg, where) for arg in get_args(declared)]
        # A union inside arrives by an alias, with its own members and its own None.
        members = [m for s in read for m in (s.members if isinstance(s, UnionShape) else (s,))]
        named = _by_name([m for m in members if not _is_none(m)], declared, where)
        optional = any(_is_none(s) or (isinstance(s, UnionShape) and s.optional) for s in read)
        if len(named) == 1 and not optional:
            return named[0]
        return UnionShape(declared, type_name(declared), tuple(named), optional)

    def _class(self, declared: Any, where: str) -> TypeShape:
        cls: type[Any] = get_origin(declared) or declared
        if not isinstance(cls, type):  # pyright: ignore[reportUnnecessaryIsInstance]  # users
            raise refused_class(declared, where)
        if issubclass(cls, enum.Enum):
            return _enum(cls, where)
        if variables := getattr(declared, "__parameters__", ()):
            raise refused_open(declared, where, variables)
        return self._seen.get(declared) or self._model(cls, where) or self._record(declared, cls, where)

    def _record(self, declared: Any, cls: type[Any], where: str) -> TypeShape:
        style = _style(declared, where)
        kind: type[Any] = dict if is_typed_dict(cls) else cls
        record = RecordShape(
            type=declared,
            name=type_name(declared),
            cls=kind,
            fixed=style.fixed,
            hooked=style.hooked,
            positional=style.positional,
            build=style.build,
            closed=style.closed,
            tag=style.tag,
        )
        self._seen[declared] = record
        record.fields = tuple(self._field(draft, record.name) for draft in style.drafts)
        return record

    def _field(self, draft: Draft, owner: str) -> Field:
        shape = self.read(draft.declared, f"{owner}.{draft.name}")
        return Field(draft.name, draft.wire, shape, draft.required, draft.default)

    def _model(self, cls: type[Any], where: str) -> TypeShape | None:
        adapter = adapter_of(cls, where)
        if adapter is None:
            return None
        model = ModelShape(cls, type_name(cls), cls, adapter, has_fixed_config(cls))
        self._seen[cls] = model
        self._read_members(model)
        return model

    def _read_members(self, model: ModelShape) -> None:
        """Members that only pydantic knows make a model mutable, as far as can be told from here."""
        apart = _Reader(dict(self._seen))
        try:
            model.members = tuple(apart.read(hint, "") for hint in model_hints(model.cls))
        except UnsupportedType:
            model.fixed = False


def _unwrapped(declared: Any, where: str) -> Any:
    """The type without qualifiers, `NewType`s, aliases, and annotations that constrain nothing."""
    seen: list[Any] = []
    while declared not in seen:
        seen.append(declared)
        declared = _opened(qualified(declared)[1])
    if declared is not seen[-1]:
        raise refused(declared, where, "is an alias of itself; use a class")
    return declared


def _opened(declared: Any) -> Any:
    origin = get_origin(declared)
    if isinstance(declared, typing.NewType):
        return declared.__supertype__
    if origin is typing.Annotated and not any(map(_is_bound, declared.__metadata__)):
        return declared.__origin__
    alias = origin or declared
    if not isinstance(alias, type) and hasattr(alias, "__value__"):
        scope = dict(zip(alias.__type_params__, get_args(declared), strict=False))
        return substituted(alias.__value__, scope)
    return declared


def _is_bound(mark: Any) -> bool:
    return isinstance(mark, msgspec.Meta) and any(getattr(mark, name) is not None for name in _BOUNDS)


def _is_none(shape: TypeShape) -> bool:
    return isinstance(shape, AtomShape) and shape.cls is types.NoneType


def _by_name(members: list[TypeShape], declared: Any, where: str) -> list[TypeShape]:
    """The members ordered by name, so that the order in the union does not matter."""
    named: dict[str, TypeShape] = {}
    for member in members:
        if named.setdefault(member.name, member).type != member.type:
            fault = f"has two members named {member.name}, and stored members are distinguished by name"
            raise refused(declared, where, f"{fault}; rename one")
    return [named[name] for name in sorted(named)]


def _literal(declared: Any, where: str) -> TypeShape:
    values = get_args(declared)
    if odd := [value for value in values if not isinstance(value, _LITERALS)]:
        raise refused(declared, where, f"can't be stored: {odd[0]!r} is not a str, int, bool, bytes or enum")
    return ChoiceShape(declared, type_name(declared), None, values)


def _enum(cls: type[enum.Enum], where: str) -> TypeShape:
    if not cls.__members__:
        raise refused(cls, where, "is an enum without members; give it some")
    return ChoiceShape(cls, type_name(cls), cls, tuple(cls))


def _style(declared: Any, where: str) -> Style:
    try:
        style = style_of(declared)
    except (NameError, TypeError, KeyError, AttributeError) as error:
        raise refused_style(error, declared, where) from error
    if style is None:
        raise refused_class(declared, where)
    return style
