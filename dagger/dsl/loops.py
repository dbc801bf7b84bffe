"""`repeat`: steps that begin anew."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Never, overload

from typing_extensions import TypeVar

from dagger.dsl.build import node_of
from dagger.dsl.functions import fn_of
from dagger.dsl.nodes import Repeat
from dagger.dsl.paths import place_of
from dagger.dsl.step import Pass, Step, step_of
from dagger.dsl.values import Again, NotAgain
from dagger.errors import TemplateError

A = TypeVar("A")
# Solved as a whole: see `leaves.py`.
Result = TypeVar("Result", bound=NotAgain | None)

__all__ = ["repeat"]


@overload
def repeat(body: Step[A, Result | Again[A]], *, until: None = ..., at_most: int | None = ...) -> Step[A, Result]: ...
@overload
def repeat(body: Pass[Never], *, until: Callable[[A], bool], at_most: int | None = ...) -> Step[A, A]: ...
@overload
def repeat(body: Step[A, A], *, until: Callable[[A], bool], at_most: int | None = ...) -> Step[A, A]: ...
def repeat(body: Any, *, until: Any = None, at_most: int | None = None) -> Any:
    """A loop: run the body again and again, each round with what the round before has given.

    With `until`, a pure function, the body runs until that is true of its result, at least once. Without it, the body
    runs again with `a` while it returns `Again(a)`. `at_most` is the number of rounds after which the step fails with
    `TooManyRounds`.

    Raises TemplateError if nothing in the body ever waits: a loop that only computes, or only publishes, belongs into a
    function.
    """
    inside = node_of(body, "repeat")
    place = f"repeat of '{place_of(inside, '')}'"
    if at_most is not None and (type(at_most) is not int or at_most < 1):
        raise TemplateError(f"{place}: at_most is {at_most!r}; give 1 or more, or None for as many as it takes")
    if inside.is_undone and at_most is None:
        raise TemplateError(
            f"{place}: a step in it has a compensate, and keeps an undo of every round; "
            "give at_most=, the number of rounds that the instance can keep undos of"
        )
    if not inside.may_wait:
        raise TemplateError(
            f"{place}: no path through the body waits for anything, so that it would run round after round at once; "
            "put a task, a sleep, a listener, a signal or a child workflow into it, or write the loop as a function"
        )
    return step_of(
        Repeat(body=inside, until=None if until is None else fn_of(until, "until= of a repeat"), at_most=at_most)
    )
