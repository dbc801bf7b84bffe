"""The workflow as an immutable tree: what the typed `Step` wraps and what every interpreter walks.

One frozen class a construct; no behaviour but its name. `Node` is the closed union of them. Trees are compared and
hashed by structure, functions by identity. A chain is flat, so a template of 10,000 steps is walked without recursion;
nesting is bounded (`DEPTH_MAX`), so recursion over nesting is safe.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, Final, TypeAlias

from typing_extensions import override

from dagger.dsl.functions import Fn
from dagger.dsl.labels import short
from dagger.dsl.topics import Topic
from dagger.dsl.values import Limit, Retry

DEPTH_MAX: Final = 64
"""How deep processes, groups and bounds may be nested in one template."""


@dataclass(frozen=True, kw_only=True)
class Construct:
    """What all constructs have in common. `name` is the argument of `.named`, else None."""

    name: str | None = None

    @property
    def label(self) -> str | None:
        """The step's name in its path; None if it has no name of its own."""
        return self.name

    @property
    def children(self) -> tuple[Node, ...]:
        """The constructs directly inside, in the order written."""
        return ()

    @cached_property
    def depth(self) -> int:
        """How deep the tree below is nested: 0 for a leaf."""
        return 1 + max((child.depth for child in self.children), default=-1)


@dataclass(frozen=True, kw_only=True)
class Chain(Construct):
    """One after the other; flat."""

    steps: tuple[Node, ...]

    @property
    @override
    def children(self) -> tuple[Node, ...]:
        return self.steps


@dataclass(frozen=True, kw_only=True)
class Command(Construct):
    """Publish what `build` returns for the input (or the input itself), and pass the input on."""

    topic: Topic[Any]
    build: Fn | None = None

    @property
    @override
    def label(self) -> str:
        return self.name or (self.build.name if self.build else self.topic.name)


@dataclass(frozen=True, kw_only=True)
class Listen(Construct):
    """Wait for a message of a topic whose key matches, and fold it in."""

    topic: Topic[Any]
    fold: Fn | None = None
    on: Fn | None = None
    by: Fn | None = None

    @property
    @override
    def label(self) -> str:
        return self.name or (self.fold.name if self.fold else self.topic.name)


@dataclass(frozen=True, kw_only=True)
class Await(Construct):
    """Wait for a signal sent to this instance, and fold its value in."""

    signal: str
    type: Any
    fold: Fn | None = None

    @property
    @override
    def label(self) -> str:
        return self.name or (self.fold.name if self.fold else self.signal)


@dataclass(frozen=True, kw_only=True)
class Call(Construct):
    """A function whose result is stored by its declared type."""

    fn: Fn

    @property
    @override
    def label(self) -> str:
        return self.name or self.fn.name


@dataclass(frozen=True, kw_only=True)
class Task(Call):
    """Run a function with side effects."""

    retry: Retry | None = None
    timeout: timedelta | None = None
    limit: Limit | None = None


@dataclass(frozen=True, kw_only=True)
class Pure(Call):
    """Call a pure function; `fails` where the step fails with the text that the function returns."""

    fails: bool = False


@dataclass(frozen=True, kw_only=True)
class Sleep(Construct):
    """Continue after a duration."""

    pause: timedelta

    @property
    @override
    def label(self) -> str:
        return self.name or f"sleep-{short(self.pause)}"


@dataclass(frozen=True, kw_only=True)
class Until(Construct):
    """Continue at the time that the function computes."""

    at: Fn

    @property
    @override
    def label(self) -> str:
        return self.name or self.at.name


@dataclass(frozen=True, kw_only=True)
class Apply(Construct):
    """Apply a pure function to a value; applied again whenever the value is loaded."""

    fn: Fn

    @property
    @override
    def label(self) -> None:
        return None


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


@dataclass(frozen=True, kw_only=True)
class AllOf(Group):
    """All of the branches; the results as a tuple."""

    @property
    @override
    def rule(self) -> str:
        return "all"


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


@dataclass(frozen=True, kw_only=True)
class Race(Group):
    """The first branch to end decides, well or badly."""

    @property
    @override
    def rule(self) -> str:
        return "first to end"


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


@dataclass(frozen=True, kw_only=True)
class ForEach(Construct):
    """One parallel body for each item; the results as a list."""

    items: Fn
    body: Node
    limit: int | None = None

    @property
    @override
    def label(self) -> str:
        return self.name or self.items.name

    @property
    @override
    def children(self) -> tuple[Node, ...]:
        return (self.body,)


@dataclass(frozen=True, kw_only=True)
class Wrapper(Construct):
    """What is put around a step, and takes the name of that step."""

    body: Node

    @property
    @override
    def children(self) -> tuple[Node, ...]:
        return (self.body,)


@dataclass(frozen=True, kw_only=True)
class Retried(Wrapper):
    """A step that is retried when it fails."""

    policy: Retry


@dataclass(frozen=True, kw_only=True)
class Bounded(Wrapper):
    """A step with a longest duration."""

    after: timedelta
    otherwise: Node | None = None

    @property
    @override
    def children(self) -> tuple[Node, ...]:
        return (self.body,) if self.otherwise is None else (self.body, self.otherwise)


@dataclass(frozen=True, kw_only=True)
class Recovered(Wrapper):
    """A step whose failure is handled by another step; `on` are the classes of the errors that it handles."""

    handler: Node
    on: tuple[type[BaseException], ...] = ()

    @property
    @override
    def children(self) -> tuple[Node, ...]:
        return (self.body, self.handler)


@dataclass(frozen=True, kw_only=True)
class KeptNode(Wrapper):
    """A step whose input is given beside its result."""


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
    | ForEach
    | Retried
    | Bounded
    | Recovered
    | KeptNode
)
"""Every construct. The union is closed: an interpreter that forgets one does not pass the type checkers."""


def renamed(node: Node, name: str) -> Node:
    """The same construct with another name; a bound passes the name on to its step."""
    if isinstance(node, Wrapper) and not isinstance(node.body, Chain):
        return replace(node, body=renamed(node.body, name))
    if isinstance(node, Chain | Wrapper):
        return Process(name=name, body=node)
    return replace(node, name=name)
