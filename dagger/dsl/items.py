"""`for_each`: one body for each item."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Literal, Never, overload

from typing_extensions import TypeVar

from dagger.dsl.build import checked_flag, node_of
from dagger.dsl.functions import fn_of, members_of
from dagger.dsl.nodes import ForEach
from dagger.dsl.step import Pass, Step, step_of
from dagger.dsl.values import Failure
from dagger.errors import TemplateError

A = TypeVar("A")
B = TypeVar("B", default=Any)
X = TypeVar("X")

__all__ = ["for_each"]


@overload
def for_each(
    items: Callable[[A], Iterable[X]], body: Pass[Never], *, collect: Literal[True], limit: int | None = ...
) -> Step[A, list[X | Failure[X]]]: ...
@overload
def for_each(
    items: Callable[[A], Iterable[X]], body: Pass[B], *, collect: Literal[True], limit: int | None = ...
) -> Step[A, list[X | B | Failure[X]]]: ...
@overload
def for_each(
    items: Callable[[A], Iterable[X]], body: Step[object, B], *, collect: Literal[True], limit: int | None = ...
) -> Step[A, list[B | Failure[X]]]: ...
@overload
def for_each(
    items: Callable[[A], Iterable[X]], body: Step[X, B], *, collect: Literal[True], limit: int | None = ...
) -> Step[A, list[B | Failure[X]]]: ...
@overload
def for_each(
    items: Callable[[A], Iterable[X]], body: Pass[Never], *, limit: int | None = ..., enough: int | None = ...
) -> Step[A, list[X]]: ...
@overload
def for_each(
    items: Callable[[A], Iterable[X]], body: Pass[B], *, limit: int | None = ..., enough: int | None = ...
) -> Step[A, list[X | B]]: ...
@overload
def for_each(
    items: Callable[[A], Iterable[X]], body: Step[X, B], *, limit: int | None = ..., enough: int | None = ...
) -> Step[A, list[B]]: ...
def for_each(
    items: Any, body: Any, *, limit: int | None = None, collect: Any = False, enough: int | None = None
) -> Any:
    """One parallel body for each item that `items` returns; the results are in the order of the items.

    `limit` bounds how many run at a time (default: all). The first failure stops the others. With `collect=True` a
    body that fails stops no other: it is undone, and a `Failure` takes the place of its result. With `enough=n` the
    first `n` bodies to succeed are enough: the others are stopped, and a failure counts only when fewer than `n` can
    still succeed.
    """
    fn = fn_of(items, "for_each")
    place = f"for_each '{fn.name}'"
    if limit is not None and (type(limit) is not int or limit < 1):
        raise TemplateError(f"{place}: limit is {limit!r}; give 1 or more, or None for all at once")
    if enough is not None and (type(enough) is not int or enough < 1):
        raise TemplateError(f"{place}: enough is {enough!r}; give 1 or more, or None for all items")
    if checked_flag(collect, f"{place}: collect") and enough is not None:
        raise TemplateError(
            f"{place}: collect=True waits for all items, and enough={enough} does not; give one of them"
        )
    for member in members_of(fn.gives):
        if member in (str, bytes):
            raise TemplateError(
                f"{place}: goes over a {member.__name__}, one character at a time; "
                "return a list (of one, if that is meant)"
            )
    return step_of(ForEach(items=fn, body=node_of(body, place), limit=limit, collect=collect, enough=enough))
