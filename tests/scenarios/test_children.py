"""A parent with child workflows, each an instance of its own."""

from __future__ import annotations

from dagger import Failure, Status, command, for_each, listener, process, template
from tests.scenarios.orders import REQUESTS, SHIPMENTS, Order, Report, Request, by_id
from tests.scenarios.stage import Stage, everywhere


@listener(SHIPMENTS)
def shipped(parcel: str, report: Report) -> str:
    if report.text == "lost":
        raise ValueError(f"{parcel} is lost")
    return f"{parcel} {report.text}"


@command(REQUESTS)
def call_back(parcel: str) -> Request:
    return Request(parcel, "call back")


def itself(parcel: str) -> str:
    return parcel


def parcels(order: Order) -> list[str]:
    return [f"{order.id}-{number}" for number in range(order.parcels)]


def lost(failure: Failure[str]) -> str:
    return f"{failure.input} refunded"


shipment = template("Shipment", shipped.on_stop(call_back), key=itself)
order = template(
    "ParentOrder", process("SHIPPING", for_each(parcels, shipment.recover(lost, on=ValueError))), key=by_id
)


@everywhere(order)
async def test_the_parent_waits_for_its_children_and_answers_a_failure(stage: Stage) -> None:
    run = await stage.start(order, Order("parent-1", parcels=2))
    children = await stage.children(run)
    assert [child.id for child in children] == [f"parent-1/SHIPPING/parcels[{n}]/Shipment" for n in range(2)]
    assert [child.parent for child in children] == ["parent-1", "parent-1"]
    await stage.deliver(SHIPMENTS, Report("parent-1-1", "lost"))
    assert [child.status for child in await stage.children(run)] == [Status.EXECUTING, Status.FAILURE]
    await stage.deliver(SHIPMENTS, Report("parent-1-0", "sent"))
    assert run.result == ["parent-1-0 sent", "parent-1-1 refunded"]


@everywhere(order)
async def test_a_stop_reaches_the_children_and_runs_their_hooks(stage: Stage) -> None:
    run = await stage.start(order, Order("parent-2", parcels=2))
    await stage.deliver(SHIPMENTS, Report("parent-2-0", "sent"))
    await stage.stop(run)
    assert run.status is Status.STOPPED
    assert [child.status for child in await stage.children(run)] == [Status.COMPLETED, Status.STOPPED]
    assert await stage.sent(REQUESTS, "parent-2-1") == [Request("parent-2-1", "call back")]
    assert await stage.sent(REQUESTS, "parent-2-0") == []
