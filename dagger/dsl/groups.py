"""The steps made of steps: processes, groups, switches, parallel bodies."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Generic, overload

from typing_extensions import Never, TypeVar, override

from dagger.dsl.build import (
    branches_of,
    checked_name,
    node_of,
    optional_duration,
    step_or_function,
)
from dagger.dsl.check import check_scope, values_of
from dagger.dsl.functions import fn_of, members_of
from dagger.dsl.nodes import AllOf, AnyOf, AtLeast, ForEach, Process, case_label
from dagger.dsl.nodes import Switch as SwitchNode
from dagger.dsl.step import Both, Exact, Pass, Step
from dagger.errors import TemplateError

A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
K = TypeVar("K")
O = TypeVar("O", covariant=True)  # noqa: E741  # as in Step
X = TypeVar("X")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")
T6 = TypeVar("T6")

__all__ = ["Switch", "all_of", "any_of", "at_least", "for_each", "process", "switch"]


@overload
def process(name: str, body: Pass, *, timeout: timedelta | None = ...) -> Pass: ...
@overload
def process(name: str, body: Step[A, B], *, timeout: timedelta | None = ...) -> Step[A, B]: ...
@overload
def process(
    name: str, body: Step[A, B], *, timeout: timedelta, otherwise: Step[A, C] | Callable[[A], C]
) -> Step[A, B | C]: ...
def process(
    name: str, body: Any = None, *, timeout: timedelta | None = None, otherwise: Any = None
) -> Any:
    """A named scope: its name is a segment of the paths inside.

    `timeout` is the longest that it may take. Past it, what executes is stopped and `otherwise` (a step, or a
    pure function, of the input) answers; without `otherwise` the process fails. Raises TemplateError for an
    empty process, a name twice in the scope, or `otherwise` without `timeout`.
    """
    place = f"process {checked_name(name, 'process')!r}"
    if body is None:
        raise TemplateError(f"{place}: is empty; give it a step as its body")
    if otherwise is not None and timeout is None:
        raise TemplateError(f"{place}: otherwise= answers a timeout; give timeout= too")
    inside = node_of(body, place)
    answer = step_or_function(otherwise, f"otherwise of {place}")
    node = Process(name=name, body=inside, timeout=optional_duration(timeout, place), otherwise=answer)
    check_scope(node, place)
    return Pass(node) if isinstance(body, Pass) and answer is None else Step(node)


@overload
def all_of(a: Exact[X, T1], b: Exact[X, T2], /) -> Both[X, T1, T2]: ...
@overload
def all_of(a: Exact[X, T1], b: Exact[X, T2], c: Exact[X, T3], /) -> Both[X, T1, T2, T3]: ...
@overload
def all_of(
    a: Exact[X, T1], b: Exact[X, T2], c: Exact[X, T3], d: Exact[X, T4], /
) -> Both[X, T1, T2, T3, T4]: ...
@overload
def all_of(
    a: Exact[X, T1], b: Exact[X, T2], c: Exact[X, T3], d: Exact[X, T4], e: Exact[X, T5], /
) -> Both[X, T1, T2, T3, T4, T5]: ...
@overload
def all_of(
    a: Exact[X, T1], b: Exact[X, T2], c: Exact[X, T3], d: Exact[X, T4], e: Exact[X, T5], f: Exact[X, T6], /
) -> Both[X, T1, T2, T3, T4, T5, T6]: ...
def all_of(*steps: Any) -> Any:
    """All, side by side, on the same input; the results as a tuple. The first failure stops the others."""
    return Both(AllOf(branches=branches_of(steps, "all_of")))


@overload
def any_of(a: Exact[X, T1], b: Exact[X, T2], /) -> Step[X, T1 | T2]: ...
@overload
def any_of(a: Exact[X, T1], b: Exact[X, T2], c: Exact[X, T3], /) -> Step[X, T1 | T2 | T3]: ...
@overload
def any_of(
    a: Exact[X, T1], b: Exact[X, T2], c: Exact[X, T3], d: Exact[X, T4], /
) -> Step[X, T1 | T2 | T3 | T4]: ...
@overload
def any_of(
    a: Exact[X, T1], b: Exact[X, T2], c: Exact[X, T3], d: Exact[X, T4], e: Exact[X, T5], /
) -> Step[X, T1 | T2 | T3 | T4 | T5]: ...
@overload
def any_of(
    a: Exact[X, T1], b: Exact[X, T2], c: Exact[X, T3], d: Exact[X, T4], e: Exact[X, T5], f: Exact[X, T6], /
) -> Step[X, T1 | T2 | T3 | T4 | T5 | T6]: ...
def any_of(*steps: Any) -> Any:
    """The first to succeed, on the same input; the others are stopped. Fails when all have failed."""
    return Step(AnyOf(branches=branches_of(steps, "any_of")))


@overload
def at_least(k: int, a: Exact[X, T1], b: Exact[X, T2], /) -> Step[X, list[T1 | T2]]: ...
@overload
def at_least(
    k: int, a: Exact[X, T1], b: Exact[X, T2], c: Exact[X, T3], /
) -> Step[X, list[T1 | T2 | T3]]: ...
@overload
def at_least(
    k: int, a: Exact[X, T1], b: Exact[X, T2], c: Exact[X, T3], d: Exact[X, T4], /
) -> Step[X, list[T1 | T2 | T3 | T4]]: ...
@overload
def at_least(
    k: int, a: Exact[X, T1], b: Exact[X, T2], c: Exact[X, T3], d: Exact[X, T4], e: Exact[X, T5], /
) -> Step[X, list[T1 | T2 | T3 | T4 | T5]]: ...
@overload
def at_least(
    k: int,
    a: Exact[X, T1],
    b: Exact[X, T2],
    c: Exact[X, T3],
    d: Exact[X, T4],
    e: Exact[X, T5],
    f: Exact[X, T6],
    /,
) -> Step[X, list[T1 | T2 | T3 | T4 | T5 | T6]]: ...
def at_least(k: int, *steps: Any) -> Any:
    """The first `k` to succeed, on the same input; their results as a list, in the order written."""
    branches = branches_of(steps, "at_least")
    if not isinstance(k, int) or not 1 <= k <= len(branches):  # pyright: ignore[reportUnnecessaryIsInstance]  # users without a checker
        raise TemplateError(f"at_least: {k!r} of {len(branches)} steps; give a number from 1 to {len(branches)}")
    return Step(AtLeast(k=k, branches=branches))


def for_each(
    items: Callable[[A], Iterable[X]], body: Step[X, B], *, limit: int | None = None
) -> Step[A, list[B]]:
    """One parallel body for each item that `items` names; the results in the order of the items.

    `limit` bounds how many run at a time (default: all). The first failure stops the others.
    """
    fn = fn_of(items, "for_each")
    if limit is not None and limit < 1:
        raise TemplateError(f"for_each '{fn.name}': limit is {limit}; give 1 or more, or None for all at once")
    for member in members_of(fn.gives):
        if member in (str, bytes):
            raise TemplateError(
                f"for_each '{fn.name}': goes over a {member.__name__}, one character at a time; "
                "return a list (of one, if that is meant)"
            )
    return Step(ForEach(items=fn, body=node_of(body, f"for_each '{fn.name}'"), limit=limit))


class Switch(Step[A, O], Generic[A, K, O]):
    """One branch of several, chosen by a function of the input; made by `switch(fn)`, grown by `.case`."""

    __slots__ = ()

    node: SwitchNode

    def case(self, value: K, step: Step[A, B]) -> Switch[A, K, O | B]:
        """The branch for one value of the function."""
        place = f"switch '{self.node.label}' case {value!r}"
        checked_name(case_label(value), place)
        if any(value == other and type(value) is type(other) for other, _ in self.node.cases):
            raise TemplateError(f"{place}: is there already; a value has one branch")
        label = case_label(value)
        if label in ("otherwise", *(case_label(other) for other, _ in self.node.cases)):
            raise TemplateError(f"{place}: '{label}' stands in the paths for another branch; use a value that does not")
        _possible(self.node, value, place)
        return Switch(replace(self.node, cases=(*self.node.cases, (value, node_of(step, place)))))

    def otherwise(self, step: Step[A, B]) -> Step[A, O | B]:
        """The branch for every other value."""
        place = f"switch '{self.node.label}' otherwise"
        if self.node.default is not None:
            raise TemplateError(f"{place}: is there already")
        return Step(replace(self.node, default=node_of(step, place)))

    @override
    def __repr__(self) -> str:
        return f"<switch {self.node.label}>"


def switch(fn: Callable[[A], K]) -> Switch[A, K, Never]:
    """Choose a branch by a pure function: `switch(fn).case(v, step).case(w, step).otherwise(step)`.

    Where `fn` returns a Literal, an Enum or a bool, every value needs a case unless there is an `otherwise`.
    """
    return Switch(SwitchNode(fn=fn_of(fn, "switch"), cases=()))


def _possible(node: SwitchNode, value: object, place: str) -> None:
    values = values_of(node.fn.gives)
    if values is not None and value not in values:
        known = ", ".join(repr(v) for v in values)
        raise TemplateError(f"{place}: '{node.fn.name}' never returns it; it returns {known}")
