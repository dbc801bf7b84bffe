"""What every construct is, and the constructs that are a single step.

A construct answers what others ask of it: its name, its input, what of it is stored, what its fingerprint reads. So
those who ask know no construct, and a new one is described where it is defined.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any, Never

from typing_extensions import override

from dagger.dsl.functions import MISSING, Fn, first_of, hint_text, is_again, members_of, union_of
from dagger.dsl.labels import short
from dagger.dsl.topics import Topic
from dagger.dsl.values import Again, Limit, Retry

if TYPE_CHECKING:
    from dagger.dsl.nodes import Node


@dataclass(frozen=True, kw_only=True)
class Construct:
    """What all constructs have in common. `name` is the argument of `.named`, else None."""

    name: str | None = None

    @property
    def label(self) -> str | None:
        """The step's name in its path; None if it has no name of its own."""
        return self.name

    @property
    def kind(self) -> str:
        """The name of the kind of step that it is drawn as: see `drawing/kinds.py`."""
        return type(self).__name__.lower()

    @property
    def children(self) -> tuple[Node, ...]:
        """The constructs directly inside, in the order written."""
        return ()

    @property
    def input_type(self) -> Any:
        """The declared type of its input; MISSING if it takes anything."""
        return first_of(child.input_type for child in self.children)

    @property
    def passes(self) -> bool:
        """Whether its result is its input."""
        return False

    @property
    def is_undone(self) -> bool:
        """Whether something in it leaves an undo behind."""
        return any(child.is_undone for child in self.children)

    def result_type(self, takes: Any) -> Any:
        """The declared type of its result, by that of its input; MISSING if that is not known."""
        return takes if self.passes else MISSING

    @property
    def may_wait(self) -> bool:
        """Whether it may stay where it is until an event comes: for a message, a time, a task or another instance."""
        return any(child.may_wait for child in self.children)

    @property
    def ends_well(self) -> bool:
        """Whether anything can follow it."""
        return True

    @property
    def stored(self) -> tuple[Fn, ...]:
        """The functions whose results are stored, by their declared types."""
        return ()

    @property
    def details(self) -> Iterable[str]:
        """What the fingerprint reads of it beside its kind and name."""
        return ()

    @cached_property
    def depth(self) -> int:
        """How deep the tree below is nested: 0 for a leaf."""
        return 1 + max((child.depth for child in self.children), default=-1)


@dataclass(frozen=True, kw_only=True)
class Command(Construct):
    """Publish what `build` returns for the input (or the input itself), and pass the input on."""

    topic: Topic[Any]
    build: Fn | None = None

    @property
    @override
    def label(self) -> str:
        return self.name or (self.build.name if self.build else self.topic.name)

    @property
    @override
    def input_type(self) -> Any:
        return self.build.takes() if self.build else self.topic.type

    @property
    @override
    def passes(self) -> bool:
        return True

    @property
    @override
    def details(self) -> Iterable[str]:
        yield _topic_text(self.topic)


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

    @property
    @override
    def input_type(self) -> Any:
        return first_of(fn.takes() for fn in (self.fold, self.on) if fn)

    @property
    @override
    def stored(self) -> tuple[Fn, ...]:
        return () if self.fold is None else (self.fold,)

    @override
    def result_type(self, takes: Any) -> Any:
        return self.topic.type if self.fold is None else without_again(self.fold.gives)

    @property
    @override
    def may_wait(self) -> bool:
        return True

    @property
    @override
    def details(self) -> Iterable[str]:
        yield f"{_topic_text(self.topic)} on={_given(self.on)} by={_given(self.by)} gives={_folded(self.fold)}"


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

    @property
    @override
    def input_type(self) -> Any:
        return self.fold.takes() if self.fold else MISSING

    @property
    @override
    def stored(self) -> tuple[Fn, ...]:
        return () if self.fold is None else (self.fold,)

    @override
    def result_type(self, takes: Any) -> Any:
        return self.type if self.fold is None else without_again(self.fold.gives)

    @property
    @override
    def may_wait(self) -> bool:
        return True

    @property
    @override
    def details(self) -> Iterable[str]:
        yield f"signal={self.signal} type={hint_text(self.type)} gives={_folded(self.fold)}"


@dataclass(frozen=True, kw_only=True)
class Call(Construct):
    """A function whose result is stored by its declared type."""

    fn: Fn

    @property
    @override
    def label(self) -> str:
        return self.name or self.fn.name

    @property
    @override
    def input_type(self) -> Any:
        return self.fn.takes()

    @property
    @override
    def stored(self) -> tuple[Fn, ...]:
        return (self.fn,)

    @override
    def result_type(self, takes: Any) -> Any:
        return self.fn.gives

    @property
    @override
    def details(self) -> Iterable[str]:
        yield f"gives={hint_text(self.fn.gives)}"


@dataclass(frozen=True, kw_only=True)
class Task(Call):
    """Run a function with side effects."""

    retry: Retry | None = None
    timeout: timedelta | None = None
    limit: Limit | None = None

    @property
    @override
    def may_wait(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class Pure(Call):
    """Call a pure function; `fails` where the step fails with the text that the function returns."""

    fails: bool = False

    @property
    @override
    def kind(self) -> str:
        return "fail" if self.fails else "pure"

    @property
    @override
    def stored(self) -> tuple[Fn, ...]:
        return () if self.fails else (self.fn,)

    @property
    @override
    def ends_well(self) -> bool:
        return not self.fails

    @override
    def result_type(self, takes: Any) -> Any:
        return Never if self.fails else self.fn.gives


@dataclass(frozen=True, kw_only=True)
class Sleep(Construct):
    """Continue after a duration."""

    pause: timedelta

    @property
    @override
    def label(self) -> str:
        return self.name or f"sleep-{short(self.pause)}"

    @property
    @override
    def may_wait(self) -> bool:
        return True

    @property
    @override
    def passes(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class Until(Construct):
    """Continue at the time that the function computes."""

    at: Fn

    @property
    @override
    def kind(self) -> str:
        return "wait_until"

    @property
    @override
    def label(self) -> str:
        return self.name or self.at.name

    @property
    @override
    def may_wait(self) -> bool:
        return True

    @property
    @override
    def input_type(self) -> Any:
        return self.at.takes()

    @property
    @override
    def passes(self) -> bool:
        return True


@dataclass(frozen=True, kw_only=True)
class Apply(Construct):
    """Apply a pure function to a value; applied again whenever the value is loaded."""

    fn: Fn

    @property
    @override
    def label(self) -> None:
        return None

    @property
    @override
    def input_type(self) -> Any:
        return self.fn.takes()

    @override
    def result_type(self, takes: Any) -> Any:
        if self.fn.call is Again:
            return takes if takes is MISSING else Again[takes]
        return self.fn.gives

    @property
    @override
    def details(self) -> Iterable[str]:
        yield "pure"


def without_again(hint: Any) -> Any:
    """The members of an annotation that are no `Again`."""
    return union_of(member for member in members_of(hint) if not is_again(member))


def _topic_text(topic: Topic[Any]) -> str:
    return f"topic={topic.name} carries={hint_text(topic.type)} as={topic.codec.name}"


def _given(fn: Fn | None) -> str:
    return "default" if fn is None else "given"


def _folded(fn: Fn | None) -> str:
    return "message" if fn is None else hint_text(fn.gives)
