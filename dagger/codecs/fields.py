"""The fields of the classes that can be stored, style by style: what is declared, not yet read."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, get_origin

import msgspec

from dagger.codecs.hints import hints_of, is_typed_dict, qualified

Builder = Callable[[dict[str, Any]], Any]

# A class that is also one of these would be stored as that, and its fields lost.
_VALUES = (str, int, float, bytes, tuple, list, dict, set, frozenset)


class Draft(NamedTuple):
    """A field before its type is read; the rest is as in `Field`."""

    name: str
    wire: str
    declared: Any
    required: bool
    default: Callable[[], Any] | None


class Style(NamedTuple):
    """How the classes of one kind are made: the rest is as in `RecordShape`."""

    drafts: tuple[Draft, ...]
    fixed: bool
    hooked: bool
    build: Builder
    positional: bool = False
    closed: bool = False
    tag: tuple[str, str | int] | None = None


def style_of(declared: Any) -> Style | None:
    """How a class with declared fields is made; None for any other class.

    Raises `NameError` or `TypeError` when the annotations can't be resolved, with the reason.
    """
    cls = get_origin(declared) or declared
    for fits, style in _STYLES:
        if fits(cls):
            return style(cls, hints_of(declared))
    return None


def _is_struct(cls: type[Any]) -> bool:
    return issubclass(cls, msgspec.Struct) and cls is not msgspec.Struct


def _is_named_tuple(cls: type[Any]) -> bool:
    return hasattr(cls, "_fields") and issubclass(cls, tuple)


def _is_dataclass(cls: type[Any]) -> bool:
    return hasattr(cls, "__dataclass_fields__") and not issubclass(cls, _VALUES)


def _is_attrs(cls: type[Any]) -> bool:
    return hasattr(cls, "__attrs_attrs__") and not issubclass(cls, _VALUES)


def _struct(cls: Any, hints: dict[str, Any]) -> Style:
    required = len(cls.__struct_fields__) - len(cls.__struct_defaults__)
    defaults = (msgspec.NODEFAULT,) * required + cls.__struct_defaults__
    rows = zip(cls.__struct_fields__, cls.__struct_encode_fields__, defaults, strict=True)
    drafts = (Draft(n, w, hints[n], d is msgspec.NODEFAULT, None) for n, w, d in rows)
    config, hooked = cls.__struct_config__, hasattr(cls, "__post_init__")
    return Style(
        tuple(drafts),
        fixed=config.frozen,
        hooked=hooked,
        build=_caller(cls),
        positional=config.array_like,
        closed=config.forbid_unknown_fields,
        tag=None if config.tag is None else (config.tag_field, config.tag),
    )


def _typed_dict(cls: Any, hints: dict[str, Any]) -> Style:
    return Style(tuple(_keys(cls, hints)), fixed=False, hooked=False, build=dict)


def _keys(cls: Any, hints: dict[str, Any]) -> Iterator[Draft]:
    for name, hint in hints.items():
        # The qualifier counts: __required_keys__ can't see one that is written in a string.
        marks, inner = qualified(hint)
        required = "Required" in marks or (name in cls.__required_keys__ and "NotRequired" not in marks)
        yield Draft(name, name, inner, required, None)


def _named_tuple(cls: Any, hints: dict[str, Any]) -> Style:
    drafts = (Draft(n, n, hints[n], n not in cls._field_defaults, None) for n in cls._fields)
    return Style(tuple(drafts), fixed=True, hooked=False, build=_caller(cls), positional=True, closed=True)


def _dataclass(cls: Any, hints: dict[str, Any]) -> Style:
    _refuse_init_vars(cls, hints)
    drafts = (_dataclass_draft(f, hints[f.name]) for f in dataclasses.fields(cls))
    build = _builder(cls, None, getattr(cls, "__post_init__", None))
    hooked = hasattr(cls, "__post_init__")
    return Style(tuple(drafts), cls.__dataclass_params__.frozen, hooked, build)


def _refuse_init_vars(cls: Any, hints: dict[str, Any]) -> None:
    stored = {field.name for field in dataclasses.fields(cls)}
    for name in cls.__dataclass_fields__.keys() - stored:
        if hints[name] is dataclasses.InitVar or isinstance(hints[name], dataclasses.InitVar):
            raise TypeError(f"{name} is an InitVar, which is not stored: make it a field")


def _dataclass_draft(field: dataclasses.Field[Any], hint: Any) -> Draft:
    if field.default_factory is not dataclasses.MISSING:
        return Draft(field.name, field.name, hint, False, field.default_factory)
    if field.default is not dataclasses.MISSING:
        return Draft(field.name, field.name, hint, False, _always(field.default))
    return Draft(field.name, field.name, hint, True, None)


def _attrs(cls: Any, hints: dict[str, Any]) -> Style:
    drafts = tuple(_attrs_draft(field, hints[field.name]) for field in cls.__attrs_attrs__)
    before = getattr(cls, "__attrs_pre_init__", None)
    after = getattr(cls, "__attrs_post_init__", None)
    checks = [field for field in cls.__attrs_attrs__ if field.validator is not None]
    # attrs marks a frozen class by nothing else that all its versions have.
    frozen = cls.__setattr__.__name__ == "_frozen_setattrs"
    hooked = bool(before or after or checks)
    return Style(drafts, frozen, hooked, _builder(cls, before, _validated(checks, after)))


def _attrs_draft(field: Any, hint: Any) -> Draft:
    nothing, factory = (sys.modules["attr"].__dict__[name] for name in ("NOTHING", "Factory"))
    if isinstance(field.default, factory) and not field.default.takes_self:
        return Draft(field.name, field.name, hint, False, field.default.factory)
    # A factory that takes the half-made object has nothing to take at a load.
    required = field.default is nothing or isinstance(field.default, factory)
    return Draft(field.name, field.name, hint, required, None if required else _always(field.default))


def _validated(checks: list[Any], after: Callable[[Any], Any] | None) -> Callable[[Any], None]:
    def run(made: Any) -> None:
        for field in checks:
            field.validator(made, field, getattr(made, field.name))
        if after is not None:
            after(made)

    return run


def _caller(cls: type[Any]) -> Builder:
    def build(values: dict[str, Any]) -> Any:
        return cls(**values)

    return build


def _builder(cls: Any, before: Callable[[Any], Any] | None, after: Callable[[Any], Any] | None) -> Builder:
    """Makes a value as msgspec does: not by `__init__`, which may compute or refuse, but by its fields."""

    def build(values: dict[str, Any]) -> Any:
        made = cls.__new__(cls)
        if before is not None:
            before(made)
        for name, value in values.items():
            object.__setattr__(made, name, value)
        if after is not None:
            after(made)
        return made

    return build


def _always(value: Any) -> Callable[[], Any]:
    return lambda: value


_STYLES: tuple[tuple[Callable[[Any], bool], Callable[[Any, dict[str, Any]], Style]], ...] = (
    (_is_struct, _struct),
    (is_typed_dict, _typed_dict),
    (_is_named_tuple, _named_tuple),
    (_is_dataclass, _dataclass),
    (_is_attrs, _attrs),
)
