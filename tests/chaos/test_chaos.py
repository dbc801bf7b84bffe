"""Nothing is lost, repeated or put out of order, whoever dies."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.chaos.chaos import Chaos, check, schedule_of


@pytest.mark.slow
def test_orders_outlive_their_workers(tmp_path: Path) -> None:
    """A small chaos; `make chaos` runs the whole one."""
    play(Chaos(tmp_path / "chaos.db", total=120, kills=4, stops=1, seed=1))


@pytest.mark.chaos
@pytest.mark.parametrize("seed", [1, 2])
def test_orders_outlive_their_workers_again_and_again(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        play(Chaos(tmp_path / "chaos.db", total=2_000, kills=30, stops=5, seed=seed))


def play(chaos: Chaos) -> None:
    summary = anyio.run(chaos.run)
    print(f"\n{summary}", *summary.faults, sep="\n  ")
    check(summary)


def test_a_seed_gives_one_schedule() -> None:
    first = schedule_of(1, 2_000, kills=30, stops=5)
    assert [fault.sort for fault in first].count("stop") == 5
    assert first == schedule_of(1, 2_000, kills=30, stops=5)
    assert first != schedule_of(2, 2_000, kills=30, stops=5)
    assert [fault.at for fault in first] == sorted(fault.at for fault in first)
