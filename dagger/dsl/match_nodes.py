"""The choice between steps by the type of a value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Union

from typing_extensions import override

from dagger.dsl.functions import MISSING, union_of
from dagger.dsl.labels import member_label
from dagger.dsl.leaf_nodes import Construct

if TYPE_CHECKING:
    from dagger.dsl.nodes import Node


@dataclass(frozen=True, kw_only=True)
class MatchNode(Construct):
    """One of several branches, chosen by the member of a union that the input is."""

    cases: tuple[tuple[Any, Node], ...]

    @property
    @override
    def kind(self) -> str:
        return "match"

    @property
    @override
    def children(self) -> tuple[Node, ...]:
        return tuple(branch for _, branch in self.cases)

    @property
    @override
    def input_type(self) -> Any:
        return Union[tuple(member for member, _ in self.cases)] if self.cases else MISSING  # noqa: UP007  # computed

    @override
    def result_type(self, takes: Any) -> Any:
        return union_of(branch.result_type(member) for member, branch in self.cases)

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the members, which are segments of paths."""
        return tuple(member_label(member) for member, _ in self.cases)

    @property
    @override
    def details(self) -> Iterable[str]:
        yield "cases=" + ",".join(self.labels)
