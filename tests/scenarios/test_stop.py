"""An operator stops an instance: hooks run first, then what had completed is undone."""

from __future__ import annotations

from dagger import Status, all_of, command, listener, process, template
from tests.scenarios.orders import HOUR, PAYMENTS, REQUESTS, SHIPMENTS, Order, Report, Request, by_id
from tests.scenarios.stage import Stage, everywhere


@command(REQUESTS)
def reserve(order: Order) -> Request:
    return Request(order.id, "reserve")


@command(REQUESTS)
def release(order: Order) -> Request:
    return Request(order.id, "release")


@command(REQUESTS)
def cancel_payment(order: Order) -> Request:
    return Request(order.id, "cancel payment")


@command(REQUESTS)
def cancel_order(order: Order) -> Request:
    return Request(order.id, "cancel order")


@listener(PAYMENTS)
def paid(order: Order, report: Report) -> Order:
    return order


@listener(SHIPMENTS)
def shipped(order: Order, report: Report) -> Order:
    return order


stoppable = template(
    "Stoppable",
    process("ORDER", reserve.compensate(release) >> paid.on_stop(cancel_payment) >> shipped).on_stop(cancel_order),
    key=by_id,
)


async def requested(stage: Stage, id: str) -> list[str]:
    return [request.do for request in await stage.sent(REQUESTS, id)]


@everywhere(stoppable)
async def test_hooks_run_from_the_inside_out_and_then_undos(stage: Stage) -> None:
    run = await stage.start(stoppable, Order("stop-1"))
    await stage.advance(HOUR)
    await stage.stop(run)
    assert (run.status, run.error) == (Status.STOPPED, None)
    assert run.step("ORDER/paid").status is Status.STOPPED
    assert run.step("ORDER/shipped").status is Status.SKIPPED
    assert await requested(stage, "stop-1") == ["reserve", "cancel payment", "cancel order", "release"]


@everywhere(stoppable)
async def test_the_hook_of_a_step_that_has_completed_does_not_run(stage: Stage) -> None:
    run = await stage.start(stoppable, Order("stop-2"))
    await stage.deliver(PAYMENTS, Report("stop-2"))
    await stage.stop(run)
    assert run.status is Status.STOPPED
    assert run.step("ORDER/cancel_payment").status is Status.SKIPPED
    assert await requested(stage, "stop-2") == ["reserve", "cancel order", "release"]


@everywhere(stoppable)
async def test_a_stop_after_the_end_changes_nothing(stage: Stage) -> None:
    run = await stage.start(stoppable, Order("stop-3"))
    await stage.deliver(PAYMENTS, Report("stop-3"))
    await stage.deliver(SHIPMENTS, Report("stop-3"))
    await stage.stop(run)
    assert run.status is Status.COMPLETED
    assert await requested(stage, "stop-3") == ["reserve"]


parallel = template(
    "StoppableParallel",
    all_of(paid.on_stop(cancel_payment), shipped.compensate(release)),
    key=by_id,
)


@everywhere(parallel)
async def test_each_branch_is_stopped_or_undone(stage: Stage) -> None:
    run = await stage.start(parallel, Order("stop-4"))
    await stage.deliver(SHIPMENTS, Report("stop-4"))
    await stage.stop(run)
    assert run.status is Status.STOPPED
    assert run.step("paid").status is Status.STOPPED
    assert run.step("shipped").status is Status.COMPLETED
    assert await requested(stage, "stop-4") == ["cancel payment", "release"]
