"""The status of everything, at every moment of one workflow."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import reduce

from dagger import (
    Failure,
    Retry,
    Run,
    Status,
    Topic,
    any_of,
    command,
    context,
    for_each,
    listener,
    process,
    sleep,
    switch,
    task,
    template,
    wait_until,
)
from dagger.testing import TestEngine, hang

START = datetime(2030, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Order:
    id: str
    gift: bool = False


@dataclass(frozen=True)
class Paid:
    order_id: str


charges = Topic("CHARGES", Order, key=lambda m: m.id)
payments = Topic("PAYMENTS", Paid, key=lambda m: m.order_id)


def by_id(order: Order) -> str:
    return order.id


@listener(payments)
def paid(order: Order, message: Paid) -> Order:
    return order


def is_gift(order: Order) -> bool:
    return order.gift


def parcels(order: Order) -> list[str]:
    return [f"{order.id}/1", f"{order.id}/2"]


@task
async def wrap(order: Order) -> Order:
    return order


@task
async def post(parcel: str) -> int:
    return len(parcel)


workflow = template(
    "W",
    process("PAY", command(charges) >> paid)
    >> switch(is_gift).case(True, wrap).case(False, sleep(HOUR))
    >> process("SHIP", for_each(parcels, post)).named("OUT"),
    key=by_id,
)


def statuses(run: Run[object]) -> dict[str, str]:
    return {step.path: str(step.status) for step in run.instance.steps}


async def test_before_the_payment(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(workflow, Order("o-1"))
    assert run.status is Status.EXECUTING
    assert statuses(run) == {
        "PAY": "EXECUTING",
        "PAY/CHARGES": "COMPLETED",
        "PAY/paid": "EXECUTING",
        "is_gift": "NOT_STARTED",
        "true/wrap": "NOT_STARTED",
        "false/sleep-1h": "NOT_STARTED",
        "OUT": "NOT_STARTED",
        "OUT/parcels": "NOT_STARTED",
        "OUT/parcels/post": "NOT_STARTED",
    }


async def test_in_a_branch(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(workflow, Order("o-1"))
    await dagger_engine.deliver(payments, Paid("o-1"))
    assert statuses(run) == {
        "PAY": "COMPLETED",
        "PAY/CHARGES": "COMPLETED",
        "PAY/paid": "COMPLETED",
        "is_gift": "EXECUTING",
        "true/wrap": "NOT_STARTED",
        "false/sleep-1h": "EXECUTING",
        "OUT": "NOT_STARTED",
        "OUT/parcels": "NOT_STARTED",
        "OUT/parcels/post": "NOT_STARTED",
    }


async def test_the_branch_that_was_not_chosen_is_skipped_in_the_end(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(workflow, Order("o-1"))
    await dagger_engine.deliver(payments, Paid("o-1"))
    await dagger_engine.advance(HOUR)
    assert run.status is Status.COMPLETED
    assert {path for path, status in statuses(run).items() if status != "COMPLETED"} == {"true/wrap"}
    assert run.step("true/wrap").status is Status.SKIPPED


async def test_the_attempts_of_a_body_are_those_of_all_items(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(workflow, Order("o-1", gift=True))
    await dagger_engine.deliver(payments, Paid("o-1"))
    assert run.result == [5, 5]
    assert run.step("OUT/parcels/post").attempts == 2
    assert run.step("OUT/parcels").attempts == 1


async def test_the_kinds_of_steps(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(workflow, Order("o-1"))
    assert [step.kind for step in run.instance.steps] == [
        "process",
        "command",
        "listener",
        "switch",
        "task",
        "sleep",
        "process",
        "for_each",
        "task",
    ]


async def test_a_stop_in_the_middle(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(workflow, Order("o-1"))
    await dagger_engine.deliver(payments, Paid("o-1"))
    await dagger_engine.stop(run)
    assert run.status is Status.STOPPED
    assert {path: status for path, status in statuses(run).items() if status != "COMPLETED"} == {
        "is_gift": "STOPPED",
        "true/wrap": "SKIPPED",
        "false/sleep-1h": "STOPPED",
        "OUT": "SKIPPED",
        "OUT/parcels": "SKIPPED",
        "OUT/parcels/post": "SKIPPED",
    }


async def test_a_name_that_is_given_is_the_name_in_the_path(dagger_engine: TestEngine) -> None:
    body = (
        command(charges).named("bill")
        >> paid.named("billed")
        >> sleep(HOUR).named("nap")
        >> (wrap >> for_each(parcels, post).named("each")).named("REST")
    )
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    assert list(statuses(run)) == ["bill", "billed", "nap", "REST", "REST/wrap", "REST/each", "REST/each/post"]


async def test_a_bound_step_takes_its_name_from_inside(dagger_engine: TestEngine) -> None:
    body = wrap.timeout(HOUR).named("first") >> wrap
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    assert list(statuses(run)) == ["first", "wrap"]


# A step that is in several items.

MINUTE = timedelta(minutes=1)


def three(order: Order) -> list[int]:
    return [0, 1, 2]


@task(retry=Retry(attempts=2, first=HOUR, longest=HOUR))
async def flaky(item: int) -> int:
    if item == 0 and context().attempt == 1:
        raise ConnectionError("down")
    return item


async def test_a_step_is_no_success_while_an_item_waits_for_its_next_try(dagger_engine: TestEngine) -> None:
    body = process("OUT", for_each(three, flaky))
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    step = run.step("OUT/three/flaky")
    assert (step.status, str(step.error)) == (Status.FAILURE, "OUT/three/flaky: ConnectionError: down")
    assert "✘ flaky  FAILURE" in run.instance.tree()
    assert run.step("OUT/three").status is Status.EXECUTING
    await dagger_engine.advance(HOUR)
    step = run.step("OUT/three/flaky")
    assert (step.status, step.error, step.attempts) == (Status.COMPLETED, None, 4)
    assert run.result == [0, 1, 2]


async def test_a_task_that_timed_out_in_an_item_is_a_failure_until_its_next_try(dagger_engine: TestEngine) -> None:
    @task(timeout=MINUTE, retry=Retry(attempts=2, first=HOUR, longest=HOUR, on=ConnectionError))
    async def slow(item: int) -> int:
        if item == 0 and context().attempt == 1:
            await hang()
        return item

    run = await dagger_engine.start(template("W", for_each(three, slow), key=by_id), Order("o-1"))
    assert run.step("three/slow").status is Status.EXECUTING
    await dagger_engine.advance(MINUTE)
    assert run.step("three/slow").status is Status.FAILURE
    await dagger_engine.advance(HOUR)
    assert run.step("three/slow").status is Status.COMPLETED


async def test_a_failure_in_an_item_counts_while_it_is_answered(dagger_engine: TestEngine) -> None:
    @task
    async def risky(item: int) -> int:
        if item == 1:
            raise ValueError("odd")
        return item

    @task
    async def forgive(failure: Failure[int]) -> int:
        return -1

    recovered = process("ITEM", risky).recover(sleep(HOUR) >> forgive)
    run = await dagger_engine.start(template("W", for_each(three, recovered), key=by_id), Order("o-1"))
    assert run.step("three/ITEM/risky").status is Status.FAILURE
    assert run.step("three/ITEM").status is Status.FAILURE
    await dagger_engine.advance(HOUR)
    assert run.result == [0, -1, 2]
    assert [run.step(path).status for path in ("three/ITEM", "three/ITEM/risky")] == [Status.COMPLETED] * 2
    assert run.step("three/ITEM/risky").error is None


async def test_a_step_executes_while_it_does_so_in_an_item(dagger_engine: TestEngine) -> None:
    @task
    async def slow(item: int) -> int:
        if item == 0:
            await hang()
        return item

    run = await dagger_engine.start(template("W", for_each(three, process("P", slow)), key=by_id), Order("o-1"))
    assert run.step("three/P/slow").status is Status.EXECUTING
    assert run.step("three/P").status is Status.EXECUTING
    assert run.step("three/P/slow").ended is None


async def test_a_branch_that_has_failed_in_an_item_counts_while_the_others_go_on(dagger_engine: TestEngine) -> None:
    @task
    async def risky(item: int) -> int:
        if item == 1:
            raise ValueError("odd")
        return item

    @task
    async def late(item: int) -> int:
        return 10 * item

    def pause(item: int) -> datetime:
        return START + HOUR * item

    body = for_each(three, any_of(risky, wait_until(pause) >> late))
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    assert run.step("three/risky").status is Status.FAILURE
    await dagger_engine.advance(HOUR)
    assert run.step("three/risky").status is Status.COMPLETED
    assert run.result == [0, 10, 2]


async def test_an_item_that_fails_for_good_stays_a_failure(dagger_engine: TestEngine) -> None:
    @task
    async def risky(item: int) -> int:
        if item == 2:
            raise ValueError("odd")
        return item

    run = await dagger_engine.start(template("W", for_each(three, risky), key=by_id), Order("o-1"))
    assert run.step("three/risky").status is Status.FAILURE
    assert str(run.step("three/risky").error) == "three/risky: ValueError: odd"


async def test_a_step_that_executes_has_begun_and_not_ended(dagger_engine: TestEngine) -> None:
    waits = template("Waits", listener(payments), key=by_id, takes=Order)
    run = await dagger_engine.start(waits, Order("o-1"))
    step = run.step("PAYMENTS")
    assert (step.status, step.started, step.ended) == (Status.EXECUTING, START, None)
    await dagger_engine.advance(HOUR)
    await dagger_engine.deliver(payments, Paid("o-1"))
    step = run.step("PAYMENTS")
    assert (step.status, step.started, step.ended) == (Status.COMPLETED, START, START + HOUR)


async def test_a_long_body_that_is_tried_again_shows_its_last_try(dagger_engine: TestEngine) -> None:
    """The first rows of the table are packed by then."""
    tries = list[int]()

    @task
    async def walk(order: Order) -> Order:
        return order

    @task
    async def arrive(order: Order) -> Order:
        tries.append(len(tries))
        if len(tries) == 1:
            raise OSError("lost")
        return order

    steps = [walk.named(f"s{number}") for number in range(60)]
    body = reduce(lambda chain, step: chain >> step, steps[1:], steps[0] >> sleep(HOUR).named("rest")) >> arrive
    way = template("Way", process("P", body).retry(Retry(attempts=2, first=HOUR, longest=HOUR)), key=by_id, takes=Order)
    run = await dagger_engine.start(way, Order("o-1"))
    await dagger_engine.advance(HOUR)
    assert shown(run) == (
        {Status.COMPLETED},
        {1},
        {(START, START), (START, START + HOUR), (START + HOUR, START + HOUR)},
    )
    await dagger_engine.advance(HOUR)
    again = START + 2 * HOUR
    assert run.step("P/s0").attempts == 2
    rest = run.step("P/rest")
    assert (rest.status, rest.attempts, rest.started, rest.ended) == (Status.EXECUTING, 2, again, None)
    assert run.step("P/s1").attempts == 1
    await dagger_engine.advance(HOUR)
    end = again + HOUR
    assert run.status is Status.COMPLETED
    assert shown(run) == ({Status.COMPLETED}, {2}, {(again, again), (again, end), (end, end)})


def shown(run: Run[Order]) -> tuple[set[Status], set[int], set[tuple[datetime | None, datetime | None]]]:
    """Statuses, attempts and times of all steps that walk and rest."""
    steps = [step for step in run.instance.steps if step.path not in ("P", "P/arrive")]
    assert len(steps) == 61
    return (
        {step.status for step in steps},
        {step.attempts for step in steps},
        {(step.started, step.ended) for step in steps},
    )
