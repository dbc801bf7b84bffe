"""The workflow as an immutable tree: what the typed `Step` wraps and what every interpreter walks.

One frozen class a construct, which answers what others ask of it (see `leaf_nodes.py`). `Node` is the closed union of
them. Trees are compared and hashed by structure, functions by identity. A chain is flat, so a template of 10,000 steps
is walked without recursion; nesting is bounded (`DEPTH_MAX`), so recursion over nesting is safe.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final, TypeAlias, get_args

from typing_extensions import override

from dagger.dsl.functions import MISSING, Fn, first_of, hint_text, list_of, tuple_of, union_of
from dagger.dsl.group_nodes import AllOf as AllOf
from dagger.dsl.group_nodes import AnyOf as AnyOf
from dagger.dsl.group_nodes import AtLeast as AtLeast
from dagger.dsl.group_nodes import Group as Group
from dagger.dsl.group_nodes import Race as Race
from dagger.dsl.group_nodes import or_failure
from dagger.dsl.labels import case_label
from dagger.dsl.leaf_nodes import Apply as Apply
from dagger.dsl.leaf_nodes import Await as Await
from dagger.dsl.leaf_nodes import Call as Call
from dagger.dsl.leaf_nodes import Command as Command
from dagger.dsl.leaf_nodes import Construct as Construct
from dagger.dsl.leaf_nodes import Listen as Listen
from dagger.dsl.leaf_nodes import Pure as Pure
from dagger.dsl.leaf_nodes import Sleep as Sleep
from dagger.dsl.leaf_nodes import Task as Task
from dagger.dsl.leaf_nodes import Until as Until
from dagger.dsl.loop_nodes import Repeat as Repeat
from dagger.dsl.loop_nodes import Skippable as Skippable
from dagger.dsl.loop_nodes import Wrapper as Wrapper
from dagger.dsl.match_nodes import MatchNode as MatchNode
from dagger.dsl.values import Failure, Retry

DEPTH_MAX: Final = 64
"""How deep processes, groups and bounds may be nested in one template."""


@dataclass(frozen=True, kw_only=True)
class Chain(Construct):
    """One after the other; flat."""

    steps: tuple[Node, ...]

    @property
    @override
    def children(self) -> tuple[Node, ...]:
        return self.steps

    @property
    @override
    def input_type(self) -> Any:
        return first_of(step.input_type for step in self._up_to_first_result())

    @property
    @override
    def passes(self) -> bool:
        return all(step.passes for step in self.steps)

    @property
    @override
    def ends_well(self) -> bool:
        return self.steps[-1].ends_well

    @override
    def result_type(self, takes: Any) -> Any:
        for step in self.steps:
            takes = step.result_type(takes)
        return takes

    def _up_to_first_result(self) -> Iterator[Node]:
        """The steps that see the chain's own input: up to the first that replaces it."""
        for step in self.steps:
            yield step
            if not step.passes:
                return


@dataclass(frozen=True, kw_only=True)
class Process(Construct):
    """A named scope, optionally with a longest duration and an alternative for when it is exceeded."""

    body: Node
    timeout: timedelta | None = None
    otherwise: Node | None = None

    @property
    @override
    def children(self) -> tuple[Node, ...]:
        return (self.body,) if self.otherwise is None else (self.body, self.otherwise)

    @property
    @override
    def passes(self) -> bool:
        return self.otherwise is None and self.body.passes

    @override
    def result_type(self, takes: Any) -> Any:
        return union_of(child.result_type(takes) for child in self.children)


@dataclass(frozen=True, kw_only=True)
class SwitchNode(Construct):
    """One of several branches, chosen by a pure function of the input."""

    fn: Fn
    cases: tuple[tuple[Any, Node], ...]
    default: Node | None = None

    @property
    @override
    def label(self) -> str:
        return self.name or self.fn.name

    @property
    @override
    def children(self) -> tuple[Node, ...]:
        branches = tuple(branch for _, branch in self.cases)
        return branches if self.default is None else (*branches, self.default)

    @property
    @override
    def input_type(self) -> Any:
        return first_of([self.fn.takes(), *(child.input_type for child in self.children)])

    @override
    def result_type(self, takes: Any) -> Any:
        return union_of(child.result_type(takes) for child in self.children)

    @property
    @override
    def details(self) -> Iterable[str]:
        yield "cases=" + ",".join(case_label(value) for value, _ in self.cases)


@dataclass(frozen=True, kw_only=True)
class ForEach(Construct):
    """One parallel body for each item; the results as a list."""

    items: Fn
    body: Node
    limit: int | None = None
    collect: bool = False
    """Whether a failure of a body is a result too."""
    enough: int | None = None
    """How many bodies must succeed; None for all."""

    @property
    @override
    def label(self) -> str:
        return self.name or self.items.name

    @property
    @override
    def children(self) -> tuple[Node, ...]:
        return (self.body,)

    @property
    @override
    def input_type(self) -> Any:
        return self.items.takes()

    @property
    @override
    def details(self) -> Iterable[str]:
        if self.collect:
            yield "collect"
        if self.enough is not None:
            yield f"enough={self.enough}"

    @override
    def result_type(self, takes: Any) -> Any:
        item = first_of(get_args(self.items.gives))
        gives = self.body.result_type(item)
        return list_of(or_failure(gives, item) if self.collect else gives)


@dataclass(frozen=True, kw_only=True)
class Retried(Wrapper):
    """A step that is retried when it fails."""

    policy: Retry

    @property
    @override
    def passes(self) -> bool:
        return self.body.passes


@dataclass(frozen=True, kw_only=True)
class Bounded(Wrapper):
    """A step with a longest duration."""

    after: timedelta
    otherwise: Node | None = None

    @property
    @override
    def children(self) -> tuple[Node, ...]:
        return (self.body,) if self.otherwise is None else (self.body, self.otherwise)

    @property
    @override
    def passes(self) -> bool:
        return self.otherwise is None and self.body.passes

    @override
    def result_type(self, takes: Any) -> Any:
        return union_of(child.result_type(takes) for child in self.children)


@dataclass(frozen=True, kw_only=True)
class Recovered(Wrapper):
    """A step whose failure is handled by another step; `on` are the classes of the errors that it handles."""

    handler: Node
    on: tuple[type[BaseException], ...] = ()

    @property
    @override
    def children(self) -> tuple[Node, ...]:
        return (self.body, self.handler)

    @override
    def result_type(self, takes: Any) -> Any:
        failure = takes if takes is MISSING else Failure[takes]
        return union_of([self.body.result_type(takes), self.handler.result_type(failure)])


@dataclass(frozen=True, kw_only=True)
class Compensated(Wrapper):
    """A step that another step undoes; `attempted` does so where the step has failed or was stopped."""

    undo: Node
    attempted: Node | None = None

    @property
    @override
    def children(self) -> tuple[Node, ...]:
        return (self.body, self.undo) if self.attempted is None else (self.body, self.undo, self.attempted)

    @property
    @override
    def input_type(self) -> Any:
        return first_of(node.input_type for node in (self.body, self.attempted) if node is not None)

    @property
    @override
    def passes(self) -> bool:
        return self.body.passes

    @property
    @override
    def may_wait(self) -> bool:
        return self.body.may_wait

    @property
    @override
    def is_undone(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class Hooked(Wrapper):
    """A step with another one that is run if it is stopped."""

    hook: Node

    @property
    @override
    def children(self) -> tuple[Node, ...]:
        return (self.body, self.hook)

    @property
    @override
    def passes(self) -> bool:
        return self.body.passes

    @property
    @override
    def may_wait(self) -> bool:
        return self.body.may_wait


@dataclass(frozen=True, kw_only=True)
class KeptNode(Wrapper):
    """A step whose input is given beside its result."""

    @override
    def result_type(self, takes: Any) -> Any:
        return tuple_of([takes, self.body.result_type(takes)])


@dataclass(frozen=True, kw_only=True)
class Workflow(Construct):
    """A template: a body with a name, a business key and a version."""

    body: Node
    key: Fn
    version: int
    takes: Any

    @property
    @override
    def children(self) -> tuple[Node, ...]:
        return (self.body,)

    @property
    @override
    def details(self) -> Iterable[str]:
        yield f"v{self.version} takes={hint_text(self.takes)}"

    @override
    def result_type(self, takes: Any) -> Any:
        return self.body.result_type(self.takes)

    @property
    @override
    def is_undone(self) -> bool:
        return False

    @property
    @override
    def may_wait(self) -> bool:
        return True


Leaf: TypeAlias = Command | Listen | Await | Task | Pure | Sleep | Until | Apply | Workflow
"""The constructs that are a single step, or an instance of their own."""

Node: TypeAlias = (
    Leaf
    | Chain
    | Process
    | AllOf
    | AnyOf
    | AtLeast
    | Race
    | SwitchNode
    | MatchNode
    | ForEach
    | Retried
    | Bounded
    | Recovered
    | Compensated
    | Hooked
    | KeptNode
    | Repeat
    | Skippable
)
"""Every construct. The union is closed: an interpreter that forgets one does not pass the type checkers."""


def renamed(node: Node, name: str) -> Node:
    """The same construct with another name; a bound passes the name on to its step."""
    if isinstance(node, Skippable):
        return Process(name=name, body=node)
    if isinstance(node, Wrapper) and not isinstance(node, Repeat) and not isinstance(node.body, Chain):
        return replace(node, body=renamed(node.body, name))
    if isinstance(node, Chain | Wrapper) and not isinstance(node, Repeat):
        return Process(name=name, body=node)
    return replace(node, name=name)
