"""The order workflow, tested as a user would test it: no broker, no waiting."""

from datetime import UTC, datetime, timedelta

from dagger import Status
from dagger.testing import TestEngine
from examples.orders import (
    PAYMENT_COMMAND,
    PAYMENT_LISTENER,
    SHIPPING_COMMAND,
    SHIPPING_LISTENER,
    Address,
    Charge,
    Delivery,
    Line,
    Order,
    Paid,
    Ship,
    Shipped,
    order_workflow,
)

HOME = Address("Ada Rossi", "Kerkstraat 3", "1012 AB", "Amsterdam", "NL")
ORDER = Order(
    "o-1",
    datetime(2030, 1, 1, tzinfo=UTC),
    "ada.rossi@example.com",
    HOME,
    "EUR",
    (Line("BK-1001", "Notebook", 2, 1290), Line("HM-2003", "Tea towel", 1, 990)),
)


async def test_an_order_is_paid_and_shipped(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, ORDER)
    assert dagger_engine.sent(PAYMENT_COMMAND) == [Charge("o-1", 3570, "EUR")]
    assert run.step("PAYMENT/paid").status is Status.EXECUTING

    await dagger_engine.deliver(PAYMENT_LISTENER, Paid("o-1", "r-7"))
    assert dagger_engine.sent(SHIPPING_COMMAND) == [Ship("o-1", HOME, {"BK-1001": 2, "HM-2003": 1})]

    await dagger_engine.deliver(SHIPPING_LISTENER, Shipped("o-1", "Post", "t-9"))
    assert run.status is Status.COMPLETED
    assert run.result == Delivery("o-1", "r-7", "Post", "t-9")


async def test_nothing_is_shipped_before_it_is_paid(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, ORDER)
    await dagger_engine.advance(timedelta(days=365))
    assert dagger_engine.sent(SHIPPING_COMMAND) == []
    assert run.step("SHIPPING").status is Status.NOT_STARTED


async def test_an_answer_that_comes_early_is_not_lost(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, ORDER)
    await dagger_engine.deliver(SHIPPING_LISTENER, Shipped("o-1", "Post", "t-9"))
    await dagger_engine.deliver(PAYMENT_LISTENER, Paid("o-1", "r-7"))
    assert run.status is Status.COMPLETED


async def test_an_answer_reaches_its_own_order_only(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, ORDER)
    await dagger_engine.deliver(PAYMENT_LISTENER, Paid("o-2", "r-8"))
    assert run.step("PAYMENT/paid").status is Status.EXECUTING


async def test_an_answer_that_is_sent_twice_is_taken_once(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, ORDER)
    await dagger_engine.deliver(PAYMENT_LISTENER, Paid("o-1", "r-7"), id="answer-1")
    await dagger_engine.deliver(PAYMENT_LISTENER, Paid("o-1", "r-7"), id="answer-1")
    assert len(dagger_engine.sent(SHIPPING_COMMAND)) == 1
    assert run.step("PAYMENT/paid").attempts == 1
