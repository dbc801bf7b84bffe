"""A process may take so long and no longer."""

from __future__ import annotations

from dagger import Status, listener, process, template
from tests.scenarios.orders import HOUR, PAYMENTS, SHIPMENTS, Order, Report, by_id
from tests.scenarios.stage import Stage, everywhere


@listener(PAYMENTS)
def paid(order: Order, report: Report) -> Order:
    return order


@listener(SHIPMENTS)
def shipped(order: Order, report: Report) -> str:
    return report.text


def by_courier(order: Order) -> str:
    return f"{order.id} by courier"


strict = template("Strict", process("ORDER", paid >> shipped, timeout=2 * HOUR), key=by_id)
lenient = template("Lenient", process("ORDER", paid >> shipped, timeout=2 * HOUR, otherwise=by_courier), key=by_id)


@everywhere(strict)
async def test_a_process_that_ends_in_time_completes(stage: Stage) -> None:
    run = await stage.start(strict, Order("duration-1"))
    await stage.deliver(PAYMENTS, Report("duration-1"))
    await stage.advance(HOUR)
    await stage.deliver(SHIPMENTS, Report("duration-1", "sent"))
    await stage.advance(HOUR)
    assert run.result == "sent"


@everywhere(strict)
async def test_without_otherwise_it_fails(stage: Stage) -> None:
    run = await stage.start(strict, Order("duration-2"))
    await stage.deliver(PAYMENTS, Report("duration-2"))
    await stage.advance(2 * HOUR)
    assert str(run.error) == "ORDER: TimeoutError: took longer than 2 hours"
    assert run.status is Status.FAILURE
    assert run.step("ORDER/paid").status is Status.COMPLETED
    assert run.step("ORDER/shipped").status is Status.STOPPED


@everywhere(lenient)
async def test_otherwise_gives_the_result(stage: Stage) -> None:
    run = await stage.start(lenient, Order("duration-3"))
    await stage.deliver(PAYMENTS, Report("duration-3"))
    await stage.advance(2 * HOUR)
    assert run.result == "duration-3 by courier"
    assert run.step("ORDER/shipped").status is Status.STOPPED
