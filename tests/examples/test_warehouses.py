"""An order with a shipment for each warehouse, tested as a user would test it."""

from datetime import timedelta

from dagger import Status
from dagger.testing import TestEngine, explore_sync
from examples.warehouses import PACKED, PICK, Line, Order, Packed, Sent, order

LINES = (Line("tea", 2, "north"), Line("pot", 1, "south"), Line("cup", 6, "north"))
ORDER = Order("o-1", LINES)
NORTH, SOUTH = "o-1/SHIPPING/by_warehouse[0]/Shipment", "o-1/SHIPPING/by_warehouse[1]/Shipment"


async def test_each_warehouse_sends_its_part(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order, ORDER)
    assert [(message.warehouse, len(message.lines)) for message in dagger_engine.sent(PICK)] == [
        ("north", 2),
        ("south", 1),
    ]
    assert [one.id for one in await dagger_engine.instances(parent=run)] == [NORTH, SOUTH]
    await dagger_engine.deliver(PACKED, Packed("o-1-south", 900))
    assert (await dagger_engine.get_instance(SOUTH)).status is Status.COMPLETED
    assert run.status is Status.EXECUTING
    await dagger_engine.deliver(PACKED, Packed("o-1-north", 4_000))
    assert run.result == [Sent("o-1-north", "T-o-1-north"), Sent("o-1-south", "T-o-1-south")]


async def test_a_shipment_that_fails_is_sent_by_hand(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order, ORDER)
    await dagger_engine.deliver(PACKED, Packed("o-1-north", 31_000))
    await dagger_engine.deliver(PACKED, Packed("o-1-south", 900))
    await dagger_engine.advance(timedelta(minutes=1))
    north = await dagger_engine.get_instance(NORTH)
    assert str(north.error) == "hand_over: ValueError: a parcel of 31 kg is too heavy"
    assert run.result[0] == Sent("o-1-north", "by hand, since ValueError: a parcel of 31 kg is too heavy")


async def test_a_stop_of_the_order_stops_its_shipments(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order, ORDER)
    await dagger_engine.stop(run)
    assert {one.status for one in await dagger_engine.instances()} == {Status.STOPPED}


async def scenario(engine: TestEngine) -> None:
    await engine.start(order, ORDER)
    await engine.deliver(PACKED, Packed("o-1-north", 4_000))
    await engine.start(order, Order("o-2", LINES))
    await engine.stop("o-2")
    await engine.deliver(PACKED, Packed("o-1-south", 31_000))
    await engine.advance(timedelta(minutes=1))


def test_no_fault_changes_what_an_order_leads_to() -> None:
    found = explore_sync(order, scenario)
    assert all(found.runs.values()), found
