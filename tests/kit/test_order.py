"""The order workflow, from the first command to the result."""

from datetime import UTC, datetime, timedelta

import pytest

from dagger import Status, UnknownStep, WorkflowFailed
from dagger.testing import TestEngine
from tests.kit.orders import Charge, Order, Paid, Shipped, charges, order_workflow, payments


async def test_order_ships(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, Order("o-1", 10))
    assert dagger_engine.sent(charges) == [Charge("o-1", 10)]
    await dagger_engine.deliver(payments, Paid("o-1", "r-7"))
    await dagger_engine.advance(timedelta(days=3))
    assert run.status is Status.COMPLETED
    assert run.result == Shipped("o-1", "r-7")
    assert run.step("PAYMENT/paid").status is Status.COMPLETED


async def test_an_order_waits_for_its_payment(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, Order("o-1", 10))
    assert run.status is Status.EXECUTING
    assert {step.path: str(step.status) for step in run.instance.steps} == {
        "PAYMENT": "EXECUTING",
        "PAYMENT/charge": "COMPLETED",
        "PAYMENT/paid": "EXECUTING",
        "SHIPPING": "NOT_STARTED",
        "SHIPPING/ship": "NOT_STARTED",
    }
    assert run.instance.waiting_for == ("PAYMENT/paid (PAYMENT_LISTENER)",)


async def test_a_payment_reaches_only_its_own_order(dagger_engine: TestEngine) -> None:
    mine = await dagger_engine.start(order_workflow, Order("o-1", 10))
    other = await dagger_engine.start(order_workflow, Order("o-2", 20))
    await dagger_engine.deliver(payments, Paid("o-2", "r-2"))
    assert mine.status is Status.EXECUTING
    assert other.result == Shipped("o-2", "r-2")


async def test_a_result_is_not_there_before_the_end(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, Order("o-1", 10))
    with pytest.raises(WorkflowFailed, match=r"^instance 'o-1' has no result, it is EXECUTING$"):
        _ = run.result


async def test_a_step_that_the_template_has_not_is_refused_with_those_it_has(
    dagger_engine: TestEngine,
) -> None:
    run = await dagger_engine.start(order_workflow, Order("o-1", 10))
    with pytest.raises(UnknownStep, match=r"'OrderWorkflow' has no step 'PAYED'; its steps are: PAYMENT, "):
        run.step("PAYED")


async def test_a_run_is_live_and_an_instance_a_snapshot(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, Order("o-1", 10))
    before = await dagger_engine.get_instance("o-1")
    await dagger_engine.deliver(payments, Paid("o-1", "r-7"))
    assert before.status is Status.EXECUTING
    assert run.status is Status.COMPLETED
    assert (await dagger_engine.get_instance("o-1")).result == Shipped("o-1", "r-7")


async def test_an_instance_tells_its_story(dagger_engine: TestEngine) -> None:
    await dagger_engine.start(order_workflow, Order("o-1", 10))
    await dagger_engine.advance(timedelta(hours=2))
    await dagger_engine.deliver(payments, Paid("o-1", "r-7"))
    found = await dagger_engine.get_instance("o-1")
    start = datetime(2030, 1, 1, tzinfo=UTC)
    assert (found.template, found.version, found.key) == ("OrderWorkflow", 1, "o-1")
    assert found.input == Order("o-1", 10)
    assert (found.created, found.ended) == (start, start + timedelta(hours=2))
    paid = found.step("PAYMENT/paid")
    assert (paid.kind, paid.attempts, paid.took) == ("listener", 1, timedelta(hours=2))


async def test_the_tree_of_an_instance_has_a_line_for_each_step(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, Order("o-1", 10))
    lines = str(run.instance).splitlines()
    assert lines[0].startswith("▶ OrderWorkflow o-1  EXECUTING")
    assert [mark_and_name(line) for line in lines[1:]] == [
        ["▶", "PAYMENT", "EXECUTING"],
        ["✔", "charge", "COMPLETED"],
        ["▶", "paid", "EXECUTING"],
        ["·", "SHIPPING", "NOT_STARTED"],
        ["·", "ship", "NOT_STARTED"],
    ]


def mark_and_name(line: str) -> list[str]:
    return line.translate(dict.fromkeys(map(ord, "│├└─"))).split()[:3]
