"""A decision: by a value that a function computes, and by the type of what a step has given."""

from __future__ import annotations

from dataclasses import dataclass

from dagger import Status, listener, match, switch, task, template
from tests.scenarios.orders import PAYMENTS, SHIPMENTS, Order, Report, by_id
from tests.scenarios.stage import Stage, everywhere


@dataclass(frozen=True)
class Paid:
    id: str


@dataclass(frozen=True)
class Refused:
    id: str
    reason: str


def has_parcels(order: Order) -> bool:
    return order.parcels > 0


@listener(SHIPMENTS)
def shipped(order: Order, report: Report) -> str:
    return f"shipped: {report.text}"


@task
async def send_by_mail(order: Order) -> str:
    return "mailed"


@listener(PAYMENTS)
def answered(order: Order, report: Report) -> Paid | Refused:
    return Paid(report.id) if report.text == "done" else Refused(report.id, report.text)


@task
async def thank(paid: Paid) -> str:
    return "thanks"


@task
async def explain(refused: Refused) -> str:
    return f"sorry: {refused.reason}"


delivery = template("Delivery", switch(has_parcels).case(True, shipped).case(False, send_by_mail), key=by_id)
answer = template("Answer", answered >> match().case(Paid, thank).case(Refused, explain), key=by_id)


@everywhere(delivery)
async def test_only_the_branch_that_was_chosen_runs(stage: Stage) -> None:
    mailed = await stage.start(delivery, Order("decision-1", parcels=0))
    assert mailed.result == "mailed"
    assert mailed.step("true/shipped").status is Status.SKIPPED
    run = await stage.start(delivery, Order("decision-2", parcels=1))
    await stage.deliver(SHIPMENTS, Report("decision-2", "lorry"))
    assert run.result == "shipped: lorry"
    assert run.step("false/send_by_mail").status is Status.SKIPPED


@everywhere(answer)
async def test_the_type_of_an_answer_decides(stage: Stage) -> None:
    good = await stage.start(answer, Order("decision-3"))
    bad = await stage.start(answer, Order("decision-4"))
    await stage.deliver(PAYMENTS, Report("decision-4", "no money"))
    await stage.deliver(PAYMENTS, Report("decision-3"))
    assert (good.result, bad.result) == ("thanks", "sorry: no money")
    assert bad.step("Paid/thank").status is Status.SKIPPED
