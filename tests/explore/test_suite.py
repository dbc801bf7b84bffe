"""Every test of the kit and of the examples is explored: whatever it starts survives a fault at any place."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
@pytest.mark.parametrize("folder", ["tests/kit", "tests/examples"])
def test_no_fault_changes_what_a_test_leads_to(folder: str, pytestconfig: pytest.Config) -> None:
    plugin = "dagger.testing.plugin"
    loaded = ["-p", plugin] if pytestconfig.pluginmanager.hasplugin(plugin) else []
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *loaded, "-p", "no:cacheprovider", "-q", "--dagger-explore=40", folder],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d tests survived \d+ runs with a fault each", done.stdout)
