"""How far this machine's clock is ahead of the brokers'."""

from __future__ import annotations

import logging

import pytest

from dagger.backends.kafka.clock import ASK_S, TRUST_S, BrokerClock


class Now:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.s = 1_000.0

    def __call__(self) -> float:
        return self.s


def test_nothing_is_known_before_a_broker_has_answered() -> None:
    now = Now()
    clock = BrokerClock(5.0, now)
    assert not clock.is_known
    assert clock.ask()
    assert not clock.ask(), "it was asked"
    now.s += ASK_S
    assert clock.ask(), "there was no answer"
    clock.saw(now.s, int(now.s * 1000))
    assert clock.is_known
    assert not clock.is_wrong
    assert not clock.ask()
    now.s += TRUST_S
    assert clock.ask(), "that was long ago"


def test_a_clock_that_is_ahead_is_wrong_until_it_is_not(caplog: pytest.LogCaptureFixture) -> None:
    clock = BrokerClock(5.0, Now())
    with caplog.at_level(logging.ERROR):
        clock.saw(1_000.0, 994_000)
        assert clock.is_wrong
        assert clock.ahead_s == 6.0
        clock.saw(1_000.0, 994_000)
        assert [record.levelname for record in caplog.records] == ["ERROR"], "it is told once"
        clock.saw(1_000.0, 999_000)
        assert not clock.is_wrong


def test_a_clock_that_is_behind_is_late_and_not_wrong() -> None:
    clock = BrokerClock(5.0, Now())
    clock.saw(1_000.0, 2_000_000)
    assert not clock.is_wrong


def test_an_answer_that_took_long_is_no_proof() -> None:
    """Only the time of sending counts: a broker took it then or later."""
    now = Now()
    clock = BrokerClock(5.0, now)
    now.s = 1_060.0
    clock.saw(1_000.0, 1_059_000)
    assert not clock.is_wrong


def test_a_broker_that_does_not_tell_is_believed() -> None:
    clock = BrokerClock(5.0, Now())
    clock.saw(1_000.0, None)
    assert clock.is_known
    assert not clock.is_wrong
    clock.saw(1_000.0, -1)
    assert not clock.is_wrong
