"""`all_of`: several steps in parallel.

A group has two signatures for each number of members: for members with the same input, and for such members beside
others that take anything (raw listeners, sleeps, tasks of an `object`).
"""

from __future__ import annotations

from typing import Any, Literal, Never, overload

from typing_extensions import TypeVar

from dagger.dsl.build import branches_of, checked_flag
from dagger.dsl.nodes import AllOf
from dagger.dsl.step import Both, Exact, Loose, Nil, Pass, Step, both_of, step_of
from dagger.dsl.values import Failure

Input = TypeVar("Input")
T1 = TypeVar("T1", default=Any)
T2 = TypeVar("T2", default=Any)
T3 = TypeVar("T3", default=Any)
T4 = TypeVar("T4", default=Any)
T5 = TypeVar("T5", default=Any)
T6 = TypeVar("T6", default=Any)
T7 = TypeVar("T7", default=Any)
T8 = TypeVar("T8", default=Any)

__all__ = ["all_of"]


@overload
def all_of(a: Pass[Never], b: Pass[Never], /) -> Both[object, object, object]: ...
@overload
def all_of(a: Exact[Input, T1], b: Exact[Input, T2], /) -> Both[Input | Nil, T1, T2]: ...
@overload
def all_of(a: Loose[Input, T1], b: Loose[Input, T2], /) -> Both[Input | Nil, T1, T2]: ...
@overload
def all_of(a: Exact[Input, T1], b: Exact[Input, T2], c: Exact[Input, T3], /) -> Both[Input | Nil, T1, T2, T3]: ...
@overload
def all_of(a: Loose[Input, T1], b: Loose[Input, T2], c: Loose[Input, T3], /) -> Both[Input | Nil, T1, T2, T3]: ...
@overload
def all_of(
    a: Exact[Input, T1], b: Exact[Input, T2], c: Exact[Input, T3], d: Exact[Input, T4], /
) -> Both[Input | Nil, T1, T2, T3, T4]: ...
@overload
def all_of(
    a: Loose[Input, T1], b: Loose[Input, T2], c: Loose[Input, T3], d: Loose[Input, T4], /
) -> Both[Input | Nil, T1, T2, T3, T4]: ...
@overload
def all_of(
    a: Exact[Input, T1], b: Exact[Input, T2], c: Exact[Input, T3], d: Exact[Input, T4], e: Exact[Input, T5], /
) -> Both[Input | Nil, T1, T2, T3, T4, T5]: ...
@overload
def all_of(
    a: Loose[Input, T1], b: Loose[Input, T2], c: Loose[Input, T3], d: Loose[Input, T4], e: Loose[Input, T5], /
) -> Both[Input | Nil, T1, T2, T3, T4, T5]: ...
@overload
def all_of(
    a: Exact[Input, T1],
    b: Exact[Input, T2],
    c: Exact[Input, T3],
    d: Exact[Input, T4],
    e: Exact[Input, T5],
    f: Exact[Input, T6],
    /,
) -> Both[Input | Nil, T1, T2, T3, T4, T5, T6]: ...
@overload
def all_of(
    a: Loose[Input, T1],
    b: Loose[Input, T2],
    c: Loose[Input, T3],
    d: Loose[Input, T4],
    e: Loose[Input, T5],
    f: Loose[Input, T6],
    /,
) -> Both[Input | Nil, T1, T2, T3, T4, T5, T6]: ...
@overload
def all_of(
    a: Exact[Input, T1],
    b: Exact[Input, T2],
    c: Exact[Input, T3],
    d: Exact[Input, T4],
    e: Exact[Input, T5],
    f: Exact[Input, T6],
    g: Exact[Input, T7],
    /,
) -> Both[Input | Nil, T1, T2, T3, T4, T5, T6, T7]: ...
@overload
def all_of(
    a: Loose[Input, T1],
    b: Loose[Input, T2],
    c: Loose[Input, T3],
    d: Loose[Input, T4],
    e: Loose[Input, T5],
    f: Loose[Input, T6],
    g: Loose[Input, T7],
    /,
) -> Both[Input | Nil, T1, T2, T3, T4, T5, T6, T7]: ...
@overload
def all_of(
    a: Exact[Input, T1],
    b: Exact[Input, T2],
    c: Exact[Input, T3],
    d: Exact[Input, T4],
    e: Exact[Input, T5],
    f: Exact[Input, T6],
    g: Exact[Input, T7],
    h: Exact[Input, T8],
    /,
) -> Both[Input | Nil, T1, T2, T3, T4, T5, T6, T7, T8]: ...
@overload
def all_of(
    a: Loose[Input, T1],
    b: Loose[Input, T2],
    c: Loose[Input, T3],
    d: Loose[Input, T4],
    e: Loose[Input, T5],
    f: Loose[Input, T6],
    g: Loose[Input, T7],
    h: Loose[Input, T8],
    /,
) -> Both[Input | Nil, T1, T2, T3, T4, T5, T6, T7, T8]: ...
@overload
def all_of(a: Pass[Never], b: Pass[Never], /, *, collect: Literal[True]) -> Step[object, tuple[object, object]]: ...
@overload
def all_of(
    a: Exact[Input, T1], b: Exact[Input, T2], /, *, collect: Literal[True]
) -> Step[Input | Nil, tuple[T1 | Failure[Input], T2 | Failure[Input]]]: ...
@overload
def all_of(
    a: Loose[Input, T1], b: Loose[Input, T2], /, *, collect: Literal[True]
) -> Step[Input | Nil, tuple[T1 | Failure[Input], T2 | Failure[Input]]]: ...
@overload
def all_of(
    a: Exact[Input, T1], b: Exact[Input, T2], c: Exact[Input, T3], /, *, collect: Literal[True]
) -> Step[Input | Nil, tuple[T1 | Failure[Input], T2 | Failure[Input], T3 | Failure[Input]]]: ...
@overload
def all_of(
    a: Loose[Input, T1], b: Loose[Input, T2], c: Loose[Input, T3], /, *, collect: Literal[True]
) -> Step[Input | Nil, tuple[T1 | Failure[Input], T2 | Failure[Input], T3 | Failure[Input]]]: ...
@overload
def all_of(
    a: Exact[Input, T1], b: Exact[Input, T2], c: Exact[Input, T3], d: Exact[Input, T4], /, *, collect: Literal[True]
) -> Step[Input | Nil, tuple[T1 | Failure[Input], T2 | Failure[Input], T3 | Failure[Input], T4 | Failure[Input]]]: ...
@overload
def all_of(
    a: Loose[Input, T1], b: Loose[Input, T2], c: Loose[Input, T3], d: Loose[Input, T4], /, *, collect: Literal[True]
) -> Step[Input | Nil, tuple[T1 | Failure[Input], T2 | Failure[Input], T3 | Failure[Input], T4 | Failure[Input]]]: ...
@overload
def all_of(
    a: Exact[Input, T1],
    b: Exact[Input, T2],
    c: Exact[Input, T3],
    d: Exact[Input, T4],
    e: Exact[Input, T5],
    /,
    *,
    collect: Literal[True],
) -> Step[
    Input | Nil,
    tuple[T1 | Failure[Input], T2 | Failure[Input], T3 | Failure[Input], T4 | Failure[Input], T5 | Failure[Input]],
]: ...
@overload
def all_of(
    a: Loose[Input, T1],
    b: Loose[Input, T2],
    c: Loose[Input, T3],
    d: Loose[Input, T4],
    e: Loose[Input, T5],
    /,
    *,
    collect: Literal[True],
) -> Step[
    Input | Nil,
    tuple[T1 | Failure[Input], T2 | Failure[Input], T3 | Failure[Input], T4 | Failure[Input], T5 | Failure[Input]],
]: ...
@overload
def all_of(
    a: Exact[Input, T1],
    b: Exact[Input, T2],
    c: Exact[Input, T3],
    d: Exact[Input, T4],
    e: Exact[Input, T5],
    f: Exact[Input, T6],
    /,
    *,
    collect: Literal[True],
) -> Step[
    Input | Nil,
    tuple[
        T1 | Failure[Input],
        T2 | Failure[Input],
        T3 | Failure[Input],
        T4 | Failure[Input],
        T5 | Failure[Input],
        T6 | Failure[Input],
    ],
]: ...
@overload
def all_of(
    a: Loose[Input, T1],
    b: Loose[Input, T2],
    c: Loose[Input, T3],
    d: Loose[Input, T4],
    e: Loose[Input, T5],
    f: Loose[Input, T6],
    /,
    *,
    collect: Literal[True],
) -> Step[
    Input | Nil,
    tuple[
        T1 | Failure[Input],
        T2 | Failure[Input],
        T3 | Failure[Input],
        T4 | Failure[Input],
        T5 | Failure[Input],
        T6 | Failure[Input],
    ],
]: ...
@overload
def all_of(
    a: Exact[Input, T1],
    b: Exact[Input, T2],
    c: Exact[Input, T3],
    d: Exact[Input, T4],
    e: Exact[Input, T5],
    f: Exact[Input, T6],
    g: Exact[Input, T7],
    /,
    *,
    collect: Literal[True],
) -> Step[
    Input | Nil,
    tuple[
        T1 | Failure[Input],
        T2 | Failure[Input],
        T3 | Failure[Input],
        T4 | Failure[Input],
        T5 | Failure[Input],
        T6 | Failure[Input],
        T7 | Failure[Input],
    ],
]: ...
@overload
def all_of(
    a: Loose[Input, T1],
    b: Loose[Input, T2],
    c: Loose[Input, T3],
    d: Loose[Input, T4],
    e: Loose[Input, T5],
    f: Loose[Input, T6],
    g: Loose[Input, T7],
    /,
    *,
    collect: Literal[True],
) -> Step[
    Input | Nil,
    tuple[
        T1 | Failure[Input],
        T2 | Failure[Input],
        T3 | Failure[Input],
        T4 | Failure[Input],
        T5 | Failure[Input],
        T6 | Failure[Input],
        T7 | Failure[Input],
    ],
]: ...
@overload
def all_of(
    a: Exact[Input, T1],
    b: Exact[Input, T2],
    c: Exact[Input, T3],
    d: Exact[Input, T4],
    e: Exact[Input, T5],
    f: Exact[Input, T6],
    g: Exact[Input, T7],
    h: Exact[Input, T8],
    /,
    *,
    collect: Literal[True],
) -> Step[
    Input | Nil,
    tuple[
        T1 | Failure[Input],
        T2 | Failure[Input],
        T3 | Failure[Input],
        T4 | Failure[Input],
        T5 | Failure[Input],
        T6 | Failure[Input],
        T7 | Failure[Input],
        T8 | Failure[Input],
    ],
]: ...
@overload
def all_of(
    a: Loose[Input, T1],
    b: Loose[Input, T2],
    c: Loose[Input, T3],
    d: Loose[Input, T4],
    e: Loose[Input, T5],
    f: Loose[Input, T6],
    g: Loose[Input, T7],
    h: Loose[Input, T8],
    /,
    *,
    collect: Literal[True],
) -> Step[
    Input | Nil,
    tuple[
        T1 | Failure[Input],
        T2 | Failure[Input],
        T3 | Failure[Input],
        T4 | Failure[Input],
        T5 | Failure[Input],
        T6 | Failure[Input],
        T7 | Failure[Input],
        T8 | Failure[Input],
    ],
]: ...
def all_of(*steps: Any, collect: Any = False) -> Any:
    """All steps in parallel, on the same input; the results as a tuple. The first failure stops the others.

    With `collect=True` a step that fails stops no other. It is undone, and a `Failure` takes the place of its result.
    """
    branches = branches_of(steps, "all_of")
    if checked_flag(collect, "all_of: collect"):
        return step_of(AllOf(branches=branches, collect=True))
    return both_of(AllOf(branches=branches))
