"""Trying again: how often, when, and after which errors."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest

from dagger import (
    Retry,
    Status,
    Step,
    TemplateError,
    Topic,
    command,
    context,
    for_each,
    listener,
    process,
    sleep,
    switch,
    task,
    template,
)
from dagger.engine.headers import texts_of
from dagger.testing import TestEngine, hang

START = datetime(2030, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Order:
    id: str


tried = Topic("TRIED", Order, key=lambda m: m.id)


def by_id(order: Order) -> str:
    return order.id


def failing(times: int, engine: TestEngine, error: Callable[[], Exception] = ConnectionError) -> Any:
    """A task function that fails so often, and the seconds on the clock at each try."""
    at = list[float]()

    async def charge(order: Order) -> int:
        at.append((engine.now - START).total_seconds())
        if len(at) <= times:
            raise error()
        return len(at)

    return charge, at


@pytest.mark.unexplored("its fake counts its calls, and a task may be called twice")
async def test_a_task_is_tried_until_it_succeeds(dagger_engine: TestEngine) -> None:
    charge, at = failing(2, dagger_engine)
    run = await dagger_engine.start(template("W", task(retry=Retry(attempts=5))(charge), key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    assert run.result == 3
    assert at == [0, 1, 3]
    assert run.step("charge").attempts == 3
    assert run.step("charge").error is None


async def test_attempts_are_tries_in_all(dagger_engine: TestEngine) -> None:
    charge, at = failing(99, dagger_engine, lambda: ConnectionError("down"))
    run = await dagger_engine.start(template("W", task(retry=Retry(attempts=4))(charge), key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    assert len(at) == 4
    assert str(run.error) == "charge: ConnectionError: down"


async def test_pauses_grow_by_the_factor_up_to_the_longest(dagger_engine: TestEngine) -> None:
    charge, at = failing(99, dagger_engine)
    policy = Retry(attempts=7, first=2 * SECOND, factor=3, longest=60 * SECOND)
    await dagger_engine.start(template("W", task(retry=policy)(charge), key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    assert at == [0, 2, 8, 26, 80, 140, 200]


async def test_by_default_three_tries_and_a_doubled_second(dagger_engine: TestEngine) -> None:
    charge, at = failing(99, dagger_engine)
    await dagger_engine.start(template("W", task(retry=Retry())(charge), key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    assert at == [0, 1, 3]


@pytest.mark.unexplored("its fake counts its calls, and a task may be called twice")
async def test_pauses_may_be_constant_or_none(dagger_engine: TestEngine) -> None:
    charge, at = failing(99, dagger_engine)
    policy = Retry(attempts=3, first=5 * SECOND, factor=1)
    await dagger_engine.start(template("W", task(retry=policy)(charge), key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    assert at == [0, 5, 10]
    charge, at = failing(2, dagger_engine)
    policy = Retry(attempts=3, first=timedelta(0))
    run = await dagger_engine.start(template("V", task(retry=policy)(charge), key=by_id), Order("o-2"))
    assert run.result == 3
    assert len(set(at)) == 1


async def test_jitter_spreads_the_pauses_and_is_the_same_each_time(dagger_engine: TestEngine) -> None:
    policy = Retry(attempts=5, first=100 * SECOND, factor=1, longest=timedelta(hours=1), jitter=0.25)
    found = list[list[float]]()
    for engine in (dagger_engine, TestEngine()):
        charge, at = failing(99, engine)
        await engine.start(template("W", task(retry=policy)(charge), key=by_id), Order("o-1"))
        await engine.advance(timedelta(days=1))
        found.append(at)
        await engine.close()
    first, again = found
    pauses = [after - before for before, after in pairwise(first)]
    assert first == again
    assert all(75 <= pause <= 125 for pause in pauses)
    assert len(set(pauses)) == 4


@pytest.mark.unexplored("it is long")
async def test_jitter_stays_within_the_longest_pause(dagger_engine: TestEngine) -> None:
    charge, at = failing(99, dagger_engine)
    policy = Retry(attempts=60, first=SECOND, longest=timedelta(minutes=1), jitter=1)
    await dagger_engine.start(template("W", task(retry=policy)(charge), key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    pauses = [after - before for before, after in pairwise(at)]
    assert len(pauses) == 59
    assert max(pauses) <= 60
    assert len(set(pauses)) == 59, "none is cut to the longest: they stay spread"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"first": timedelta(hours=1)}, "first is 1:00:00, above longest, which is 0:01:00; give a longest"),
        ({"longest": timedelta(0)}, "first is 0:00:01, above longest, which is 0:00:00; give a longest"),
        ({"attempts": True}, "attempts is True; give 1 or more"),
        ({"factor": True}, "factor is True; give 1"),
        ({"jitter": True}, "jitter is True; give a share"),
    ],
)
def test_what_makes_no_sense_alone_or_together_is_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(TemplateError, match=text):
        Retry(**options)


def test_a_first_pause_may_be_the_longest_one() -> None:
    assert Retry(first=timedelta(hours=1), longest=timedelta(hours=1)).first == timedelta(hours=1)


@pytest.mark.parametrize("on", [ConnectionError, TimeoutError, Exception, (KeyError, ConnectionError)])
@pytest.mark.parametrize("outside", [False, True])
@pytest.mark.unexplored("its fake counts its calls, and a task may be called twice")
async def test_a_task_past_its_own_timeout_is_tried_again_whatever_on_says(
    dagger_engine: TestEngine, on: Any, outside: bool
) -> None:
    calls = list[int]()

    async def ask(order: Order) -> int:
        calls.append(1)
        if len(calls) < 3:
            await hang()
        return len(calls)

    policy = Retry(attempts=3, first=SECOND, on=on)
    if outside:
        step: Step[Order, int] = task(timeout=60 * SECOND)(ask).retry(policy)
    else:
        step = task(timeout=60 * SECOND, retry=policy)(ask)
    run = await dagger_engine.start(template("W", step, key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(hours=1))
    assert run.result == 3


@pytest.mark.unexplored("its fake counts its calls, and a task may be called twice")
async def test_a_timeout_of_the_function_s_own_is_an_error_like_any(dagger_engine: TestEngine) -> None:
    calls = list[int]()

    @task(timeout=60 * SECOND, retry=Retry(attempts=3, on=ConnectionError))
    async def ask(order: Order) -> int:
        calls.append(1)
        raise TimeoutError("the server took too long")

    await dagger_engine.start(template("W", ask, key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(hours=1))
    assert len(calls) == 1


@pytest.mark.unexplored("its fake counts its calls, and a task may be called twice")
async def test_a_timeout_in_a_scope_is_tried_again_as_on_says(dagger_engine: TestEngine) -> None:
    calls = list[int]()

    @task(timeout=60 * SECOND)
    async def ask(order: Order) -> int:
        calls.append(1)
        await hang()
        return 1

    def tried(on: type[Exception]) -> Any:
        return template(f"On{on.__name__}", process("P", ask).retry(Retry(attempts=2, on=on)), key=by_id)

    await dagger_engine.start(tried(ConnectionError), Order("o-1"))
    await dagger_engine.advance(timedelta(hours=1))
    assert len(calls) == 1
    await dagger_engine.start(tried(TimeoutError), Order("o-2"))
    await dagger_engine.advance(timedelta(hours=1))
    assert len(calls) == 3


def too_much(order: Order) -> list[int]:
    wrong: Any = "not a number"
    return [wrong]


def absolute(number: int) -> int:
    return abs(number)


async def test_what_the_engine_raises_has_its_kinds(dagger_engine: TestEngine) -> None:
    """So that whoever lists kinds of errors can list these too."""

    @task
    async def misfits(order: Order) -> int:
        wrong: Any = "no number"
        return wrong  # type: ignore[no-any-return]  # it is wrong

    @task
    async def cancels(order: Order) -> int:
        raise asyncio.CancelledError

    found = dict[str, tuple[str, ...]]()
    steps: dict[str, Any] = {
        "misfits": misfits,
        "cancels": cancels,
        "times out": sleep(timedelta(days=1)).timeout(SECOND),
        "has no case": switch(by_id).case("other", misfits),
        "items": for_each(too_much, task(absolute)),
    }
    for name, body in steps.items():
        run = await dagger_engine.start(template(name, body, key=by_id, takes=Order), Order("o-1"), id=name)
        await dagger_engine.advance(SECOND)
        assert run.error is not None
        found[name] = run.error.kinds
    assert "builtins.TypeError" in found["misfits"]
    assert "asyncio.exceptions.CancelledError" in found["cancels"]
    assert "builtins.TimeoutError" in found["times out"]
    assert "builtins.LookupError" in found["has no case"]
    assert "builtins.TypeError" in found["items"]


async def test_jitter_differs_between_instances(dagger_engine: TestEngine) -> None:
    policy = Retry(attempts=2, first=100 * SECOND, longest=timedelta(hours=1), jitter=1)
    second_tries = set[float]()
    for number in range(8):
        async with TestEngine() as engine:
            charge, at = failing(99, engine)
            await engine.start(template("W", task(retry=policy)(charge), key=by_id), Order(f"o-{number}"))
            await engine.advance(timedelta(days=1))
            second_tries.add(at[1])
    assert len(second_tries) == 8


async def test_only_errors_of_the_kinds_of_on_are_tried_again(dagger_engine: TestEngine) -> None:
    charge, at = failing(99, dagger_engine, ValueError)
    policy = Retry(attempts=3, on=(ConnectionError, TimeoutError))
    run = await dagger_engine.start(template("W", task(retry=policy)(charge), key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    assert len(at) == 1
    assert run.error is not None
    assert run.error.type == "ValueError"


class Declined(Exception):
    pass


class CardDeclined(Declined):
    pass


@pytest.mark.parametrize("on", [Declined, [Declined, KeyError], Exception])
@pytest.mark.unexplored("its fake counts its calls, and a task may be called twice")
async def test_on_names_base_classes_too(dagger_engine: TestEngine, on: Any) -> None:
    charge, at = failing(1, dagger_engine, CardDeclined)
    run = await dagger_engine.start(template("W", task(retry=Retry(on=on))(charge), key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    assert run.result == 2
    assert len(at) == 2


@pytest.mark.unexplored("its fake counts its calls, and a task may be called twice")
async def test_a_timeout_is_tried_again_like_any_error(dagger_engine: TestEngine) -> None:
    tries = list[int]()

    @listener(tried)
    def heard(order: Order, message: Order) -> int:
        return len(tries)

    @task
    async def ask(order: Order) -> Order:
        tries.append(1)
        return order

    policy = Retry(attempts=2, first=SECOND, on=TimeoutError)
    body = process("ASK", ask >> heard, timeout=60 * SECOND).retry(policy)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    await dagger_engine.advance(60 * SECOND)
    assert run.step("ASK").status is Status.FAILURE
    await dagger_engine.advance(SECOND)
    await dagger_engine.deliver(tried, Order("o-1"))
    assert run.result == 2
    assert run.step("ASK/heard").attempts == 2
    assert run.step("ASK").error is None


@pytest.mark.unexplored("its fake counts its calls, and a task may be called twice")
async def test_any_step_may_be_tried_again_from_its_input(dagger_engine: TestEngine) -> None:
    charge, at = failing(1, dagger_engine)
    body = (command(tried) >> sleep(10 * SECOND) >> task(charge)).retry(Retry(first=5 * SECOND))
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    assert run.result == 2
    assert at == [10, 25]
    assert dagger_engine.sent(tried) == [Order("o-1"), Order("o-1")]


@pytest.mark.unexplored("its fake counts its calls, and a task may be called twice")
async def test_each_try_of_a_command_is_a_message_of_its_own(dagger_engine: TestEngine) -> None:
    charge, _ = failing(1, dagger_engine)
    body = (command(tried) >> task(charge)).retry(Retry())
    await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    ids = [texts_of(record.headers)["dagger-id"] for record in dagger_engine.memory.log.history]
    assert len(set(ids)) == 2


async def test_retries_in_retries_multiply(dagger_engine: TestEngine) -> None:
    charge, at = failing(99, dagger_engine)
    inner: Step[Order, int] = task(retry=Retry(attempts=2, first=SECOND))(charge)
    body = process("OUTER", inner).retry(Retry(attempts=3, first=10 * SECOND, factor=1))
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    assert at == [0, 1, 11, 12, 22, 23]
    assert run.status is Status.FAILURE


async def test_pure_functions_are_not_tried_again(dagger_engine: TestEngine) -> None:
    calls = list[Order]()

    def broken(order: Order) -> Order:
        calls.append(order)
        raise ConnectionError("down")

    body = command(tried)(broken).retry(Retry(attempts=5))
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    assert len(calls) == 1
    assert str(run.error) == "broken: ConnectionError: down"


async def test_a_pause_between_tries_can_be_stopped(dagger_engine: TestEngine) -> None:
    charge, at = failing(99, dagger_engine)
    run = await dagger_engine.start(template("W", task(retry=Retry())(charge), key=by_id), Order("o-1"))
    await dagger_engine.stop(run)
    await dagger_engine.advance(timedelta(days=1))
    assert len(at) == 1
    assert run.status is Status.STOPPED


async def test_a_timeout_around_tries_bounds_them_all(dagger_engine: TestEngine) -> None:
    charge, at = failing(99, dagger_engine)
    body = task(retry=Retry(attempts=99, first=10 * SECOND, factor=1))(charge).timeout(35 * SECOND)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    assert at == [0, 10, 20, 30]
    assert str(run.error) == "charge: TimeoutError: took longer than 35 s"


async def test_the_attempt_is_counted_from_one(dagger_engine: TestEngine) -> None:
    @task(retry=Retry(attempts=3))
    async def attempt(order: Order) -> int:
        number = context().attempt
        if number < 3:
            raise ConnectionError
        return number

    run = await dagger_engine.start(template("W", attempt, key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    assert run.result == 3


@pytest.mark.unexplored("it is long")
async def test_very_many_tries_go_on(dagger_engine: TestEngine) -> None:
    charge, at = failing(1100, dagger_engine)
    policy = Retry(attempts=2000, first=SECOND, longest=SECOND)
    run = await dagger_engine.start(template("W", task(retry=policy)(charge), key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    assert run.result == 1101
    assert at[-1] == 1100
