"""Pure functions between steps."""

from dataclasses import dataclass
from datetime import timedelta

from dagger import Status, Topic, all_of, listener, process, sleep, switch, task, template
from dagger.testing import TestEngine


@dataclass(frozen=True)
class Order:
    id: str
    total: int = 10


orders = Topic("ORDERS", Order, key=lambda m: m.id)


def by_id(order: Order) -> str:
    return order.id


def total(order: Order) -> int:
    return order.total


def is_large(number: int) -> bool:
    return number > 100


@task
async def double(number: int) -> int:
    return 2 * number


@task
async def same(order: Order) -> Order:
    return order


async def test_then_changes_the_value_on_its_way(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", same.then(total) >> double, key=by_id), Order("o-1", 21))
    assert run.result == 42


async def test_then_at_the_end_changes_the_result(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", same.then(total), key=by_id), Order("o-1", 21))
    assert run.result == 21
    assert (await dagger_engine.get_instance("o-1")).result == 21


async def test_then_is_no_step_and_has_no_status(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", same.then(total) >> double, key=by_id), Order("o-1"))
    assert [step.path for step in run.instance.steps] == ["same", "double"]


async def test_then_may_give_what_no_codec_can_store(dagger_engine: TestEngine) -> None:
    def doubler(order: Order) -> "type[Order]":
        return type(order)

    body = sleep(timedelta(hours=1)) >> same.then(doubler).then(lambda kind: kind("made", 3)).then(total)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(hours=1))
    assert run.result == 3


async def test_then_is_applied_again_when_the_value_is_loaded(dagger_engine: TestEngine) -> None:
    body = same.then(total) >> sleep(timedelta(hours=1)) >> sleep(timedelta(hours=2)) >> double
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1", 4))
    await dagger_engine.advance(timedelta(hours=3))
    assert run.result == 8


async def test_then_after_a_group_sees_the_tuple(dagger_engine: TestEngine) -> None:
    def both(pair: tuple[Order, Order]) -> str:
        return f"{pair[0].id} {pair[1].total}"

    body = all_of(same.named("a"), listener(orders)).then(both)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1", 1))
    await dagger_engine.deliver(orders, Order("o-1", 2))
    assert run.result == "o-1 2"


async def test_then_feeds_switches_and_processes(dagger_engine: TestEngine) -> None:
    inside = process("P", double)
    body = same.then(total) >> switch(is_large).case(True, inside).case(False, double)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1", 200))
    assert run.result == 400
    assert run.step("true/P/double").status is Status.COMPLETED


async def test_then_takes_a_lambda(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", same.then(lambda order: order.total + 1), key=by_id), Order("o-1", 1))
    assert run.result == 2


async def test_then_that_raises_fails_and_is_named(dagger_engine: TestEngine) -> None:
    def broken(order: Order) -> int:
        raise ZeroDivisionError("by nothing")

    run = await dagger_engine.start(template("W", process("P", same.then(broken) >> double), key=by_id), Order("o-1"))
    assert str(run.error) == "P/broken: ZeroDivisionError: by nothing"
    assert run.step("P/double").status is Status.SKIPPED
