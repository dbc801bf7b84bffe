"""A workflow waits for a deadline that is in its data."""

from __future__ import annotations

from datetime import datetime, timedelta

from dagger import Status, command, template, wait_until
from tests.scenarios.orders import HOUR, REQUESTS, Order, Request, by_id
from tests.scenarios.stage import Stage, everywhere


@wait_until
def is_due(order: Order) -> datetime:
    assert order.due is not None
    return order.due


@command(REQUESTS)
def remind(order: Order) -> Request:
    return Request(order.id, "remind")


reminder = template("Reminder", is_due >> remind, key=by_id)


@everywhere(reminder)
async def test_it_goes_on_at_the_deadline_and_not_before(stage: Stage) -> None:
    due = stage.now + 2 * HOUR
    run = await stage.start(reminder, Order("deadline-1", due=due))
    await stage.advance(2 * HOUR - timedelta(microseconds=1))
    assert run.step("is_due").status is Status.EXECUTING
    assert run.step("remind").status is Status.NOT_STARTED
    await stage.advance(timedelta(microseconds=1))
    assert run.status is Status.COMPLETED
    assert run.step("is_due").ended == due
    assert await stage.sent(REQUESTS, "deadline-1") == [Request("deadline-1", "remind")]


@everywhere(reminder)
async def test_a_deadline_that_has_passed_is_no_wait(stage: Stage) -> None:
    run = await stage.start(reminder, Order("deadline-2", due=stage.now - HOUR))
    assert run.status is Status.COMPLETED
