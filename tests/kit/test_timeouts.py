"""Timeouts of processes and steps: what they stop, what they name, and what answers instead."""

from dataclasses import dataclass
from datetime import timedelta

from dagger import Status, Topic, command, listener, process, sleep, task, template
from dagger.testing import TestEngine, hang

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Order:
    id: str


@dataclass(frozen=True)
class Paid:
    order_id: str


payments = Topic("PAYMENTS", Paid, key=lambda m: m.order_id)
reminders = Topic("REMINDERS", Order, key=lambda m: m.id)


def by_id(order: Order) -> str:
    return order.id


@listener(payments)
def paid(order: Order, message: Paid) -> str:
    return f"{order.id} paid"


def unpaid(order: Order) -> str:
    return f"{order.id} unpaid"


@task
async def escalate(order: Order) -> int:
    return len(order.id)


async def test_a_process_that_takes_too_long_fails_and_is_named(dagger_engine: TestEngine) -> None:
    workflow = template("W", process("PAY", paid, timeout=HOUR), key=by_id)
    run = await dagger_engine.start(workflow, Order("o-1"))
    await dagger_engine.advance(HOUR - timedelta(microseconds=1))
    assert run.status is Status.EXECUTING
    await dagger_engine.advance(timedelta(microseconds=1))
    assert str(run.error) == "PAY: TimeoutError: took longer than 1 hour"
    assert (run.step("PAY").status, run.step("PAY/paid").status) == (Status.FAILURE, Status.STOPPED)


async def test_a_process_that_ends_in_time_is_not_touched(dagger_engine: TestEngine) -> None:
    workflow = template("W", process("PAY", paid, timeout=HOUR) >> sleep(2 * HOUR), key=by_id)
    run = await dagger_engine.start(workflow, Order("o-1"))
    await dagger_engine.deliver(payments, Paid("o-1"))
    await dagger_engine.advance(2 * HOUR)
    assert run.result == "o-1 paid"


async def test_a_function_answers_for_a_process_that_takes_too_long(dagger_engine: TestEngine) -> None:
    workflow = template("W", process("PAY", paid, timeout=HOUR, otherwise=unpaid), key=by_id)
    run = await dagger_engine.start(workflow, Order("o-1"))
    await dagger_engine.advance(HOUR)
    assert run.result == "o-1 unpaid"
    assert (run.step("PAY").status, run.step("PAY/paid").status) == (Status.COMPLETED, Status.STOPPED)


async def test_a_step_answers_for_a_process_that_takes_too_long(dagger_engine: TestEngine) -> None:
    workflow = template("W", process("PAY", paid, timeout=HOUR, otherwise=escalate), key=by_id)
    run = await dagger_engine.start(workflow, Order("o-1"))
    assert run.step("PAY/escalate").status is Status.NOT_STARTED
    await dagger_engine.advance(HOUR)
    assert run.result == 3
    assert run.step("PAY/escalate").status is Status.COMPLETED


async def test_a_step_that_is_not_needed_to_answer_is_skipped(dagger_engine: TestEngine) -> None:
    workflow = template("W", process("PAY", paid, timeout=HOUR, otherwise=escalate), key=by_id)
    run = await dagger_engine.start(workflow, Order("o-1"))
    await dagger_engine.deliver(payments, Paid("o-1"))
    assert run.result == "o-1 paid"
    assert run.step("PAY/escalate").status is Status.SKIPPED


async def test_what_answers_gets_the_input_of_the_process(dagger_engine: TestEngine) -> None:
    body = process("PAY", escalate >> sleep(2 * HOUR), timeout=HOUR, otherwise=unpaid)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    await dagger_engine.advance(HOUR)
    assert run.result == "o-1 unpaid"


async def test_an_answer_may_take_its_time(dagger_engine: TestEngine) -> None:
    slow = command(reminders) >> sleep(3 * HOUR) >> escalate
    run = await dagger_engine.start(
        template("W", process("PAY", paid, timeout=HOUR, otherwise=slow), key=by_id), Order("o-1")
    )
    await dagger_engine.advance(HOUR)
    assert dagger_engine.sent(reminders) == [Order("o-1")]
    await dagger_engine.advance(3 * HOUR)
    assert run.result == 3


async def test_a_payment_that_comes_too_late_is_not_taken(dagger_engine: TestEngine) -> None:
    body = process("PAY", paid, timeout=HOUR, otherwise=unpaid) >> sleep(HOUR)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    await dagger_engine.advance(HOUR)
    await dagger_engine.deliver(payments, Paid("o-1"))
    await dagger_engine.advance(HOUR)
    assert run.result == "o-1 unpaid"
    assert dagger_engine.counts == {"unmatched_late": 1}


async def test_a_task_in_a_process_that_takes_too_long_is_stopped(dagger_engine: TestEngine) -> None:
    @task
    async def endless(order: Order) -> str:
        await hang()
        return ""

    body = process("PAY", endless, timeout=HOUR, otherwise=unpaid)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    await dagger_engine.advance(HOUR)
    assert run.result == "o-1 unpaid"
    assert run.step("PAY/endless").status is Status.STOPPED


async def test_the_inner_of_two_timeouts_is_the_one_that_is_named(dagger_engine: TestEngine) -> None:
    inner = process("INNER", paid, timeout=HOUR)
    run = await dagger_engine.start(template("W", process("OUTER", inner, timeout=2 * HOUR), key=by_id), Order("o-1"))
    await dagger_engine.advance(2 * HOUR)
    assert str(run.error) == "OUTER/INNER: TimeoutError: took longer than 1 hour"


async def test_the_outer_of_two_timeouts_may_come_first(dagger_engine: TestEngine) -> None:
    inner = process("INNER", paid, timeout=3 * HOUR)
    run = await dagger_engine.start(template("W", process("OUTER", inner, timeout=2 * HOUR), key=by_id), Order("o-1"))
    await dagger_engine.advance(3 * HOUR)
    assert str(run.error) == "OUTER: TimeoutError: took longer than 2 hours"
    assert run.step("OUTER/INNER").status is Status.STOPPED


async def test_any_step_may_have_a_timeout(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", paid.timeout(HOUR), key=by_id), Order("o-1"))
    await dagger_engine.advance(HOUR)
    assert str(run.error) == "paid: TimeoutError: took longer than 1 hour"


async def test_a_timeout_of_the_first_step_of_a_process_names_the_step(dagger_engine: TestEngine) -> None:
    body = process("PAY", paid.timeout(HOUR) >> sleep(HOUR))
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    await dagger_engine.advance(HOUR)
    assert str(run.error) == "PAY/paid: TimeoutError: took longer than 1 hour"


async def test_a_timeout_of_a_later_step_of_a_process_names_the_step(dagger_engine: TestEngine) -> None:
    body = process("PAY", command(reminders) >> paid.timeout(HOUR))
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    await dagger_engine.advance(HOUR)
    assert str(run.error) == "PAY/paid: TimeoutError: took longer than 1 hour"


async def test_a_timeout_of_a_chain_names_its_ends(dagger_engine: TestEngine) -> None:
    chain = (command(reminders) >> paid).timeout(timedelta(seconds=90))
    run = await dagger_engine.start(template("W", chain, key=by_id), Order("o-1"))
    await dagger_engine.advance(HOUR)
    assert str(run.error) == "REMINDERS..paid: TimeoutError: took longer than 90 s"


async def test_a_function_answers_for_a_step_that_takes_too_long(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", paid.timeout(HOUR, otherwise=unpaid), key=by_id), Order("o-1"))
    await dagger_engine.advance(HOUR)
    assert run.result == "o-1 unpaid"


async def test_what_ends_at_its_last_moment_has_not_timed_out(dagger_engine: TestEngine) -> None:
    body = process("NAP", sleep(HOUR), timeout=HOUR)
    run = await dagger_engine.start(template("W", body, key=by_id, takes=Order), Order("o-1"))
    await dagger_engine.advance(HOUR)
    assert run.status is Status.COMPLETED


async def test_a_timeout_of_nothing_is_over_at_once_for_what_waits(dagger_engine: TestEngine) -> None:
    body = process("PAY", paid, timeout=timedelta(0), otherwise=unpaid)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    assert run.result == "o-1 unpaid"


async def test_a_timeout_starts_when_its_step_does(dagger_engine: TestEngine) -> None:
    body = sleep(5 * HOUR) >> process("PAY", paid, timeout=HOUR)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    await dagger_engine.advance(5 * HOUR)
    assert run.status is Status.EXECUTING
    await dagger_engine.advance(HOUR)
    assert str(run.error) == "PAY: TimeoutError: took longer than 1 hour"


async def test_a_timeout_without_end_is_none(dagger_engine: TestEngine) -> None:
    body = process("PAY", paid, timeout=timedelta.max)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    await dagger_engine.deliver(payments, Paid("o-1"))
    assert run.result == "o-1 paid"
