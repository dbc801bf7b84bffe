"""The annotations of a class, resolved: strings evaluated, type variables replaced by their arguments."""

from __future__ import annotations

import inspect
import sys
import typing
from typing import Any, get_args, get_origin

# By name, since typing_extensions has some of its own.
_QUALIFIERS = ("Final", "NotRequired", "ReadOnly", "Required")
_SKIPPED = (object, typing.Generic, typing.Protocol)


def hints_of(declared: Any) -> dict[str, Any]:
    """The type of each annotated name of a class or of a generic class with its arguments.

    Raises `NameError` when an annotation names what its module does not define.
    """
    cls = get_origin(declared) or declared
    scopes = _scopes(declared)
    # A TypedDict has no bases at run time: what its parents declare is in its own annotations.
    merged = {k: v for scope in scopes.values() for k, v in scope.items()}
    found: dict[str, Any] = {}
    for base in reversed(cls.__mro__):
        scope = merged if is_typed_dict(base) else scopes.get(base, {})
        found |= {name: substituted(hint, scope) for name, hint in _own_hints(base).items()}
    return found


def substituted(hint: Any, scope: dict[Any, Any]) -> Any:
    """The hint with the type variables in it replaced, as far as the scope knows them."""
    if isinstance(hint, typing.TypeVar):
        return scope.get(hint, hint)
    if isinstance(hint, type) or not (variables := getattr(hint, "__parameters__", ())):
        return hint
    return hint[tuple(scope.get(v, v) for v in variables)]


def is_typed_dict(cls: type) -> bool:
    """Whether a class is a `TypedDict`, of typing or of typing_extensions."""
    return hasattr(cls, "__required_keys__") and hasattr(cls, "__total__")


def qualified(hint: Any) -> tuple[set[str], Any]:
    """The names of the qualifiers (`Required`, `Final`...) around a type, and the type."""
    marks: set[str] = set()
    while (name := getattr(get_origin(hint), "_name", None)) in _QUALIFIERS:
        marks.add(str(name))
        hint = get_args(hint)[0]
    return marks, hint


def _scopes(declared: Any) -> dict[Any, dict[Any, Any]]:
    """What each class among the bases calls its type variables, by class."""
    found: dict[Any, dict[Any, Any]] = {}

    def visit(alias: Any, outer: dict[Any, Any]) -> None:
        cls = get_origin(alias) or alias
        if not isinstance(cls, type) or cls in _SKIPPED or cls in found:
            return
        args = (substituted(arg, outer) for arg in get_args(alias))
        found[cls] = dict(zip(getattr(cls, "__parameters__", ()), args, strict=False))
        for base in cls.__dict__.get("__orig_bases__", cls.__bases__):
            visit(base, found[cls])

    visit(declared, {})
    return found


def _own_hints(cls: type) -> dict[str, Any]:
    """The annotations that a class itself writes, evaluated: its module's names first, as msgspec does."""
    own = inspect.get_annotations(cls)
    if cls in _SKIPPED or not own:
        return {}
    stand_in = type(cls.__name__, (), {"__annotations__": own})
    space = getattr(sys.modules.get(cls.__module__), "__dict__", {})
    return typing.get_type_hints(stand_in, _inner_names(cls), space, include_extras=True)


def _inner_names(cls: type) -> dict[str, Any]:
    """What only the class knows: the classes in it, its type variables, and itself."""
    inside = {name: value for name, value in vars(cls).items() if isinstance(value, type)}
    variables = {v.__name__: v for v in getattr(cls, "__type_params__", ())}
    return inside | variables | {cls.__name__: cls}
