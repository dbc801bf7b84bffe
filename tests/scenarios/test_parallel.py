"""Parallel processes, joined when all have ended, or when one has."""

from __future__ import annotations

from dagger import Status, all_of, any_of, listener, process, template
from tests.scenarios.orders import HOUR, PAYMENTS, SHIPMENTS, Order, Report, by_id
from tests.scenarios.stage import Stage, everywhere


@listener(PAYMENTS)
def paid(order: Order, report: Report) -> str:
    if report.text == "refused":
        raise ValueError("no money")
    return report.text


@listener(SHIPMENTS)
def shipped(order: Order, report: Report) -> str:
    return report.text


payment, shipping = process("PAYMENT", paid), process("SHIPPING", shipped)
joined_by_all = template("JoinedByAll", all_of(payment, shipping), key=by_id)
joined_by_one = template("JoinedByOne", any_of(payment, shipping), key=by_id)


@everywhere(joined_by_all)
async def test_it_waits_for_all(stage: Stage) -> None:
    run = await stage.start(joined_by_all, Order("parallel-1"))
    await stage.deliver(SHIPMENTS, Report("parallel-1", "sent"))
    assert run.step("SHIPPING").status is Status.COMPLETED
    assert run.step("PAYMENT").status is Status.EXECUTING
    await stage.deliver(PAYMENTS, Report("parallel-1", "cash"))
    assert run.result == ("cash", "sent")


@everywhere(joined_by_all)
async def test_a_failure_stops_the_others(stage: Stage) -> None:
    run = await stage.start(joined_by_all, Order("parallel-2"))
    await stage.advance(HOUR)  # later than the start, so that both branches execute whatever is reordered
    await stage.deliver(PAYMENTS, Report("parallel-2", "refused"))
    assert str(run.error) == "PAYMENT/paid: ValueError: no money"
    assert run.step("SHIPPING/shipped").status is Status.STOPPED


@everywhere(joined_by_one)
async def test_one_is_enough(stage: Stage) -> None:
    run = await stage.start(joined_by_one, Order("parallel-3"))
    await stage.deliver(SHIPMENTS, Report("parallel-3", "sent"))
    assert run.result == "sent"
    assert run.step("PAYMENT/paid").status is Status.STOPPED


@everywhere(joined_by_one)
async def test_one_that_fails_leaves_it_to_the_other(stage: Stage) -> None:
    run = await stage.start(joined_by_one, Order("parallel-4"))
    await stage.deliver(PAYMENTS, Report("parallel-4", "refused"))
    assert run.step("PAYMENT").status is Status.FAILURE
    assert run.step("SHIPPING").status is Status.EXECUTING
    await stage.deliver(SHIPMENTS, Report("parallel-4", "sent"))
    assert run.result == "sent"
