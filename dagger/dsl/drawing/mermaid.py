"""The graph of a template as a Mermaid flowchart: `template.to_mermaid()`.

Syntax: https://mermaid.js.org/syntax/flowchart.html. Only what every current Mermaid reads is used, and no
HTML but `<br/>`, so that it is drawn alike where scripts and tags are refused, as on GitHub.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final

from dagger.dsl.drawing.diagram import Diagram, Edge, Member, Subgraph, Vertex, diagram_of, subgraphs, vertices
from dagger.dsl.drawing.kinds import KINDS
from dagger.dsl.nodes import Workflow

_SIGN: Final = re.compile(r"[!-+/:-@\[-^`{-~]")


def mermaid(node: Workflow) -> str:
    """A template as a flowchart from top to bottom.

    Mermaid draws up to 50,000 characters and 500 edges, unless its `maxTextSize` and `maxEdges` say more.
    """
    return "\n".join(_lines(diagram_of(node))) + "\n"


def ids(diagram: Diagram) -> Mapping[str, str]:
    """The id in Mermaid of every vertex and subgraph, by its id in the diagram (its path, for a step)."""
    found, taken = dict[str, str](), set[str]()
    for own in _own_ids(diagram.members):
        base = "s_" + re.sub(r"\W", "_", own.lstrip("/").replace("/", "__"), flags=re.ASCII)
        found[own] = _free(base, taken)
        taken.add(found[own])
    return found


def _own_ids(members: tuple[Member, ...]) -> Iterator[str]:
    for member in members:
        yield member.id
        if isinstance(member, Subgraph):
            yield from _own_ids(member.members)


def _free(base: str, taken: set[str]) -> str:
    name, number = base, 1
    while name in taken:
        number += 1
        name = f"{base}_{number}"
    return name


def _lines(diagram: Diagram) -> Iterator[str]:
    names = ids(diagram)
    yield from ("---", f"title: {json.dumps(diagram.title, ensure_ascii=False)}", "---", "flowchart TD")
    yield from _members(diagram.members, names, "    ")
    yield from (f"    {_edge(edge, names)}" for edge in diagram.edges)
    yield from _classes(diagram, names)


def _classes(diagram: Diagram, names: Mapping[str, str]) -> Iterator[str]:
    """The colours of the kinds in use; a frame has no fill, so that it suits a light and a dark page."""
    used = {vertex.kind for vertex in vertices(diagram.members)}
    for name, kind in KINDS.items():
        if kind.hue is not None and name in used:
            yield f"    classDef {name} fill:{kind.hue.fill},stroke:{kind.hue.stroke},color:{kind.hue.ink}"
    frames = ",".join(names[subgraph.id] for subgraph in subgraphs(diagram.members))
    if frames:
        yield from ("    classDef frame fill:none,stroke:#94a3b8", f"    class {frames} frame")


def _members(members: tuple[Member, ...], names: Mapping[str, str], indent: str) -> Iterator[str]:
    for member in members:
        if isinstance(member, Vertex):
            yield indent + _vertex(member, names[member.id])
            continue
        yield f'{indent}subgraph {names[member.id]}["{_text(member.label)}"]'
        yield from _members(member.members, names, indent + "    ")
        yield f"{indent}end"


def _vertex(vertex: Vertex, name: str) -> str:
    kind = KINDS[vertex.kind]
    opens, closes = kind.mermaid
    lines = "<br/>".join(_text(line) for line in vertex.lines)
    return f'{name}{opens}"{lines}"{closes}' + (f":::{vertex.kind}" if kind.hue else "")


def _edge(edge: Edge, names: Mapping[str, str]) -> str:
    arrow = "-.->" if edge.dashed else "-->"
    label = f'|"{_text(edge.label)}"|' if edge.label else ""
    return f"{names[edge.leaving or edge.source]} {arrow}{label} {names[edge.target]}"


def _text(text: str) -> str:
    """A text in which of the signs of ASCII only `_ , . -` stand for themselves: `"` is `#34;`."""
    return _SIGN.sub(lambda sign: f"#{ord(sign[0])};", text)
