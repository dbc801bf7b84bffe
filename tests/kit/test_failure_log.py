"""What the log of the process says of failures, and what the record keeps of where they were raised."""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from typing_extensions import override

from dagger import (
    Failure,
    Retry,
    Status,
    Topic,
    any_of,
    command,
    process,
    sleep,
    task,
    template,
)
from dagger.backends.memory import MemoryBackend
from dagger.errors import FRAMES_MAX, MESSAGE_MAX, TRACEBACK_MAX, message_of, traceback_of
from dagger.testing import TestEngine, hang

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Order:
    id: str


notes = Topic("NOTES", Order, key=lambda m: m.id)


def by_id(order: Order) -> str:
    return order.id


@task
async def charge(order: Order) -> int:
    raise KeyError("missing")


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, "dagger")
    return caplog


def lines(told: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """The level of each line about a failure, and its text without the traceback."""
    found = [record for record in told.records if "fail" in record.getMessage().lower()]
    return [(record.levelname, record.getMessage().partition("\n")[0]) for record in found]


async def test_an_instance_that_fails_is_an_error_with_the_traceback(
    dagger_engine: TestEngine, told: pytest.LogCaptureFixture
) -> None:
    run = await dagger_engine.start(template("W", process("PAY", charge), key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    assert lines(told) == [("ERROR", "o-1 has ended as FAILURE: PAY/charge: KeyError: 'missing'")]
    text = told.records[-1].getMessage()
    assert "Traceback (most recent call last):" in text
    assert 'raise KeyError("missing")' in text
    assert run.error is not None
    assert text.endswith(run.error.traceback)


async def test_a_try_that_is_repeated_is_a_warning_with_the_time_of_the_next(
    dagger_engine: TestEngine, told: pytest.LogCaptureFixture
) -> None:
    @task(retry=Retry(attempts=2, first=5 * SECOND))
    async def deliver(order: Order) -> int:
        raise ConnectionError("down")

    await dagger_engine.start(template("W", deliver, key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    down = "ConnectionError: down"
    assert lines(told) == [
        (
            "WARNING",
            f"o-1: deliver has failed in attempt 1 of 2: {down}; the next begins at 2030-01-01T00:00:05+00:00",
        ),
        ("ERROR", "o-1 has ended as FAILURE: deliver: ConnectionError: down"),
    ]


async def test_a_failure_that_is_answered_is_no_error(
    dagger_engine: TestEngine, told: pytest.LogCaptureFixture
) -> None:
    @task
    async def forgive(failure: Failure[Order]) -> int:
        return 0

    @task
    async def cash(order: Order) -> int:
        return 1

    recovered = process("PAY", charge).recover(forgive)
    run = await dagger_engine.start(template("R", recovered, key=by_id), Order("o-1"))
    other = await dagger_engine.start(template("A", any_of(charge, cash), key=by_id), Order("o-2"))
    assert (run.status, other.status) == (Status.COMPLETED, Status.COMPLETED)
    assert lines(told) == [
        ("INFO", "o-1: PAY/charge has failed: KeyError: 'missing'; it is answered by forgive"),
        ("INFO", "o-2: charge has failed: KeyError: 'missing'; it is answered by the other branches"),
    ]


async def test_a_line_is_one_line_whatever_an_error_says(
    dagger_engine: TestEngine, told: pytest.LogCaptureFixture
) -> None:
    @task
    async def rude(order: Order) -> int:
        raise ValueError("first\nERROR forged\x1b[2J")

    await dagger_engine.start(template("W", rude, key=by_id), Order("o-1"))
    text = told.records[-1].getMessage()
    assert text.startswith("o-1 has ended as FAILURE: rude: ValueError: first\\nERROR forged\\x1b[2J\nTraceback")
    assert "\x1b" not in text


class Small(MemoryBackend):
    size_max = 4_000


@pytest.fixture
def small_engine() -> TestEngine:
    return TestEngine(backend=Small())


async def test_an_instance_that_is_too_large_fails_in_the_log_too(
    small_engine: TestEngine, told: pytest.LogCaptureFixture
) -> None:
    @task
    async def grow(order: Order) -> str:
        return "x" * 5_000

    await small_engine.start(template("W", grow >> sleep(SECOND), key=by_id), Order("o-1"))
    ((level, text),) = lines(told)
    assert level == "ERROR"
    assert text.startswith("o-1 has ended as FAILURE: grow: TooLarge: its record would have ")


async def test_the_traceback_of_the_last_try_is_kept(dagger_engine: TestEngine) -> None:
    @task(retry=Retry(attempts=2))
    async def deliver(order: Order) -> int:
        def inner() -> int:
            raise ConnectionError("down")

        return inner()

    run = await dagger_engine.start(template("W", process("P", deliver), key=by_id), Order("o-1"))
    first = run.step("P/deliver").error
    assert first is not None
    assert "in inner" in first.traceback
    await dagger_engine.advance(timedelta(days=1))
    error = (await dagger_engine.get_instance("o-1")).error
    assert error is not None
    first_line, call, *_ = error.traceback.splitlines()
    assert first_line == "Traceback (most recent call last):"
    assert call.endswith("in deliver"), "it begins with the user's function"
    assert error.traceback.endswith("ConnectionError: down")


async def test_a_timeout_tells_what_the_task_was_waiting_for(dagger_engine: TestEngine) -> None:
    @task(timeout=SECOND)
    async def asks(order: Order) -> int:
        async def answer() -> int:
            await hang()
            return 1

        return await answer()

    run = await dagger_engine.start(template("W", asks, key=by_id), Order("o-1"))
    await dagger_engine.advance(SECOND)
    assert run.error is not None
    assert "in asks" in run.error.traceback
    assert "in answer" in run.error.traceback


async def test_a_pure_function_that_raises_has_a_traceback(dagger_engine: TestEngine) -> None:
    def broken(order: Order) -> Order:
        raise LookupError("no note")

    run = await dagger_engine.start(template("W", command(notes)(broken), key=by_id), Order("o-1"))
    assert run.error is not None
    assert "in broken" in run.error.traceback
    assert run.error.traceback.endswith("LookupError: no note")


async def test_a_sync_task_has_a_traceback(dagger_engine: TestEngine) -> None:
    @task
    def deliver(order: Order) -> int:
        raise LookupError("nobody")

    run = await dagger_engine.start(template("W", deliver, key=by_id), Order("o-1"))
    assert run.error is not None
    assert run.error.traceback.splitlines()[1].endswith("in deliver")


def deep(depth: int) -> int:
    return deep(depth - 1) if depth else 1 // 0


def raised(work: Any) -> BaseException:
    try:
        work()
    except BaseException as error:
        return error
    raise AssertionError("it raises")


def test_a_traceback_is_bounded_and_keeps_its_end() -> None:
    text = traceback_of(raised(lambda: deep(500)))
    assert text.count("in deep") <= FRAMES_MAX
    assert text.endswith("ZeroDivisionError: integer division or modulo by zero")
    long = traceback_of(raised(lambda: int("x" * 100_000)))
    assert len(long.encode()) <= TRACEBACK_MAX + 4
    many = traceback_of(ExceptionGroup("g", [ValueError("y" * 900 + "\n" + str(n)) for n in range(100)]))
    assert len(many.encode()) <= TRACEBACK_MAX + 4


class Mute(Exception):
    @override
    def __str__(self) -> str:
        raise SystemExit(3)


def test_what_an_error_says_is_bounded_and_can_be_stored() -> None:
    assert len(message_of(ValueError("x" * 1_000_000))) < MESSAGE_MAX + 40
    assert message_of(Mute()) == "its text cannot be read: SystemExit"
    assert traceback_of(Mute())
    assert "\\ud800" in traceback_of(ValueError("\ud800"))
