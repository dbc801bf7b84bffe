"""The errors for types that can't be stored: where, what is wrong, and what to do."""

from __future__ import annotations

import inspect
import typing
from typing import Any, get_origin

from dagger.codecs.names import type_name
from dagger.errors import UnsupportedType

_ADVICE = {
    **dict.fromkeys(("list", "set", "frozenset", "tuple", "Sequence", "Set"), "declare what it holds, as in {}[int]"),
    **dict.fromkeys(("dict", "Mapping"), "declare what it holds, as in {}[str, int]"),
    **dict.fromkeys(("deque", "Iterable", "Iterator", "Collection"), "declare a list"),
    **dict.fromkeys(("OrderedDict", "defaultdict", "Counter"), "declare a dict"),
    **dict.fromkeys(("bytearray", "memoryview"), "declare bytes"),
}


def refused(declared: Any, where: str, fault: str) -> UnsupportedType:
    """The error for a type: its place, and what is wrong with it."""
    name = type_name(declared)
    return UnsupportedType(f"{name} {fault}" if where in ("", name) else f"{where}: {name} {fault}")


def refused_class(declared: Any, where: str) -> UnsupportedType:
    """The error for a type that has no stored form."""
    return refused(declared, where, _fault(declared))


def refused_open(declared: Any, where: str, variables: tuple[Any, ...]) -> UnsupportedType:
    """The error for a generic class with open type variables."""
    example = f"{type_name(get_origin(declared) or declared)}[{', '.join(['int'] * len(variables))}]"
    names = ", ".join(map(type_name, variables))
    return refused(declared, where, f"leaves {names} open; give it arguments, as in {example}")


def refused_style(error: Exception, declared: Any, where: str) -> UnsupportedType:
    """The error for a class whose annotations can't be used."""
    if isinstance(error, KeyError):
        return refused(declared, where, f"has a field without a declared type: annotate {error.args[0]!r}")
    if isinstance(error, NameError):
        remedy = "define it at module level, outside `if TYPE_CHECKING:`"
        return refused(declared, where, f"has annotations that can't be read, {error}; {remedy}")
    return refused(declared, where, f"can't be used: {error}")


def _fault(declared: Any) -> str:
    if declared in (Any, object):
        return "is not a static type; declare a concrete one: a dataclass, a union of classes, dict[str, str]"
    if isinstance(declared, typing.TypeVar):
        return "is an open type variable; say which type it stands for"
    if isinstance(declared, str | typing.ForwardRef):
        return "is a name, not a type; give the class itself"
    if _is_function(declared):
        return "is a callable, which can't be stored; store the data that it works on"
    name = type_name(get_origin(declared) or declared)
    if (advice := _ADVICE.get(name)) is not None:
        return f"has no stored form; {advice.format(name)}"
    return (
        "has no stored form, because it declares no fields; make it a dataclass, a msgspec.Struct, a NamedTuple "
        "or a TypedDict, or store what it is made of"
    )


def _is_function(declared: Any) -> bool:
    return inspect.isroutine(declared) or type_name(declared).startswith("Callable")
