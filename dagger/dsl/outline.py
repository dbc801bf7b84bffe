"""The canonical text of a template, from which its fingerprint is computed. A change alters every fingerprint."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_never

from dagger import codecs
from dagger.dsl.functions import MISSING, Fn, members_of
from dagger.dsl.labels import case_label
from dagger.dsl.nodes import (
    Apply,
    AtLeast,
    Await,
    Call,
    Chain,
    Command,
    ForEach,
    Group,
    Listen,
    Node,
    Process,
    Sleep,
    SwitchNode,
    Until,
    Workflow,
    Wrapper,
)
from dagger.dsl.paths import parts


def outline(node: Node, prefix: str = "", depth: int = 0) -> Iterator[str]:
    """One line a construct, indented: kind, name, types and topics; no durations and no function's identity."""
    yield " " * depth + " ".join([type(node).__name__, node.label or "-", *_details(node)])
    for within, child in parts(node, prefix):
        yield from outline(child, within, depth + 1)


def _details(node: Node) -> Iterator[str]:
    match node:
        case Workflow():
            yield f"v{node.version} takes={_named(node.takes)}"
        case Command():
            yield _topic(node)
        case Listen():
            yield f"{_topic(node)} on={_given(node.on)} by={_given(node.by)} gives={_gives(node.fold)}"
        case Await():
            yield f"signal={node.signal} type={_named(node.type)} gives={_gives(node.fold)}"
        case Call():
            yield f"gives={_gives(node.fn)}"
        case Apply():
            yield "pure"
        case AtLeast():
            yield f"k={node.k}"
        case SwitchNode():
            yield "cases=" + ",".join(case_label(value) for value, _ in node.cases)
        case Chain() | Sleep() | Until() | Process() | Group() | ForEach() | Wrapper():
            pass
        case _:
            assert_never(node)


def _topic(node: Command | Listen) -> str:
    return f"topic={node.topic.name} carries={_named(node.topic.type)} as={node.topic.codec.name}"


def _given(fn: Fn | None) -> str:
    return "default" if fn is None else "given"


def _gives(fn: Fn | None) -> str:
    return "message" if fn is None else _named(fn.gives)


def _named(hint: Any) -> str:
    if hint is MISSING:
        return "?"
    return " | ".join(getattr(m, "__name__", "") if _is_again(m) else codecs.type_name(m) for m in members_of(hint))


def _is_again(member: Any) -> bool:
    return getattr(member, "__name__", "") == "Again"
