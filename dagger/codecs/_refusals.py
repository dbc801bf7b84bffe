"""What is said when a type can't be stored: where, what is wrong with it, what to do."""

from __future__ import annotations

import typing
from typing import Any, get_origin

from dagger.errors import UnsupportedType

from ._names import type_name

_OPEN_KINDS = ("list", "set", "frozenset", "tuple", "Sequence", "MutableSequence", "Set", "MutableSet")
_TABLE_KINDS = ("dict", "Mapping", "MutableMapping")


def refusal(declared: Any, where: str) -> UnsupportedType:
    """The error for a type that has no stored form."""
    return UnsupportedType(f"{where}: {type_name(declared)} {_fault(declared)}")


def refuse_open(declared: Any, where: str) -> None:
    """Raises for a generic class whose type variables stand for nothing yet."""
    if variables := getattr(declared, "__parameters__", ()):
        name = type_name(get_origin(declared) or declared)
        example = ", ".join(["int"] * len(variables))
        raise UnsupportedType(
            f"{where}: {type_name(declared)} leaves {', '.join(map(type_name, variables))} open; "
            f"say what it stands for, as in {name}[{example}]"
        )


def refuse_style(error: Exception, declared: Any, where: str) -> UnsupportedType:
    """The error for a class whose annotations can't be used."""
    name = type_name(declared)
    if isinstance(error, KeyError):
        return UnsupportedType(f"{where}: {name}.{error.args[0]} has no declared type; annotate it")
    if isinstance(error, NameError):
        remedy = "define what they name at the level of the module, outside `if TYPE_CHECKING:`"
        return UnsupportedType(f"{where}: the annotations of {name} can't be read: {error}; {remedy}")
    return UnsupportedType(f"{where}: {name}: {error}")


def _fault(declared: Any) -> str:
    name = type_name(declared)
    if declared in (Any, object):
        return "is no static type; declare what is there: a dataclass, a union of classes, dict[str, str]"
    if name in _OPEN_KINDS:
        return f"does not say what it holds; declare it, as in {name}[int]"
    if name in _TABLE_KINDS:
        return f"does not say what it holds; declare it, as in {name}[str, int]"
    if isinstance(declared, typing.TypeVar):
        return "is an open type variable; say which type it stands for"
    if name.startswith("Callable"):
        return "is a callable, which can't be stored; store the data that it works on"
    if isinstance(declared, str | typing.ForwardRef):
        return "is a name, not a type; give the class itself"
    return (
        "declares no fields that can be stored; make it a dataclass, a msgspec.Struct, a NamedTuple "
        "or a TypedDict, or store what it is made of"
    )
