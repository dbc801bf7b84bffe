"""The kernel of the language: what `expand.py` writes its constructs as, and all that is laid out and interpreted.

Nine forms carry the whole language. A leaf is one operation. A chain is one after the other. `Named` gives steps a
row of the outcome table and no more. A scope bounds steps by triggers. `Ahead` has a listener beside a body, which its
message ends. A fork begins branches side by side, a choice takes one of several, and `Each` begins one body for each
item. Paths are those of the steps as users see them.

A trigger says when something happens to a scope, and what: see `ops.Trigger`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from dagger.codecs import TypeCodec
from dagger.plan import ops
from dagger.plan.shapes import Shape


def _same(shape: Shape) -> Shape:
    return shape


@dataclass(frozen=True, eq=False)
class Leaf:
    """One operation. `kind` is what its row of the outcome table says that it is; empty where it has none."""

    op: type[ops.Op]
    path: str
    kind: str
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    gives: Callable[[Shape], Shape] = _same
    """The shape of its result, by that of its input."""

    @property
    def undoes(self) -> bool:
        """Whether something may have to be run, or waited for, when it is given up."""
        return self.op is ops.Call


@dataclass(frozen=True, eq=False)
class Chain:
    """One after the other; empty, it passes the value on."""

    parts: tuple[Kernel, ...] = ()

    @cached_property
    def undoes(self) -> bool:
        return any(part.undoes for part in self.parts)


@dataclass(frozen=True, eq=False)
class Named:
    """A scope with a row of its own, and nothing else."""

    path: str
    kind: str
    body: Kernel

    @property
    def undoes(self) -> bool:
        return self.body.undoes


@dataclass(frozen=True, eq=False)
class Trigger:
    """When something happens to a scope, and what; `start` is what goes on then, if that is not the body."""

    when: ops.When
    effect: ops.Effect
    start: Kernel | None = None
    tries: ops.RetryRule | None = None
    at_most: int | None = None
    takes: Callable[[Shape], Shape] = _same
    """The shape of what `start` gets, by that of what the scope gets or, when it ends well, gives."""


@dataclass(frozen=True, eq=False)
class Scope:
    """Steps, and what may happen to them as a whole."""

    path: str
    body: Kernel
    triggers: tuple[Trigger, ...] = ()
    head: TypeCodec[Any] | None = None
    """The type by which what enters the body and what it gives are stored, where it begins anew with its result."""
    latest: TypeCodec[Any] | None = None
    """The type by which its input is stored, where that is replaced by what the only step in it answers as `Again`."""
    is_counted: bool = False
    """Whether the row of the steps around says how many rounds there were."""

    @cached_property
    def undoes(self) -> bool:
        """Whether something in it may have to be run when it is given up."""
        aside = any(trigger.effect in (ops.BESIDE, ops.LATER) for trigger in self.triggers)
        starts = (trigger.start for trigger in self.triggers)
        return aside or self.body.undoes or any(start is not None and start.undoes for start in starts)


@dataclass(frozen=True, eq=False)
class Ahead:
    """A body beside which a listener waits: its message ends the body, and the result of the body goes to it."""

    path: str
    body: Kernel
    to: Leaf

    @property
    def undoes(self) -> bool:
        return self.body.undoes


@dataclass(frozen=True, eq=False)
class Fork:
    """Branches side by side: it ends well with so many, and fails when more have failed than may."""

    path: str
    kind: str
    branches: tuple[Kernel, ...]
    needed: int
    spare: int
    row: str = ""
    """What its row of the outcome table says that it is; empty where it has none."""

    @cached_property
    def undoes(self) -> bool:
        return any(branch.undoes for branch in self.branches)


@dataclass(frozen=True, eq=False)
class Choose:
    """One of several, by a pure function. `kind` is what its row says that it is; empty where it has none."""

    path: str
    kind: str
    fn: ops.Pure
    keys: tuple[tuple[type, Any], ...]
    branches: tuple[Kernel, ...]
    """One branch for each key, and one more for all other values, if there is one."""

    @cached_property
    def undoes(self) -> bool:
        return any(branch.undoes for branch in self.branches)


@dataclass(frozen=True, eq=False)
class Each:
    """One body for each item, side by side."""

    path: str
    kind: str
    items: ops.Pure
    item: TypeCodec[Any]
    limit: int | None
    body: Kernel
    collect: bool = False
    """Whether a failure of a body is a result too."""
    enough: int | None = None
    """How many bodies must end well; None for all."""

    @property
    def undoes(self) -> bool:
        return self.body.undoes


Kernel: TypeAlias = Leaf | Chain | Named | Scope | Ahead | Fork | Choose | Each
