"""A failure answered by another step."""

from dataclasses import dataclass
from datetime import timedelta

from dagger import Failure, Retry, Status, Topic, command, listener, process, task, template
from dagger.testing import TestEngine, hang

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Order:
    id: str


payments = Topic("PAYMENTS", Order, key=lambda m: m.id)
alarms = Topic("ALARMS", Order, key=lambda m: m.id)


def by_id(order: Order) -> str:
    return order.id


@task
async def charge(order: Order) -> int:
    raise ConnectionError(f"no line for {order.id}")


@task
async def fine(order: Order) -> int:
    return 7


@listener(payments)
def paid(order: Order, message: Order) -> int:
    return 1


@task
async def apologise(failure: Failure[Order]) -> str:
    return f"{failure.input.id} | {failure.error} | {failure.path}"


async def test_the_handler_gets_the_input_the_error_and_the_path(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", process("PAY", charge).recover(apologise), key=by_id), Order("o-1"))
    assert run.result == "o-1 | ConnectionError: no line for o-1 | PAY/charge"
    assert run.error is None


async def test_what_failed_and_was_answered_is_told(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", process("PAY", charge).recover(apologise), key=by_id), Order("o-1"))
    assert {step.path: str(step.status) for step in run.instance.steps} == {
        "PAY": "FAILURE",
        "PAY/charge": "FAILURE",
        "apologise": "COMPLETED",
    }
    assert str(run.step("PAY").error) == "PAY/charge: ConnectionError: no line for o-1"


async def test_a_step_that_succeeds_needs_no_handler(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", fine.recover(apologise), key=by_id), Order("o-1"))
    assert run.result == 7
    assert run.step("apologise").status is Status.SKIPPED


async def test_a_timeout_is_answered_too(dagger_engine: TestEngine) -> None:
    body = process("PAY", paid, timeout=HOUR).recover(apologise)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    await dagger_engine.advance(HOUR)
    assert run.result == "o-1 | TimeoutError: took longer than 1 hour | PAY"


async def test_a_pure_function_that_raises_is_answered_too(dagger_engine: TestEngine) -> None:
    def broken(order: Order) -> Order:
        raise KeyError(order.id)

    body = (command(alarms)(broken) >> fine).recover(apologise)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    assert run.result == "o-1 | KeyError: 'o-1' | broken"


async def test_the_last_try_is_the_one_that_is_answered(dagger_engine: TestEngine) -> None:
    body = charge.retry(Retry(attempts=3)).recover(apologise)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    assert run.status is Status.EXECUTING
    await dagger_engine.advance(HOUR)
    assert run.result == "o-1 | ConnectionError: no line for o-1 | charge"
    assert run.step("charge").attempts == 3


async def test_a_handler_that_fails_fails_the_step(dagger_engine: TestEngine) -> None:
    @task
    async def worse(failure: Failure[Order]) -> str:
        raise RuntimeError("worse")

    run = await dagger_engine.start(template("W", charge.recover(worse), key=by_id), Order("o-1"))
    assert str(run.error) == "worse: RuntimeError: worse"


async def test_a_handler_may_wait(dagger_engine: TestEngine) -> None:
    @listener(payments)
    def by_hand(failure: Failure[Order], message: Order) -> str:
        return f"{failure.input.id} by hand, for {failure.error}"

    run = await dagger_engine.start(template("W", charge.recover(by_hand), key=by_id), Order("o-1"))
    assert run.status is Status.EXECUTING
    await dagger_engine.deliver(payments, Order("o-1"))
    assert run.result == "o-1 by hand, for ConnectionError: no line for o-1"


async def test_the_inner_handler_answers_first(dagger_engine: TestEngine) -> None:
    @task
    async def outer(failure: Failure[Order]) -> str:
        return "outer"

    body = process("P", charge.recover(apologise)).recover(outer)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    assert str(run.result).startswith("o-1 | ConnectionError")
    assert run.step("outer").status is Status.SKIPPED


async def test_a_stop_is_no_failure_and_is_not_answered(dagger_engine: TestEngine) -> None:
    @task
    async def endless(order: Order) -> int:
        await hang()
        return 1

    run = await dagger_engine.start(template("W", endless.recover(apologise), key=by_id), Order("o-1"))
    await dagger_engine.stop(run)
    assert run.status is Status.STOPPED
    assert run.step("apologise").status is Status.SKIPPED


async def test_what_runs_beside_a_failure_is_stopped_before_the_answer(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", (paid & charge).recover(apologise), key=by_id), Order("o-1"))
    assert run.result == "o-1 | ConnectionError: no line for o-1 | charge"
    assert run.step("paid").status is Status.STOPPED
