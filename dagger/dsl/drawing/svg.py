"""A template as a drawing that stands alone: `template.to_svg()`.

Blocks are walked, and each mark is written where it stands (`svg_marks.py`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final
from xml.sax.saxutils import escape

from dagger.dsl.drawing import svg_marks
from dagger.dsl.drawing.figure import figure_of
from dagger.dsl.drawing.geometry import Block
from dagger.dsl.drawing.placement import DETAIL_SIZE, TEXT_MAX, place
from dagger.dsl.drawing.text_width import fitted, width_of
from dagger.dsl.drawing.theme import STATUSES, css
from dagger.dsl.nodes import Workflow
from dagger.errors import WrongInput

_MARGIN: Final = 28
_HEAD: Final = 68
_HEAD_SIZE: Final = 18


def svg(node: Workflow, status: Mapping[str, str] | None = None) -> str:
    """A template as a standalone SVG; `status` colours by path. Raises WrongInput for what is no status."""
    figure = figure_of(node)
    block = place(figure)
    name = fitted(figure.name, 2 * TEXT_MAX, _HEAD_SIZE, bold=True)
    about = fitted(f"version {figure.version} · from {figure.takes}", 2 * TEXT_MAX, DETAIL_SIZE)
    head = max(width_of(name, _HEAD_SIZE, bold=True), width_of(about, DETAIL_SIZE))
    lines = [
        _opening(max(block.width, head) + 2 * _MARGIN, block.height + _HEAD + _MARGIN),
        f"<title>{escape(figure.title)}</title>",
        f"<style>\n{css()}\n</style>",
        '<rect class="page" width="100%" height="100%" rx="12"/>',
        svg_marks.text("head", _MARGIN, 34, name),
        svg_marks.text("soft", _MARGIN, 51, about),
        *_block(block, _MARGIN, _HEAD, _checked(status or {})),
        "</svg>\n",
    ]
    return "\n".join(lines)


def _opening(width: float, height: float) -> str:
    wide, high = svg_marks.number(width), svg_marks.number(height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="dagger" role="graphics-document" '
        f'width="{wide}" height="{high}" viewBox="0 0 {wide} {high}">'
    )


def _block(block: Block, x: float, y: float, status: Mapping[str, str]) -> Iterator[str]:
    for mark in block.marks:
        yield svg_marks.drawn(mark, x, y, status)
    for inner in block.inner:
        yield from _block(inner.block, x + inner.x, y + inner.y, status)


def _checked(status: Mapping[str, str]) -> Mapping[str, str]:
    """The statuses by path as plain text, also where they are members of an Enum of text."""
    known = {name: name for name in STATUSES}
    for path, given in status.items():
        if given not in known:
            raise WrongInput(f"to_svg: '{path}' has the status {given!r}; give one of {', '.join(STATUSES)}")
    return {path: known[given] for path, given in status.items()}
