"""The SVG of a template: whole files, well-formed, of one size with what is in them, and coloured by path."""

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from enum import StrEnum

import pytest

from dagger import Template
from dagger.dsl.drawing.figure import figure_of
from dagger.dsl.drawing.geometry import Block, Card, Diamond, Panel
from dagger.dsl.drawing.placement import place
from dagger.dsl.drawing.text_width import fitted, width_of
from dagger.dsl.drawing.theme import STATUSES
from dagger.dsl.paths import walk
from dagger.errors import DaggerError
from tests.dsl import drawn
from tests.dsl.drawn import Order
from tests.dsl.golden import DRAWN, golden

SVG = "{http://www.w3.org/2000/svg}"

Rectangle = tuple[float, float, float, float]


def name_of(template: Template[Order, object]) -> str:
    return template.name


def groups(svg: str) -> dict[str, ET.Element]:
    """What is drawn of each path."""
    found = [group for group in ET.fromstring(svg).iter(f"{SVG}g") if "data-path" in group.attrib]
    paths = {group.attrib["data-path"]: group for group in found}
    assert len(paths) == len(found)
    return paths


def title(group: ET.Element) -> str:
    return group.findtext(f"{SVG}title") or ""


@pytest.mark.parametrize("name", DRAWN)
def test_a_template_in_svg(name: str) -> None:
    assert DRAWN[name].to_svg() == golden(f"{name}.svg")


@pytest.mark.parametrize("template", drawn.ALL, ids=name_of)
def test_every_path_is_drawn_once(template: Template[Order, object]) -> None:
    apart = {"inspect"}  # a step of the child, which is an instance of its own
    assert set(groups(template.to_svg())) == {path for path, _ in walk(template.body)} - apart


def test_a_title_says_all_of_a_step() -> None:
    paths = groups(drawn.processes.to_svg())
    assert title(paths["PAYMENT/charge"]) == "command charge → PAYMENT_COMMAND\nPAYMENT/charge"
    assert title(paths["PAYMENT"]) == "process PAYMENT, timeout 1h\nPAYMENT"
    assert ET.fromstring(drawn.processes.to_svg()).findtext(f"{SVG}title") == "Processes, version 1"


def test_names_are_escaped() -> None:
    svg = drawn.nasty().to_svg()
    shown = {element.text for element in ET.fromstring(svg).iter(f"{SVG}text")}
    assert {*drawn.NASTY, 'T "x" <y> #1', 'a|b "c" <d>', 'T"<&>;'} <= shown
    assert svg.encode().decode() == svg


def test_a_status_colours_what_has_its_path() -> None:
    paths = groups(drawn.processes.to_svg({"PAYMENT": "EXECUTING", "PAYMENT/charge": "COMPLETED"}))
    assert paths["PAYMENT"].attrib["class"] == "panel process status EXECUTING"
    assert paths["PAYMENT/charge"].attrib["class"] == "card command status COMPLETED"
    assert paths["PAYMENT/paid"].attrib["class"] == "card listener"
    assert title(paths["PAYMENT/charge"]).endswith("\nCOMPLETED")


@pytest.mark.parametrize("status", STATUSES)
def test_every_status_is_drawn_on_everything(status: str) -> None:
    all_of_it = {path: status for path, _ in walk(drawn.everything.body)}
    paths = groups(drawn.everything.to_svg(all_of_it))
    assert all(group.attrib["class"].endswith(f" status {status}") for group in paths.values())


def test_a_status_may_be_a_member_of_an_enum() -> None:
    class Status(StrEnum):
        DONE = "COMPLETED"

    assert drawn.processes.to_svg({"PAYMENT": Status.DONE}) == drawn.processes.to_svg({"PAYMENT": "COMPLETED"})


def test_a_path_that_is_not_there_is_ignored() -> None:
    assert drawn.processes.to_svg({"elsewhere": "FAILURE"}) == drawn.processes.to_svg()


def test_a_status_that_is_none_is_refused() -> None:
    with pytest.raises(DaggerError, match="'PAYMENT' has the status 'DONE'; give one of NOT_STARTED, "):
        drawn.processes.to_svg({"PAYMENT": "DONE"})


def test_equal_templates_have_equal_drawings() -> None:
    assert drawn.nasty().to_svg() == drawn.nasty().to_svg()


def rectangles(block: Block, x: float, y: float) -> Iterator[Rectangle]:
    for mark in block.marks:
        if isinstance(mark, Card | Diamond):
            yield x, y, x + mark.width, y + mark.height
    for inner in block.inner:
        yield from rectangles(inner.block, x + inner.x, y + inner.y)


@pytest.mark.parametrize("template", [*drawn.ALL, drawn.long(60), drawn.deep()], ids=name_of)
def test_steps_stand_apart_and_inside(template: Template[Order, object]) -> None:
    block = place(figure_of(template.node))
    steps = list(rectangles(block, 0, 0))
    for number, (left, top, right, bottom) in enumerate(steps):
        assert left >= 0
        assert top >= 0
        assert right <= block.width + 0.01
        assert bottom <= block.height + 0.01
        assert all(right <= l or left >= r or bottom <= t or top >= b for l, t, r, b in steps[number + 1 :]), (
            f"{template.name}: steps overlap"
        )


def frames(block: Block) -> Iterator[Block]:
    if any(isinstance(mark, Panel) for mark in block.marks):
        yield block
    for inner in block.inner:
        yield from frames(inner.block)


def test_a_frame_holds_what_is_in_it() -> None:
    held = [(frame, inner) for frame in frames(place(figure_of(drawn.everything.node))) for inner in frame.inner]
    assert len(held) == 4
    for frame, inner in held:
        assert inner.x > 0
        assert inner.y > 0
        assert inner.x + inner.block.width < frame.width
        assert inner.y + inner.block.height < frame.height


def test_a_tall_chain_is_folded_into_columns() -> None:
    few, many = place(figure_of(drawn.long(10).node)), place(figure_of(drawn.long(50).node))
    assert few.width < 300
    assert 0.5 < many.width / many.height < 2


def test_a_long_name_is_cut_and_told_in_full_by_the_title() -> None:
    name = "W" * 300
    svg = drawn.named("Wide", drawn.step(name)).to_svg()
    assert f">{name}</text>" not in svg
    assert title(groups(svg)[name]) == f"task {name}\n{name}"
    assert place(figure_of(drawn.named("Wide", drawn.step(name)).node)).width < 420


def test_the_width_of_a_text() -> None:
    assert width_of("", 13) == 0
    assert width_of("iii", 13) < width_of("aaa", 13) < width_of("WWW", 13) < width_of("注文書", 13)
    assert width_of("e\u0301", 13) == width_of("e", 13)
    assert math.isclose(width_of("ab", 26, bold=True), 2 * 1.1 * width_of("ab", 13))
    assert width_of("il", 13, mono=True) == width_of("WM", 13, mono=True)


def test_a_text_that_does_not_fit_ends_with_an_ellipsis() -> None:
    assert fitted("short", 100, 13) == "short"
    cut = fitted("a rather long text", 60, 13)
    assert cut.endswith("…")
    assert width_of(cut, 13) <= 60


def test_a_long_chain() -> None:
    svg = drawn.long(10_000).to_svg()
    assert len(groups(svg)) == 10_000
    assert "e+" not in svg


def test_a_deep_template() -> None:
    assert len(groups(drawn.deep().to_svg())) == 41
