"""What fails again and again is tried ever more seldom, and logged ever more seldom."""

from __future__ import annotations

import logging

import anyio
import pytest

from dagger.engine.backoff import LOG_S_MAX, PAUSE_S_MAX, PAUSE_S_MIN, Backoff
from dagger.errors import BackendUnavailable

DAY_S = 86_400


class Time:
    """A clock on which only the pauses take time."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.now_s = 1_000.0
        patch.setattr(anyio, "sleep", self.sleep)

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def test_pauses_grow_though_something_succeeds_in_between(time: Time) -> None:
    async def run() -> list[float]:
        backoff, found = Backoff(time), list[float]()
        for _ in range(12):
            backoff.failed(BackendUnavailable("no"))
            found.append(backoff.next_s)
            await backoff.sleep()
            time.now_s += 0.01
            backoff.succeeded()
        return found

    found = anyio.run(run)
    assert found[0] == PAUSE_S_MIN
    assert found == sorted(found)
    assert found[-1] == PAUSE_S_MAX


def test_what_is_over_begins_anew(time: Time) -> None:
    async def run() -> float:
        backoff = Backoff(time)
        for _ in range(12):
            backoff.failed(BackendUnavailable("no"))
            await backoff.sleep()
        time.now_s += 3 * PAUSE_S_MAX
        backoff.succeeded()
        return backoff.next_s

    assert anyio.run(run) == PAUSE_S_MIN


def test_what_lasts_is_logged_ever_more_seldom(time: Time, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        backoff, end_s = Backoff(time), time.now_s + DAY_S
        while time.now_s < end_s:
            backoff.failed(BackendUnavailable("the broker is away"))
            await backoff.sleep()

    anyio.run(run)
    lines = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert DAY_S / LOG_S_MAX / 2 < len(lines) < DAY_S / LOG_S_MAX + 20


def test_another_error_is_logged_at_once(time: Time, caplog: pytest.LogCaptureFixture) -> None:
    backoff = Backoff(time)
    for said in ("a", "a", "b", "b", "a"):
        backoff.failed(BackendUnavailable(said))
    assert [one.getMessage()[0] for one in caplog.records] == ["a", "b", "a"]
