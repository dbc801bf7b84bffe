"""Whatever fails, and wherever: all of a batch is there, or nothing, and what comes out is as if nothing had failed."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from dagger import BackendError, Dagger, EngineClosed
from dagger.backends.sqlite import maintenance
from dagger.backends.sqlite.open_file import OpenFile
from dagger.engine import backoff
from tests.sqlite.faults import DEADLY, PASSING, Fault, Sort
from tests.sqlite.small import ORDERS, PATIENCE_S, Order, Outcome, bury, live, look, play, small
from tests.sqlite.wal import Copy, Witness, commits_of, content, torn

FEW = 19
"""Every so many places are tried where the test is to be fast."""
MANY = 1 if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else 5
"""Every so many where it need not be: all of them in `make fuzz`."""


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "PAUSE_S_MIN", 0.001)
    monkeypatch.setattr(maintenance, "RETRY_S", 0.001)


def url_of(path: Path) -> str:
    return f"sqlite:///{path}?lease=1s"


async def passing(path: Path, fault: Fault) -> Outcome:
    """An engine meets the fault, and goes on by itself."""
    with anyio.fail_after(PATIENCE_S), fault.at_work():
        await live(url_of(path))
    return await look(url_of(path), path)


async def deadly(path: Path, fault: Fault) -> Outcome:
    """A process dies of the fault; another goes on."""
    with anyio.fail_after(PATIENCE_S):
        with fault.at_work():
            try:
                await live(url_of(path))
            except* (BackendError, EngineClosed):  # the worker's error, and what it is for those who wait
                assert fault.is_dead
        bury(path)
        await live(url_of(path))
    return await look(url_of(path), path)


def at_every_place(folder: Path, sort: Sort, every: int, *, in_chores: bool = False, lasts: int = 1) -> int:
    """Let it go wrong at each place in turn; gives how many there were."""
    play = deadly if sort in DEADLY else passing
    expected = anyio.run(passing, folder / "undisturbed.db", Fault(sort, 1_000_000))
    number = 0
    while True:
        fault = Fault(sort, number, in_chores=in_chores, lasts=lasts)
        found = anyio.run(play, folder / f"{number}.db", fault)
        assert found == expected, f"{sort} statement {number}: {fault.struck}"
        (folder / f"{number}.db").unlink()
        if not fault.struck:
            return number
        number += every


@pytest.mark.parametrize("sort", [pytest.param(PASSING[0], marks=pytest.mark.slow), DEADLY[0]])
def test_a_statement_that_fails_changes_nothing(tmp_path: Path, sort: Sort) -> None:
    """At a few places, in two ways; the next test tries more, and all of them in `make fuzz`."""
    assert at_every_place(tmp_path, sort, FEW) > 0


@pytest.mark.slow
@pytest.mark.fuzz
@pytest.mark.parametrize("sort", [*PASSING, *DEADLY])
def test_every_statement_may_fail(tmp_path: Path, sort: Sort) -> None:
    assert at_every_place(tmp_path, sort, MANY) > 100


@pytest.mark.slow
@pytest.mark.parametrize("sort", PASSING)
def test_what_fails_for_a_while_changes_nothing(tmp_path: Path, sort: Sort) -> None:
    """As a disk that is full until somebody makes room: what is tried meanwhile fails too."""
    assert at_every_place(tmp_path, sort, FEW, lasts=7) > 0


@pytest.mark.slow
@pytest.mark.parametrize("sort", [*PASSING, *DEADLY])
def test_a_chore_that_fails_changes_nothing(tmp_path: Path, sort: Sort) -> None:
    assert at_every_place(tmp_path, sort, 1, in_chores=True) > 5


# ------------------------------------------------------------------------------------------------ torn writes

MORE = (*ORDERS, Order("o-2"), Order("o-3"))


@pytest.fixture
def no_write_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was written back was on the disk before, and would not be torn: here all of it is in the log."""
    monkeypatch.setattr(OpenFile, "_write_back", lambda self, connection: PATIENCE_S)


async def copies(path: Path) -> list[Copy]:
    """Copies of a file in use: at the end of one order, and of two more, whose log is written over the first."""
    witness = Witness(path)
    with anyio.fail_after(PATIENCE_S), witness.at_work():
        engine = Dagger(url_of(path))
        engine.register(small)
        async with engine:
            await play(engine, ORDERS)
            first = witness.copy()
            witness.begin_anew()
            await play(engine, MORE)
            return [first, witness.copy()]


@pytest.mark.usefixtures("no_write_back")
def test_a_log_that_is_torn_anywhere_holds_whole_batches_and_no_part_of_one(tmp_path: Path) -> None:
    path = tmp_path / "torn.db"
    for copy in anyio.run(copies, tmp_path / "whole.db"):
        assert commits_of(copy.wal) > 10, "there is something to tear"
        empty = content_of(copy, path, b"")
        for name, wal, commits in torn(copy.wal):
            assert content_of(copy, path, wal) == copy.states.get(commits, empty), name


def content_of(copy: Copy, path: Path, wal: bytes) -> str:
    for old in path.parent.glob(f"{path.name}*"):
        old.unlink()
    copy.put(path, wal)
    return content(path)


async def go_on(path: Path) -> Outcome:
    """Whoever has written it is dead; another goes on."""
    bury(path)
    with anyio.fail_after(PATIENCE_S):
        await live(url_of(path), MORE)
    return await look(url_of(path), path)


@pytest.mark.slow
@pytest.mark.usefixtures("no_write_back")
def test_whatever_batches_are_left_a_new_engine_finishes_with_each_message_once(tmp_path: Path) -> None:
    path = tmp_path / "torn.db"
    both = anyio.run(copies, tmp_path / "whole.db")
    expected = anyio.run(go_on, tmp_path / "whole.db")
    assert len(expected.published) == 2 * len(MORE)
    for at, copy in enumerate(both):
        left = {commits: wal for name, wal, commits in torn(copy.wal) if name.endswith(("complete", "at 0"))}
        for commits, wal in left.items():
            content_of(copy, path, wal)
            assert anyio.run(go_on, path) == expected, f"copy {at}, {commits} transactions"
