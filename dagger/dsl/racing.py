"""`any_of` and `race`: the first of several steps in parallel decides.

The overloads are like those of `all_of`, for the same reasons (see `parallel.py`).
"""

from __future__ import annotations

from typing import Any, Never, overload

from typing_extensions import TypeVar

from dagger.dsl.build import branches_of
from dagger.dsl.nodes import AnyOf, Race
from dagger.dsl.step import Exact, Loose, Nil, Pass, Step, step_of

Input = TypeVar("Input")
T1 = TypeVar("T1", default=Any)
T2 = TypeVar("T2", default=Any)
T3 = TypeVar("T3", default=Any)
T4 = TypeVar("T4", default=Any)
T5 = TypeVar("T5", default=Any)
T6 = TypeVar("T6", default=Any)
T7 = TypeVar("T7", default=Any)
T8 = TypeVar("T8", default=Any)

__all__ = ["any_of", "race"]


@overload
def any_of(a: Pass[Never], b: Pass[Never], /) -> Pass[Never]: ...
@overload
def any_of(a: Step[object, T1], b: Pass[Never], /) -> Pass[T1]: ...
@overload
def any_of(a: Pass[Never], b: Step[object, T2], /) -> Pass[T2]: ...
@overload
def any_of(a: Exact[Input, T1], b: Exact[Input, T2], /) -> Step[Input | Nil, T1 | T2]: ...
@overload
def any_of(a: Loose[Input, T1], b: Loose[Input, T2], /) -> Step[Input | Nil, T1 | T2]: ...
@overload
def any_of(a: Exact[Input, T1], b: Exact[Input, T2], c: Exact[Input, T3], /) -> Step[Input | Nil, T1 | T2 | T3]: ...
@overload
def any_of(a: Loose[Input, T1], b: Loose[Input, T2], c: Loose[Input, T3], /) -> Step[Input | Nil, T1 | T2 | T3]: ...
@overload
def any_of(
    a: Exact[Input, T1], b: Exact[Input, T2], c: Exact[Input, T3], d: Exact[Input, T4], /
) -> Step[Input | Nil, T1 | T2 | T3 | T4]: ...
@overload
def any_of(
    a: Loose[Input, T1], b: Loose[Input, T2], c: Loose[Input, T3], d: Loose[Input, T4], /
) -> Step[Input | Nil, T1 | T2 | T3 | T4]: ...
@overload
def any_of(
    a: Exact[Input, T1], b: Exact[Input, T2], c: Exact[Input, T3], d: Exact[Input, T4], e: Exact[Input, T5], /
) -> Step[Input | Nil, T1 | T2 | T3 | T4 | T5]: ...
@overload
def any_of(
    a: Loose[Input, T1], b: Loose[Input, T2], c: Loose[Input, T3], d: Loose[Input, T4], e: Loose[Input, T5], /
) -> Step[Input | Nil, T1 | T2 | T3 | T4 | T5]: ...
@overload
def any_of(
    a: Exact[Input, T1],
    b: Exact[Input, T2],
    c: Exact[Input, T3],
    d: Exact[Input, T4],
    e: Exact[Input, T5],
    f: Exact[Input, T6],
    /,
) -> Step[Input | Nil, T1 | T2 | T3 | T4 | T5 | T6]: ...
@overload
def any_of(
    a: Loose[Input, T1],
    b: Loose[Input, T2],
    c: Loose[Input, T3],
    d: Loose[Input, T4],
    e: Loose[Input, T5],
    f: Loose[Input, T6],
    /,
) -> Step[Input | Nil, T1 | T2 | T3 | T4 | T5 | T6]: ...
@overload
def any_of(
    a: Exact[Input, T1],
    b: Exact[Input, T2],
    c: Exact[Input, T3],
    d: Exact[Input, T4],
    e: Exact[Input, T5],
    f: Exact[Input, T6],
    g: Exact[Input, T7],
    /,
) -> Step[Input | Nil, T1 | T2 | T3 | T4 | T5 | T6 | T7]: ...
@overload
def any_of(
    a: Loose[Input, T1],
    b: Loose[Input, T2],
    c: Loose[Input, T3],
    d: Loose[Input, T4],
    e: Loose[Input, T5],
    f: Loose[Input, T6],
    g: Loose[Input, T7],
    /,
) -> Step[Input | Nil, T1 | T2 | T3 | T4 | T5 | T6 | T7]: ...
@overload
def any_of(
    a: Exact[Input, T1],
    b: Exact[Input, T2],
    c: Exact[Input, T3],
    d: Exact[Input, T4],
    e: Exact[Input, T5],
    f: Exact[Input, T6],
    g: Exact[Input, T7],
    h: Exact[Input, T8],
    /,
) -> Step[Input | Nil, T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8]: ...
@overload
def any_of(
    a: Loose[Input, T1],
    b: Loose[Input, T2],
    c: Loose[Input, T3],
    d: Loose[Input, T4],
    e: Loose[Input, T5],
    f: Loose[Input, T6],
    g: Loose[Input, T7],
    h: Loose[Input, T8],
    /,
) -> Step[Input | Nil, T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8]: ...
def any_of(*steps: Any) -> Any:
    """The first step to succeed, on the same input; the others are stopped. Fails when all have failed."""
    return step_of(AnyOf(branches=branches_of(steps, "any_of")))


@overload
def race(a: Pass[Never], b: Pass[Never], /) -> Pass[Never]: ...
@overload
def race(a: Step[object, T1], b: Pass[Never], /) -> Pass[T1]: ...
@overload
def race(a: Pass[Never], b: Step[object, T2], /) -> Pass[T2]: ...
@overload
def race(a: Exact[Input, T1], b: Exact[Input, T2], /) -> Step[Input | Nil, T1 | T2]: ...
@overload
def race(a: Loose[Input, T1], b: Loose[Input, T2], /) -> Step[Input | Nil, T1 | T2]: ...
@overload
def race(a: Exact[Input, T1], b: Exact[Input, T2], c: Exact[Input, T3], /) -> Step[Input | Nil, T1 | T2 | T3]: ...
@overload
def race(a: Loose[Input, T1], b: Loose[Input, T2], c: Loose[Input, T3], /) -> Step[Input | Nil, T1 | T2 | T3]: ...
@overload
def race(
    a: Exact[Input, T1], b: Exact[Input, T2], c: Exact[Input, T3], d: Exact[Input, T4], /
) -> Step[Input | Nil, T1 | T2 | T3 | T4]: ...
@overload
def race(
    a: Loose[Input, T1], b: Loose[Input, T2], c: Loose[Input, T3], d: Loose[Input, T4], /
) -> Step[Input | Nil, T1 | T2 | T3 | T4]: ...
@overload
def race(
    a: Exact[Input, T1], b: Exact[Input, T2], c: Exact[Input, T3], d: Exact[Input, T4], e: Exact[Input, T5], /
) -> Step[Input | Nil, T1 | T2 | T3 | T4 | T5]: ...
@overload
def race(
    a: Loose[Input, T1], b: Loose[Input, T2], c: Loose[Input, T3], d: Loose[Input, T4], e: Loose[Input, T5], /
) -> Step[Input | Nil, T1 | T2 | T3 | T4 | T5]: ...
@overload
def race(
    a: Exact[Input, T1],
    b: Exact[Input, T2],
    c: Exact[Input, T3],
    d: Exact[Input, T4],
    e: Exact[Input, T5],
    f: Exact[Input, T6],
    /,
) -> Step[Input | Nil, T1 | T2 | T3 | T4 | T5 | T6]: ...
@overload
def race(
    a: Loose[Input, T1],
    b: Loose[Input, T2],
    c: Loose[Input, T3],
    d: Loose[Input, T4],
    e: Loose[Input, T5],
    f: Loose[Input, T6],
    /,
) -> Step[Input | Nil, T1 | T2 | T3 | T4 | T5 | T6]: ...
@overload
def race(
    a: Exact[Input, T1],
    b: Exact[Input, T2],
    c: Exact[Input, T3],
    d: Exact[Input, T4],
    e: Exact[Input, T5],
    f: Exact[Input, T6],
    g: Exact[Input, T7],
    /,
) -> Step[Input | Nil, T1 | T2 | T3 | T4 | T5 | T6 | T7]: ...
@overload
def race(
    a: Loose[Input, T1],
    b: Loose[Input, T2],
    c: Loose[Input, T3],
    d: Loose[Input, T4],
    e: Loose[Input, T5],
    f: Loose[Input, T6],
    g: Loose[Input, T7],
    /,
) -> Step[Input | Nil, T1 | T2 | T3 | T4 | T5 | T6 | T7]: ...
@overload
def race(
    a: Exact[Input, T1],
    b: Exact[Input, T2],
    c: Exact[Input, T3],
    d: Exact[Input, T4],
    e: Exact[Input, T5],
    f: Exact[Input, T6],
    g: Exact[Input, T7],
    h: Exact[Input, T8],
    /,
) -> Step[Input | Nil, T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8]: ...
@overload
def race(
    a: Loose[Input, T1],
    b: Loose[Input, T2],
    c: Loose[Input, T3],
    d: Loose[Input, T4],
    e: Loose[Input, T5],
    f: Loose[Input, T6],
    g: Loose[Input, T7],
    h: Loose[Input, T8],
    /,
) -> Step[Input | Nil, T1 | T2 | T3 | T4 | T5 | T6 | T7 | T8]: ...
def race(*steps: Any) -> Any:
    """The first step to end decides, well or badly, on the same input; the others are stopped."""
    return step_of(Race(branches=branches_of(steps, "race")))
