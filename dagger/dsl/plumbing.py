"""Steps that carry values from one step to the next: a pure function, a failure, an input beside a result."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Never, overload

from typing_extensions import TypeVar, override

from dagger.dsl.build import node_of
from dagger.dsl.functions import fn_of
from dagger.dsl.nodes import KeptNode, Pure
from dagger.dsl.step import Pass, Runs, Step, step_of

A = TypeVar("A")
B = TypeVar("B", default=Any)
J = TypeVar("J")
O = TypeVar("O", covariant=True)  # as in Step
X = TypeVar("X")

__all__ = ["Kept", "fail", "keep", "pure"]


class Kept(Step[object, tuple[object, O]]):
    """What `keep` makes of a step that takes anything: the input has the type that it has where the step is placed."""

    __slots__ = ()

    if TYPE_CHECKING:

        @override
        def _runs(self, value: J, /) -> tuple[J, O]: ...

        @override
        def _pins(self, value: J, /) -> tuple[J, tuple[J, O]]: ...

        @override
        def _bends(self, value: J, /) -> tuple[J, tuple[J, O]]: ...

        @override
        def __rshift__(self, other: Runs[tuple[A, O], B]) -> Step[A, B]: ...


def pure(fn: Callable[[A], B], /) -> Step[A, B]:
    """Call a pure function: a step with the function's name, whose result is stored by its declared type.

    It is called once, and never retried. Where nothing has to be stored or seen, `.then` is cheaper.
    """
    return Step(Pure(fn=fn_of(fn, "pure")))


def fail(fn: Callable[[A], str], /) -> Step[A, Never]:
    """Fail with a `BusinessError` that has the text which a pure function returns for the input.

    `.recover(on=BusinessError)` handles it. `.retry` repeats it only where `Retry(on=)` names `BusinessError`. Nothing
    can follow it in a chain.
    """
    return Step(Pure(fn=fn_of(fn, "fail"), fails=True))


@overload
def keep(step: Pass[Never], /) -> Kept[object]: ...
@overload
def keep(step: Step[object, X], /) -> Kept[X]: ...
@overload
def keep(step: Step[A, B], /) -> Step[A, tuple[A, B]]: ...
def keep(step: Any, /) -> Any:
    """A step whose result is a tuple: its input, and what it gives."""
    return step_of(KeptNode(body=node_of(step, "keep")))
