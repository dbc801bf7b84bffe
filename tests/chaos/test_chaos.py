"""Nothing is lost, repeated or put out of order on one file, whoever dies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.chaos import Chaos, play
from tests.chaos.report import check
from tests.chaos.schedule import schedule_of
from tests.chaos.sqlite import SqliteSite


def chaos_of(folder: Path, total: int, seed: int, **counts: int) -> Chaos:
    site = SqliteSite(folder / "chaos.db")
    return Chaos(site, folder, total, schedule_of(seed, total, counts, site.targets), seed)


@pytest.mark.slow
def test_orders_outlive_their_workers(tmp_path: Path) -> None:
    """A small chaos; `make chaos` runs the whole one."""
    check(play(chaos_of(tmp_path, 120, seed=1, kill=4, stop=1)))


@pytest.mark.chaos
@pytest.mark.parametrize("seed", [1, 2])
def test_orders_outlive_their_workers_again_and_again(
    tmp_path: Path, seed: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with capsys.disabled():
        check(play(chaos_of(tmp_path, 2_000, seed=seed, kill=30, stop=5)))


def test_a_seed_gives_one_schedule() -> None:
    counts, targets = {"kill": 30, "stop": 5, "broker": 4}, {"kill": 3, "stop": 3, "broker": 3}
    first = schedule_of(1, 2_000, counts, targets)
    assert [fault.sort for fault in first].count("stop") == 5
    assert first == schedule_of(1, 2_000, counts, targets)
    assert first != schedule_of(2, 2_000, counts, targets)
    assert [fault.at for fault in first] == sorted(fault.at for fault in first)
    assert [fault.target for fault in first if fault.sort == "broker"] == [0, 1, 2, 0]
