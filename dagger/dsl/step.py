"""`Step[I, O]`: the one type of the language, and its operators.

A step wraps a `Node` and adds nothing but types: every method builds another node. The signatures rest on these
techniques (methods that begin with `_` exist for type checkers, and are never called):

* `Runs` is what a place in a workflow accepts: anything that takes the value there. It is a protocol, so that a
  `Pass` (a sleep) fits with its result in that place, which is its input.
* `Exact` pins the input of a step from both sides, so that mypy too refuses groups of steps with different inputs. It
  would solve a contravariant type variable alone to Never. `Loose` does not pin the input of a step that takes
  anything.
* `X | Nil`, where nothing ever solves `Nil`, is `X`, and keeps mypy from inferring `X` from the use of a result:
  `gives_a_subclass >> any_of(a, b)`.
* A default of Any for a result is used only where steps do not fit: mypy then reports that, and does not also ask for
  an annotation.
* `__rand__` and `__ror__` allow a left side of a group that accepts more than the right side.
* `Both` carries the members of an `&` chain, so that the chain stays one flat tuple.

The laws: `(a >> b) >> c == a >> (b >> c)`; `a & b & c == all_of(a, b, c)`; `a | b | c == any_of(a, b, c)`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, Never, Protocol, Self, TypeAlias, overload

from typing_extensions import TypeVar, TypeVarTuple, override

from dagger.dsl.build import (
    chained,
    checked_duration,
    checked_kinds,
    checked_name,
    grouped,
    node_of,
    shallow,
    step_or_function,
    step_or_handler,
)
from dagger.dsl.functions import fn_of
from dagger.dsl.nodes import AllOf, AnyOf, Apply, Bounded, Compensated, Hooked, Node, Recovered, Retried, renamed
from dagger.dsl.values import Failure, Retry
from dagger.errors import TemplateError

I = TypeVar("I", contravariant=True)  # the letter that the docs use
O = TypeVar("O", covariant=True)
A = TypeVar("A")
B = TypeVar("B", default=Any)
J = TypeVar("J")
X = TypeVar("X")
Xi = TypeVar("Xi")
Nil = TypeVar("Nil", default=Never)
Ic = TypeVar("Ic", contravariant=True)
Oc = TypeVar("Oc", covariant=True)
Ts = TypeVarTuple("Ts")

Errors: TypeAlias = "type[BaseException] | tuple[type[BaseException], ...]"
"""Exception classes; an empty tuple stands for all of them."""

__all__ = ["Both", "Exact", "Loose", "Nil", "Pass", "Runs", "Step", "both_of", "step_of"]


class Runs(Protocol[Ic, Oc]):
    """Takes an `Ic` and ends with an `Oc`: a step, or a pass, which ends with its input."""

    def _runs(self, value: Ic, /) -> Oc: ...


class Exact(Protocol[Xi, Oc]):
    """A step seen with its input pinned from both sides, so that a solver cannot widen or narrow it."""

    def _takes(self, value: Xi, /) -> None: ...
    def _pins(self, value: Xi, /) -> tuple[Xi, Oc]: ...


class Loose(Protocol[Xi, Oc]):
    """Like `Exact`, but a step that takes anything fits whatever the other members of its group take."""

    def _takes(self, value: Xi, /) -> None: ...
    def _bends(self, value: Xi, /) -> tuple[Xi, Oc]: ...


class Step(Generic[I, O]):
    """A typed piece of a workflow that takes an `I` and ends with an `O`; an immutable value.

    Steps are equal if they are built in the same way from the same functions and topics. Composing them
    runs nothing.
    """

    __slots__ = ("node",)

    node: Node

    def __init__(self, node: Node) -> None:
        object.__setattr__(self, "node", shallow(node))

    @override
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{self!r} is a value and cannot be changed; compose another step")

    @override
    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{self!r} is a value and cannot be changed; compose another step")

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Step) and self.node == other.node

    @override
    def __hash__(self) -> int:
        return hash(self.node)

    @override
    def __repr__(self) -> str:
        return f"<step {self.node.label or type(self.node).__name__}>"

    def _runs(self, value: I, /) -> O:
        raise NotImplementedError

    def _takes(self, value: I, /) -> None:
        raise NotImplementedError

    def _pins(self, value: I, /) -> tuple[I, O]:
        raise NotImplementedError

    @overload
    def _bends(self: Step[object, X], value: J, /) -> tuple[J, X]: ...
    @overload
    def _bends(self, value: I, /) -> tuple[I, O]: ...
    def _bends(self, value: Any, /) -> Any:
        raise NotImplementedError

    @overload
    def __rshift__(self, other: Pass[Never]) -> Step[I, O]: ...
    @overload
    def __rshift__(self, other: Runs[O, B]) -> Step[I, B]: ...
    def __rshift__(self, other: Any) -> Any:
        """One after the other: `other` takes the result of this step. As a method: `then_do`."""
        return step_of(chained(self.node, node_of(other, ">>")))

    then_do = __rshift__

    if not TYPE_CHECKING:  # checkers refuse anything but a step on the left; at run time the error has the remedy

        def __rrshift__(self, other: object) -> Node:
            return node_of(other, ">>")

    @overload
    def __and__(self: Step[A, X], other: Pass[Never]) -> Both[A, X, A]: ...
    @overload
    def __and__(self: Step[A, X], other: Runs[A, B]) -> Both[A, X, B]: ...
    def __and__(self, other: Any) -> Any:
        """Both in parallel, on the same input. As a function: `all_of`."""
        return both_of(grouped(AllOf, self.node, node_of(other, "&")))

    @overload
    def __rand__(self: Step[A, X], other: Both[A, *Ts]) -> Both[A, *Ts, X]: ...  # type: ignore[misc]  # where `&` does not fit
    @overload
    def __rand__(self: Step[A, X], other: Step[A, B]) -> Both[A, B, X]: ...  # type: ignore[misc]  # where `&` does not fit
    def __rand__(self, other: Any) -> Any:
        """`other & self` where `other` accepts more than this step; at run time, where `other` is not a step."""
        return both_of(grouped(AllOf, node_of(other, "&"), self.node))

    @overload
    def __or__(self: Step[object, X], other: Pass[Never]) -> Pass[X]: ...
    @overload
    def __or__(self: Step[A, X], other: Pass[Never]) -> Step[A, X | A]: ...
    @overload
    def __or__(self: Step[A, X], other: Runs[A, B]) -> Step[A, X | B]: ...
    def __or__(self, other: Any) -> Any:
        """The first to succeed, on the same input. As a function: `any_of`."""
        return step_of(grouped(AnyOf, self.node, node_of(other, "|")))

    def __ror__(self: Step[A, X], other: Step[A, B]) -> Step[A, B | X]:  # type: ignore[misc]  # where `|` does not fit
        """`other | self` where `other` accepts more than this step; at run time, where `other` is not a step."""
        return Step(grouped(AnyOf, node_of(other, "|"), self.node))

    def then(self, fn: Callable[[O], B]) -> Step[I, B]:
        """Apply a pure function to the result; applied again whenever the value is loaded."""
        return Step(chained(self.node, Apply(fn=fn_of(fn, "then"))))

    def retry(self, policy: Retry) -> Step[I, O]:
        """Retry the step with its input when it fails."""
        if not isinstance(policy, Retry):  # pyright: ignore[reportUnnecessaryIsInstance]  # users without a checker
            raise TemplateError(f"{self!r}.retry: expects a Retry(...), got {policy!r}")
        return Step(Retried(body=self.node, policy=policy))

    @overload
    def timeout(self, after: timedelta) -> Step[I, O]: ...
    @overload
    def timeout(self: Step[A, X], after: timedelta, *, otherwise: Runs[A, B] | Callable[[A], B]) -> Step[A, X | B]: ...
    @overload
    def timeout(
        self: Step[object, X], after: timedelta, *, otherwise: Runs[A, B] | Callable[[A], B]
    ) -> Step[A, X | B]: ...
    def timeout(self, after: timedelta, *, otherwise: Any = None) -> Any:
        """Bound the duration of the step. When it is exceeded, `otherwise` computes the result, or the step fails."""
        bound = checked_duration(after, f"{self!r}.timeout")
        answer = step_or_function(otherwise, f"otherwise of {self!r}.timeout")
        return step_of(Bounded(body=self.node, after=bound, otherwise=answer))

    @overload
    def recover(
        self: Step[A, X], handler: Runs[Failure[A], B] | Callable[[Failure[A]], B], *, on: Errors = ...
    ) -> Step[A, X | B]: ...
    @overload
    def recover(
        self: Step[object, X], handler: Runs[Failure[A], B] | Callable[[Failure[A]], B], *, on: Errors = ...
    ) -> Step[A, X | B]: ...
    def recover(self, handler: Any, *, on: Errors = ()) -> Any:
        """Handle a failure of the step with another step, which takes a `Failure` with the input and the error."""
        kinds = checked_kinds(on, f"{self!r}.recover")
        return step_of(Recovered(body=self.node, handler=step_or_handler(handler, ".recover"), on=kinds))

    @overload
    def compensate(self, undo: Runs[O, object], *, attempted: None = None) -> Step[I, O]: ...
    @overload
    def compensate(self: Exact[A, X], undo: Runs[X, object], *, attempted: Runs[A, object]) -> Step[A, X]: ...
    @overload
    def compensate(self: Step[object, X], undo: Runs[X, object], *, attempted: Runs[A, object]) -> Step[A, X]: ...
    def compensate(self, undo: Any, *, attempted: Any = None) -> Any:
        """Undo the step with another step, which takes its result, when what is around is given up after it.

        `attempted` takes the input instead, and runs where the step began and then failed or was stopped. Undos run one
        after the other, the last first, before anything goes on.
        """
        place = f"{self!r}.compensate"
        tried = None if attempted is None else node_of(attempted, f"attempted of {place}")
        return step_of(Compensated(body=self.node, undo=node_of(undo, place), attempted=tried))

    @overload
    def on_stop(self: Exact[A, X], hook: Runs[A, object]) -> Step[A, X]: ...
    @overload
    def on_stop(self: Step[object, X], hook: Runs[A, object]) -> Step[A, X]: ...
    def on_stop(self, hook: Any) -> Any:
        """Run another step, which takes the input, when the step is stopped while it executes.

        It does not run when the step fails or ends well.
        """
        return step_of(Hooked(body=self.node, hook=node_of(hook, f"{self!r}.on_stop")))

    def named(self, name: str) -> Self:
        """The same step with another name in its path; a chain becomes a scope with that name."""
        return type(self)(renamed(self.node, checked_name(name, f"{self!r}.named")))


class Both(Step[I, tuple[*Ts]], Generic[I, *Ts]):
    """Steps in parallel; another `&` makes the tuple longer instead of nesting it."""

    __slots__ = ()

    if TYPE_CHECKING:

        @overload  # type: ignore[override]  # flat
        def __and__(self: Both[A, *Ts], other: Pass[Never]) -> Both[A, *Ts, A]: ...
        @overload
        def __and__(self: Both[A, *Ts], other: Runs[A, B]) -> Both[A, *Ts, B]: ...
        @override
        def __and__(self, other: Any) -> Any: ...

    @override
    def named(self, name: str) -> Step[I, tuple[*Ts]]:  # type: ignore[override]  # a named group is closed
        """The same group as a scope with that name; `&` no longer extends it."""
        return Step(renamed(self.node, checked_name(name, f"{self!r}.named")))


class Pass(Step[object, O]):
    """A step that takes anything and passes it on unchanged, like a sleep, or else returns an `O`.

    `Pass[Never]` is a sleep; a `Pass[M]` is a sleep beside a wait for an `M`. Only type checkers distinguish it from a
    `Step`, and as a `Step` it is one from `object` to `O`. It overrides every method that depends on this.
    """

    __slots__ = ()

    if TYPE_CHECKING:

        @override
        def _runs(self, value: J, /) -> J | O: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # see above

        @override
        def _pins(self, value: J, /) -> tuple[J, J | O]: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # see above

        @override
        def _bends(self, value: J, /) -> tuple[J, J | O]: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # see above

        @overload  # type: ignore[override]  # see above
        def __rshift__(self, other: Pass[Never]) -> Self: ...
        @overload
        def __rshift__(self, other: Step[A | O, B]) -> Step[A, B]: ...
        @override
        def __rshift__(self, other: Any) -> Any: ...  # pyright: ignore[reportIncompatibleMethodOverride]  # see above

        then_do = __rshift__  # type: ignore[assignment]  # see above

        @overload  # type: ignore[override]  # see above
        def __and__(self, other: Pass[Never]) -> Both[object, object, object]: ...
        @overload
        def __and__(self, other: Step[A, B]) -> Both[A, A | O, B]: ...
        @override
        def __and__(self, other: Any) -> Any: ...  # pyright: ignore[reportIncompatibleMethodOverride]  # see above

        @overload  # type: ignore[override]  # see above
        def __or__(self, other: Pass[Never]) -> Self: ...
        @overload
        def __or__(self, other: Step[object, B]) -> Pass[O | B]: ...
        @overload
        def __or__(self, other: Step[A, B]) -> Step[A, A | O | B]: ...
        @override
        def __or__(self, other: Any) -> Any: ...  # pyright: ignore[reportIncompatibleMethodOverride]  # see above

        @override
        def then(self, fn: Callable[[A | O], B]) -> Step[A, B]: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # see above

        @override
        def retry(self, policy: Retry) -> Self: ...

        @overload  # type: ignore[override]  # see above
        def timeout(self, after: timedelta) -> Self: ...
        @overload
        def timeout(self, after: timedelta, *, otherwise: Runs[A, B] | Callable[[A], B]) -> Step[A, A | O | B]: ...
        @override
        def timeout(self, after: timedelta, *, otherwise: Any = None) -> Any: ...  # pyright: ignore[reportIncompatibleMethodOverride]  # see above

        @overload  # type: ignore[override]  # see above
        def compensate(self, undo: Pass[Never], *, attempted: Pass[Never] | None = None) -> Self: ...
        @overload
        def compensate(
            self, undo: Step[A | O, object], *, attempted: Exact[A, object] | None = None
        ) -> Step[A, A | O]: ...
        @overload
        def compensate(self, undo: Pass[Never], *, attempted: Step[A, object]) -> Step[A, A | O]: ...
        @override
        def compensate(self, undo: Any, *, attempted: Any = None) -> Any: ...  # pyright: ignore[reportIncompatibleMethodOverride]  # see above

        @overload  # type: ignore[override]  # see above
        def on_stop(self, hook: Pass[Never]) -> Self: ...
        @overload
        def on_stop(self, hook: Step[A, object]) -> Step[A, A | O]: ...
        @override
        def on_stop(self, hook: Any) -> Any: ...  # pyright: ignore[reportIncompatibleMethodOverride]  # see above

        @override
        def recover(  # type: ignore[override]  # see above
            self, handler: Runs[Failure[A], B] | Callable[[Failure[A]], B], *, on: Errors = ...
        ) -> Step[A, A | O | B]: ...


def step_of(node: Node) -> Any:
    """A step with the types that an overload declares."""
    step: Step[Any, Any] = Step(node)
    return step


def both_of(node: Node) -> Any:
    """A group with the types that an overload declares."""
    both: Both[Any, *tuple[Any, ...]] = Both(node)
    return both
