"""`skippable`: steps that a message may skip."""

from __future__ import annotations

from typing import Any, Never, overload

from typing_extensions import TypeVar

from dagger.dsl.build import node_of
from dagger.dsl.nodes import Await, Listen, Skippable
from dagger.dsl.paths import place_of
from dagger.dsl.step import Pass, Step, step_of
from dagger.errors import TemplateError

A = TypeVar("A")
B = TypeVar("B", default=Any)

__all__ = ["skippable"]


@overload
def skippable(body: Pass[Never], *, to: Step[A, B]) -> Step[A, B]: ...
@overload
def skippable(body: Step[A, A], *, to: Step[A, B]) -> Step[A, B]: ...
def skippable(body: Any, *, to: Any) -> Any:
    """Steps that the message of a listener or signal `to` skips, whenever it comes.

    `to` listens from the beginning. If its message comes while the body runs, what executes in the body is stopped,
    nothing is undone, and `to` folds the message into the input. If the body ends first, `to` waits with its result.

    Raises TemplateError if `to` is anything else than a listener or a signal.
    """
    inside, listener = node_of(body, "skippable"), node_of(to, "to= of a skippable")
    if not isinstance(listener, Listen | Await):
        place, given = place_of(inside, ""), place_of(listener, "")
        raise TemplateError(
            f"skippable of '{place}': to is '{given}', which is no listener or signal alone; "
            "put what bounds, undoes or follows it around or after the skippable"
        )
    return step_of(Skippable(body=inside, to=listener))
