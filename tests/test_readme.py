"""Every Python block of the README and of the pages in docs/ is run, so that what they say stays true.

* The blocks of one page share a namespace, in their order.
* A function `test_...` in a block is run as the test that it is, with an engine where it takes one.
* The next block of the page, if it is of the kind `text` or `mermaid`, holds what the Python block prints. If the
  block raises an error of Dagger, that follows, as Python tells it; the line breaks within it don't count.
* A block below the comment `<!-- not run: the reason -->` is left alone.
"""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio
import pytest

from dagger import DaggerError
from dagger.testing import TestEngine
from examples.orders import order_workflow

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_PYTHON = [page for page in PAGES if "```python" in page.read_text(encoding="utf-8")]
OUTPUT = {"text", "mermaid"}
BLOCK = re.compile(r"^(?P<left><!-- not run: \S[^\n]*-->\n+)?```(?P<kind>\w*)\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    kind: str
    text: str
    line: int
    is_left: bool


NO_BLOCK = Block("", "", 0, False)


def blocks_of(page: str) -> list[Block]:
    return [
        Block(found["kind"], found["text"], page.count("\n", 0, found.start("text")), found["left"] is not None)
        for found in BLOCK.finditer(page)
    ]


def with_output(blocks: Sequence[Block]) -> Iterator[tuple[Block, str]]:
    """The blocks to run, each with what the page says that it prints."""
    for block, following in pairwise([*blocks, NO_BLOCK]):
        if block.kind == "python" and not block.is_left:
            yield block, following.text if following.kind in OUTPUT else ""


def run(block: Block, page: Path, space: dict[str, Any]) -> tuple[str, str]:
    """Run a block and its tests; gives what it prints, and the error that it raises."""
    before = dict(space)
    printed = StringIO()
    code = compile("\n" * block.line + block.text, page, "exec")
    with redirect_stdout(printed):
        try:
            exec(code, space)
            for name in [name for name in space if name.startswith("test_") and space[name] is not before.get(name)]:
                run_test(space[name])
        except DaggerError as error:
            return printed.getvalue(), f"{type(error).__module__}.{type(error).__qualname__}: {error}"
    return printed.getvalue(), ""


def run_test(test: Any) -> None:
    async def with_engine() -> None:
        async with TestEngine() as engine:
            await test(engine)

    if inspect.signature(test).parameters:
        anyio.run(with_engine)
    elif inspect.iscoroutinefunction(test):
        anyio.run(test)
    else:
        test()


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_shows_is_what_happens(page: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)  # for the files that a page writes
    module = ModuleType(f"page_{page.stem.replace('-', '_')}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block, shown in with_output(blocks_of(page.read_text(encoding="utf-8"))):
        printed, error = run(block, page, module.__dict__)
        assert shown[: len(printed)] == printed, f"{page.name}, line {block.line}: it prints something else"
        assert shown[len(printed) :].split() == error.split(), f"{page.name}, line {block.line}: its error is another"


def typed(page: Path) -> str:
    """The code of a page, without the blocks that raise: they are there for their mistakes."""
    blocks = with_output(blocks_of(page.read_text(encoding="utf-8")))
    return "".join(block.text for block, shown in blocks if "\ndagger.errors." not in f"\n{shown}")


def mypy(folder: Path) -> tuple[int, str]:
    modules = sorted(path.name for path in folder.glob("*.py"))
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--cache-dir=.cache", *modules]
    environment = {**os.environ, "MYPYPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.slow
def test_what_the_pages_show_has_types(tmp_path: Path) -> None:
    for page in WITH_PYTHON:
        (tmp_path / f"{page.stem.lower()}.py").write_text(typed(page), encoding="utf-8")
    code, told = mypy(tmp_path)
    assert code == 0, told


@pytest.mark.slow
def test_a_type_checker_says_what_the_tutorial_shows(tmp_path: Path) -> None:
    page = ROOT / "docs" / "tutorial.md"
    blocks = blocks_of(page.read_text(encoding="utf-8"))
    (number,) = [number for number, block in enumerate(blocks) if block.is_left]
    (tmp_path / "tutorial.py").write_text(typed(page) + blocks[number].text, encoding="utf-8")
    assert blocks[number + 1].text.strip() in mypy(tmp_path)[1]


def test_the_drawing_of_the_readme_is_what_is_drawn() -> None:
    drawn = (ROOT / "docs" / "order-workflow.svg").read_text(encoding="utf-8")
    assert drawn == order_workflow.to_svg(), "make demo, and put build/order-workflow.svg there"


def test_every_block_is_found() -> None:
    """A fence that is not closed, or is indented, would leave code that nobody runs."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert text.count("```") == 2 * len(blocks_of(text)), page.name
