"""``python -m tools.mutants [--sample=200] [--seed=0] [--only=core/entity]``: which planted faults the tests find.

The report goes to build/mutants.txt too. Fails where less than 90% of the mutants are killed.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
from pathlib import Path
from typing import Final

import pytest

from tools.mutants.patching import Mutant, Source
from tools.mutants.report import KILLED_MIN, lines, share
from tools.mutants.running import Killer, Mutants

ROOT: Final = Path(__file__).resolve().parents[2]
TARGETS: Final = ("dagger/core", "dagger/plan")
LEFT_OUT: Final = ("dagger/core/invariants.py",)
"""What only tests call: a check that says less fails no test that passes."""
TESTS: Final = ("tests/core", "tests/model", "tests/plan", "tests/kit", "tests/dsl", "tests/contract/test_memory.py")
MARKS: Final = "not slow and not fuzz and not chaos and not kafka"


def main(arguments: list[str]) -> int:
    """Try the mutants that are asked for; gives what the process returns."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description=__doc__)
    parser.add_argument("--sample", type=int, default=0, help="so many, drawn by the seed; 0 for all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="mutants whose place, as `dagger/core/step.py:17 begin`, holds this")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)

    def chosen(found: list[Mutant]) -> list[Mutant]:
        found = [mutant for mutant in found if options.only in mutant.place]
        dice = random.Random(options.seed)
        return dice.sample(found, min(options.sample or len(found), len(found)))

    def told(done: int, total: int, mutant: Mutant, killer: Killer) -> None:
        if not killer:
            print(f"[{done}/{total}] survives: {mutant.place}: {mutant.what}: {mutant.text}", flush=True)
        elif done % 100 == 0:
            print(f"[{done}/{total}]", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        plugin = Mutants(_sources(), chosen, told, options.jobs)
        flags = [
            "-q",
            "-s",
            "--tb=no",
            "--assert=plain",
            "-p",
            "no:cacheprovider",
            f"--basetemp={folder}/tests",
            "-m",
            MARKS,
        ]
        status = pytest.main([*flags, *TESTS], plugins=[plugin])
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return int(status)
    report = "\n".join(lines(plugin.found))
    print(report)
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "mutants.txt").write_text(f"{report}\n")
    return 0 if share(plugin.found) >= KILLED_MIN else 1


def _sources() -> list[Source]:
    paths = [path for target in TARGETS for path in sorted((ROOT / target).rglob("*.py"))]
    return [Source(path, ROOT) for path in paths if str(path.relative_to(ROOT)) not in LEFT_OUT]


if __name__ == "__main__":
    os.environ.setdefault("HYPOTHESIS_PROFILE", "fast")
    os.chdir(ROOT)
    sys.exit(main(sys.argv[1:]))
