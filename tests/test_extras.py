"""Where an extra is not installed: an error of ours that says what to install, wherever the URL is given."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
KAFKA = "kafka://localhost:9092/shop"
AEROSPIKE = "aerospike://localhost:3000/test"

WITHOUT = """
import runpy, sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    '''As if they were not installed.'''

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in {gone}:
            return None
        return super().find_spec(name, path, target)

sys.meta_path[:] = [one for one in sys.meta_path if one is not PathFinder and isinstance(one, type)] + [Without]
sys.path.insert(0, {root!r})
"""


def without(gone: set[str], code: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Some code in a process that cannot find these packages."""
    text = WITHOUT.format(gone=gone, root=str(ROOT)) + code
    return subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, check=False, cwd=folder, timeout=60
    )


BOTH = {"aiokafka", "aerospike"}
CASES = [
    ({"aiokafka"}, KAFKA, AEROSPIKE, "kafka:// needs the package aiokafka", "kafka"),
    ({"aerospike"}, KAFKA, AEROSPIKE, "aerospike:// needs the package aerospike", "aerospike"),
    (BOTH, KAFKA, AEROSPIKE, "and aerospike:// needs the package aerospike", "kafka,aerospike"),
    (BOTH, KAFKA, "sqlite:///records.db", "kafka:// needs the package aiokafka", "kafka"),
    (BOTH, KAFKA, None, "kafka:// needs the package aiokafka", "kafka"),
]


@pytest.mark.parametrize(("gone", "broker", "store", "why", "extras"), CASES)
def test_what_is_missing_is_told_with_what_to_install(
    gone: set[str], broker: str, store: str | None, why: str, extras: str, tmp_path: Path
) -> None:
    code = f"""
from dagger import Dagger, DaggerError
try:
    Dagger({broker!r}, store={store!r})
except DaggerError as error:
    print(type(error).__name__, error)
"""
    done = without(gone, code, tmp_path)
    assert done.stdout.startswith("BackendError "), done.stderr
    assert why in done.stdout
    assert f"; pip install 'dagger-workflow[{extras}]'" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [["worker", "shop:engine"], ["instances", "shop:engine"], ["publish", KAFKA, "T", "1", "--store", AEROSPIKE]],
)
def test_the_command_says_it_in_a_line(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(f"from dagger import Dagger\n\nengine = Dagger({KAFKA!r}, store={AEROSPIKE!r})\n")
    code = f"sys.argv = ['dagger', *{arguments!r}]\nrunpy.run_module('dagger', run_name='__main__')"
    done = without(BOTH, code, tmp_path)
    (line,) = done.stderr.splitlines()
    assert line.startswith("dagger: ")
    assert line.endswith("; pip install 'dagger-workflow[kafka,aerospike]'")
    assert done.returncode == 1
    if "shop:engine" in arguments:
        assert f"{tmp_path / 'shop.py'}:3: " in line


def test_a_release_that_will_not_do_is_told_like_one_that_is_missing(tmp_path: Path) -> None:
    (tmp_path / "aiokafka.py").write_text("")
    code = """
from dagger import Dagger, DaggerError
try:
    Dagger("kafka://localhost:9092/shop", store="sqlite:///records.db")
except DaggerError as error:
    print(type(error).__name__, error)
"""
    done = without(set(), "sys.path.insert(0, '')\n" + code, tmp_path)
    assert done.stdout.startswith("BackendError kafka:// cannot be loaded ("), done.stderr
    assert "; pip install 'dagger-workflow[kafka]'" in done.stdout
