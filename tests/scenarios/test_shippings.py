"""As many parallel shippings as the order says."""

from __future__ import annotations

from dagger import Status, command, for_each, listener, process, template
from tests.scenarios.orders import REQUESTS, SHIPMENTS, Order, Report, Request, by_id
from tests.scenarios.stage import Stage, everywhere


def parcels(order: Order) -> list[str]:
    return [f"{order.id}-{number}" for number in range(order.parcels)]


@command(REQUESTS)
def ship(parcel: str) -> Request:
    return Request(parcel, "ship")


def itself(parcel: str) -> str:
    return parcel


@listener(SHIPMENTS, on=itself)
def shipped(parcel: str, report: Report) -> str:
    return f"{parcel} {report.text}"


shippings = template("Shippings", process("SHIPPING", for_each(parcels, ship >> shipped)), key=by_id)


@everywhere(shippings)
async def test_each_parcel_is_shipped_and_the_last_one_ends_it(stage: Stage) -> None:
    run = await stage.start(shippings, Order("many-1", parcels=3))
    for number in range(3):
        assert await stage.sent(REQUESTS, f"many-1-{number}") == [Request(f"many-1-{number}", "ship")]
    for number in (2, 0):
        await stage.deliver(SHIPMENTS, Report(f"many-1-{number}", "sent"))
    assert run.step("SHIPPING/parcels/shipped").status is Status.EXECUTING
    await stage.deliver(SHIPMENTS, Report("many-1-1", "sent"))
    assert run.result == ["many-1-0 sent", "many-1-1 sent", "many-1-2 sent"]


@everywhere(shippings)
async def test_an_order_without_parcels_is_done_at_once(stage: Stage) -> None:
    run = await stage.start(shippings, Order("many-2"))
    assert run.result == []
