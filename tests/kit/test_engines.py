"""Several engines in one process, an engine that is used again, and listening from outside."""

import asyncio
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from dagger import (
    RequestError,
    Status,
    TemplateConflict,
    Topic,
    UnknownTemplate,
    WrongInput,
    command,
    listener,
    sleep,
    task,
    template,
)
from dagger.backends.memory import MemoryBackend
from dagger.testing import TestEngine
from tests.kit.orders import Charge, Order, Paid, Shipped, charges, order_workflow, payments

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Note:
    id: str


notes = Topic("NOTES", Note, key=lambda m: m.id)


def by_id(note: Note) -> str:
    return note.id


@pytest.fixture
def other_engine() -> TestEngine:
    return TestEngine()


async def test_engines_share_nothing(dagger_engine: TestEngine, other_engine: TestEngine) -> None:
    mine = await dagger_engine.start(order_workflow, Order("o-1", 10))
    other = await other_engine.start(order_workflow, Order("o-1", 20))
    await other_engine.deliver(payments, Paid("o-1", "r-2"))
    assert dagger_engine.sent(charges) == [Charge("o-1", 10)]
    assert other_engine.sent(charges) == [Charge("o-1", 20)]
    assert mine.status is Status.EXECUTING
    assert other.result == Shipped("o-1", "r-2")


async def test_each_engine_has_a_clock_of_its_own(dagger_engine: TestEngine, other_engine: TestEngine) -> None:
    nap = template("Nap", sleep(HOUR), key=by_id, takes=Note)
    mine = await dagger_engine.start(nap, Note("n-1"))
    other = await other_engine.start(nap, Note("n-1"))
    await other_engine.advance(HOUR)
    assert (mine.status, other.status) == (Status.EXECUTING, Status.COMPLETED)
    assert other_engine.now - dagger_engine.now == HOUR


async def test_engines_work_at_the_same_time(dagger_engine: TestEngine, other_engine: TestEngine) -> None:
    @task
    async def slow(note: Note) -> str:
        for _ in range(10):
            await asyncio.sleep(0)
        return note.id

    workflow = template("Slow", slow, key=by_id)
    mine, other = await asyncio.gather(
        dagger_engine.start(workflow, Note("a")), other_engine.start(workflow, Note("b"))
    )
    assert (mine.result, other.result) == ("a", "b")


async def test_many_starts_at_once_are_all_carried_out(dagger_engine: TestEngine) -> None:
    orders = [Order(f"o-{number}", number) for number in range(50)]
    runs = await asyncio.gather(*(dagger_engine.start(order_workflow, order) for order in orders))
    await asyncio.gather(*(dagger_engine.deliver(payments, Paid(run.id, "r")) for run in runs))
    assert {run.status for run in runs} == {Status.COMPLETED}


async def test_starting_one_id_at_once_is_one_instance(dagger_engine: TestEngine) -> None:
    runs = await asyncio.gather(*(dagger_engine.start(order_workflow, Order("o-1", 1)) for _ in range(5)))
    assert len(dagger_engine.sent(charges)) == 1
    assert {run.status for run in runs} == {Status.EXECUTING}


@pytest.mark.unexplored("two engines on one backend")
async def test_an_engine_goes_on_with_what_another_left_in_the_backend(dagger_engine: TestEngine) -> None:
    async with TestEngine(backend=dagger_engine.memory) as left:
        await left.start(order_workflow, Order("o-1", 10))
    dagger_engine.register(order_workflow)
    await dagger_engine.deliver(payments, Paid("o-1", "r-7"))
    assert (await dagger_engine.get_instance("o-1")).result == Shipped("o-1", "r-7")


@pytest.mark.unexplored("a start that is repeated finds no template either")
async def test_a_timer_of_a_template_that_is_not_registered_here_does_not_stop_the_others(
    dagger_engine: TestEngine,
) -> None:
    async with TestEngine(backend=dagger_engine.memory) as left:
        await left.start(template("Gone", sleep(HOUR), key=by_id, takes=Note), Note("n-1"))
    run = await dagger_engine.start(template("Here", sleep(HOUR), key=by_id, takes=Note), Note("n-2"))
    async with asyncio.timeout(5):
        await dagger_engine.advance(2 * HOUR)
    assert run.status is Status.COMPLETED


async def test_an_instance_that_another_engine_made_is_refused_where_its_template_is_unknown(
    dagger_engine: TestEngine, other_engine: TestEngine
) -> None:
    other_engine.register(order_workflow)
    instance = await other_engine.get_template("OrderWorkflow").create_instance("x", Order("o-1", 10))
    with pytest.raises(UnknownTemplate, match="template 'OrderWorkflow' version 1 is not registered; call"):
        await dagger_engine.submit(instance)
    dagger_engine.register(template("OrderWorkflow", sleep(HOUR), key=lambda order: order.order_id, takes=Order))
    with pytest.raises(
        TemplateConflict, match="is registered here with another workflow than the instance was created"
    ):
        await dagger_engine.submit(instance)
    assert (await other_engine.submit(instance)).status is Status.EXECUTING


@pytest.mark.unexplored("a start that is repeated finds no template either")
async def test_instances_of_templates_that_are_not_registered_here_hide_no_others(dagger_engine: TestEngine) -> None:
    async with TestEngine(backend=dagger_engine.memory) as left:
        await left.start(template("Gone", sleep(HOUR), key=by_id, takes=Note), Note("n-1"))
    await dagger_engine.start(template("Here", sleep(HOUR), key=by_id, takes=Note), Note("n-2"))
    assert "n-2" in [instance.id for instance in await dagger_engine.instances()]


@pytest.mark.unexplored("a start that is repeated finds no template either")
async def test_a_template_that_is_not_registered_here_is_told_once_a_call(
    dagger_engine: TestEngine, caplog: pytest.LogCaptureFixture
) -> None:
    async with TestEngine(backend=dagger_engine.memory) as left:
        for number, version in enumerate([1, 1, 1, 2]):
            gone = template("Gone", sleep(HOUR), key=by_id, takes=Note, version=version)
            await left.start(gone, Note(f"n-{number}"))
    assert await dagger_engine.instances() == []
    assert [record.getMessage() for record in caplog.records] == [
        "3 instances are left out: template 'Gone' version 1 is not registered here, or has other steps here",
        "1 instance is left out: template 'Gone' version 2 is not registered here, or has other steps here",
    ]


async def test_an_engine_may_be_closed_and_used_again(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, Order("o-1", 10))
    await dagger_engine.close()
    assert dagger_engine.is_closed
    await dagger_engine.deliver(payments, Paid("o-1", "r-7"))
    assert run.result == Shipped("o-1", "r-7")


async def test_a_topic_is_read_from_outside(dagger_engine: TestEngine) -> None:
    async def read() -> set[str]:
        messages = dagger_engine.subscribe(notes, group="audit")
        return {(await anext(messages)).id for _ in range(2)}

    reading = asyncio.create_task(read())
    await asyncio.sleep(0)
    await dagger_engine.start(template("Tell", command(notes), key=by_id), Note("n-1"))
    await dagger_engine.publish(notes, Note("n-2"))
    assert await reading == {"n-1", "n-2"}


async def test_each_group_reads_every_message(dagger_engine: TestEngine) -> None:
    for number in range(3):
        await dagger_engine.publish(notes, Note(f"n-{number}"))
    for group in ("audit", "search"):
        messages = dagger_engine.subscribe(notes, group=group)
        assert {(await anext(messages)).id for _ in range(3)} == {"n-0", "n-1", "n-2"}


@pytest.mark.parametrize("group", ["", 7, "half a character: \ud800"])
async def test_a_group_without_a_name_is_refused(dagger_engine: TestEngine, group: Any) -> None:
    with pytest.raises(
        RequestError, match=f"subscribe: group is {re.escape(repr(group))}; give text that is not empty"
    ):
        await anext(dagger_engine.subscribe(notes, group=group))


async def test_a_group_goes_on_where_it_left(dagger_engine: TestEngine) -> None:
    for number in range(3):
        await dagger_engine.publish(notes, Note(f"n-{number}"))
    batches = dagger_engine.subscribe_batches(notes, group="audit", limit=1)
    (first,), (second,) = await anext(batches), await anext(batches)  # the first is done with, the second is not
    again = dagger_engine.subscribe(notes, group="audit")
    found = {await anext(again), await anext(again)}
    assert second in found
    assert first not in found


async def test_who_stops_amid_a_batch_gets_the_rest_of_it_again(dagger_engine: TestEngine) -> None:
    notes_there = [Note(f"n-{number}") for number in range(5)]
    await dagger_engine.publish_all(notes, notes_there)
    seen = {await anext(dagger_engine.subscribe(notes, group="audit"))}
    async for note in dagger_engine.subscribe(notes, group="audit"):
        seen.add(note)
        if len(seen) == len(notes_there):
            break


@pytest.mark.parametrize("one", [Note("n-1"), "n-1", b"n-1", None])
async def test_one_message_is_not_several(dagger_engine: TestEngine, one: Any) -> None:
    with pytest.raises(
        RequestError, match=r"publish_all: expects several messages, as a list, got .*; publish takes one"
    ):
        await dagger_engine.publish_all(notes, one)
    assert dagger_engine.sent(notes) == []


@pytest.mark.parametrize("id", ["", 7, "\udcff"])
async def test_an_id_of_a_message_is_text(dagger_engine: TestEngine, id: Any) -> None:
    with pytest.raises(WrongInput, match=r"topic 'NOTES': the id of a message is .*; give text that is not empty"):
        await dagger_engine.publish(notes, Note("n-1"), id=id)
    with pytest.raises(WrongInput, match="topic 'NOTES': the id of a message is "):
        await dagger_engine.publish_all(notes, [Note("n-1")], id=lambda note: id)
    assert dagger_engine.sent(notes) == []


async def test_what_is_published_is_heard_by_listeners(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", listener(notes), key=by_id, takes=Note), Note("n-1"))
    await dagger_engine.publish(notes, Note("n-1"), headers={"trace": "t"})
    assert run.result == Note("n-1")
    assert dagger_engine.sent(notes) == [Note("n-1")]


async def test_what_is_published_again_under_its_id_is_heard_once(dagger_engine: TestEngine) -> None:
    body = listener(notes).named("first") >> listener(notes).named("second")
    run = await dagger_engine.start(template("W", body, key=by_id, takes=Note), Note("n-1"))
    for _ in range(2):
        await dagger_engine.publish(notes, Note("n-1"), id="m-1")
    assert run.status is Status.EXECUTING


async def test_a_backend_may_be_made_by_hand(dagger_engine: TestEngine) -> None:
    backend = MemoryBackend()
    async with TestEngine(backend=backend) as engine:
        await engine.start(order_workflow, Order("o-1", 10))
    assert [record.topic for record in backend.log.history] == ["PAYMENT_COMMAND"]


def test_a_test_that_is_not_async_may_use_the_engine(dagger_engine: TestEngine) -> None:
    assert asyncio.run(started(dagger_engine)) is Status.EXECUTING


async def started(engine: TestEngine) -> Status:
    async with engine:
        return (await engine.start(order_workflow, Order("o-1", 10))).status


@pytest.mark.parametrize("number", [1, 2])
async def test_a_fixture_engine_is_new_for_each_test(dagger_engine: TestEngine, number: int) -> None:
    assert await dagger_engine.instances() == []
    await dagger_engine.start(order_workflow, Order("o-1", number))
