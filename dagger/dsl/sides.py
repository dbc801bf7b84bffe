"""The steps side by side: all of them, any of them, some of them.

Each group has two signatures for each number of members: for members of one input, and for such beside members
that take anything (raw listeners, sleeps, tasks of an `object`).
"""

from __future__ import annotations

from typing import Any, overload

from typing_extensions import TypeVar

from dagger.dsl.build import branches_of
from dagger.dsl.nodes import AllOf, AnyOf, AtLeast
from dagger.dsl.step import Both, Exact, Loose, Nil, Pass, Step, both_of, step_of
from dagger.errors import TemplateError

In = TypeVar("In")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")
T6 = TypeVar("T6")
T7 = TypeVar("T7")
T8 = TypeVar("T8")

__all__ = ["all_of", "any_of", "at_least"]


@overload
def all_of(a: Pass[object], b: Pass[object], /) -> Both[object, object, object]: ...
@overload
def all_of(a: Exact[In, T1], b: Exact[In, T2], /) -> Both[In | Nil, T1, T2]: ...
@overload
def all_of(a: Loose[In, T1], b: Loose[In, T2], /) -> Both[In | Nil, T1, T2]: ...
@overload
def all_of(a: Exact[In, T1], b: Exact[In, T2], c: Exact[In, T3], /) -> Both[In | Nil, T1, T2, T3]: ...
@overload
def all_of(a: Loose[In, T1], b: Loose[In, T2], c: Loose[In, T3], /) -> Both[In | Nil, T1, T2, T3]: ...
@overload
def all_of(
    a: Exact[In, T1], b: Exact[In, T2], c: Exact[In, T3], d: Exact[In, T4], /
) -> Both[In | Nil, T1, T2, T3, T4]: ...
@overload
def all_of(
    a: Loose[In, T1], b: Loose[In, T2], c: Loose[In, T3], d: Loose[In, T4], /
) -> Both[In | Nil, T1, T2, T3, T4]: ...
@overload
def all_of(
    a: Exact[In, T1], b: Exact[In, T2], c: Exact[In, T3], d: Exact[In, T4], e: Exact[In, T5], /
) -> Both[In | Nil, T1, T2, T3, T4, T5]: ...
@overload
def all_of(
    a: Loose[In, T1], b: Loose[In, T2], c: Loose[In, T3], d: Loose[In, T4], e: Loose[In, T5], /
) -> Both[In | Nil, T1, T2, T3, T4, T5]: ...
@overload
def all_of(
    a: Exact[In, T1], b: Exact[In, T2], c: Exact[In, T3], d: Exact[In, T4], e: Exact[In, T5], f: Exact[In, T6], /
) -> Both[In | Nil, T1, T2, T3, T4, T5, T6]: ...
@overload
def all_of(
    a: Loose[In, T1], b: Loose[In, T2], c: Loose[In, T3], d: Loose[In, T4], e: Loose[In, T5], f: Loose[In, T6], /
) -> Both[In | Nil, T1, T2, T3, T4, T5, T6]: ...
@overload
def all_of(
    a: Exact[In, T1],
    b: Exact[In, T2],
    c: Exact[In, T3],
    d: Exact[In, T4],
    e: Exact[In, T5],
    f: Exact[In, T6],
    g: Exact[In, T7],
    /,
) -> Both[In | Nil, T1, T2, T3, T4, T5, T6, T7]: ...
@overload
def all_of(
    a: Loose[In, T1],
    b: Loose[In, T2],
    c: Loose[In, T3],
    d: Loose[In, T4],
    e: Loose[In, T5],
    f: Loose[In, T6],
    g: Loose[In, T7],
    /,
) -> Both[In | Nil, T1, T2, T3, T4, T5, T6, T7]: ...
@overload
def all_of(
    a: Exact[In, T1],
    b: Exact[In, T2],
    c: Exact[In, T3],
    d: Exact[In, T4],
    e: Exact[In, T5],
    f: Exact[In, T6],
    g: Exact[In, T7],
    h: Exact[In, T8],
    /,
) -> Both[In | Nil, T1, T2, T3, T4, T5, T6, T7, T8]: ...
@overload
def all_of(
    a: Loose[In, T1],
    b: Loose[In, T2],
    c: Loose[In, T3],
    d: Loose[In, T4],
    e: Loose[In, T5],
    f: Loose[In, T6],
    g: Loose[In, T7],
    h: Loose[In, T8],
    /,
) -> Both[In | Nil, T1, T2, T3, T4, T5, T6, T7, T8]: ...
def all_of(*steps: Any) -> Any:
    """All, side by side, on the same input; the results as a tuple. The first failure stops the others."""
    return both_of(AllOf(branches=branches_of(steps, "all_of")))


@overload
def any_of(a: Pass[T1], b: Pass[T1], /) -> Pass[T1]: ...
@overload
def any_of(a: Step[object, T1], b: Pass[T2], /) -> Pass[T1 | T2]: ...
@overload
def any_of(a: Pass[T1], b: Step[object, T2], /) -> Pass[T1 | T2]: ...
@overload
def any_of(a: Exact[In, T1], b: Exact[In, T2], /) -> Step[In | Nil, T1 | T2]: ...
@overload
def any_of(a: Loose[In, T1], b: Loose[In, T2], /) -> Step[In | Nil, T1 | T2]: ...
@overload
def any_of(a: Exact[In, T1], b: Exact[In, T2], c: Exact[In, T3], /) -> Step[In | Nil, T1 | T2 | T3]: ...
@overload
def any_of(a: Loose[In, T1], b: Loose[In, T2], c: Loose[In, T3], /) -> Step[In | Nil, T1 | T2 | T3]: ...
@overload
def any_of(
    a: Exact[In, T1], b: Exact[In, T2], c: Exact[In, T3], d: Exact[In, T4], /
) -> Step[In | Nil, T1 | T2 | T3 | T4]: ...
@overload
def any_of(
    a: Loose[In, T1], b: Loose[In, T2], c: Loose[In, T3], d: Loose[In, T4], /
) -> Step[In | Nil, T1 | T2 | T3 | T4]: ...
@overload
def any_of(
    a: Exact[In, T1], b: Exact[In, T2], c: Exact[In, T3], d: Exact[In, T4], e: Exact[In, T5], /
) -> Step[In | Nil, T1 | T2 | T3 | T4 | T5]: ...
@overload
def any_of(
    a: Loose[In, T1], b: Loose[In, T2], c: Loose[In, T3], d: Loose[In, T4], e: Loose[In, T5], /
) -> Step[In | Nil, T1 | T2 | T3 | T4 | T5]: ...
@overload
def any_of(
    a: Exact[In, T1], b: Exact[In, T2], c: Exact[In, T3], d: Exact[In, T4], e: Exact[In, T5], f: Exact[In, T6], /
) -> Step[In | Nil, T1 | T2 | T3 | T4 | T5 | T6]: ...
@overload
def any_of(
    a: Loose[In, T1], b: Loose[In, T2], c: Loose[In, T3], d: Loose[In, T4], e: Loose[In, T5], f: Loose[In, T6], /
) -> Step[In | Nil, T1 | T2 | T3 | T4 | T5 | T6]: ...
@overload
def any_of(
    a: Exact[In, T1],
    b: Exact[In, T2],
    c: Exact[In, T3],
    d: Exact[In, T4],
    e: Exact[In, T5],
    f: Exact[In, T6],
    g: Exact[In, T7],
    /,
) -> Step[In | Nil, T1 | T2 | T3 | T4 | T5 | T6 | T7]: ...
@overload
def any_of(
    a: Loose[In, T1],
    b: Loose[In, T2],
    c: Loose[In, T3],
    d: Loose[In, T4],
    e: Loose[In, T5],
    f: Loose[In, T6],
    g: Loose[In, T7],
    /,
) -> Step[In | Nil, T1 | T2 | T3 | T4 | T5 | T6 | T7]: ...
@overload
def any_of(
    a: Exact[In, T1],
    b: Exact[In, T2],
    c: Exact[In, T3],
    d: Exact[In, T4],
    e: Exact[In, T5],
    f: Exact[In, T6],
    g: Exact[In, T7],
    h: Exact[In, T8],
    /,
) -> Step[In | Nil, T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8]: ...
@overload
def any_of(
    a: Loose[In, T1],
    b: Loose[In, T2],
    c: Loose[In, T3],
    d: Loose[In, T4],
    e: Loose[In, T5],
    f: Loose[In, T6],
    g: Loose[In, T7],
    h: Loose[In, T8],
    /,
) -> Step[In | Nil, T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8]: ...
def any_of(*steps: Any) -> Any:
    """The first to succeed, on the same input; the others are stopped. Fails when all have failed."""
    return step_of(AnyOf(branches=branches_of(steps, "any_of")))


@overload
def at_least(k: int, a: Exact[In, T1], b: Exact[In, T2], /) -> Step[In | Nil, list[T1 | T2]]: ...
@overload
def at_least(k: int, a: Loose[In, T1], b: Loose[In, T2], /) -> Step[In | Nil, list[T1 | T2]]: ...
@overload
def at_least(k: int, a: Exact[In, T1], b: Exact[In, T2], c: Exact[In, T3], /) -> Step[In | Nil, list[T1 | T2 | T3]]: ...
@overload
def at_least(k: int, a: Loose[In, T1], b: Loose[In, T2], c: Loose[In, T3], /) -> Step[In | Nil, list[T1 | T2 | T3]]: ...
@overload
def at_least(
    k: int, a: Exact[In, T1], b: Exact[In, T2], c: Exact[In, T3], d: Exact[In, T4], /
) -> Step[In | Nil, list[T1 | T2 | T3 | T4]]: ...
@overload
def at_least(
    k: int, a: Loose[In, T1], b: Loose[In, T2], c: Loose[In, T3], d: Loose[In, T4], /
) -> Step[In | Nil, list[T1 | T2 | T3 | T4]]: ...
@overload
def at_least(
    k: int, a: Exact[In, T1], b: Exact[In, T2], c: Exact[In, T3], d: Exact[In, T4], e: Exact[In, T5], /
) -> Step[In | Nil, list[T1 | T2 | T3 | T4 | T5]]: ...
@overload
def at_least(
    k: int, a: Loose[In, T1], b: Loose[In, T2], c: Loose[In, T3], d: Loose[In, T4], e: Loose[In, T5], /
) -> Step[In | Nil, list[T1 | T2 | T3 | T4 | T5]]: ...
@overload
def at_least(
    k: int,
    a: Exact[In, T1],
    b: Exact[In, T2],
    c: Exact[In, T3],
    d: Exact[In, T4],
    e: Exact[In, T5],
    f: Exact[In, T6],
    /,
) -> Step[In | Nil, list[T1 | T2 | T3 | T4 | T5 | T6]]: ...
@overload
def at_least(
    k: int,
    a: Loose[In, T1],
    b: Loose[In, T2],
    c: Loose[In, T3],
    d: Loose[In, T4],
    e: Loose[In, T5],
    f: Loose[In, T6],
    /,
) -> Step[In | Nil, list[T1 | T2 | T3 | T4 | T5 | T6]]: ...
@overload
def at_least(
    k: int,
    a: Exact[In, T1],
    b: Exact[In, T2],
    c: Exact[In, T3],
    d: Exact[In, T4],
    e: Exact[In, T5],
    f: Exact[In, T6],
    g: Exact[In, T7],
    /,
) -> Step[In | Nil, list[T1 | T2 | T3 | T4 | T5 | T6 | T7]]: ...
@overload
def at_least(
    k: int,
    a: Loose[In, T1],
    b: Loose[In, T2],
    c: Loose[In, T3],
    d: Loose[In, T4],
    e: Loose[In, T5],
    f: Loose[In, T6],
    g: Loose[In, T7],
    /,
) -> Step[In | Nil, list[T1 | T2 | T3 | T4 | T5 | T6 | T7]]: ...
@overload
def at_least(
    k: int,
    a: Exact[In, T1],
    b: Exact[In, T2],
    c: Exact[In, T3],
    d: Exact[In, T4],
    e: Exact[In, T5],
    f: Exact[In, T6],
    g: Exact[In, T7],
    h: Exact[In, T8],
    /,
) -> Step[In | Nil, list[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8]]: ...
@overload
def at_least(
    k: int,
    a: Loose[In, T1],
    b: Loose[In, T2],
    c: Loose[In, T3],
    d: Loose[In, T4],
    e: Loose[In, T5],
    f: Loose[In, T6],
    g: Loose[In, T7],
    h: Loose[In, T8],
    /,
) -> Step[In | Nil, list[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8]]: ...
def at_least(k: Any, *steps: Any) -> Any:
    """The first `k` to succeed, on the same input; their results as a list, in the order written."""
    branches = branches_of(steps, "at_least")
    if type(k) is not int or not 1 <= k <= len(branches):
        raise TemplateError(f"at_least: {k!r} of {len(branches)} steps; give a number from 1 to {len(branches)}")
    return step_of(AtLeast(k=k, branches=branches))
