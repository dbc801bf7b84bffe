"""Nothing is lost, repeated or put out of order, whoever dies."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.chaos.chaos import Chaos, check


@pytest.mark.slow
def test_orders_outlive_their_workers(tmp_path: Path) -> None:
    """A small chaos; `make chaos` runs the whole one."""
    summary = anyio.run(Chaos(tmp_path / "chaos.db", total=200, kills=4, stops=1, seed=1).run)
    print(summary)
    check(summary)


@pytest.mark.chaos
@pytest.mark.parametrize("seed", [1, 2])
def test_orders_outlive_their_workers_again_and_again(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = anyio.run(Chaos(tmp_path / "chaos.db", total=2_000, kills=30, stops=5, seed=seed).run)
    with capsys.disabled():
        print(f"\n{summary}")
    check(summary)
    assert (len(summary.kills), len(summary.stops)) == (30, 5)
