"""The constructs that have branches side by side."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from typing_extensions import override

from dagger.dsl.leaf_nodes import Construct

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
