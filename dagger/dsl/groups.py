"""The steps that contain steps: processes and switches."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Generic, Never, overload

from typing_extensions import TypeVar, override

from dagger.dsl.build import (
    checked_name,
    node_of,
    optional_duration,
    step_or_function,
)
from dagger.dsl.check import check_scope, values_of
from dagger.dsl.functions import fn_of
from dagger.dsl.labels import case_label
from dagger.dsl.nodes import Process, SwitchNode
from dagger.dsl.step import Pass, Runs, Step, step_of
from dagger.errors import TemplateError

A = TypeVar("A")
B = TypeVar("B", default=Any)
C = TypeVar("C", default=Any)
K = TypeVar("K")
O = TypeVar("O", covariant=True)  # as in Step
X = TypeVar("X")

__all__ = ["Switch", "process", "switch"]


@overload
def process(name: str, body: Pass[Never], *, timeout: timedelta | None = ...) -> Pass[Never]: ...
@overload
def process(name: str, body: Pass[B], *, timeout: timedelta | None = ...) -> Pass[B]: ...
@overload
def process(name: str, body: Step[A, B], *, timeout: timedelta | None = ...) -> Step[A, B]: ...
@overload
def process(
    name: str, body: Pass[X], *, timeout: timedelta, otherwise: Runs[A, C] | Callable[[A], C]
) -> Step[A, A | X | C]: ...
@overload
def process(
    name: str, body: Step[A, B], *, timeout: timedelta, otherwise: Runs[A, C] | Callable[[A], C]
) -> Step[A, B | C]: ...
@overload
def process(
    name: str, body: Step[object, X], *, timeout: timedelta, otherwise: Runs[A, C] | Callable[[A], C]
) -> Step[A, X | C]: ...
def process(name: str, body: Any = None, *, timeout: timedelta | None = None, otherwise: Any = None) -> Any:
    """A named scope: its name is a segment of the paths inside.

    `timeout` is its longest duration. When it is exceeded, what executes is stopped, and `otherwise` (a step, or a
    pure function of the input) provides the result. Without `otherwise` the process fails. Raises TemplateError for
    an empty process, a duplicate name in the scope, or `otherwise` without `timeout`.
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
    return step_of(node)


class Switch(Step[A, O], Generic[A, K, O]):
    """One of several branches, chosen by a function of the input; `switch(fn)` creates it, `.case` adds branches."""

    __slots__ = ()

    node: SwitchNode  # pyright: ignore[reportIncompatibleVariableOverride]  # steps are frozen

    def case(self, value: K, step: Runs[A, B]) -> Switch[A, K, O | B]:
        """The branch for one value of the function."""
        place = f"switch '{self.node.label}' case {value!r}"
        if not isinstance(value, Hashable):
            raise TemplateError(f"{place}: is unhashable; give a value that cannot change")
        checked_name(case_label(value), place)
        if any(value == other and type(value) is type(other) for other, _ in self.node.cases):
            raise TemplateError(f"{place}: is there already; a value has one branch")
        label = case_label(value)
        if label in ("otherwise", *(case_label(other) for other, _ in self.node.cases)):
            raise TemplateError(f"{place}: '{label}' stands in the paths for another branch; use a value that does not")
        _possible(self.node, value, place)
        return Switch(replace(self.node, cases=(*self.node.cases, (value, node_of(step, place)))))

    def otherwise(self, step: Runs[A, B]) -> Step[A, O | B]:
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

    If `fn` returns a Literal, an Enum or a bool, every value needs a case unless there is an `otherwise`.
    """
    return Switch(SwitchNode(fn=fn_of(fn, "switch"), cases=()))


def _possible(node: SwitchNode, value: object, place: str) -> None:
    values = values_of(node.fn.gives)
    if values is not None and not any(value == one and type(value) is type(one) for one in values):
        known = ", ".join(repr(v) for v in values)
        raise TemplateError(f"{place}: '{node.fn.name}' never returns it; it returns {known}")
