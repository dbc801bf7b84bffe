"""The readable name of a static type: what errors, fingerprints and the tags of unions show."""

from __future__ import annotations

import enum
import types
import typing
from typing import Any, get_args, get_origin

_UNIONS = (typing.Union, types.UnionType)


def type_name(declared: Any) -> str:
    """The name of a type, without modules: `Order`, `int | str`, `list[Charge]`.

    The name does not depend on the order in which a union was written, and a `NewType` or an
    `Annotated` has the name of what it wraps, since both are stored as that.
    """
    bare = erased(declared)
    if isinstance(bare, list):
        return f"[{_joined(bare)}]"
    if get_origin(bare) is not None:
        return _alias_name(bare)
    return _SPECIAL.get(id(bare)) or _plain_name(bare)


def erased(declared: Any) -> Any:
    """The type without what leaves no trace in its values: `NewType`, `Annotated`."""
    while True:
        if get_origin(declared) is typing.Annotated:
            declared = declared.__origin__
        elif isinstance(declared, typing.NewType):
            declared = declared.__supertype__
        else:
            return declared


def literal_name(value: Any) -> str:
    """How a member of a `Literal` is written: `'a'`, `1`, `Color.RED`."""
    return f"{type_name(type(value))}.{value.name}" if isinstance(value, enum.Enum) else repr(value)


# By identity: what is looked up may not be hashable.
_SPECIAL = {id(None): "None", id(types.NoneType): "None", id(...): "...", id(Any): "Any"}


def _alias_name(alias: Any) -> str:
    origin, args = get_origin(alias), get_args(alias)
    if origin in _UNIONS:
        return " | ".join(sorted({type_name(arg) for arg in args}, key=_none_last))
    if origin is typing.Literal:
        return f"Literal[{', '.join(map(literal_name, args))}]"
    if origin is tuple and not args and alias is not typing.Tuple:  # noqa: UP006  # the bare alias itself
        return "tuple[()]"
    return f"{type_name(origin)}[{_joined(args)}]" if args else type_name(origin)


def _none_last(name: str) -> tuple[bool, str]:
    return name == "None", name


def _joined(args: Any) -> str:
    return ", ".join(map(type_name, args))


def _plain_name(declared: Any) -> str:
    if isinstance(declared, str):
        return declared
    name = getattr(declared, "__qualname__", None) or getattr(declared, "__name__", None)
    return (name or repr(declared).removeprefix("typing.")).rpartition("<locals>.")[2]
