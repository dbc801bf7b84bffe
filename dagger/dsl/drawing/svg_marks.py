"""How each mark of a layout is written in SVG, at a place.

What has a path carries it as `data-path`, and a `<title>` that describes all of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias
from xml.sax.saxutils import escape, quoteattr

from dagger.dsl.drawing.elements import Box, Decision, Frame, Note, one_line
from dagger.dsl.drawing.geometry import Bar, Card, Connector, Diamond, Mark, Panel, Pill, Point, Tag
from dagger.dsl.drawing.kinds import KINDS
from dagger.dsl.drawing.placement import (
    BAR,
    BAR_THICK,
    DETAIL_SIZE,
    ICON_ROOM,
    NAME_SIZE,
    NOTE_GAP,
    NOTE_ICON,
    TAG,
    TEXT_MAX,
    detail_of,
    note_text,
    note_width,
    tag_width,
    title_width,
)
from dagger.dsl.drawing.text_width import fitted
from dagger.dsl.drawing.theme import BADGES, NOTE_ICONS

_CORNER: Final = 8

Status: TypeAlias = Mapping[str, str]
"""The status of what has a path, by path."""


def drawn(mark: Mark, x: float, y: float, status: Status) -> str:
    """One mark, in a block whose corner is at (x, y)."""
    match mark:
        case Card():
            return _card(mark, x, y, status)
        case Panel():
            return _panel(mark, x, y, status)
        case Diamond():
            return _diamond(mark, x, y, status)
        case Bar():
            return _bar(mark, x, y, status)
        case Pill():
            return _pill(mark, x, y)
        case Connector():
            return _connector([(x + px, y + py) for px, py in mark.points], mark)
        case Tag():
            return _tag(mark.text, x + mark.x, y + mark.y, TAG)


def number(value: float) -> str:
    """A length, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def text(style: str, x: float, y: float, shown: str) -> str:
    """A line of text; y is its baseline."""
    return f'<text class="{style}" x="{number(x)}" y="{number(y)}">{escape(shown)}</text>'


def _card(card: Card, x: float, y: float, status: Status) -> str:
    box = card.box
    name = fitted(box.name, TEXT_MAX, NAME_SIZE, bold=True)
    detail = fitted(detail_of(box), TEXT_MAX, DETAIL_SIZE, mono=True)
    parts = [
        *_ground(x, y, card.width, card.height, _state(box.path, status)),
        f'<rect class="tile" x="{number(x + 8)}" y="{number(y + 9)}" width="30" height="30" rx="7"/>',
        _icon(KINDS[box.kind].icon, x + 15, y + 16),
        text("name", x + ICON_ROOM, y + 21, name),
        text("detail", x + ICON_ROOM, y + 37, detail),
        *_notes(box.notes, x + ICON_ROOM, y + 55),
        *_badge(x + card.width - 20, y + 4, _state(box.path, status)),
    ]
    return _group(f"card {box.kind}", box, status, parts)


def _panel(panel: Panel, x: float, y: float, status: Status) -> str:
    frame, state = panel.frame, _state(panel.frame.path, status)
    parts = [
        *_sheet(panel, x, y),
        *_ground(x, y, panel.width, panel.height, state),
        *_title(frame, x + 16, y + 23),
        *_notes(frame.notes, x + 16 + title_width(frame) + NOTE_GAP, y + 23),
        *_badge(x + panel.width - 20, y + 6, state),
    ]
    return _group(f"panel {frame.kind}", frame, status, parts)


def _title(frame: Frame, x: float, y: float) -> Iterator[str]:
    """The name of a frame and, close behind it however wide the font is, its kind."""
    if not (frame.name or frame.notes):
        return
    name = fitted(frame.name, TEXT_MAX, NAME_SIZE, bold=True)
    shown = f'<tspan class="name">{escape(name)}</tspan>' if name else ""
    aside = ' dx="8"' if name else ""
    kind = f'<tspan class="soft"{aside}>{escape(KINDS[frame.kind].title)}</tspan>'
    yield f'<text x="{number(x)}" y="{number(y)}">{shown}{kind}</text>'


def _diamond(diamond: Diamond, x: float, y: float, status: Status) -> str:
    choice, state = diamond.choice, _state(diamond.choice.path, status)
    w, h = diamond.width, diamond.height
    corners = [(x + w / 2, y), (x + w, y + h / 2), (x + w / 2, y + h), (x, y + h / 2)]
    path = "M" + "L".join(f"{number(px)} {number(py)}" for px, py in corners) + "z"
    name = fitted(choice.label, TEXT_MAX, NAME_SIZE, bold=True)
    parts = [
        f'<path class="shape" d="{path}"/>',
        f'<path class="tint" d="{path}"/>' if state else "",
        text("name middle", x + w / 2, y + h / 2 + 4.5, name),
        *_badge(x + w / 2 - 8, y - 5, state),
    ]
    return _group(choice.kind, choice, status, parts)


def _bar(bar: Bar, x: float, y: float, status: Status) -> str:
    left, top = x + bar.x, y + bar.y + (BAR - BAR_THICK) / 2
    size = f'width="{number(bar.width)}" height="{BAR_THICK}" rx="3"'
    parts = [
        f'<rect class="bar" x="{number(left)}" y="{number(top)}" {size}/>',
        _tag(bar.label, left + bar.middle, y + bar.y + BAR / 2, BAR),
    ]
    state = _state(bar.path, status)
    at = f" data-path={quoteattr(bar.path)}" if bar.path else ""
    return f'<g class="fork{f" status {state}" if state else ""}"{at}>' + "".join(parts) + "</g>"


def _pill(pill: Pill, x: float, y: float) -> str:
    middle, half = x + pill.width / 2, pill.height / 2
    if pill.text:
        return '<g class="start">' + _tag(pill.text, middle, y + half, pill.height, pill.width) + "</g>"
    ring = f'cx="{number(middle)}" cy="{number(y + half)}"'
    return f'<g class="end"><circle class="shape" {ring} r="{half}"/><circle class="tip" {ring} r="5"/></g>'


def _tag(shown: str, x: float, y: float, height: float, width: float = 0) -> str:
    wide = width or tag_width(shown)
    place = f'x="{number(x - wide / 2)}" y="{number(y - height / 2)}"'
    rect = f'<rect class="label" {place} width="{number(wide)}" height="{number(height)}" rx="{height / 2:g}"/>'
    return rect + text("tag", x, y + 4, fitted(shown, TEXT_MAX, DETAIL_SIZE, bold=True))


def _connector(points: Sequence[Point], connector: Connector) -> str:
    line = f'<path class="wire{" dashed" if connector.dashed else ""}" d="{_line(points)}"/>'
    if not connector.arrow:
        return line
    x, y = points[-1]
    tip = f"M{number(x - 4.5)} {number(y - 7)}L{number(x)} {number(y)}L{number(x + 4.5)} {number(y - 7)}z"
    return f'{line}<path class="tip" d="{tip}"/>'


def _line(points: Sequence[Point]) -> str:
    """A path through the points, with round corners."""
    parts = [f"M{number(points[0][0])} {number(points[0][1])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        radius = min(_CORNER, _distance(before, corner) / 2, _distance(corner, after) / 2)
        (ax, ay), (bx, by) = _toward(corner, before, radius), _toward(corner, after, radius)
        parts.append(f"L{number(ax)} {number(ay)}Q{number(corner[0])} {number(corner[1])}")
        parts.append(f" {number(bx)} {number(by)}")
    return "".join([*parts, f"L{number(points[-1][0])} {number(points[-1][1])}"])


def _distance(one: Point, other: Point) -> float:
    return abs(one[0] - other[0]) + abs(one[1] - other[1])


def _toward(start: Point, end: Point, length: float) -> Point:
    """The point at a length from a start; lines are level or upright."""
    share = length / (_distance(start, end) or 1)
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share


def _group(style: str, shape: Box | Frame | Decision, status: Status, parts: Sequence[str]) -> str:
    state = _state(shape.path, status)
    style = f"{style} status {state}" if state else style
    at = f" data-path={quoteattr(shape.path)}" if shape.path else ""
    about = one_line(shape) + (f"\n{shape.path}" if shape.path else "") + (f"\n{state}" if state else "")
    return f'<g class="{style}"{at}><title>{escape(about)}</title>' + "".join(parts) + "</g>"


def _state(path: str | None, status: Status) -> str:
    return status.get(path, "") if path else ""


def _ground(x: float, y: float, width: float, height: float, state: str) -> Iterator[str]:
    place = f'x="{number(x)}" y="{number(y)}" width="{number(width)}" height="{number(height)}"'
    yield f'<rect class="shape" {place} rx="{_CORNER + 2}"/>'
    if state:
        yield f'<rect class="tint" {place} rx="{_CORNER + 2}"/>'


def _sheet(panel: Panel, x: float, y: float) -> Iterator[str]:
    """Behind a parallel body, the next one."""
    if panel.frame.kind == "for_each":
        yield from _ground(x + 5, y + 5, panel.width, panel.height, "")


def _icon(strokes: str, x: float, y: float, size: float = 16) -> str:
    scale = "" if size == 16 else f" scale({size / 16:g})"
    style = "icon" if size == 16 else "icon small"
    place = f"translate({number(x)} {number(y)}){scale}"
    return f'<path class="{style}" transform="{place}" d="{strokes}"/>'


def _badge(x: float, y: float, state: str) -> Iterator[str]:
    if state in BADGES:
        yield f'<circle class="disc" cx="{number(x + 8)}" cy="{number(y + 8)}" r="8"/>'
        yield f'<path class="badge" transform="translate({number(x)} {number(y)})" d="{BADGES[state]}"/>'


def _notes(notes: Sequence[Note], x: float, y: float) -> Iterator[str]:
    for note in notes:
        icon = NOTE_ICONS.get(note.kind)
        if icon:
            yield _icon(icon, x, y - 10, 12)
        shown = fitted(note_text(note), TEXT_MAX, DETAIL_SIZE)
        yield text("soft", x + (NOTE_ICON if icon else 0), y, shown)
        x += note_width(note) + NOTE_GAP
