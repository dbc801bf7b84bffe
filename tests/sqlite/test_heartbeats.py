"""Heartbeats are counted, so a process is known to be dead whatever the clocks of the machines say."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator

import pytest

from dagger.backends.sqlite import processes as module
from dagger.backends.sqlite.leases import Leases
from dagger.backends.sqlite.processes import IDLE_TTL_S, Processes
from dagger.backends.sqlite.schema import LOG_AND_RECORDS

LEASE_S = 4.0
PARTITIONS = 4


class Clock:
    """The clocks of a machine: one that nobody sets, and one that people do."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.wall = 1_900_000_000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.wall


class Container:
    """A process in a container of its own, where the process numbers of others mean nothing."""

    def __init__(self, connection: sqlite3.Connection, name: str) -> None:
        self.processes = Processes()
        self.processes._host = name
        self._connection = connection
        self.team = Leases("", self.processes.id, PARTITIONS)

    def sign(self, lasts_s: float = LEASE_S) -> None:
        self.processes.heartbeat(self._connection, lasts_s)
        while self.team.rebalance(self._connection):
            pass

    @property
    def owns(self) -> int:
        return len(self.team.owned)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(time, "time", clock.time)
    return clock


@pytest.fixture
def file() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    for step in LOG_AND_RECORDS.migrations:
        connection.executescript(step)
    yield connection
    connection.close()


@pytest.mark.parametrize("set_by_s", [0.0, -86_400.0, 86_400.0], ids=["right", "set back", "set forward"])
def test_a_dead_one_is_taken_over_from_after_its_lease(file: sqlite3.Connection, clock: Clock, set_by_s: float) -> None:
    dead, lives = Container(file, "one"), Container(file, "two")
    for one in (dead, lives, dead, lives):
        one.sign()
    assert (dead.owns, lives.owns) == (2, 2)
    clock.wall += set_by_s
    passed = 0.0
    while lives.owns < PARTITIONS:
        passed += LEASE_S / 4
        clock.now += LEASE_S / 4
        lives.sign()
    assert LEASE_S < passed <= 1.5 * LEASE_S


@pytest.mark.parametrize("set_by_s", [0.0, -86_400.0, 86_400.0], ids=["right", "set back", "set forward"])
def test_one_that_lives_keeps_what_it_owns(file: sqlite3.Connection, clock: Clock, set_by_s: float) -> None:
    one, other = Container(file, "one"), Container(file, "two")
    for _ in range(3):
        one.sign()
        other.sign()
    for _ in range(20):
        clock.wall += set_by_s
        clock.now += LEASE_S / 2
        one.sign()
        clock.now += LEASE_S / 2
        other.sign()
        assert (one.owns, other.owns) == (2, 2)


def test_who_was_kept_from_looking_takes_nobody_for_dead_at_once(file: sqlite3.Connection, clock: Clock) -> None:
    """A process that was stopped with the lock of the file kept all from giving signs; one of them is the first."""
    one, other = Container(file, "one"), Container(file, "two")
    for _ in range(3):
        one.sign()
        other.sign()
    clock.now += 100 * LEASE_S
    one.sign()
    assert one.owns == 2
    other.sign()
    assert (one.owns, other.owns) == (2, 2)


def test_one_that_owns_nothing_may_be_silent_for_longer(file: sqlite3.Connection, clock: Clock) -> None:
    quiet, worker = Processes(), Container(file, "two")
    quiet._host = "one"
    quiet.heartbeat(file, IDLE_TTL_S)
    for _ in range(int(IDLE_TTL_S / LEASE_S) - 1):
        worker.sign()
        clock.now += LEASE_S
    assert file.execute("SELECT count(*) FROM peer").fetchone() == (2,)
    for _ in range(4):
        clock.now += LEASE_S
        worker.sign()
    assert file.execute("SELECT count(*) FROM peer").fetchone() == (1,)
