"""How steps are named: the path of every construct in a template.

A path joins the names of the enclosing processes, named groups, cases and parallel bodies with the name of the step.
It does not include the template's name.
"""

from __future__ import annotations

from collections.abc import Iterator

from dagger.dsl.labels import case_label
from dagger.dsl.nodes import (
    Chain,
    ForEach,
    Group,
    MatchNode,
    Node,
    Process,
    Repeat,
    SwitchNode,
    Workflow,
    Wrapper,
)


def joined(prefix: str, label: str) -> str:
    """A path with one more segment."""
    return f"{prefix}/{label}" if prefix else label


def inside(node: Node, prefix: str) -> str:
    """The prefix of the paths inside a construct."""
    is_scope = isinstance(node, Group | SwitchNode | MatchNode | Repeat) and node.name
    opens = isinstance(node, Process | ForEach) or is_scope
    return joined(prefix, node.label or "") if opens else prefix


def branches_of_switch(node: SwitchNode, prefix: str) -> Iterator[tuple[str, Node]]:
    """The branches of a switch, each with the prefix of its paths."""
    base = inside(node, prefix)
    for value, branch in node.cases:
        yield joined(base, case_label(value)), branch
    if node.default is not None:
        yield joined(base, "otherwise"), node.default


def branches_of_match(node: MatchNode, prefix: str) -> Iterator[tuple[str, Node]]:
    """The branches of a match, each with the prefix of its paths."""
    base = inside(node, prefix)
    return ((joined(base, label), branch) for label, branch in zip(node.labels, node.children, strict=True))


def parts(node: Node, prefix: str) -> Iterator[tuple[str, Node]]:
    """The constructs directly inside, each with the prefix of its paths."""
    if isinstance(node, SwitchNode):
        return branches_of_switch(node, prefix)
    if isinstance(node, MatchNode):
        return branches_of_match(node, prefix)
    within = inside(node, prefix)
    return ((within, child) for child in node.children)


def walk(node: Node, prefix: str = "") -> Iterator[tuple[str, Node]]:
    """Every construct of a tree that has a name, with its path, in the order written."""
    if node.label is not None:
        yield joined(prefix, node.label), node
    for within, child in parts(node, prefix):
        if isinstance(child, Workflow):  # it has an instance of its own, with its own paths
            yield joined(within, child.label or ""), child
        else:
            yield from walk(child, within)


def placed(node: Node, prefix: str = "") -> Iterator[tuple[str, Node]]:
    """Every construct of a tree with the prefix of its path, in the order written; of child workflows only the step."""
    yield prefix, node
    for within, child in parts(node, prefix):
        if isinstance(child, Workflow):
            yield within, child
        else:
            yield from placed(child, within)


def place_of(node: Node, prefix: str) -> str:
    """The path that an error of a construct names: its own, or that of the content of a bound or a chain."""
    if node.label is not None:
        return joined(prefix, node.label)
    if isinstance(node, Wrapper):
        return place_of(node.body, prefix)
    if isinstance(node, MatchNode):
        return joined(prefix, " | ".join(node.labels) or "match")
    named = [child for child in _leaves(node) if child.label is not None]
    if not named:
        return prefix
    ends = [named[0].label or "", named[-1].label or ""]
    return joined(prefix, ends[0] if len(named) == 1 else "..".join(ends))


def _leaves(node: Node) -> tuple[Node, ...]:
    return node.steps if isinstance(node, Chain) else node.children
