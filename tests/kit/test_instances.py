"""Registering templates, and creating, finding, awaiting and stopping instances."""

import asyncio
import re
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from dagger import (
    RequestError,
    Status,
    Template,
    TemplateConflict,
    TemplateError,
    Topic,
    UnknownTemplate,
    WorkflowFailed,
    WrongInput,
    command,
    listener,
    sleep,
    template,
)
from dagger.testing import TestEngine
from tests.kit.orders import (
    Charge,
    Order,
    Paid,
    Shipped,
    by_order,
    charge,
    charges,
    order_workflow,
    paid,
    payments,
    ship,
)

# Templates.


async def test_a_registered_template_makes_instances(dagger_engine: TestEngine) -> None:
    dagger_engine.register(order_workflow)
    id = UUID(int=1)
    instance = await dagger_engine.get_template("OrderWorkflow").create_instance(id, Order("o-1", 10))
    assert (instance.id, instance.status) == (str(id), Status.NOT_STARTED)
    assert dagger_engine.sent(charges) == []
    run = await dagger_engine.submit(instance)
    assert run.id == str(id)
    assert dagger_engine.sent(charges) == [Charge("o-1", 10)]


async def test_an_instance_that_is_created_without_id_has_its_business_key(dagger_engine: TestEngine) -> None:
    dagger_engine.register(order_workflow)
    instance = await dagger_engine.get_template("OrderWorkflow").create_instance(None, Order("o-1", 10))
    assert instance.id == "o-1"


async def test_submitting_an_instance_again_starts_it_once(dagger_engine: TestEngine) -> None:
    dagger_engine.register(order_workflow)
    instance = await dagger_engine.get_template("OrderWorkflow").create_instance("x", Order("o-1", 10))
    await dagger_engine.submit(instance)
    await dagger_engine.submit(instance)
    assert dagger_engine.sent(charges) == [Charge("o-1", 10)]


async def test_register_gives_the_template_back(dagger_engine: TestEngine) -> None:
    assert dagger_engine.register(order_workflow) is order_workflow
    assert dagger_engine.register_template(order_workflow) is order_workflow


async def test_register_decorates_a_function_that_returns_a_template(dagger_engine: TestEngine) -> None:
    @dagger_engine.register
    def workflow() -> Template[Order, Shipped]:
        return template("Made", charge >> paid >> ship, key=by_order)

    run = await dagger_engine.start(workflow, Order("o-1", 10))
    assert run.instance.template == "Made"


async def test_register_refuses_what_is_no_template(dagger_engine: TestEngine) -> None:
    wrong: Any = ship
    with pytest.raises(RequestError, match=r"register: expects a template, or a function that returns one, got "):
        dagger_engine.register(wrong)
    name: Any = "OrderWorkflow"
    with pytest.raises(RequestError, match=r"^start: expects a template, or .*, got 'OrderWorkflow'"):
        await dagger_engine.start(name, Order("o-1", 10))
    with pytest.raises(RequestError, match=r"^start_all: expects a template, or .*, got 'OrderWorkflow'"):
        await dagger_engine.start_all(name, [Order("o-1", 10)])


async def test_submit_tells_of_a_forgotten_await(dagger_engine: TestEngine) -> None:
    dagger_engine.register(order_workflow)
    forgotten: Any = dagger_engine.get_template("OrderWorkflow").create_instance("x", Order("o-1", 10))
    with pytest.raises(RequestError, match=r"submit: got a coroutine, a forgotten await\?"):
        await dagger_engine.submit(forgotten)


async def test_an_unknown_template_is_told_with_those_that_are_known(dagger_engine: TestEngine) -> None:
    with pytest.raises(
        UnknownTemplate,
        match=r"template 'Nope' is not registered; call engine.register\(...\) first \(registered: none\)",
    ):
        dagger_engine.get_template("Nope")
    dagger_engine.register(order_workflow)
    with pytest.raises(UnknownTemplate, match=r"\(registered: OrderWorkflow\)"):
        dagger_engine.get_template("Nope")
    with pytest.raises(UnknownTemplate, match="template 'OrderWorkflow' version 2 is not registered"):
        dagger_engine.get_template("OrderWorkflow", 2)


async def test_the_latest_version_is_the_default(dagger_engine: TestEngine) -> None:
    second = template("OrderWorkflow", charge >> paid >> ship, key=by_order, version=2)
    dagger_engine.register(second)
    dagger_engine.register(order_workflow)
    assert dagger_engine.get_template("OrderWorkflow").template == second
    assert dagger_engine.get_template("OrderWorkflow", 1).template == order_workflow


async def test_an_instance_stays_with_its_version(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, Order("o-1", 10))
    dagger_engine.register(template("OrderWorkflow", charge >> ship_unpaid, key=by_order, version=2))
    await dagger_engine.deliver(payments, Paid("o-1", "r-7"))
    assert run.instance.version == 1
    assert run.result == Shipped("o-1", "r-7")


ship_unpaid = sleep(timedelta(days=1))


async def test_another_shape_under_the_same_version_is_refused(dagger_engine: TestEngine) -> None:
    dagger_engine.register(order_workflow)
    changed = template("OrderWorkflow", charge >> paid, key=by_order)
    with pytest.raises(
        TemplateConflict,
        match=r"'OrderWorkflow' version 1 is registered with another workflow; give the new one the next version=",
    ):
        dagger_engine.register(changed)
    run = await dagger_engine.start(order_workflow, Order("o-1", 10))
    await dagger_engine.deliver(payments, Paid("o-1", "r-7"))
    assert run.result == Shipped("o-1", "r-7")


async def test_the_same_shape_may_be_registered_again(dagger_engine: TestEngine) -> None:
    body = order_workflow.body
    dagger_engine.register(order_workflow)
    again = template("Other", charge >> paid, key=by_order)
    dagger_engine.register(again)
    dagger_engine.register(template("Other", charge >> paid, key=by_order))
    assert order_workflow.body is body


async def test_a_topic_of_another_type_than_a_registered_one_is_refused(dagger_engine: TestEngine) -> None:
    dagger_engine.register(order_workflow)
    wrong = Topic("PAYMENT_LISTENER", Charge, key=lambda m: m.order_id)
    with pytest.raises(
        TemplateError,
        match=r"topic 'PAYMENT_LISTENER' carries Charge here and Paid in what was registered before; a topic has one",
    ):
        dagger_engine.register(template("Other", listener(wrong), key=by_order))


async def test_a_topic_of_another_key_function_than_a_registered_one_is_refused(
    dagger_engine: TestEngine,
) -> None:
    dagger_engine.register(order_workflow)
    other = Topic("PAYMENT_LISTENER", Paid, key=lambda m: m.receipt)
    with pytest.raises(
        TemplateError,
        match=r"template 'Other': topic 'PAYMENT_LISTENER' has another key function here than in what was registered "
        r"before; messages are matched by one: use one Topic value for both, or by= on the listener",
    ):
        dagger_engine.register(template("Other", listener(other), key=by_order))


async def test_a_template_that_is_made_twice_may_be_registered_twice(dagger_engine: TestEngine) -> None:
    def made() -> Template[Order, Paid]:
        mine = Topic("MINE", Paid, key=lambda m: m.order_id)
        return template("Made", listener(mine), key=by_order)

    await dagger_engine.start(made(), Order("o-1", 1))
    await dagger_engine.start(made(), Order("o-2", 2))
    assert len(await dagger_engine.instances()) == 2


async def test_a_template_that_is_refused_leaves_nothing_behind(dagger_engine: TestEngine) -> None:
    dagger_engine.register(order_workflow)
    wrong = Topic("PAYMENT_LISTENER", Charge, key=lambda m: m.order_id)
    with pytest.raises(TemplateError, match="a topic has one type"):
        dagger_engine.register(template("Other", command(charges_of(Order)) >> listener(wrong), key=by_order))
    dagger_engine.register(template("Other", listener(charges_of(Charge)), key=by_order))


def charges_of(kind: type[Any]) -> Topic[Any]:
    return Topic("NEW", kind, key=lambda m: m.order_id)


async def test_a_wrong_input_is_refused_when_it_is_given(dagger_engine: TestEngine) -> None:
    wrong: Any = Paid("o-1", "r-7")
    with pytest.raises(WrongInput, match=r"template 'OrderWorkflow' takes Order: declared Order, got Paid"):
        await dagger_engine.start(order_workflow, wrong)
    assert await dagger_engine.instances() == []


async def test_a_wrong_part_of_an_input_is_named(dagger_engine: TestEngine) -> None:
    total: Any = "ten"
    with pytest.raises(WrongInput, match=r"Order\.total: declared int, got str 'ten'"):
        await dagger_engine.start(order_workflow, Order("o-1", total))
    run = await dagger_engine.start(order_workflow, Order("o-1", 10))
    assert run.status is Status.EXECUTING


async def test_a_wrong_input_is_refused_when_an_instance_is_created(dagger_engine: TestEngine) -> None:
    dagger_engine.register(order_workflow)
    with pytest.raises(WrongInput, match="template 'OrderWorkflow' takes Order: declared Order, got str 'o-1'"):
        await dagger_engine.get_template("OrderWorkflow").create_instance("x", "o-1")


async def test_an_input_without_a_business_key_is_refused(dagger_engine: TestEngine) -> None:
    with pytest.raises(
        WrongInput,
        match=r"'OrderWorkflow': the business key of the input: the key is ''; it must be text that is not empty",
    ):
        await dagger_engine.start(order_workflow, Order("", 10))


def no_key(order: Order) -> str:
    raise LookupError(f"{order.order_id} is on no list")


async def test_a_business_key_that_raises_is_told(dagger_engine: TestEngine) -> None:
    broken = template("Broken", charge >> paid, key=no_key)
    with pytest.raises(WrongInput, match=r"template 'Broken': its key function raised LookupError: o-1 is on no list"):
        await dagger_engine.start(broken, Order("o-1", 10))


# Finding instances.


async def ids(engine: TestEngine, **filters: Any) -> list[str]:
    return [instance.id for instance in await engine.instances(**filters)]


async def some_orders(engine: TestEngine) -> None:
    for number in (3, 1, 4, 2):
        await engine.start(order_workflow, Order(f"o-{number}", number))
    await engine.start(template("Pause", sleep(timedelta(days=1)), key=by_order), Order("p-1", 1))
    await engine.start(order_workflow, Order("o-1", 9), id="second")
    await engine.deliver(payments, Paid("o-2", "r-2"))


async def test_instances_are_ordered_by_id(dagger_engine: TestEngine) -> None:
    await some_orders(dagger_engine)
    assert await ids(dagger_engine) == ["o-1", "o-2", "o-3", "o-4", "p-1", "second"]


async def test_instances_are_found_by_template_status_and_key(dagger_engine: TestEngine) -> None:
    await some_orders(dagger_engine)
    assert await ids(dagger_engine, template="Pause") == ["p-1"]
    assert await ids(dagger_engine, template="Nope") == []
    assert await ids(dagger_engine, status=Status.COMPLETED) == ["o-2"]
    assert await ids(dagger_engine, status="EXECUTING") == ["o-1", "o-3", "o-4", "p-1", "second"]
    assert await ids(dagger_engine, key="o-1") == ["o-1", "second"]
    assert await ids(dagger_engine, key="o-1", template="OrderWorkflow", status="EXECUTING", limit=1) == ["o-1"]


async def test_instances_come_in_pages(dagger_engine: TestEngine) -> None:
    await some_orders(dagger_engine)
    assert await ids(dagger_engine, limit=4) == ["o-1", "o-2", "o-3", "o-4"]
    assert await ids(dagger_engine, limit=4, after="o-4") == ["p-1", "second"]
    assert await ids(dagger_engine, limit=4, after="second") == []
    assert await ids(dagger_engine, after="o-35") == ["o-4", "p-1", "second"]


async def test_a_page_is_full_where_a_filter_leaves_others_out(dagger_engine: TestEngine) -> None:
    await some_orders(dagger_engine)
    assert await ids(dagger_engine, status="EXECUTING", limit=2) == ["o-1", "o-3"]
    assert await ids(dagger_engine, status="EXECUTING", limit=2, after="o-3") == ["o-4", "p-1"]


async def test_an_empty_page_and_an_unknown_status_are_refused(dagger_engine: TestEngine) -> None:
    for limit in (0, "all"):
        wrong: Any = limit
        with pytest.raises(RequestError, match=f"instances: limit is {limit!r}; give 1 or more"):
            await dagger_engine.instances(limit=wrong)
    for name in ("template", "key", "after"):
        for value in (7, "half a character: \ud800"):
            filters: dict[str, Any] = {name: value}
            with pytest.raises(RequestError, match=re.escape(f"instances: {name} is {value!r}; give text")):
                await dagger_engine.instances(**filters)
    with pytest.raises(RequestError, match="instances: no status is called 'DONE'; there are: NOT_STARTED, "):
        await dagger_engine.instances(status="DONE")


async def test_a_page_may_be_longer_than_any_store_counts(dagger_engine: TestEngine) -> None:
    assert await dagger_engine.instances(limit=10**30) == []


async def test_there_are_no_instances_at_first(dagger_engine: TestEngine) -> None:
    assert await dagger_engine.instances() == []


# Awaiting and stopping.


async def test_wait_gives_the_instance_that_has_ended(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, Order("o-1", 10))
    await dagger_engine.deliver(payments, Paid("o-1", "r-7"))
    assert (await dagger_engine.wait(run)).result == Shipped("o-1", "r-7")
    assert (await dagger_engine.wait("o-1")).status is Status.COMPLETED


@pytest.fixture
def impatient() -> TestEngine:
    return TestEngine(patience=timedelta(milliseconds=20))


async def test_wait_for_what_does_not_end_by_itself_is_no_hang(impatient: TestEngine) -> None:
    run = await impatient.start(order_workflow, Order("o-1", 10))
    said = r"^wait: 'o-1' is EXECUTING after 0.02 s .*PAYMENT/paid.*; deliver what it waits for"
    for instance in (run, "o-1"):
        with pytest.raises(RequestError, match=said):
            await impatient.wait(instance)


async def test_several_wait_for_one_end(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, Order("o-1", 10))
    waiting = asyncio.gather(dagger_engine.wait(run), dagger_engine.wait("o-1"))
    await asyncio.sleep(0)
    await dagger_engine.deliver(payments, Paid("o-1", "r-7"))
    found = await waiting
    assert [one.status for one in found] == [Status.COMPLETED, Status.COMPLETED]


async def test_a_stopped_instance_and_what_it_executed_are_stopped(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, Order("o-1", 10))
    await dagger_engine.advance(timedelta(hours=1))
    await dagger_engine.stop(run)
    assert run.status is Status.STOPPED
    assert run.error is None
    assert run.instance.ended == dagger_engine.now
    assert {step.path: str(step.status) for step in run.instance.steps} == {
        "PAYMENT": "STOPPED",
        "PAYMENT/charge": "COMPLETED",
        "PAYMENT/paid": "STOPPED",
        "SHIPPING": "SKIPPED",
        "SHIPPING/ship": "SKIPPED",
    }


async def test_a_stopped_instance_has_no_result(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, Order("o-1", 10))
    await dagger_engine.stop("o-1")
    with pytest.raises(WorkflowFailed, match="instance 'o-1' has no result, it is STOPPED"):
        _ = run.result


async def test_stopping_what_has_ended_changes_nothing(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, Order("o-1", 10))
    await dagger_engine.deliver(payments, Paid("o-1", "r-7"))
    await dagger_engine.stop(run)
    assert run.result == Shipped("o-1", "r-7")


async def test_a_message_for_a_stopped_instance_is_counted(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, Order("o-1", 10))
    await dagger_engine.stop(run)
    await dagger_engine.deliver(payments, Paid("o-1", "r-7"))
    assert run.status is Status.STOPPED
    assert dagger_engine.counts == {"unmatched_ended": 1}
