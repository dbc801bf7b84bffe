"""Where everything of a drawing stands: shapes become blocks, from the inside out.

A workflow is series-parallel, so no general layout of graphs is needed: a chain is a stack, a group is a row
between two bars, and what is inside a frame knows nothing of what is around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from dagger.dsl.drawing.elements import (
    Box,
    Decision,
    Element,
    Elements,
    Figure,
    ForkElement,
    Frame,
    Note,
    WithSides,
    target_text,
)
from dagger.dsl.drawing.geometry import (
    GAP,
    LANE,
    Bar,
    Block,
    Card,
    Connector,
    Diamond,
    Mark,
    Panel,
    Pill,
    Placed,
    Tag,
    flowing,
    side_by_side,
    single,
    stacked,
)
from dagger.dsl.drawing.kinds import KINDS
from dagger.dsl.drawing.text_width import width_of
from dagger.dsl.drawing.theme import NOTE_ICONS

NAME_SIZE: Final = 13
DETAIL_SIZE: Final = 11
TEXT_MAX: Final = 330
"""How wide a text may be; a longer one is cut, and the tooltip has all of it."""

ICON_ROOM: Final = 46
NOTE_ICON: Final = 16
NOTE_GAP: Final = 12
PADDING: Final = 20
TITLE: Final = 34
BAR: Final = 22
BAR_THICK: Final = 6
TAG: Final = 20


def place(figure: Figure) -> Block:
    """The block of a whole template."""
    takes = single(tag_width(figure.takes) + 16, 26, Pill(tag_width(figure.takes) + 16, 26, figure.takes))
    return stacked([takes, _run(figure.body), single(18, 18, Pill(18, 18, ""))])


def detail_of(box: Box) -> str:
    """The second line of a step: its topic, signal or pause, else what it is."""
    return target_text(box) or KINDS[box.kind].about or KINDS[box.kind].title


def note_text(note: Note) -> str:
    """A note beside its icon; one that has no icon says what it is."""
    return note.text if note.kind in NOTE_ICONS else f"{note.kind} {note.text}"


def note_width(note: Note) -> float:
    """How wide a note is, with its icon."""
    icon = NOTE_ICON if note.kind in NOTE_ICONS else 0
    return min(width_of(note_text(note), DETAIL_SIZE), TEXT_MAX) + icon


def tag_width(text: str) -> float:
    """How wide the label of a connector or a bar is."""
    return min(width_of(text, DETAIL_SIZE, bold=True), TEXT_MAX) + 18


def title_width(frame: Frame) -> float:
    """How wide the name of a frame and its kind are; its notes follow."""
    name = min(width_of(frame.name, NAME_SIZE, bold=True), TEXT_MAX)
    return name + (10 if name else 0) + width_of(KINDS[frame.kind].title, DETAIL_SIZE)


def _run(run: Elements) -> Block:
    return flowing([_shape(shape) for shape in run])


def _shape(shape: Element) -> Block:
    match shape:
        case Box():
            return _box(shape)
        case Frame():
            return _frame(shape)
        case ForkElement():
            return _fork(shape)
        case Decision():
            return _decision(shape)
        case WithSides():
            return _with_sides(shape)


def _notes_width(notes: Sequence[Note]) -> float:
    return sum(note_width(note) + NOTE_GAP for note in notes)


def _box(box: Box) -> Block:
    name = width_of(box.name, NAME_SIZE, bold=True)
    detail = width_of(detail_of(box), DETAIL_SIZE, mono=True)
    width = ICON_ROOM + max(min(max(name, detail), TEXT_MAX), _notes_width(box.notes), 70) + 22
    height = 64 if box.notes else 48
    return single(width, height, Card(width, height, box), ends=KINDS[box.kind].final)


def _frame(frame: Frame) -> Block:
    body = _run(frame.body)
    width = max(body.width, title_width(frame) + _notes_width(frame.notes)) + 2 * PADDING
    top = TITLE if frame.name or frame.notes else PADDING
    inner = Placed((width - body.width) / 2, top + 6, body)
    height = inner.y + body.height + PADDING
    axis, (foot, low) = inner.head[0], inner.tail
    # Lines that meet at the end of a body go on to the edge: they would end nowhere.
    out = (Connector(((foot, low), (foot, height)), arrow=False),) if _merges(frame.body[-1]) else ()
    return Block(width, height, axis, axis, height, (Panel(width, height, frame), *out), (inner,), body.ends)


def _merges(shape: Element) -> bool:
    return isinstance(shape, Decision | WithSides)


def _fork(fork: ForkElement) -> Block:
    placed = side_by_side([_run(branch) for branch in fork.branches], BAR + GAP, [0] * len(fork.branches))
    low = max(inner.y + inner.block.height for inner in placed) + GAP
    middle, ends = _middle(placed), [x for inner in placed for x in (inner.head[0], inner.tail[0])]
    half = tag_width(fork.label) / 2
    left, right = min(*ends, middle - half) - LANE, max(*ends, middle + half) + LANE
    bars = (
        Bar(left, 0, right - left, middle - left, fork.label, fork.path),
        Bar(left, low, right - left, middle - left, fork.rule),
    )
    down = [
        Connector(((inner.head[0], _edge(inner.head[0] - middle, fork.label, BAR)), inner.head)) for inner in placed
    ]
    lasting = [inner for inner in placed if not inner.block.ends]
    into = [(inner, inner.tail[0], _edge(inner.tail[0] - middle, fork.rule, 0)) for inner in lasting]
    joins = [Connector((inner.tail, (x, low + y))) for inner, x, y in into]
    return _spread(placed, (*down, *joins, *bars), (left, right), middle, low + BAR)


def _middle(placed: Sequence[Placed]) -> float:
    """The middle branch, or the middle between two: the flow goes straight on as far as it can."""
    left, right = placed[(len(placed) - 1) // 2], placed[len(placed) // 2]
    return (left.head[0] + right.head[0]) / 2


def _edge(aside: float, label: str, edge: float) -> float:
    """How far down a bar a connector ends: at the edge of its label, where the label is in between, else at the bar."""
    bar = BAR / 2 + (BAR_THICK / 2 if edge else -BAR_THICK / 2)
    return edge if abs(aside) < tag_width(label) / 2 else bar


def _decision(choice: Decision) -> Block:
    text = min(width_of(choice.label, NAME_SIZE, bold=True), TEXT_MAX)
    width, height = text / 0.72 + 44, 68
    bus, top = height + 14, height + 14 + TAG + 30
    widths = [tag_width(branch.label) + 8 for branch in choice.branches]
    placed = side_by_side([_run(branch.body) for branch in choice.branches], top, widths)
    low = max(inner.y + inner.block.height for inner in placed) + GAP / 2
    middle = _middle(placed)
    diamond = Block(width, height, width / 2, width / 2, height, (Diamond(width, height, choice),))
    marks = list[Mark]()
    for branch, inner in zip(choice.branches, placed, strict=True):
        x, end = inner.head[0], inner.tail
        marks.append(Connector(((middle, height), (middle, bus), (x, bus), inner.head)))
        if not inner.block.ends:
            marks.append(Connector((end, (end[0], low), (middle, low)), arrow=False))
        marks.append(Tag(x, bus + 8 + TAG / 2, branch.label))
    placed.append(Placed(middle - width / 2, 0, diamond))
    return _spread(placed, tuple(marks), (0, 0), middle, low)


def _spread(
    placed: Sequence[Placed], marks: tuple[Mark, ...], reach: tuple[float, float], axis: float, height: float
) -> Block:
    """A row as a block, as wide as whatever reaches out on either side."""
    left = min(reach[0], *[inner.x for inner in placed])
    right = max(reach[1], *[inner.x + inner.block.width for inner in placed])
    whole = Block(right - left, height, axis, axis, height, marks, tuple(placed))
    if left == 0:
        return whole
    at = axis - left
    return Block(right - left, height, at, at, height, (), (Placed(-left, 0, whole),))


def _with_sides(step: WithSides) -> Block:
    """The sides stand to the right, one below the other; those from which the flow goes on lead back below."""
    main, blocks = _shape(step.main), [_run(side.body) for side in step.sides]
    across, placed = _across(step.main), list[Placed]()
    for side, block in zip(step.sides, blocks, strict=True):
        x = max(main.width + LANE, main.width + tag_width(side.label) + 30 - block.enters)
        y = placed[-1].y + placed[-1].block.height + GAP + TAG if placed else across + TAG
        placed.append(Placed(x, y, block))
    low = max(main.height, *[beside.y + beside.block.height for beside in placed]) + GAP / 2
    back, marks, goes_on = list[Mark](), list[Mark](), not main.ends
    for side, beside in zip(step.sides, placed, strict=True):
        level = beside.y - TAG
        way = [(main.width, across)] if level == across else [(main.width + 8, across), (main.width + 8, level)]
        marks.append(Connector((*way, (beside.head[0], level), beside.head), dashed=True))
        if side.returns and not beside.block.ends:
            goes_on = True
            back.append(Connector((beside.tail, (beside.tail[0], low), (main.leaves, low)), arrow=False, dashed=True))
    down = [] if main.ends else [Connector(((main.leaves, main.foot), (main.leaves, low)), arrow=False)]
    tags = [
        Tag((main.width + beside.head[0]) / 2, beside.y - TAG, side.label)
        for side, beside in zip(step.sides, placed, strict=True)
    ]
    width = max(beside.x + beside.block.width for beside in placed)
    inner = (Placed(0, 0, main), *placed)
    return Block(width, low, main.enters, main.leaves, low, (*marks, *back, *down, *tags), inner, not goes_on)


def _across(main: Box | Frame) -> float:
    """How far down its side branch leaves a step."""
    return 24 if isinstance(main, Box) else TITLE / 2
