"""The canonical text of a template, from which its fingerprint is computed. A change alters every fingerprint."""

from __future__ import annotations

from collections.abc import Iterator

from dagger.dsl.nodes import Node
from dagger.dsl.paths import parts


def outline(node: Node, prefix: str = "", depth: int = 0) -> Iterator[str]:
    """One line a construct, indented: kind, name, types and topics; no durations and no function's identity."""
    yield " " * depth + " ".join([type(node).__name__, node.label or "-", *node.details])
    for within, child in parts(node, prefix):
        yield from outline(child, within, depth + 1)
