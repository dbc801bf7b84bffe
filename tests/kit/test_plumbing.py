"""race, pure, fail, keep, and recover that names what it handles."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from dagger import (
    BusinessError,
    Failure,
    Retry,
    Status,
    TemplateError,
    Topic,
    any_of,
    command,
    context,
    fail,
    keep,
    listener,
    process,
    pure,
    race,
    signal,
    sleep,
    switch,
    task,
    template,
)
from dagger.testing import TestEngine

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Order:
    id: str
    total: int = 10


@dataclass(frozen=True)
class Note:
    id: str
    text: str = ""


def by_id(order: Order) -> str:
    return order.id


notes = Topic("NOTES", Note, key=lambda note: note.id)
out = Topic("OUT", Note, key=lambda note: note.id)


def doubled(order: Order) -> Order:
    return Order(order.id, order.total * 2)


def why(order: Order) -> str:
    return f"{order.id} is refused"


def is_large(order: Order) -> bool:
    return order.total > 5


@task
async def price(order: Order) -> int:
    return order.total


@task
async def breaks(order: Order) -> int:
    raise OSError("no line")


@listener(notes)
def cancelled(order: Order, note: Note) -> str:
    return note.text


@command(out)
def told(order: Order) -> Note:
    return Note(order.id)


# race


async def test_the_first_to_end_well_decides_and_the_others_are_stopped(dagger_engine: TestEngine) -> None:
    workflow = template("W", race(sleep(HOUR).named("work"), cancelled), key=by_id, takes=Order)
    run = await dagger_engine.start(workflow, Order("o-1"))
    await dagger_engine.deliver(notes, Note("o-1", "not wanted"))
    assert run.result == "not wanted"
    assert run.step("work").status is Status.STOPPED


async def test_the_first_to_fail_decides_too_with_its_own_error(dagger_engine: TestEngine) -> None:
    raced = await dagger_engine.start(template("R", race(breaks, cancelled), key=by_id), Order("o-1"))
    assert raced.status is Status.FAILURE
    assert str(raced.error) == "breaks: OSError: no line"
    assert raced.step("cancelled").status is Status.STOPPED
    waits = await dagger_engine.start(template("A", any_of(breaks, cancelled), key=by_id), Order("o-1"), id="a")
    assert waits.status is Status.EXECUTING


async def test_of_equal_sleeps_the_one_written_first_wins(dagger_engine: TestEngine) -> None:
    workflow = template("W", race(sleep(HOUR).named("a"), sleep(HOUR).named("b")), key=by_id, takes=Order)
    run = await dagger_engine.start(workflow, Order("o-1"))
    await dagger_engine.advance(HOUR)
    assert [run.step(path).status for path in "ab"] == [Status.COMPLETED, Status.STOPPED]


# pure


async def test_a_pure_function_is_a_step_whose_result_is_stored(dagger_engine: TestEngine) -> None:
    calls = list[int]()

    def counted(order: Order) -> Order:
        calls.append(order.total)
        return doubled(order)

    run = await dagger_engine.start(template("W", pure(counted) >> sleep(HOUR) >> price, key=by_id), Order("o-1"))
    assert run.step("counted").status is Status.COMPLETED
    assert run.step("counted").kind == "pure"
    await dagger_engine.advance(HOUR)
    assert run.result == 20
    assert calls == [10]


async def test_a_pure_function_that_gives_another_type_or_raises_fails_its_step(dagger_engine: TestEngine) -> None:
    def wrong(order: Order) -> int:
        return "x"  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # users without a checker

    def raises(order: Order) -> int:
        raise ValueError("no")

    run = await dagger_engine.start(template("W", pure(wrong), key=by_id), Order("o-1"))
    assert str(run.error).startswith("wrong: TypeError: its result does not fit")
    run = await dagger_engine.start(template("V", pure(raises).retry(Retry()), key=by_id), Order("o-1"), id="v")
    assert str(run.error) == "raises: ValueError: no"


# fail


async def test_a_failure_by_decision_has_its_text_and_type(dagger_engine: TestEngine) -> None:
    decided = process("CHECK", switch(is_large).case(True, fail(why)).case(False, price))
    run = await dagger_engine.start(template("W", decided, key=by_id), Order("o-1"))
    assert str(run.error) == "CHECK/true/why: BusinessError: o-1 is refused"
    assert run.step("CHECK/true/why").status is Status.FAILURE
    small = await dagger_engine.start(template("W", decided, key=by_id), Order("o-2", 1))
    assert small.result == 1


@pytest.mark.parametrize(("on", "sent"), [(Exception, 1), (ValueError, 1), (BusinessError, 2)])
async def test_it_is_tried_again_only_where_that_is_named(
    dagger_engine: TestEngine, on: type[Exception], sent: int
) -> None:
    body = (told >> fail(why)).retry(Retry(attempts=2, on=on))
    await dagger_engine.start(template("W", body, key=by_id, takes=Order), Order("o-1"))
    await dagger_engine.advance(HOUR)
    assert len(dagger_engine.sent(out)) == sent


async def test_a_text_that_is_none_fails_the_step_otherwise(dagger_engine: TestEngine) -> None:
    def none(order: Order) -> str:
        return None  # type: ignore[return-value]  # pyright: ignore[reportReturnType]  # users without a checker

    run = await dagger_engine.start(template("W", fail(none), key=by_id), Order("o-1"))
    assert str(run.error) == "none: TypeError: returns None; the text of a failure is a str"


def test_nothing_follows_a_failure() -> None:
    with pytest.raises(TemplateError, match="why: nothing can follow a fail"):
        _ = fail(why) >> price


# keep


async def test_the_input_is_given_beside_the_result(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", keep(price), key=by_id), Order("o-1"))
    assert run.result == (Order("o-1"), 10)
    waits = template("L", keep(listener(notes)), key=by_id, takes=Order)
    waiting = await dagger_engine.start(waits, Order("o-2"))
    await dagger_engine.deliver(notes, Note("o-2", "hi"))
    assert waiting.result == (Order("o-2"), Note("o-2", "hi"))


async def test_what_is_kept_fails_with_the_error_of_its_step(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", keep(keep(breaks)), key=by_id), Order("o-1"))
    assert str(run.error) == "breaks: OSError: no line"


# recover


def said(failure: Failure[Order]) -> str:
    return f"{failure.input.id}: {failure.error}"


async def test_a_handler_may_be_a_pure_function_which_is_a_step(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", breaks.recover(said), key=by_id), Order("o-1"))
    assert run.result == "o-1: OSError: no line"
    assert run.step("said").status is Status.COMPLETED


async def test_a_handler_gets_only_the_failures_that_are_named(dagger_engine: TestEngine) -> None:
    def later(failure: Failure[Order]) -> str:
        return "any"

    body = breaks.recover(said, on=(ValueError, BusinessError)).recover(later, on=OSError)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    assert run.result == "any"
    assert run.step("said").status is Status.SKIPPED
    refused = (price >> fail(lambda _: "no")).recover(said, on=BusinessError)
    run = await dagger_engine.start(template("B", refused, key=by_id), Order("o-2"))
    assert run.result == "o-2: BusinessError: no"


async def test_a_timeout_is_a_failure_that_may_be_named(dagger_engine: TestEngine) -> None:
    body = signal("go", str).timeout(HOUR).recover(said, on=TimeoutError)
    run = await dagger_engine.start(template("W", body, key=by_id, takes=Order), Order("o-1"))
    await dagger_engine.advance(HOUR)
    assert run.result == "o-1: TimeoutError: took longer than 1 hour"


async def test_attempts_are_counted_as_ever(dagger_engine: TestEngine) -> None:
    @task
    async def second(order: Order) -> int:
        if context().attempt == 1:
            raise OSError("no")
        return 2

    run = await dagger_engine.start(template("W", keep(second.retry(Retry())), key=by_id), Order("o-1"))
    await dagger_engine.advance(HOUR)
    assert run.result == (Order("o-1"), 2)


def test_what_is_no_exception_class_is_refused() -> None:
    wrong: object = "OSError"
    with pytest.raises(TemplateError, match="recover: on is 'OSError'; give an exception class, or a tuple of several"):
        breaks.recover(said, on=wrong)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # the test


async def test_a_race_that_has_a_name_is_a_race(dagger_engine: TestEngine) -> None:
    raced = race(cancelled, sleep(HOUR)).named("DECISION")
    run = await dagger_engine.start(template("Raced", raced, key=by_id, takes=Order), Order("o-1"))
    (kind,) = [step.kind for step in (await dagger_engine.get_instance(run)).steps if step.path == "DECISION"]
    assert kind == "race"
