"""Instances that messages start."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from dagger import RequestError, Status, Topic, sleep, template
from dagger.testing import TestEngine
from tests.kit.orders import Charge, Order, Paid, Shipped, by_order, charges, order_workflow, payments


@dataclass(frozen=True)
class Placed:
    order_id: str
    lines: list[int]


orders = Topic("ORDERS", Order, key=lambda m: m.order_id)
placed = Topic("PLACED", Placed, key=lambda m: m.order_id)


def order_of(message: Placed) -> Order:
    if not message.lines:
        raise ValueError(f"{message.order_id} has no lines")
    return Order(message.order_id, sum(message.lines))


async def test_a_message_starts_an_instance(dagger_engine: TestEngine) -> None:
    dagger_engine.start_on(orders, order_workflow)
    await dagger_engine.deliver(orders, Order("o-1", 10))
    found = await dagger_engine.get_instance("o-1")
    assert (found.template, found.input, found.status) == ("OrderWorkflow", Order("o-1", 10), Status.EXECUTING)
    await dagger_engine.deliver(payments, Paid("o-1", "r-7"))
    assert (await dagger_engine.get_instance("o-1")).result == Shipped("o-1", "r-7")


async def test_build_makes_the_input_of_the_message(dagger_engine: TestEngine) -> None:
    dagger_engine.start_on(placed, order_workflow, build=order_of)
    await dagger_engine.deliver(placed, Placed("o-1", [4, 6]))
    assert dagger_engine.sent(charges) == [Charge("o-1", 10)]


async def test_a_message_that_comes_again_starts_nothing(dagger_engine: TestEngine) -> None:
    dagger_engine.start_on(orders, order_workflow)
    for _ in range(3):
        await dagger_engine.deliver(orders, Order("o-1", 10))
    assert dagger_engine.sent(charges) == [Charge("o-1", 10)]
    assert len(await dagger_engine.instances()) == 1


async def test_a_message_of_a_live_id_with_another_input_starts_nothing(dagger_engine: TestEngine) -> None:
    dagger_engine.start_on(orders, order_workflow)
    await dagger_engine.deliver(orders, Order("o-1", 10))
    await dagger_engine.deliver(orders, Order("o-1", 99))
    assert (await dagger_engine.get_instance("o-1")).input == Order("o-1", 10)
    assert dagger_engine.counts == {"ignored": 1}


async def test_each_message_starts_its_own_instance(dagger_engine: TestEngine) -> None:
    dagger_engine.start_on(orders, order_workflow)
    for number in range(20):
        await dagger_engine.deliver(orders, Order(f"o-{number:02}", number))
    assert len(dagger_engine.sent(charges)) == 20
    assert len(await dagger_engine.instances()) == 20


async def test_a_build_that_raises_puts_its_message_aside_and_the_next_starts(dagger_engine: TestEngine) -> None:
    dagger_engine.start_on(placed, order_workflow, build=order_of)
    await dagger_engine.deliver(placed, Placed("o-1", []))
    await dagger_engine.deliver(placed, Placed("o-2", [5]))
    assert [instance.id for instance in await dagger_engine.instances()] == ["o-2"]
    [(payload, headers)] = dagger_engine.dead_letters(placed)
    assert payload == b'{"order_id":"o-1","lines":[]}'
    assert headers["dagger-reason"] == "ValueError: o-1 has no lines"


async def test_a_build_of_another_type_puts_its_message_aside(dagger_engine: TestEngine) -> None:
    def wrong(message: Placed) -> Any:
        return message

    dagger_engine.start_on(placed, order_workflow, build=wrong)
    await dagger_engine.deliver(placed, Placed("o-1", [1]))
    [(_, headers)] = dagger_engine.dead_letters(placed)
    assert headers["dagger-reason"] == "EncodeError: declared Order, got Placed"
    assert await dagger_engine.instances() == []


async def test_a_message_that_came_before_the_start_is_taken(dagger_engine: TestEngine) -> None:
    dagger_engine.start_on(orders, order_workflow)
    await dagger_engine.deliver(payments, Paid("o-1", "r-7"))
    await dagger_engine.deliver(orders, Order("o-1", 10))
    assert (await dagger_engine.get_instance("o-1")).result == Shipped("o-1", "r-7")


async def test_a_topic_starts_instances_of_several_templates(dagger_engine: TestEngine) -> None:
    audit = template("Audit", sleep(timedelta(days=1)), key=lambda o: f"audit-{o.order_id}", takes=Order)
    dagger_engine.start_on(orders, order_workflow)
    dagger_engine.start_on(orders, audit)
    await dagger_engine.deliver(orders, Order("o-1", 10))
    assert [instance.id for instance in await dagger_engine.instances()] == ["audit-o-1", "o-1"]
    assert by_order(Order("o-1", 10)) == "o-1"


async def test_start_on_twice_starts_once(dagger_engine: TestEngine) -> None:
    dagger_engine.start_on(orders, order_workflow)
    dagger_engine.start_on(orders, order_workflow)
    await dagger_engine.deliver(orders, Order("o-1", 10))
    assert dagger_engine.sent(charges) == [Charge("o-1", 10)]


async def test_what_cannot_start_instances_is_refused(dagger_engine: TestEngine) -> None:
    async def later(message: Placed) -> Order:
        return Order(message.order_id, 1)

    wrong: Any = "ORDERS"
    with pytest.raises(RequestError, match=r"start_on: expects a Topic\(name, type, key=...\), got 'ORDERS'"):
        dagger_engine.start_on(wrong, order_workflow)
    for build in (7, later):
        wrong = build
        with pytest.raises(RequestError, match="start_on: build= expects a function that is not async, got "):
            dagger_engine.start_on(placed, order_workflow, build=wrong)
    await dagger_engine.deliver(orders, Order("o-1", 10))
    assert await dagger_engine.instances() == []
