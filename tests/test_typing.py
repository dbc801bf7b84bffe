"""What both checkers infer and refuse: two plain files, checked and never run.

``accepts.py`` states the inferred types with ``assert_type``. In ``refuses.py`` each line is a mis-wiring and
has the ignores of both checkers on it. An ignore that suppresses nothing is an error: a mis-wiring that
passes leaves its ignores with nothing to suppress.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TYPING = ROOT / "tests" / "typing"
ACCEPTS = TYPING / "accepts.py"
REFUSES = TYPING / "refuses.py"


def check(*command: str) -> None:
    # pyright asks the network for a newer release of itself unless told not to.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYRIGHT_PYTHON_")}
    environment |= {"PYRIGHT_PYTHON_IGNORE_WARNINGS": "1", "MYPYPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"


def test_mypy_infers_and_refuses() -> None:
    # No configuration: this is what `mypy --strict` tells a user. The cache is its own, for the flags differ
    # from mypy.ini's and a check of the whole tree may be running beside this one.
    check(
        "mypy",
        "--config-file=",
        "--strict",
        "--python-version=3.11",
        "--warn-unused-ignores",
        "--enable-error-code=ignore-without-code",
        "--follow-imports=silent",
        "--cache-dir=.mypy_cache/typing",
        str(ACCEPTS),
        str(REFUSES),
    )


@pytest.mark.slow
def test_pyright_infers_and_refuses() -> None:
    check("pyright", "--project", str(TYPING), "--pythonpath", sys.executable)


def test_every_documented_form_is_accepted() -> None:
    calls = [node for node in ast.walk(ast.parse(ACCEPTS.read_text())) if isinstance(node, ast.Call)]
    cases = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "assert_type"]
    assert len(cases) >= 40


def test_every_mis_wiring_is_refused_by_both() -> None:
    lines = {line.strip() for line in REFUSES.read_text().splitlines() if "# type: ignore[" in line}
    assert len(lines) >= 60
    assert all("# pyright: ignore[" in line for line in lines)
