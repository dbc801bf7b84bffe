"""The constructs that have branches side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from dagger.dsl.functions import MISSING, list_of, tuple_of, union_of
from dagger.dsl.leaf_nodes import Construct
from dagger.dsl.values import Failure

if TYPE_CHECKING:
    from dagger.dsl.nodes import Node


@dataclass(frozen=True, kw_only=True)
class Group(Construct):
    """Parallel branches; `needed` of them must succeed."""

    branches: tuple[Node, ...]

    @property
    @override
    def children(self) -> tuple[Node, ...]:
        return self.branches

    @property
    def rule(self) -> str:
        """How its branches join, as drawings show it."""
        raise NotImplementedError

    @property
    def is_open(self) -> bool:
        """Whether another branch may join it."""
        return self.name is None

    @override
    def result_type(self, takes: Any) -> Any:
        return union_of(branch.result_type(takes) for branch in self.branches)


@dataclass(frozen=True, kw_only=True)
class AllOf(Group):
    """All of the branches; the results as a tuple. `collect` where a failure is a result too."""

    collect: bool = False

    @property
    @override
    def rule(self) -> str:
        return "collect all" if self.collect else "all"

    @property
    @override
    def is_open(self) -> bool:
        return self.name is None and not self.collect

    @property
    @override
    def details(self) -> Iterable[str]:
        if self.collect:
            yield "collect"

    @override
    def result_type(self, takes: Any) -> Any:
        gives = [branch.result_type(takes) for branch in self.branches]
        return tuple_of([or_failure(hint, takes) for hint in gives] if self.collect else gives)


@dataclass(frozen=True, kw_only=True)
class AnyOf(Group):
    """The first branch to succeed; its result."""

    @property
    @override
    def rule(self) -> str:
        return "any"


@dataclass(frozen=True, kw_only=True)
class AtLeast(Group):
    """The first k branches to succeed; their results as a list, in the order written."""

    k: int

    @property
    @override
    def rule(self) -> str:
        return f"at least {self.k}"

    @override
    def result_type(self, takes: Any) -> Any:
        return list_of(super().result_type(takes))

    @property
    @override
    def details(self) -> Iterable[str]:
        yield f"k={self.k}"


@dataclass(frozen=True, kw_only=True)
class Race(Group):
    """The first branch to end decides, well or badly."""

    @property
    @override
    def rule(self) -> str:
        return "first to end"


def or_failure(gives: Any, takes: Any) -> Any:
    """The type of a result, or of the failure of what takes a value."""
    return MISSING if takes is MISSING else union_of([gives, Failure[takes]])
