"""A template as a graph: vertices in nested subgraphs, and edges. Mermaid and DOT are written from it.

The id of what has a path is its path, so that a reader of the graph can colour it by an instance's state.
What has none (a fork, a join, a pure function) has an id with `//` in front, which no path has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from dagger.dsl.drawing.elements import (
    Box,
    BranchElement,
    Decision,
    Element,
    Elements,
    Figure,
    ForkElement,
    Frame,
    WithSides,
    notes_text,
    target_text,
)
from dagger.dsl.drawing.figure import figure_of
from dagger.dsl.drawing.kinds import KINDS
from dagger.dsl.nodes import Workflow


@dataclass(frozen=True, slots=True)
class Vertex:
    """A step, a switch, a fork, a join, the start or the end.

    `detail` is the second line of its text (the kind and the topic), `notes` the third (bounds and options).
    """

    id: str
    kind: str
    label: str
    detail: str = ""
    notes: str = ""
    path: str | None = None

    @property
    def lines(self) -> list[str]:
        """Its text."""
        return [line for line in (self.label, self.detail, self.notes) if line]


@dataclass(frozen=True, slots=True)
class Subgraph:
    """A frame around vertices and other subgraphs."""

    id: str
    kind: str
    label: str
    members: tuple[Member, ...]
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Edge:
    """From a vertex to another; `leaving` is the id of the subgraph that it leaves as a whole, if it does."""

    source: str
    target: str
    label: str = ""
    dashed: bool = False
    leaving: str | None = None


@dataclass(frozen=True, slots=True)
class Diagram:
    """A whole template; members in the order written, edges in the order of what they lead to."""

    title: str
    members: tuple[Member, ...]
    edges: tuple[Edge, ...]


Member: TypeAlias = Vertex | Subgraph


@dataclass(frozen=True, slots=True)
class _OpenEnd:
    """An edge that leads nowhere yet."""

    source: str
    label: str = ""
    dashed: bool = False
    leaving: str | None = None


_OpenEnds: TypeAlias = tuple[_OpenEnd, ...]
_Drawn: TypeAlias = tuple[list[Member], _OpenEnds]


def diagram_of(node: Workflow) -> Diagram:
    """The graph of a template."""
    return _Builder().diagram(figure_of(node))


def subgraphs(members: tuple[Member, ...]) -> Iterator[Subgraph]:
    """Every subgraph of a graph, each before those in it."""
    for member in members:
        if isinstance(member, Subgraph):
            yield member
            yield from subgraphs(member.members)


def vertices(members: tuple[Member, ...]) -> Iterator[Vertex]:
    """Every vertex of a graph, whatever subgraph it is in."""
    for member in members:
        if isinstance(member, Vertex):
            yield member
        else:
            yield from vertices(member.members)


class _Builder:
    """Draws elements: takes the tails that lead to one, and gives its members and the tails that leave it."""

    def __init__(self) -> None:
        self._edges = list[Edge]()
        self._unnamed = 0

    def diagram(self, figure: Figure) -> Diagram:
        start, end = Vertex("//start", "start", figure.takes), Vertex("//end", "end", "end")
        members, tails = self._run(figure.body, (_OpenEnd(start.id),))
        self._join(tails, end.id)
        return Diagram(figure.title, (start, *members, end), tuple(self._edges))

    def _run(self, run: Elements, tails: _OpenEnds) -> _Drawn:
        members = list[Member]()
        for element in run:
            drawn, tails = self._shape(element, tails)
            members += drawn
        return members, tails

    def _shape(self, element: Element, tails: _OpenEnds) -> _Drawn:
        match element:
            case Box():
                return self._box(element, tails)
            case Frame():
                return self._frame(element, tails)
            case ForkElement():
                return self._fork(element, tails)
            case Decision():
                return self._decision(element, tails)
            case WithSides():
                return self._with_sides(element, tails)

    def _box(self, box: Box, tails: _OpenEnds) -> _Drawn:
        detail = f"{KINDS[box.kind].title} {target_text(box)}".strip()
        notes = notes_text(box.notes, brief=True)
        members, left = self._vertex(Vertex(self._id(box.path), box.kind, box.name, detail, notes, box.path), tails)
        return members, () if KINDS[box.kind].final else left

    def _frame(self, frame: Frame, tails: _OpenEnds) -> _Drawn:
        own = self._id(frame.path)
        members, tails = self._run(frame.body, tails)
        title = ", ".join(
            filter(None, [f"{KINDS[frame.kind].title} {frame.name}".strip(), notes_text(frame.notes, brief=True)])
        )
        return [Subgraph(own, frame.kind, title, tuple(members), frame.path)], tails

    def _fork(self, fork: ForkElement, tails: _OpenEnds) -> _Drawn:
        start = Vertex(self._id(fork.path), "fork", fork.label, path=fork.path)
        members, tails = self._vertex(start, tails)
        ends = list[_OpenEnd]()
        for branch in fork.branches:
            drawn, left = self._run(branch, tails)
            members += drawn
            ends += left
        joined, tails = self._vertex(Vertex(self._id(None), "join", fork.rule), tuple(ends))
        return members + joined, tails

    def _decision(self, choice: Decision, tails: _OpenEnds) -> _Drawn:
        own = Vertex(self._id(choice.path), choice.kind, choice.label, path=choice.path)
        members, _ = self._vertex(own, tails)
        ends = list[_OpenEnd]()
        for branch in choice.branches:
            drawn, left = self._run(branch.body, (_OpenEnd(own.id, branch.label),))
            members += drawn
            ends += left
        return members, tuple(ends)

    def _with_sides(self, step: WithSides, tails: _OpenEnds) -> _Drawn:
        members, tails = self._shape(step.main, tails)
        main = members[-1]
        for side in step.sides:
            drawn, others = self._run(side.body, (_leaving(main, side),))
            members += drawn
            tails += others if side.returns else ()
        return members, tails

    def _vertex(self, vertex: Vertex, tails: _OpenEnds) -> _Drawn:
        self._join(tails, vertex.id)
        return [vertex], (_OpenEnd(vertex.id),)

    def _join(self, tails: _OpenEnds, target: str) -> None:
        self._edges += [Edge(tail.source, target, tail.label, tail.dashed, tail.leaving) for tail in tails]

    def _id(self, path: str | None) -> str:
        if path is not None:
            return path
        self._unnamed += 1
        return f"//{self._unnamed}"


def _leaving(member: Member, side: BranchElement) -> _OpenEnd:
    """The edge to a side branch: from a step, or from a frame as a whole."""
    if isinstance(member, Vertex):
        return _OpenEnd(member.id, side.label, dashed=True)
    *_, last = vertices(member.members)
    return _OpenEnd(last.id, side.label, dashed=True, leaving=member.id)
