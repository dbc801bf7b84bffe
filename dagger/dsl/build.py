"""Composes steps into larger steps: arguments are validated here, and nothing runs."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any, Final, Protocol, runtime_checkable

from dagger.dsl.functions import fn_of
from dagger.dsl.nodes import DEPTH_MAX, AllOf, AnyOf, Apply, Chain, Node, Pure
from dagger.errors import TemplateError

_BAD_NAME: Final = re.compile(r"[/\x00-\x1f\x7f]")


@runtime_checkable
class HasNode(Protocol):
    """Whatever can be part of a workflow: a step."""

    @property
    def node(self) -> Node: ...


def node_of(step: object, place: str) -> Node:
    """The node of a step that is given at `place`; a TemplateError names any other value."""
    if isinstance(step, HasNode):
        return step.node
    if callable(step):
        name = getattr(step, "__name__", repr(step))
        raise TemplateError(f"{place}: '{name}' is a function, not a step; decorate it with @task, or use .then")
    raise TemplateError(f"{place}: expects a step, got {step!r}")


def shallow(node: Node) -> Node:
    """The node, unless it is nested too deeply to be walked safely. A chain is flat: its parent is checked."""
    if not isinstance(node, Chain) and node.depth > DEPTH_MAX:
        raise TemplateError(
            f"'{node.label or type(node).__name__}' is nested more than {DEPTH_MAX} deep; "
            "write the steps one after the other with >>, or make a part of it a template of its own"
        )
    return node


def step_or_function(given: object, place: str) -> Node | None:
    """`otherwise=`: a step, or a pure function of the input, or nothing."""
    if given is None or isinstance(given, HasNode):
        return None if given is None else node_of(given, place)
    return Apply(fn=fn_of(given, place, depth=3))


def step_or_handler(given: object, place: str) -> Node:
    """A handler: a step, or a pure function of the failure, which is a step with the name of the function."""
    if isinstance(given, HasNode) or not callable(given):
        return node_of(given, place)
    return Pure(fn=fn_of(given, place, depth=3))


def chained(first: Node, second: Node) -> Node:
    """Two steps one after the other, flattened on both sides."""
    steps = _steps(first)
    if not steps[-1].ends_well:
        raise TemplateError(f"{steps[-1].label}: nothing can follow a fail(...); it never ends well")
    return Chain(steps=steps + _steps(second))


def _steps(node: Node) -> tuple[Node, ...]:
    return node.steps if isinstance(node, Chain) else (node,)


def grouped(kind: type[AllOf] | type[AnyOf], first: Node, second: Node) -> Node:
    """Two branches in parallel, flattened on the left, unless the left group is closed."""
    left = first.branches if isinstance(first, kind) and first.is_open else (first,)
    return kind(branches=(*left, second))


def branches_of(steps: tuple[object, ...], place: str) -> tuple[Node, ...]:
    """The nodes of a group, which needs at least two."""
    if len(steps) < 2:
        raise TemplateError(f"{place}: expects two steps or more, got {len(steps)}; one alone needs no group")
    return tuple(node_of(step, place) for step in steps)


def checked_name(name: object, place: str) -> str:
    """A name that can be a segment of a path."""
    if not isinstance(name, str) or not name.strip():
        raise TemplateError(f"{place}: a name is text that is not empty, got {name!r}")
    if _BAD_NAME.search(name):
        raise TemplateError(f"{place}: the name {name!r} holds a '/' or a control character; use another")
    if not name.isprintable() and any(0xD800 <= ord(c) <= 0xDFFF for c in name):
        raise TemplateError(f"{place}: the name {name!r} holds half a character (a lone surrogate); use another")
    return name


def checked_flag(flag: object, place: str) -> bool:
    """True or False."""
    if not isinstance(flag, bool):
        raise TemplateError(f"{place} is {flag!r}; give True or False")
    return flag


def checked_duration(duration: object, place: str) -> timedelta:
    """A duration of zero or more."""
    if not isinstance(duration, timedelta):
        raise TemplateError(f"{place}: expects a timedelta, got {duration!r}; write timedelta(seconds=...)")
    if duration < timedelta(0):
        raise TemplateError(f"{place}: {duration} is negative; give zero or more")
    return duration


def optional_duration(duration: object, place: str) -> timedelta | None:
    """A duration of zero or more, or none."""
    return None if duration is None else checked_duration(duration, place)


def checked_kinds(on: object, place: str) -> tuple[type[BaseException], ...]:
    """Exception classes, given as one or as a tuple; an empty one stands for all."""
    kinds: tuple[Any, ...] = on if isinstance(on, tuple) else (on,)  # pyright: ignore[reportUnknownVariableType]  # a user's value
    if not all(isinstance(kind, type) and issubclass(kind, BaseException) for kind in kinds):
        raise TemplateError(f"{place}: on is {on!r}; give an exception class, or a tuple of several")
    return kinds
