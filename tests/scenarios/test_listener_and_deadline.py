"""A listener with a deadline: the message comes before it, after it, or before anybody listens."""

from __future__ import annotations

from dagger import Status, listener, process, sleep, template
from tests.scenarios.orders import HOUR, PAYMENTS, SHIPMENTS, Order, Report, by_id
from tests.scenarios.stage import Stage, everywhere


@listener(PAYMENTS)
def paid(order: Order, report: Report) -> str:
    return f"paid: {report.text}"


def unpaid(order: Order) -> str:
    return "unpaid"


@listener(SHIPMENTS)
def closed(state: str, report: Report) -> str:
    return f"{state}, {report.text}"


payment = template("Payment", process("PAYMENT", paid, timeout=HOUR, otherwise=unpaid) >> closed, key=by_id)
slow_payment = template("SlowPayment", sleep(HOUR) >> process("PAYMENT", paid, timeout=HOUR), key=by_id)


@everywhere(payment)
async def test_a_message_before_the_deadline_is_taken(stage: Stage) -> None:
    run = await stage.start(payment, Order("listens-1"))
    await stage.deliver(PAYMENTS, Report("listens-1", "cash"))
    await stage.advance(HOUR)
    await stage.deliver(SHIPMENTS, Report("listens-1", "closed"))
    assert run.result == "paid: cash, closed"


@everywhere(payment)
async def test_a_message_after_the_deadline_changes_nothing(stage: Stage) -> None:
    run = await stage.start(payment, Order("listens-2"))
    await stage.advance(HOUR)
    await stage.deliver(PAYMENTS, Report("listens-2", "cash"))
    assert run.step("PAYMENT/paid").status is Status.STOPPED
    assert run.step("closed").status is Status.EXECUTING
    await stage.deliver(SHIPMENTS, Report("listens-2", "closed"))
    assert run.result == "unpaid, closed"


@everywhere(slow_payment)
async def test_a_message_before_the_listener_is_kept_for_it(stage: Stage) -> None:
    run = await stage.start(slow_payment, Order("listens-3"))
    await stage.deliver(PAYMENTS, Report("listens-3", "cash"))
    assert run.step("sleep-1h").status is Status.EXECUTING
    await stage.advance(HOUR)
    assert run.result == "paid: cash"
