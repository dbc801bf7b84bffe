"""What is put around a step: the loop, whose steps begin anew, and what a message may skip."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from typing_extensions import override

from dagger.dsl.functions import MISSING, Fn, first_of, is_again, members_of, union_of
from dagger.dsl.leaf_nodes import Construct, without_again

if TYPE_CHECKING:
    from dagger.dsl.nodes import Node


@dataclass(frozen=True, kw_only=True)
class Wrapper(Construct):
    """What is put around a step, and takes the name of that step."""

    body: Node

    @property
    @override
    def children(self) -> tuple[Node, ...]:
        return (self.body,)

    @override
    def result_type(self, takes: Any) -> Any:
        return self.body.result_type(takes)


@dataclass(frozen=True, kw_only=True)
class Repeat(Wrapper):
    """A loop: the body begins anew with its result until a function of it is true, or else while it gives `Again`."""

    until: Fn | None = None
    at_most: int | None = None

    @override
    def result_type(self, takes: Any) -> Any:
        gives = self.body.result_type(takes)
        return without_again(gives) if self.until is None else first_of([gives, takes])

    @property
    def head_type(self) -> Any:
        """The declared type of what begins each of its rounds; MISSING if it is not known."""
        takes = self.body.input_type
        gives = self.body.result_type(takes)
        if self.until is not None:
            return first_of([gives, takes, self.until.takes()])
        given = [first_of([*get_args(member), takes]) for member in members_of(gives) if is_again(member)]
        return union_of(given) if given else takes

    @property
    def gives_again(self) -> bool:
        """Whether its body may give `Again`, as far as its type is known."""
        gives = self.body.result_type(self.body.input_type)
        return gives is MISSING or any(is_again(member) for member in members_of(gives))

    @property
    @override
    def details(self) -> Iterable[str]:
        yield "until=" + ("default" if self.until is None else "given")


@dataclass(frozen=True, kw_only=True)
class Skippable(Wrapper):
    """Steps that a message may skip: the listener `to` waits beside them from the beginning."""

    to: Node

    @property
    @override
    def children(self) -> tuple[Node, ...]:
        return (self.body, self.to)

    @override
    def result_type(self, takes: Any) -> Any:
        return self.to.result_type(first_of([self.body.result_type(takes), takes]))
