"""What `make mutants` is made of: it plants what it says, and tells what the tests find of it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tools.mutants.changes import changes_of
from tools.mutants.patching import Mutant, Source, Statement
from tools.mutants.report import lines, share

ROOT = Path(__file__).parents[2]

SAMPLE = """
import functools

PRICES = {"tea": 2, "cake": 3}


def total(things: list[str], most: int) -> int:
    \"\"\"Of all that is cheap enough.\"\"\"
    found = 0
    if found > 0:
        raise AssertionError("nothing was found yet")
    for thing in things:
        price = PRICES.get(thing)
        if price is not None and price <= most:
            found += price
    return found


class Shop:
    @property
    def is_open(self) -> bool:
        return not self.closed

    closed = False


@functools.cache
def double(number: int) -> int:
    return 2 * number


total_of = {"total": total}
"""


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Source:
    """A module that is imported."""
    path = tmp_path / f"sample_{tmp_path.name}.py"
    path.write_text(SAMPLE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return Source(path, tmp_path)


def planted(source: Source, what: str) -> Any:
    mutant = next(one for one in source.mutants() if one.what == what)
    source.plant(mutant)
    return source.module


def test_each_statement_has_the_changes_that_matter() -> None:
    found = [(change.function, change.what) for change in changes_of(ast.parse(SAMPLE))]
    assert found == [
        ("total", "removed"),
        ("total", "0 becomes 1"),
        ("total", "> becomes >="),
        ("total", "0 becomes 1"),
        ("total", "and becomes or"),
        ("total", "is not becomes is"),
        ("total", "<= becomes <"),
        ("total", "removed"),
        ("total", "+= becomes -="),
        ("total", "returns None"),
        ("Shop.is_open", "returns None"),
        ("Shop.is_open", "without not"),
        ("double", "returns None"),
        ("double", "* becomes +"),
        ("double", "2 becomes 3"),
    ]


@pytest.mark.parametrize(
    ("what", "asked", "answer"),
    [
        ("<= becomes <", lambda sample: sample.total(["tea", "cake"], 3), 2),
        ("+= becomes -=", lambda sample: sample.total_of["total"](["tea"], 3), -2),
        ("without not", lambda sample: sample.Shop().is_open, False),
        ("* becomes +", lambda sample: sample.double(5), 7),
        ("without 'tea'", lambda sample: sample.total(["tea", "cake"], 3), 3),
    ],
)
def test_a_mutant_is_what_everybody_calls(what: str, asked: Callable[[Any], Any], answer: Any, made: Source) -> None:
    """Through a table, a property and a cache, too."""
    assert asked(planted(made, what)) == answer


def test_a_probe_sees_which_statements_run(made: Source) -> None:
    seen = set[Statement]()
    made.probe(seen)
    sample: Any = made.module
    assert sample.total(["nothing"], 3) == 0
    lines = SAMPLE.splitlines()
    run = {lines[line - 1].strip() for _, line in seen}
    assert "return found" in run
    assert "found += price" not in run


def test_the_report_tells_which_survivors_have_a_reason() -> None:
    killed = Mutant("a.py", "f", 1, "return x", "returns None", 0)
    survives = Mutant("a.py", "f", 2, "return y", "returns None", 1)
    found = {killed: "a test", survives: ""}
    assert share(found) == 0.5
    report = "\n".join(lines(found))
    assert "1 of 2 killed" in report
    assert "1 have none:\n  a.py:2 f: returns None" in report


PROGRAM = """
import json, sys
from pathlib import Path
import pytest
from tools.mutants.patching import Source
from tools.mutants.running import Mutants

folder = Path(sys.argv[1])
sys.path.insert(0, str(folder))
plugin = Mutants([Source(folder / "shop.py", folder)], list, lambda *told: None, 2)
options = ["-q", "-s", "-p", "no:cacheprovider", "-c", "/dev/null", f"--rootdir={folder}", str(folder)]
status = pytest.main(options, plugins=[plugin])
found = {f"{one.function}: {one.what}": killer.partition(":")[0] for one, killer in plugin.found.items()}
print("\\n" + json.dumps([int(status), found]))
"""

SHOP = """
def price(count: int) -> int:
    while count > 9:
        count -= 1
    return 2 * count


def untested() -> bool:
    return True
"""

TESTS = """
from shop import price

def test_a_few():
    assert price(2) == 4

def test_many():
    assert price(12) == 18
"""


@pytest.mark.slow
def test_what_no_test_notices_survives_and_what_never_ends_is_killed(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "test_shop.py").write_text(TESTS)
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    status, found = json.loads(done.stdout.splitlines()[-1])
    assert status == 0
    assert found == {
        "price: > becomes >=": "test_shop.py",
        "price: 9 becomes 10": "test_shop.py",
        "price: removed": "timeout",
        "price: -= becomes +=": "timeout",
        "price: 1 becomes 2": "test_shop.py",
        "price: returns None": "test_shop.py",
        "price: * becomes +": "test_shop.py",
        "price: 2 becomes 3": "test_shop.py",
        "untested: returns None": "",
        "untested: True becomes False": "",
    }
