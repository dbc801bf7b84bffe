"""What an import costs in processor time, beyond the libraries that it needs at once: each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.measure import at_most, note

ROUNDS = 11
LIBRARIES = "import anyio, asyncio, msgspec, typing_extensions"

IMPORTS = [
    ("import dagger", LIBRARIES, "import dagger", 100.0),
    ("import of all that workflows need", LIBRARIES, "from dagger import *", 100.0),
    ("import of the pytest plugin", "import pytest", "import dagger.testing.plugin", 50.0),
]


@pytest.mark.parametrize(("name", "before", "code", "limit_ms"), IMPORTS, ids=[name for name, *_ in IMPORTS])
def test_import(benchmark: Any, name: str, before: str, code: str, limit_ms: float, tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(tmp_path)  # compiled by the first of them
    program = f"{before}\nimport time\nbegun = time.process_time()\n{code}\nprint(time.process_time() - begun)"
    costs = list[float]()

    def load() -> None:
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
        )
        costs.append(float(done.stdout) * 1e6)

    benchmark.pedantic(load, rounds=ROUNDS, warmup_rounds=1)
    found = [(cost, limit_ms * 1e3) for cost in costs[1:]]
    note(benchmark, f"{name}, to {limit_ms:g} ms", found, at_most(1.0), speed=False)
