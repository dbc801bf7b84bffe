"""A message skips ahead: what it makes needless is stopped, and what was done stays done."""

from __future__ import annotations

from dagger import Status, command, listener, skippable, sleep, template
from tests.scenarios.orders import HOUR, PAYMENTS, REQUESTS, SHIPMENTS, Order, Report, Request, by_id
from tests.scenarios.stage import Stage, everywhere


@command(REQUESTS)
def remind(order: Order) -> Request:
    return Request(order.id, "remind")


@command(REQUESTS)
def withdraw_reminder(order: Order) -> Request:
    return Request(order.id, "withdraw reminder")


@command(REQUESTS)
def call(order: Order) -> Request:
    return Request(order.id, "call")


@command(REQUESTS)
def close_ticket(order: Order) -> Request:
    return Request(order.id, "close ticket")


@command(REQUESTS)
def ship(order: Order) -> Request:
    return Request(order.id, "ship")


@listener(PAYMENTS)
def paid(order: Order, report: Report) -> Order:
    return order


@listener(SHIPMENTS)
def shipped(order: Order, report: Report) -> Order:
    return order


reminders = remind.compensate(withdraw_reminder) >> sleep(HOUR).named("patience").on_stop(close_ticket) >> call
skips = template("SkipAhead", skippable(reminders, to=paid) >> ship >> shipped, key=by_id)


async def requested(stage: Stage, id: str) -> list[str]:
    return [request.do for request in await stage.sent(REQUESTS, id)]


@everywhere(skips)
async def test_a_payment_skips_the_other_reminders(stage: Stage) -> None:
    run = await stage.start(skips, Order("skip-1"))
    await stage.advance(HOUR / 2)
    await stage.deliver(PAYMENTS, Report("skip-1"))
    assert run.step("patience").status is Status.STOPPED
    assert await requested(stage, "skip-1") == ["remind", "close ticket", "ship"]
    await stage.deliver(SHIPMENTS, Report("skip-1"))
    assert run.status is Status.COMPLETED
    assert run.step("call").status is Status.SKIPPED


@everywhere(skips)
async def test_a_payment_after_all_reminders(stage: Stage) -> None:
    run = await stage.start(skips, Order("skip-2"))
    await stage.advance(HOUR)
    assert run.step("paid").status is Status.EXECUTING
    await stage.deliver(PAYMENTS, Report("skip-2"))
    await stage.deliver(SHIPMENTS, Report("skip-2"))
    assert run.status is Status.COMPLETED
    assert await requested(stage, "skip-2") == ["remind", "call", "ship"]


@everywhere(skips)
async def test_what_was_done_before_a_skip_is_undone_by_a_stop(stage: Stage) -> None:
    run = await stage.start(skips, Order("skip-3"))
    await stage.advance(HOUR / 2)
    await stage.deliver(PAYMENTS, Report("skip-3"))
    await stage.stop(run)
    assert run.status is Status.STOPPED
    assert await requested(stage, "skip-3") == ["remind", "close ticket", "ship", "withdraw reminder"]
