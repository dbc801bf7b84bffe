"""The graph of a template in the DOT language of Graphviz: `template.to_dot()`.

Syntax: https://graphviz.org/doc/info/lang.html. The id of a vertex is its path, also in the SVG that Graphviz
makes of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from dagger.dsl.drawing.diagram import Diagram, Edge, Member, Vertex, diagram_of
from dagger.dsl.drawing.kinds import KINDS
from dagger.dsl.nodes import Workflow

_HEAD: Final = (
    "    compound=true",
    "    labelloc=t",
    '    fontname="Helvetica,Arial,sans-serif"',
    '    node [shape=box, style="rounded,filled", fillcolor="#f1f5f9", color="#64748b"]',
    '    node [fontname="Helvetica,Arial,sans-serif", margin="0.18,0.09"]',
    '    edge [color="#64748b", fontname="Helvetica,Arial,sans-serif", fontsize=11]',
)

_CLUSTER: Final = 'style="rounded"; color="#94a3b8"'


def dot(node: Workflow) -> str:
    """A template as a directed graph with a subgraph for each process."""
    return "\n".join(_lines(diagram_of(node))) + "\n"


def _lines(diagram: Diagram) -> Iterator[str]:
    yield f"digraph {_quoted(diagram.title)} {{"
    yield f"    label={_text(diagram.title)}"
    yield from _HEAD
    yield from _members(diagram.members, "    ")
    yield from (f"    {_edge(edge)}" for edge in diagram.edges)
    yield "}"


def _members(members: tuple[Member, ...], indent: str) -> Iterator[str]:
    for member in members:
        if isinstance(member, Vertex):
            yield indent + _vertex(member)
            continue
        yield f"{indent}subgraph {_quoted('cluster_' + member.id)} {{"
        yield f"{indent}    label={_text(member.label)}; id={_text(member.id)}; {_CLUSTER}"
        yield from _members(member.members, indent + "    ")
        yield f"{indent}}}"


def _vertex(vertex: Vertex) -> str:
    label = _text(*vertex.lines)
    return f"{_quoted(vertex.id)} [id={_text(vertex.id)}, label={label}, {_look(vertex.kind)}]"


def _look(kind: str) -> str:
    found = KINDS[kind]
    colours = f', fillcolor="{found.hue.fill}", color="{found.hue.stroke}"' if found.hue else ""
    return found.dot + colours


def _edge(edge: Edge) -> str:
    given = {
        "label": _text(edge.label) if edge.label else "",
        "style": "dashed" if edge.dashed else "",
        "ltail": _quoted(f"cluster_{edge.leaving}") if edge.leaving else "",
    }
    attributes = ", ".join(f"{name}={value}" for name, value in given.items() if value)
    return f"{_quoted(edge.source)} -> {_quoted(edge.target)}" + (f" [{attributes}]" if attributes else "")


def _quoted(text: str) -> str:
    """A name; a backslash at its end would hide the closing quote, so each is doubled, as in a text."""
    return '"' + _escaped(text) + '"'


def _text(*lines: str) -> str:
    """A text that is shown, or an attribute that is read like one: entities are read in it, so `&` is one."""
    return '"' + "\\n".join(_escaped(line).replace("&", "&amp;") for line in lines) + '"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
