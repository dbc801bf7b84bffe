"""Each statement fails in turn: afterwards all of a batch is there, or nothing, and the work goes on."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from dagger.testing.clock import VirtualClock
from dagger.testing.contract.crashes import Outcome, look
from tests.contract.storages import OnSqlite
from tests.sqlite.broken import Fate, Sort, bury, work

SORTS: list[Sort] = ["disk fails before", "disk fails after", "disk full", "dies before", "dies after"]


async def outcome(folder: Path, fate: Fate | None) -> Outcome:
    await anyio.Path(folder).mkdir()
    storage, clock = OnSqlite(folder, "partitions=3"), VirtualClock()
    path = storage.file
    with anyio.fail_after(60):
        await work(path, clock, fate)
        if fate is not None and fate.struck:
            bury(path)
            await work(path, clock)
        return await look(storage, clock)


def at_every_place(tmp_path: Path, sort: Sort, every: int) -> None:
    expected = anyio.run(outcome, tmp_path / "undisturbed", None)
    number = 0
    while True:
        fate = Fate(sort, number)
        found = anyio.run(outcome, tmp_path / f"{number}", fate)
        assert found == expected, f"statement {number}, {fate.struck}"
        if not fate.struck:
            break
        number += every
    assert number > 100, "hardly anything was executed"


@pytest.mark.parametrize("sort", SORTS)
def test_a_statement_goes_wrong(tmp_path: Path, sort: Sort) -> None:
    at_every_place(tmp_path, sort, 11)


@pytest.mark.slow
@pytest.mark.parametrize("sort", SORTS)
def test_any_statement_goes_wrong(tmp_path: Path, sort: Sort) -> None:
    at_every_place(tmp_path, sort, 1)
