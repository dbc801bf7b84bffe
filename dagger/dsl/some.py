"""`at_least`: some of several steps in parallel.

The overloads are those of `all_of`, for the same reasons (see `parallel.py`).
"""

from __future__ import annotations

from typing import Any, overload

from typing_extensions import TypeVar

from dagger.dsl.build import branches_of
from dagger.dsl.nodes import AtLeast
from dagger.dsl.step import Exact, Loose, Nil, Step, step_of
from dagger.errors import TemplateError

Input = TypeVar("Input")
T1 = TypeVar("T1", default=Any)
T2 = TypeVar("T2", default=Any)
T3 = TypeVar("T3", default=Any)
T4 = TypeVar("T4", default=Any)
T5 = TypeVar("T5", default=Any)
T6 = TypeVar("T6", default=Any)
T7 = TypeVar("T7", default=Any)
T8 = TypeVar("T8", default=Any)

__all__ = ["at_least"]


@overload
def at_least(k: int, a: Exact[Input, T1], b: Exact[Input, T2], /) -> Step[Input | Nil, list[T1 | T2]]: ...
@overload
def at_least(k: int, a: Loose[Input, T1], b: Loose[Input, T2], /) -> Step[Input | Nil, list[T1 | T2]]: ...
@overload
def at_least(
    k: int, a: Exact[Input, T1], b: Exact[Input, T2], c: Exact[Input, T3], /
) -> Step[Input | Nil, list[T1 | T2 | T3]]: ...
@overload
def at_least(
    k: int, a: Loose[Input, T1], b: Loose[Input, T2], c: Loose[Input, T3], /
) -> Step[Input | Nil, list[T1 | T2 | T3]]: ...
@overload
def at_least(
    k: int, a: Exact[Input, T1], b: Exact[Input, T2], c: Exact[Input, T3], d: Exact[Input, T4], /
) -> Step[Input | Nil, list[T1 | T2 | T3 | T4]]: ...
@overload
def at_least(
    k: int, a: Loose[Input, T1], b: Loose[Input, T2], c: Loose[Input, T3], d: Loose[Input, T4], /
) -> Step[Input | Nil, list[T1 | T2 | T3 | T4]]: ...
@overload
def at_least(
    k: int, a: Exact[Input, T1], b: Exact[Input, T2], c: Exact[Input, T3], d: Exact[Input, T4], e: Exact[Input, T5], /
) -> Step[Input | Nil, list[T1 | T2 | T3 | T4 | T5]]: ...
@overload
def at_least(
    k: int, a: Loose[Input, T1], b: Loose[Input, T2], c: Loose[Input, T3], d: Loose[Input, T4], e: Loose[Input, T5], /
) -> Step[Input | Nil, list[T1 | T2 | T3 | T4 | T5]]: ...
@overload
def at_least(
    k: int,
    a: Exact[Input, T1],
    b: Exact[Input, T2],
    c: Exact[Input, T3],
    d: Exact[Input, T4],
    e: Exact[Input, T5],
    f: Exact[Input, T6],
    /,
) -> Step[Input | Nil, list[T1 | T2 | T3 | T4 | T5 | T6]]: ...
@overload
def at_least(
    k: int,
    a: Loose[Input, T1],
    b: Loose[Input, T2],
    c: Loose[Input, T3],
    d: Loose[Input, T4],
    e: Loose[Input, T5],
    f: Loose[Input, T6],
    /,
) -> Step[Input | Nil, list[T1 | T2 | T3 | T4 | T5 | T6]]: ...
@overload
def at_least(
    k: int,
    a: Exact[Input, T1],
    b: Exact[Input, T2],
    c: Exact[Input, T3],
    d: Exact[Input, T4],
    e: Exact[Input, T5],
    f: Exact[Input, T6],
    g: Exact[Input, T7],
    /,
) -> Step[Input | Nil, list[T1 | T2 | T3 | T4 | T5 | T6 | T7]]: ...
@overload
def at_least(
    k: int,
    a: Loose[Input, T1],
    b: Loose[Input, T2],
    c: Loose[Input, T3],
    d: Loose[Input, T4],
    e: Loose[Input, T5],
    f: Loose[Input, T6],
    g: Loose[Input, T7],
    /,
) -> Step[Input | Nil, list[T1 | T2 | T3 | T4 | T5 | T6 | T7]]: ...
@overload
def at_least(
    k: int,
    a: Exact[Input, T1],
    b: Exact[Input, T2],
    c: Exact[Input, T3],
    d: Exact[Input, T4],
    e: Exact[Input, T5],
    f: Exact[Input, T6],
    g: Exact[Input, T7],
    h: Exact[Input, T8],
    /,
) -> Step[Input | Nil, list[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8]]: ...
@overload
def at_least(
    k: int,
    a: Loose[Input, T1],
    b: Loose[Input, T2],
    c: Loose[Input, T3],
    d: Loose[Input, T4],
    e: Loose[Input, T5],
    f: Loose[Input, T6],
    g: Loose[Input, T7],
    h: Loose[Input, T8],
    /,
) -> Step[Input | Nil, list[T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8]]: ...
def at_least(k: Any, *steps: Any) -> Any:
    """The first `k` steps to succeed, on the same input; their results as a list, in the order written."""
    branches = branches_of(steps, "at_least")
    if type(k) is not int or not 1 <= k <= len(branches):
        raise TemplateError(f"at_least: {k!r} of {len(branches)} steps; give a number from 1 to {len(branches)}")
    return step_of(AtLeast(k=k, branches=branches))
