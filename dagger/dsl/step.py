"""`Step[I, O]`: the one type of the language, and its operators.

A step wraps a `Node` and adds nothing but types: every method builds another node. Techniques that the
signatures rest on:

* `Exact` sees a step with its input pinned from both sides, so that groups of steps with different inputs are
  refused by mypy too (a contravariant type variable alone would be solved to Never).
* `Pass` (a sleep) and `ListenerOn` (a raw listener) accept any input, and so override `_pins` and the operators.
* `Both` carries the members of an `&` chain, so that the chain stays one flat tuple.

The laws: `(a >> b) >> c == a >> (b >> c)`; `a & b & c == all_of(a, b, c)`; `a | b | c == any_of(a, b, c)`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Generic, Protocol, overload

from typing_extensions import Never, Self, TypeVar, TypeVarTuple, Unpack, override

from dagger.dsl.build import (
    chained,
    checked_duration,
    checked_name,
    grouped,
    node_of,
    shallow,
    step_or_function,
)
from dagger.dsl.functions import fn_of
from dagger.dsl.nodes import AllOf, AnyOf, Apply, Bounded, Node, Recovered, Retried, renamed
from dagger.dsl.values import Failure, Retry
from dagger.errors import TemplateError

I = TypeVar("I", contravariant=True)  # noqa: E741  # the letter that DESIGN and the docs use
O = TypeVar("O", covariant=True)  # noqa: E741
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
J = TypeVar("J")
X = TypeVar("X")
Xi = TypeVar("Xi")
Oc = TypeVar("Oc", covariant=True)
Ts = TypeVarTuple("Ts")

__all__ = ["Both", "Exact", "Pass", "Step"]


class Exact(Protocol[Xi, Oc]):
    """A step seen with its input pinned from both sides, so that a solver cannot widen or narrow it."""

    def _takes(self, value: Xi, /) -> None: ...
    def _pins(self) -> Xi: ...
    def _gives(self) -> Oc: ...


class Step(Generic[I, O]):
    """A typed piece of a workflow that takes an `I` and ends with an `O`; an immutable value.

    Steps are equal when they are built alike from the same functions and topics. Composing them runs nothing.
    """

    __slots__ = ("node",)

    node: Node

    def __init__(self, node: Node) -> None:
        object.__setattr__(self, "node", shallow(node))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{self!r} is a value and cannot be changed; compose another step")

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

    def _takes(self, value: I, /) -> None:
        raise NotImplementedError

    def _pins(self) -> I:  # type: ignore[misc]  # pyright: ignore[reportGeneralTypeIssues]  # pins the input for Exact; never called
        raise NotImplementedError

    def _gives(self) -> O:
        raise NotImplementedError

    @overload
    def __rshift__(self, other: Pass) -> Step[I, O]: ...
    @overload
    def __rshift__(self, other: Step[O, B]) -> Step[I, B]: ...
    def __rshift__(self, other: Any) -> Any:
        """One after the other: `other` takes what this step gives. In words: `then_do`."""
        return Step(chained(self.node, node_of(other, ">>")))

    then_do = __rshift__

    @overload
    def __and__(self: Step[A, X], other: Pass) -> Both[A, X, A]: ...
    @overload
    def __and__(self: Step[A, X], other: Step[A, B]) -> Both[A, X, B]: ...
    def __and__(self, other: Any) -> Any:
        """Both, side by side, on the same input. In words: `all_of`."""
        return Both(grouped(AllOf, self.node, node_of(other, "&")))

    def __or__(self: Step[A, X], other: Step[A, B]) -> Step[A, X | B]:
        """The first to succeed, on the same input. In words: `any_of`."""
        return Step(grouped(AnyOf, self.node, node_of(other, "|")))

    def then(self, fn: Callable[[O], B]) -> Step[I, B]:
        """Apply a pure function to the result; applied again whenever the value is loaded."""
        return Step(chained(self.node, Apply(fn=fn_of(fn, "then"))))

    def retry(self, policy: Retry) -> Step[I, O]:
        """Try the step again, from its input, when it fails."""
        if not isinstance(policy, Retry):  # pyright: ignore[reportUnnecessaryIsInstance]  # users without a checker
            raise TemplateError(f"{self!r}.retry: wants a Retry(...), got {policy!r}")
        return Step(Retried(body=self.node, policy=policy))

    @overload
    def timeout(self, after: timedelta) -> Step[I, O]: ...
    @overload
    def timeout(
        self: Step[A, X], after: timedelta, *, otherwise: Step[A, B] | Callable[[A], B]
    ) -> Step[A, X | B]: ...
    def timeout(self, after: timedelta, *, otherwise: Any = None) -> Any:
        """Bound how long the step may take. Past it, `otherwise` answers from the input, or the step fails."""
        bound = checked_duration(after, f"{self!r}.timeout")
        answer = step_or_function(otherwise, f"otherwise of {self!r}.timeout")
        return Step(Bounded(body=self.node, after=bound, otherwise=answer))

    def recover(self: Step[A, X], handler: Step[Failure[A], B]) -> Step[A, X | B]:
        """Answer a failure of the step by another step, which takes a `Failure` with the input and the error."""
        return Step(Recovered(body=self.node, handler=node_of(handler, ".recover")))

    def named(self, name: str) -> Self:
        """The same step under another name in its path; a chain becomes a scope of that name."""
        return type(self)(renamed(self.node, checked_name(name, f"{self!r}.named")))


class Both(Step[A, tuple[Unpack[Ts]]], Generic[A, Unpack[Ts]]):
    """Steps side by side; another `&` makes the tuple longer instead of nesting it."""

    __slots__ = ()

    @overload  # type: ignore[override]  # narrower than Step's: the tuple stays flat
    def __and__(self, other: Pass) -> Both[A, Unpack[Ts], A]: ...
    @overload
    def __and__(self, other: Step[A, B]) -> Both[A, Unpack[Ts], B]: ...
    @override
    def __and__(self, other: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]  # as above
        return Both(grouped(AllOf, self.node, node_of(other, "&")))

    @override
    def named(self, name: str) -> Step[A, tuple[Unpack[Ts]]]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # a named group is closed
        """The same group as a scope of that name; `&` no longer makes it longer."""
        return Step(renamed(self.node, checked_name(name, f"{self!r}.named")))


class Pass(Step[object, Never]):
    """A step that takes anything and gives it on unchanged, as a sleep does."""

    __slots__ = ()

    @override
    def _pins(self, *same: J) -> J:  # pyright: ignore[reportInvalidTypeVarUse]  # any input, as Exact sees it
        raise NotImplementedError

    @overload  # type: ignore[override]  # what passes through keeps its type
    def __rshift__(self, other: Pass) -> Pass: ...
    @overload
    def __rshift__(self, other: Step[A, B]) -> Step[A, B]: ...
    @override
    def __rshift__(self, other: Any) -> Any:
        kind = Pass if isinstance(other, Pass) else Step
        return kind(chained(self.node, node_of(other, ">>")))

    @override
    def __and__(self, other: Step[A, B]) -> Both[A, A, B]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]  # as above
        return Both(grouped(AllOf, self.node, node_of(other, "&")))

    @override
    def __or__(self, other: Step[A, B]) -> Step[A, A | B]:  # type: ignore[override]  # as above
        return Step(grouped(AnyOf, self.node, node_of(other, "|")))

    @override
    def then(self, fn: Callable[[A], B]) -> Step[A, B]:  # type: ignore[override]  # as above
        return Step(chained(self.node, Apply(fn=fn_of(fn, "then"))))
