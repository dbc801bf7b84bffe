"""Loops: `repeat` with and without `until`, what it bounds, what it records, and what composition refuses."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dagger import (
    Again,
    Dagger,
    Failure,
    Retry,
    Status,
    Step,
    TemplateError,
    TooManyRounds,
    Topic,
    command,
    context,
    fail,
    for_each,
    listener,
    process,
    pure,
    repeat,
    signal,
    sleep,
    switch,
    task,
    template,
    wait_until,
)
from dagger.engine.headers import texts_of
from dagger.testing import TestEngine

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Stock:
    id: str
    count: int


@dataclass(frozen=True)
class Delivery:
    id: str
    count: int


deliveries = Topic("DELIVERIES", Delivery, key=lambda m: m.id)
orders = Topic("ORDERS", Delivery, key=lambda m: m.id)


@task
async def take_back(stock: Stock) -> Stock:
    taken.append(stock.count)
    return stock


taken = list[int]()


def by_id(stock: Stock) -> str:
    return stock.id


def is_full(stock: Stock) -> bool:
    return stock.count >= 3


def is_wrong(stock: Stock) -> bool:
    raise ValueError(f"cannot compare {stock.count}")


def given(failure: Failure[Stock]) -> Stock:
    return failure.input


def filled(stock: Stock) -> str | Again[Stock]:
    return "full" if is_full(stock) else Again(stock)


@task
async def add(stock: Stock) -> Stock:
    return Stock(stock.id, stock.count + 1)


@task
async def add_again(stock: Stock) -> str | Again[Stock]:
    return "full" if is_full(stock) else Again(Stock(stock.id, stock.count + 1))


@command(orders)
def reorder(stock: Stock) -> Delivery:
    return Delivery(stock.id, stock.count)


@listener(deliveries)
def delivered(stock: Stock, message: Delivery) -> Stock:
    return Stock(stock.id, stock.count + message.count)


@signal("count", int)
def counted(stock: Stock, count: int) -> Stock:
    return Stock(stock.id, count)


async def test_until_a_function_is_true_of_the_result(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", repeat(add, until=is_full), key=by_id), Stock("s", 0))
    assert run.result == Stock("s", 3)
    assert (run.step("add").status, run.step("add").attempts) == (Status.COMPLETED, 3)


async def test_a_body_runs_at_least_once(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", repeat(add, until=is_full), key=by_id), Stock("s", 7))
    assert run.result == Stock("s", 8)


@pytest.mark.parametrize("body", [add_again, add.then(filled), add >> pure(filled)], ids=["task", "then", "pure"])
async def test_while_it_gives_again(dagger_engine: TestEngine, body: Step[Stock, str | Again[Stock]]) -> None:
    run = await dagger_engine.start(template("W", repeat(body), key=by_id), Stock("s", 0))
    assert run.result == "full"


async def test_again_of_one_branch_of_several(dagger_engine: TestEngine) -> None:
    def is_there(stock: Stock) -> bool:
        return stock.count > 0

    body = counted >> switch(is_there).case(True, add).case(False, reorder.then(Again))
    run = await dagger_engine.start(template("W", repeat(body), key=by_id), Stock("s", 9))
    await dagger_engine.signal(run, "count", 0)
    await dagger_engine.signal(run, "count", 0)
    assert dagger_engine.sent(orders) == [Delivery("s", 0)] * 2
    await dagger_engine.signal(run, "count", 1)
    assert run.result == Stock("s", 2)


async def test_past_at_most_it_fails_at_its_path(dagger_engine: TestEngine) -> None:
    named = process("P", repeat(add, until=is_full, at_most=2).named("FILL"))
    run = await dagger_engine.start(template("W", named, key=by_id), Stock("s", 0))
    assert str(run.error) == "P/FILL: TooManyRounds: is not done after 2 rounds"
    assert (run.step("P/FILL").status, run.step("P/FILL").attempts) == (Status.FAILURE, 2)
    assert run.step("P/FILL/add").status is Status.COMPLETED
    other = await dagger_engine.start(template("U", repeat(add_again, at_most=1), key=by_id), Stock("u", 0))
    assert str(other.error) == "add_again: TooManyRounds: is not done after 1 round"
    answered = repeat(add, until=is_full, at_most=3).recover(given, on=TooManyRounds)
    run = await dagger_engine.start(template("V", answered, key=by_id), Stock("v", -1))
    assert run.result == Stock("v", -1)


async def test_a_last_round_that_is_allowed(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", repeat(add, until=is_full, at_most=3), key=by_id), Stock("s", 0))
    assert run.status is Status.COMPLETED


async def test_until_that_raises_fails_the_step(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", repeat(add, until=is_wrong), key=by_id), Stock("s", 0))
    assert str(run.error) == "add: ValueError: cannot compare 1"
    run = await dagger_engine.start(template("N", repeat(add, until=is_wrong).named("L"), key=by_id), Stock("n", 0))
    assert str(run.error) == "L: ValueError: cannot compare 1"
    assert run.step("L").status is Status.FAILURE


async def test_a_round_that_fails_fails_the_loop(dagger_engine: TestEngine) -> None:
    def why(stock: Stock) -> str:
        return "sold out"

    body = add >> switch(is_full).case(True, fail(why)).case(False, sleep(HOUR))
    run = await dagger_engine.start(template("W", repeat(body, until=is_full), key=by_id), Stock("s", 1))
    await dagger_engine.advance(HOUR)
    assert str(run.error) == "true/why: BusinessError: sold out"


async def test_the_outcome_of_a_step_is_that_of_its_last_round(dagger_engine: TestEngine) -> None:
    @task
    async def flaky(stock: Stock) -> Stock:
        if stock.count == 0:
            raise ValueError("empty")
        return stock

    body = flaky.recover(given) >> add
    run = await dagger_engine.start(template("W", repeat(body, until=is_full), key=by_id), Stock("s", 0))
    assert (run.step("flaky").status, run.step("flaky").error) == (Status.COMPLETED, None)
    assert run.step("flaky").attempts == 3


async def test_a_failure_that_was_answered_matters_only_in_its_round(dagger_engine: TestEngine) -> None:
    @task
    async def flaky(stock: Stock) -> Stock:
        if stock.count == 0:
            raise ValueError("empty")
        return stock

    def stocks(stock: Stock) -> list[Stock]:
        return [stock]

    body = flaky.recover(given) >> counted
    loops = for_each(stocks, repeat(body, until=is_full))
    run = await dagger_engine.start(template("W", loops, key=by_id), Stock("s", 0))
    assert run.step("stocks/flaky").status is Status.FAILURE
    await dagger_engine.signal(run, "count", 1)
    assert run.step("stocks/flaky").status is Status.COMPLETED


async def test_messages_and_calls_have_names_of_their_own_in_each_round(dagger_engine: TestEngine) -> None:
    keys = list[str]()

    @task(retry=Retry(attempts=2, first=timedelta(0)))
    async def note(stock: Stock) -> Stock:
        here = context()
        keys.append(here.idempotency_key)
        if here.attempt == 1:
            raise OSError
        return Stock(stock.id, stock.count + 1)

    run = await dagger_engine.start(template("W", repeat(reorder >> note, until=is_full), key=by_id), Stock("s", 1))
    assert run.status is Status.COMPLETED
    assert keys == ["s/note#1", "s/note#1", "s/note#2", "s/note#2"]
    ids = [texts_of(message.headers)["dagger-id"] for message in dagger_engine.memory.log.history]
    assert len(set(ids)) == 2


async def test_a_child_of_each_round_has_an_id_of_its_own(dagger_engine: TestEngine) -> None:
    def two(stock: Stock) -> list[Stock]:
        return [stock, stock]

    def last(stocks: list[Stock]) -> Stock:
        return stocks[-1]

    child = template("ADD", add, key=by_id)
    inner = repeat(child, until=is_full)
    body = repeat(for_each(two, inner) >> pure(last), until=is_full)
    run = await dagger_engine.start(template("W", body, key=by_id), Stock("s", 1))
    assert run.result == Stock("s", 3)
    found = {instance.id for instance in await dagger_engine.instances(template="ADD")}
    assert found == {f"s/two[{item}]/ADD#1.{number}" for item in (0, 1) for number in (1, 2)}


async def test_early_messages_are_taken_round_by_round(dagger_engine: TestEngine) -> None:
    for count in (1, 0, 0, 5):
        await dagger_engine.deliver(deliveries, Delivery("s", count))
    body = reorder >> delivered
    run = await dagger_engine.start(template("W", repeat(body, until=is_full), key=by_id), Stock("s", 0))
    assert run.result == Stock("s", 6)
    assert [order.count for order in dagger_engine.sent(orders)] == [0, 1, 1, 1]


async def test_messages_that_come_between_rounds_are_kept(dagger_engine: TestEngine) -> None:
    body = delivered >> sleep(HOUR)
    run = await dagger_engine.start(template("W", repeat(body, until=is_full), key=by_id), Stock("s", 0))
    for _ in range(3):
        await dagger_engine.deliver(deliveries, Delivery("s", 1))
    await dagger_engine.advance(3 * HOUR)
    assert run.result == Stock("s", 3)


async def test_rounds_that_do_not_wait_go_on_by_records_of_the_log(dagger_engine: TestEngine, tmp_path: Path) -> None:
    def is_far(stock: Stock) -> bool:
        return stock.count >= 1_000

    def counted_on(stock: Stock) -> Stock:
        return Stock(stock.id, stock.count + 1)

    body = switch(is_far).case(True, sleep(HOUR)).case(False, pure(counted_on))
    workflow = template("W", repeat(body, until=is_far), key=by_id)
    run = await dagger_engine.start(workflow, Stock("s", 0))
    assert (run.result, run.step("false/counted_on").attempts) == (Stock("s", 1_000), 1_000)
    async with Dagger(broker=f"sqlite:///{tmp_path / 'dagger.db'}") as engine:
        engine.register(workflow)
        lasting = await engine.start(workflow, Stock("s", 0))
        assert (await engine.wait(lasting)).result == Stock("s", 1_000)


async def test_a_stop_and_a_bound_end_a_loop(dagger_engine: TestEngine) -> None:
    body = repeat(sleep(HOUR) >> add, until=is_full)
    run = await dagger_engine.start(template("W", body, key=by_id), Stock("s", 0))
    await dagger_engine.advance(HOUR)
    await dagger_engine.stop(run)
    assert (run.status, run.step("sleep-1h").status, run.step("sleep-1h").attempts) == (
        Status.STOPPED,
        Status.STOPPED,
        2,
    )
    bounded = body.timeout(2 * HOUR, otherwise=reorder)
    run = await dagger_engine.start(template("B", bounded, key=by_id), Stock("b", 0))
    await dagger_engine.advance(2 * HOUR)
    assert dagger_engine.sent(orders) == [Delivery("b", 0)]


async def test_a_retry_around_begins_with_the_first_value(dagger_engine: TestEngine) -> None:
    body = repeat(add, until=is_full, at_most=2).retry(Retry(attempts=2, first=HOUR, longest=HOUR))
    run = await dagger_engine.start(template("W", body, key=by_id), Stock("s", 0))
    assert run.status is Status.EXECUTING
    await dagger_engine.advance(HOUR)
    assert (run.status, run.step("add").attempts) == (Status.FAILURE, 4)


async def test_what_was_done_in_all_rounds_is_undone(dagger_engine: TestEngine) -> None:
    taken.clear()
    body = repeat(add.compensate(take_back), until=is_full, at_most=2)
    run = await dagger_engine.start(template("W", body, key=by_id), Stock("s", 0))
    assert (run.status, taken) == (Status.FAILURE, [2, 1])
    taken.clear()
    whole = repeat(add.compensate(take_back), until=is_full, at_most=3)
    run = await dagger_engine.start(template("V", whole, key=by_id), Stock("v", 0))
    assert (run.status, taken) == (Status.COMPLETED, [])


async def test_nested_loops(dagger_engine: TestEngine) -> None:
    def is_hour(stock: Stock) -> bool:
        return stock.count % 2 == 0

    inner = repeat(add, until=is_hour)
    run = await dagger_engine.start(template("W", repeat(inner, until=is_full), key=by_id), Stock("s", 0))
    assert run.result == Stock("s", 4)


loop: Any = repeat
"""As users without a checker see it."""

REFUSED: dict[str, tuple[Any, str]] = {
    "only computes": (lambda: loop(pure(filled), until=is_full), "no path through the body waits"),
    "only publishes": (lambda: repeat(reorder, until=is_full), "no path through the body waits"),
    "at_most of zero": (lambda: repeat(add, until=is_full, at_most=0), "at_most is 0; give 1 or more"),
    "no step": (lambda: loop(is_full, until=is_full), "'is_full' is a function, not a step"),
    "undos without end": (lambda: repeat(add.compensate(add), until=is_full), "give at_most="),
    "an async until": (lambda: loop(add, until=add_again), "until= of a repeat: expects a function"),
    "never again": (lambda: template("W", repeat(add), key=by_id), r"add: the body of this repeat never returns Again"),
    "no type": (
        lambda: template("W", repeat(sleep(HOUR).then(lambda stock: stock), until=bool), key=by_id, takes=Stock),
        "annotate what the last step of the body returns",
    ),
}


@pytest.mark.parametrize(("compose", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_what_composition_refuses(compose: Any, text: str) -> None:
    with pytest.raises(TemplateError, match=text):
        compose()


@wait_until
def at_night(stock: Stock) -> Any:
    raise NotImplementedError


def test_a_loop_adds_a_segment_only_if_it_has_a_name() -> None:
    plain = template("W", process("P", repeat(add >> at_night, until=is_full)), key=by_id)
    named = template("W", process("P", repeat(add >> at_night, until=is_full).named("L")), key=by_id)
    assert "P/L/add" in named.to_dot()
    assert "P/add" in plain.to_dot()
