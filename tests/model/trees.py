"""Trees and plans as values: copied, changed in one place, told, and compared by structure."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import msgspec

from dagger import Template, Topic
from dagger.dsl import nodes
from dagger.dsl.functions import Fn
from dagger.dsl.paths import walk
from dagger.plan.shapes import FailureShape, Many, Mapped, Tagged, Together, Typed
from tests.model.words import Bag, BusinessKey, Note, WorkBag, WorkInt


def told(template: Template[Any, Any]) -> str:
    """A template as it is printed, and what each of its functions is."""
    lines = [str(template)]
    for path, node in walk(template.body):
        found = [getattr(node, field.name) for field in fields(node)]
        lines += [f"{path}: {fn.call!r}" for fn in found if isinstance(fn, Fn)]
    return "\n".join(lines)


def portrait(value: Any) -> Any:
    """A plan as data that is compared by structure; functions and codecs as they are."""
    match value:
        case msgspec.Struct():
            return type(value), {name: portrait(getattr(value, name)) for name in value.__struct_fields__}
        case Typed():
            return value.codec
        case Mapped():
            return value.fn, value.name, value.frozen, portrait(value.inner)
        case Tagged():
            return "one of", portrait(value.options)
        case Together():
            return "all of", portrait(value.items)
        case Many():
            return "many", portrait(value.item)
        case FailureShape():
            return "failure", portrait(value.inner)
        case tuple() | list():
            return [portrait(part) for part in value]
        case dict():
            return {key: portrait(part) for key, part in value.items()}
        case _:
            return value


def rebuilt(value: Any) -> Any:
    """The same tree again, of other objects."""
    match value:
        case nodes.Construct():
            parts = {field.name: rebuilt(getattr(value, field.name)) for field in fields(value)}
            return type(value)(**parts)
        case Fn():
            return Fn(copy.copy(value.call), value.role, {})
        case tuple():
            return tuple(rebuilt(part) for part in value)
        case _:
            return value


Change = Callable[[Any], Iterator[tuple[str, Any]]]


def changes(node: nodes.Workflow) -> Iterator[tuple[str, nodes.Workflow]]:
    """Workflows that differ from one in one place."""
    yield "version", replace(node, version=node.version + 1)
    yield "takes", replace(node, takes=str)
    yield from ((kind, changed) for kind, changed in everywhere(node, changed_here))


def slower(node: nodes.Workflow) -> Iterator[nodes.Workflow]:
    """Workflows that take longer in one place."""
    yield from (changed for _, changed in everywhere(node, slower_here))


def everywhere(node: Any, change: Change) -> Iterator[tuple[str, Any]]:
    """The trees that one change makes of a tree, wherever it is made."""
    yield from change(node)
    for field in fields(node):
        part = getattr(node, field.name)
        yield from ((kind, replace(node, **{field.name: new})) for kind, new in inside(part, change))


def inside(part: Any, change: Change) -> Iterator[tuple[str, Any]]:
    if isinstance(part, nodes.Construct):
        yield from everywhere(part, change)
    elif isinstance(part, tuple):
        for at, one in enumerate(part):
            for kind, new in inside(one, change):
                yield kind, (*part[:at], new, *part[at + 1 :])


def changed_here(node: Any) -> Iterator[tuple[str, Any]]:
    if node.label is not None:
        yield "name", replace(node, name=f"{node.label}-again")
    if isinstance(node, nodes.Command | nodes.Listen):
        yield "topic", replace(node, topic=Topic("another", Note, key=BusinessKey()))
        yield "type of a topic", replace(node, topic=Topic(node.topic.name, Bag, key=BusinessKey()))
    if isinstance(node, nodes.Await):
        yield "signal", replace(node, signal="another")
        yield "type of a signal", replace(node, type=str)
    if isinstance(node, nodes.Task):
        other = WorkInt(0) if isinstance(node.fn.call, WorkBag) else WorkBag(0)
        yield "type of a task", replace(node, name=node.label, fn=Fn(other, "task", {}))
    if isinstance(node, nodes.AtLeast):
        yield "how many", replace(node, k=node.k % len(node.branches) + 1)


def slower_here(node: Any) -> Iterator[tuple[str, Any]]:
    for name in ("pause", "after", "timeout"):
        duration = getattr(node, name, None)
        if duration is not None:
            named = {"name": node.label} if isinstance(node, nodes.Sleep) else {}
            yield name, replace(node, **{name: duration + timedelta(seconds=1)}, **named)
