"""A saga: what had completed is undone, the last first, when a later step fails."""

from __future__ import annotations

from dagger import Failure, Status, command, listener, process, template
from tests.scenarios.orders import PAYMENTS, REQUESTS, SHIPMENTS, Order, Report, Request, by_id
from tests.scenarios.stage import Stage, everywhere


@command(REQUESTS)
def reserve(order: Order) -> Request:
    return Request(order.id, "reserve")


@command(REQUESTS)
def release(order: Order) -> Request:
    return Request(order.id, "release")


@command(REQUESTS)
def refund(order: Order) -> Request:
    return Request(order.id, "refund")


@command(REQUESTS)
def find_parcel(order: Order) -> Request:
    return Request(order.id, "find parcel")


@listener(PAYMENTS)
def paid(order: Order, report: Report) -> Order:
    return order


@listener(SHIPMENTS)
def shipped(order: Order, report: Report) -> Order:
    if report.text == "lost":
        raise ValueError("lost")
    return order


def apology(failure: Failure[Order]) -> str:
    return f"sorry, {failure.error}"


saga = template(
    "Saga",
    reserve.compensate(release) >> paid.compensate(refund) >> shipped.on_stop(find_parcel),
    key=by_id,
)
answered_saga = template(
    "AnsweredSaga",
    reserve.compensate(release) >> process("SHIPPING", paid.compensate(refund) >> shipped).recover(apology),
    key=by_id,
)


async def requested(stage: Stage, id: str) -> list[str]:
    return [request.do for request in await stage.sent(REQUESTS, id)]


@everywhere(saga)
async def test_what_had_completed_is_undone_the_last_first(stage: Stage) -> None:
    run = await stage.start(saga, Order("saga-1"))
    await stage.deliver(PAYMENTS, Report("saga-1"))
    await stage.deliver(SHIPMENTS, Report("saga-1", "lost"))
    assert run.status is Status.FAILURE
    assert str(run.error) == "shipped: ValueError: lost"
    assert await requested(stage, "saga-1") == ["reserve", "refund", "release"]
    assert run.step("find_parcel").status is Status.SKIPPED


@everywhere(saga)
async def test_an_instance_that_completes_undoes_nothing(stage: Stage) -> None:
    run = await stage.start(saga, Order("saga-2"))
    await stage.deliver(PAYMENTS, Report("saga-2"))
    await stage.deliver(SHIPMENTS, Report("saga-2"))
    assert run.status is Status.COMPLETED
    assert await requested(stage, "saga-2") == ["reserve"]


@everywhere(answered_saga)
async def test_only_what_is_inside_of_the_answer_is_undone(stage: Stage) -> None:
    run = await stage.start(answered_saga, Order("saga-3"))
    await stage.deliver(PAYMENTS, Report("saga-3"))
    await stage.deliver(SHIPMENTS, Report("saga-3", "lost"))
    assert run.result == "sorry, ValueError: lost"
    assert await requested(stage, "saga-3") == ["reserve", "refund"]
    assert run.step("release").status is Status.SKIPPED
