"""Rectangles with a flow through them: what a layout is made of, and how rectangles become larger ones.

A block is entered at the top, at `enters`, and left at `foot`, at `leaves`. Its marks and its inner blocks
are placed relative to its own corner, so a block is put elsewhere without being made again. Units are pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, sqrt
from typing import Final, TypeAlias

from dagger.dsl.drawing.elements import Box, Decision, Frame

GAP: Final = 30
"""Between a step and the next."""

LANE: Final = 32
"""Between branches side by side."""

_TALL: Final = 1500
_BEND: Final = 14
_RATIO: Final = 1.5
_WORTH: Final = 0.75

Point: TypeAlias = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Card:
    """A step, drawn as a box."""

    width: float
    height: float
    box: Box


@dataclass(frozen=True, slots=True)
class Panel:
    """A frame, drawn around what is in it."""

    width: float
    height: float
    frame: Frame


@dataclass(frozen=True, slots=True)
class Diamond:
    """A switch."""

    width: float
    height: float
    choice: Decision


@dataclass(frozen=True, slots=True)
class Bar:
    """Where branches part or join; its label stands `middle` from its left end."""

    x: float
    y: float
    width: float
    middle: float
    label: str
    path: str | None = None


@dataclass(frozen=True, slots=True)
class Pill:
    """The start, with the type of the input; the end, where there is no text."""

    width: float
    height: float
    text: str


@dataclass(frozen=True, slots=True)
class Connector:
    """A line through points, with or without a head."""

    points: tuple[Point, ...]
    arrow: bool = True
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Tag:
    """A label in the middle of a connector."""

    x: float
    y: float
    text: str


Mark: TypeAlias = Card | Panel | Diamond | Bar | Pill | Connector | Tag


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle, what is drawn in it, and where the flow enters and leaves it."""

    width: float
    height: float
    enters: float
    leaves: float
    foot: float
    marks: tuple[Mark, ...] = ()
    inner: tuple[Placed, ...] = ()
    ends: bool = False
    """Whether the flow ends in it, and nothing leaves it."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A block in another."""

    x: float
    y: float
    block: Block

    @property
    def head(self) -> Point:
        """Where the flow enters it."""
        return self.x + self.block.enters, self.y

    @property
    def tail(self) -> Point:
        """Where the flow leaves it."""
        return self.x + self.block.leaves, self.y + self.block.foot


def single(width: float, height: float, mark: Mark, *, ends: bool = False) -> Block:
    """A block of one mark, with the flow through its middle."""
    return Block(width, height, width / 2, width / 2, height, (mark,), ends=ends)


def stacked(blocks: Sequence[Block]) -> Block:
    """One below the other, each where the one above is left."""
    placed, x, y = list[Placed](), 0.0, 0.0
    for block in blocks:
        placed.append(Placed(x - block.enters, y, block))
        x, y = placed[-1].x + block.leaves, y + block.height + GAP
    placed = _from_zero(placed)
    width = max(inner.x + inner.block.width for inner in placed)
    joined = [(above, below) for above, below in pairwise(placed) if not above.block.ends]
    connectors = tuple([Connector((above.tail, below.head)) for above, below in joined])
    tail = placed[-1].tail
    ends = placed[-1].block.ends
    return Block(width, y - GAP, placed[0].head[0], tail[0], tail[1], connectors, tuple(placed), ends)


def _from_zero(placed: Sequence[Placed]) -> list[Placed]:
    left = min(inner.x for inner in placed)
    return [Placed(inner.x - left, inner.y, inner.block) for inner in placed]


def flowing(blocks: Sequence[Block]) -> Block:
    """One after the other: a stack, or columns side by side where a stack would be too tall to be seen."""
    stack = stacked(blocks)
    if stack.height <= _TALL:
        return stack
    count = ceil(sqrt(_RATIO * stack.height / (stack.width + LANE)))
    columns = _columns(blocks, max(stack.height / count, _TALL / 2))
    beside = _beside([stacked(column) for column in columns])
    return beside if beside.height < _WORTH * stack.height else stack


def _columns(blocks: Sequence[Block], height: float) -> list[list[Block]]:
    columns, used = [list[Block]()], 0.0
    for block in blocks:
        if columns[-1] and used + block.height / 2 > height:
            columns.append([])
            used = 0.0
        columns[-1].append(block)
        used += block.height + GAP
    return columns


def _beside(columns: Sequence[Block]) -> Block:
    """Columns, each joined to the next by a line from its foot up to the head of the next."""
    head = 2 * _BEND
    placed = [Placed(0, 0, columns[0])]
    for column in columns[1:]:
        placed.append(Placed(placed[-1].x + placed[-1].block.width + 2 * LANE, head, column))
    low = max(inner.y + inner.block.height for inner in placed) + _BEND
    connectors = tuple([_up(one, other, low) for one, other in pairwise(placed)])
    first, last = placed[0], placed[-1]
    return Block(last.x + last.block.width, low, first.head[0], *last.tail, connectors, tuple(placed), last.block.ends)


def _up(one: Placed, other: Placed, low: float) -> Connector:
    between = other.x - LANE
    (left, foot), (right, head) = one.tail, other.head
    return Connector(((left, foot), (left, low), (between, low), (between, 0), (right, 0), (right, head)))


def side_by_side(blocks: Sequence[Block], y: float, widths: Sequence[float]) -> list[Placed]:
    """Branches from left to right at one height, with so much room at least around where each is entered."""
    placed, x = list[Placed](), 0.0
    for block, width in zip(blocks, widths, strict=True):
        before = max(0.0, width / 2 - block.enters)
        after = max(0.0, width / 2 - (block.width - block.enters))
        placed.append(Placed(x + before, y, block))
        x += before + block.width + after + LANE
    return placed
