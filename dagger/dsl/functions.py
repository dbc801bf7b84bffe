"""User functions as values: the callable, its name, and its declared types, resolved when they are needed."""

from __future__ import annotations

import functools
import inspect
import sys
import types
import typing
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any, Final, Never, Union

from typing_extensions import override

from dagger import codecs
from dagger.dsl.values import Again
from dagger.errors import TemplateError

__all__ = ["MISSING", "Fn", "first_of", "fn_of", "hint_text", "may_take", "members_of"]

MISSING: Final = inspect.Parameter.empty
"""Stands for a missing annotation."""

_AWAITABLE: Final = (Awaitable, Coroutine, typing.Awaitable, typing.Coroutine)


class Fn:
    """A user function in a template: equal to another one with the same callable, whatever their annotations.

    Annotations are resolved when they are first used and not at decoration, so that they may name classes that are
    defined later in the module.
    """

    __slots__ = ("_hints", "_local", "call", "name", "role")

    def __init__(self, call: Callable[..., Any], role: str, local: Mapping[str, Any]) -> None:
        self.call = call
        self.role = role
        self.name = _name_of(call)
        self._local = local
        self._hints: tuple[tuple[Any, ...], Any] | None = None

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Fn) and self.call == other.call

    @override
    def __hash__(self) -> int:
        try:
            return hash(self.call)
        except TypeError:
            return id(self.call)

    @override
    def __repr__(self) -> str:
        return self.name

    def takes(self, index: int = 0) -> Any:
        """The declared type of the parameter at `index`, or MISSING."""
        params = self._resolved()[0]
        return params[index] if index < len(params) else MISSING

    @property
    def gives(self) -> Any:
        """The declared type of the result (for an async function, of what is awaited), or MISSING."""
        return self._resolved()[1]

    @property
    def is_async(self) -> bool:
        """Whether a call returns an awaitable."""
        raw = _unwrapped(self.call)
        if inspect.iscoroutinefunction(raw):
            return True
        return typing.get_origin(self._annotations().get("return", MISSING)) in _AWAITABLE

    def _resolved(self) -> tuple[tuple[Any, ...], Any]:
        if self._hints is None:
            self._hints = self._resolve()
        return self._hints

    def _resolve(self) -> tuple[tuple[Any, ...], Any]:
        hints = self._annotations()
        names = _parameters(self.call)
        gives = hints.get("return", MISSING)
        if typing.get_origin(gives) in _AWAITABLE:
            gives = typing.get_args(gives)[-1]
        return tuple(hints.get(name, MISSING) for name in names), gives

    def _annotations(self) -> dict[str, Any]:
        raw = _unwrapped(self.call)
        try:
            return _hints(raw, None)
        except NameError:
            return self._annotations_with_locals(raw)

    def _annotations_with_locals(self, raw: Callable[..., Any]) -> dict[str, Any]:
        try:
            return _hints(raw, dict(self._local))
        except NameError as error:
            raise TemplateError(
                f"{self.role} '{self.name}': its annotation names {error.name!r}, which is not defined there; "
                "define the class at the top of the module, or above the function"
            ) from None


def _hints(raw: Callable[..., Any], local: dict[str, Any] | None) -> dict[str, Any]:
    return typing.get_type_hints(raw, localns=local, include_extras=True)


def fn_of(call: Any, role: str, *, arguments: int = 1, depth: int = 2) -> Fn:
    """Take a user's callable for the `role` (`"task"`, `"key function"`, ...) of a step.

    It is called with this number of positional `arguments`. `depth` is the number of Python frames up to the user's
    code, whose local classes annotations may name. Raises TemplateError if `call` is not callable, expects other
    arguments, or is async where it must be pure: only tasks may await.
    """
    if isinstance(call, Fn):
        return call
    if not callable(call):
        raise TemplateError(f"{role}: expects a function, got {call!r}")
    _check_call(call, role, arguments)
    return Fn(call, role, sys._getframe(depth).f_locals)  # pyright: ignore[reportPrivateUsage]  # the classes that a function names may be local to it


def _check_call(call: Callable[..., Any], role: str, arguments: int) -> None:
    if role != "task" and inspect.iscoroutinefunction(_unwrapped(call)):
        raise TemplateError(f"{role}: '{_name_of(call)}' is async; what must be pure cannot await: do that in a @task")
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):  # some builtins have no signature
        return
    try:
        signature.bind(*[None] * arguments)
    except TypeError as error:
        count = f"{arguments} argument{'s' if arguments != 1 else ''}"
        raise TemplateError(f"{role}: '{_name_of(call)}' is called with {count}: {error}") from None


def members_of(hint: Any) -> tuple[Any, ...]:
    """The members of a union annotation, or the annotation itself as the only one."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return typing.get_args(hint)
    return (hint,)


def union_of(hints: Iterable[Any]) -> Any:
    """The union of annotations; MISSING if one is missing, Never if there is none."""
    members = [member for hint in hints for member in members_of(hint) if member is not Never]
    if MISSING in members:
        return MISSING
    return Union[tuple(members)] if members else Never  # noqa: UP007  # the members are computed


def tuple_of(hints: Iterable[Any]) -> Any:
    """The type of a tuple of these; MISSING if one is missing."""
    members = tuple(hints)
    return MISSING if MISSING in members else tuple[members]  # type: ignore[valid-type]  # computed


def list_of(hint: Any) -> Any:
    """The type of a list of these; MISSING if that is missing."""
    return MISSING if hint is MISSING else list[hint]


def first_of(hints: Iterable[Any]) -> Any:
    """The first annotation that is not missing, or MISSING."""
    return next((hint for hint in hints if hint is not MISSING), MISSING)


def hint_text(hint: Any) -> str:
    """An annotation as a fingerprint reads it."""
    if hint is MISSING:
        return "?"
    return " | ".join("Again" if is_again(member) else codecs.type_name(member) for member in members_of(hint))


def is_again(member: Any) -> bool:
    """Whether a member of an annotation is `Again` or `Again[...]`."""
    return (typing.get_origin(member) or member) is Again


def may_take(declared: Any, given: Any) -> bool:
    """Whether a parameter of a declared type may take all values of a given type; False only where it cannot.

    For classes, as a type checker decides; types that are not compared here, such as protocols, may be taken.
    """
    taken = [_bare(member) for member in members_of(_bare(declared))]
    return all(any(_may_take(one, each) for one in taken) for each in map(_bare, members_of(_bare(given))))


def _may_take(declared: Any, given: Any) -> bool:
    wide, narrow = typing.get_origin(declared) or declared, typing.get_origin(given) or given
    if not isinstance(wide, type) or not isinstance(narrow, type) or _is_structural(wide):
        return True
    if not issubclass(narrow, wide):
        return wide is float and narrow is int
    pairs = zip(typing.get_args(declared), typing.get_args(given), strict=False)
    return wide is not narrow or all(may_take(one, other) for one, other in pairs)


def _is_structural(cls: type) -> bool:
    """Whether a class accepts values that are not its subclasses."""
    return getattr(cls, "_is_protocol", False) or hasattr(cls, "__required_keys__")


def _bare(hint: Any) -> Any:
    if hint is None:
        return types.NoneType
    if typing.get_origin(hint) is typing.Annotated:
        return _bare(hint.__origin__)
    return _bare(hint.__supertype__) if isinstance(hint, typing.NewType) else hint


def _unwrapped(call: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(call, functools.partial):
        call = call.func
    if inspect.isroutine(call) or inspect.isclass(call):
        return call
    return type(call).__call__


def _name_of(call: Callable[..., Any]) -> str:
    while isinstance(call, functools.partial):
        call = call.func
    return getattr(call, "__name__", None) or type(call).__name__


def _parameters(call: Callable[..., Any]) -> tuple[str, ...]:
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return ()
    return tuple(p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD))
