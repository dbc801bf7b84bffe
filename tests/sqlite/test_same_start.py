"""Processes that write a set in their own orders start one instance."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import sys
from dataclasses import dataclass
import anyio
from dagger import Dagger, signal, template

@dataclass(frozen=True)
class Order:
    id: str
    tags: frozenset[str]

orders = template("Orders", signal("go", bool), key=lambda order: order.id, takes=Order)

async def main() -> None:
    async with Dagger(sys.argv[1]).client() as engine:
        await engine.start(orders, Order("o-1", frozenset(f"tag-{number}" for number in range(12))))
        assert await engine.count() == 1
    if sys.argv[2] == "work":
        async with Dagger(sys.argv[1]) as engine:
            engine.register(orders)
            await engine.signal("o-1", "go", True)
            await engine.wait("o-1")

anyio.run(main)
"""


@pytest.mark.slow
def test_a_set_that_each_process_writes_in_its_own_order(tmp_path: Path) -> None:
    """Before it has begun, and after it has ended."""
    url = f"sqlite:///{tmp_path / 'x.db'}"
    for seed, what in [("1", ""), ("2", ""), ("3", "work"), ("4", ""), ("5", "")]:
        env = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", PROGRAM, url, what], env=env, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
