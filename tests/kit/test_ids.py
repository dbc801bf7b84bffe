"""What an instance is called, and that one name is one instance."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from dagger import InstanceConflict, RequestError, Status, UnknownInstance, sleep, template
from dagger.testing import TestEngine
from tests.kit.orders import Charge, Order, Paid, by_order, charges, order_workflow, payments


async def test_an_instance_is_called_by_its_business_key(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, Order("o-1", 10))
    assert run.id == "o-1"


async def test_an_instance_may_be_given_a_text_as_its_id(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, Order("o-1", 10), id="mine")
    assert run.id == "mine"
    assert run.instance.key == "o-1"


async def test_a_uuid_is_shown_as_text(dagger_engine: TestEngine) -> None:
    id = UUID("12345678-1234-5678-1234-567812345678")
    run = await dagger_engine.start(order_workflow, Order("o-1", 10), id=id)
    assert run.id == "12345678-1234-5678-1234-567812345678"
    assert (await dagger_engine.get_instance(id)).id == run.id
    assert (await dagger_engine.get_instance(run.id)).id == run.id
    assert (await dagger_engine.get_instance(run)).id == run.id


@pytest.mark.parametrize("id", ["", 5, b"o-1"])
async def test_an_id_that_is_no_text_is_refused(dagger_engine: TestEngine, id: Any) -> None:
    with pytest.raises(RequestError, match="an instance id is text that is not empty, or a UUID; got "):
        await dagger_engine.start(order_workflow, Order("o-1", 10), id=id)


async def test_an_id_that_is_not_encodable_is_refused(dagger_engine: TestEngine) -> None:
    with pytest.raises(RequestError, match="an instance id is text"):
        await dagger_engine.start(order_workflow, Order("o-1", 10), id="\ud800")


async def test_starting_twice_is_one_instance(dagger_engine: TestEngine) -> None:
    first = await dagger_engine.start(order_workflow, Order("o-1", 10))
    again = await dagger_engine.start(order_workflow, Order("o-1", 10))
    assert first.id == again.id
    assert dagger_engine.sent(charges) == [Charge("o-1", 10)]
    await dagger_engine.deliver(payments, Paid("o-1", "r-7"))
    assert first.result == again.result


async def test_starting_again_after_the_end_gives_the_ended_instance(dagger_engine: TestEngine) -> None:
    await dagger_engine.start(order_workflow, Order("o-1", 10))
    await dagger_engine.deliver(payments, Paid("o-1", "r-7"))
    again = await dagger_engine.start(order_workflow, Order("o-1", 10))
    assert again.status is Status.COMPLETED
    assert dagger_engine.sent(charges) == [Charge("o-1", 10)]


@pytest.mark.unexplored("who comes after the message does not get it")
async def test_two_ids_of_one_business_key_both_hear_its_messages(dagger_engine: TestEngine) -> None:
    one = await dagger_engine.start(order_workflow, Order("o-1", 10), id=UUID(int=1))
    two = await dagger_engine.start(order_workflow, Order("o-1", 10), id=UUID(int=2))
    await dagger_engine.deliver(payments, Paid("o-1", "r-7"))
    assert one.status is two.status is Status.COMPLETED


async def test_an_id_that_is_the_key_of_another_is_told_apart_from_it(dagger_engine: TestEngine) -> None:
    keyed = await dagger_engine.start(order_workflow, Order("o-2", 10), id="o-1")
    named = await dagger_engine.start(order_workflow, Order("o-1", 20), id=UUID(int=1))
    await dagger_engine.deliver(payments, Paid("o-1", "r-1"))
    assert (keyed.status, named.status) == (Status.EXECUTING, Status.COMPLETED)
    await dagger_engine.deliver(payments, Paid("o-2", "r-2"))
    assert keyed.status is Status.COMPLETED


async def test_a_live_id_with_another_input_is_refused(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(order_workflow, Order("o-1", 10))
    with pytest.raises(InstanceConflict, match=r"'o-1' was started with another input; give id= another value"):
        await dagger_engine.start(order_workflow, Order("o-1", 11))
    assert run.instance.input == Order("o-1", 10)
    assert dagger_engine.sent(charges) == [Charge("o-1", 10)]


async def test_a_live_id_of_another_template_is_refused(dagger_engine: TestEngine) -> None:
    other = template("Other", sleep(timedelta(days=1)), key=by_order)
    await dagger_engine.start(order_workflow, Order("o-1", 10))
    with pytest.raises(
        InstanceConflict, match=r"'o-1' is of template 'OrderWorkflow' version 1, not 'Other' version 1; give id="
    ):
        await dagger_engine.start(other, Order("o-1", 10))


async def test_an_unknown_id_is_told(dagger_engine: TestEngine) -> None:
    with pytest.raises(UnknownInstance, match=r"^no instance has the id 'o-9'$"):
        await dagger_engine.get_instance("o-9")
    with pytest.raises(UnknownInstance, match=r"^no instance has the id 'o-9'$"):
        await dagger_engine.stop("o-9")
    with pytest.raises(UnknownInstance, match=r"^no instance has the id 'o-9'$"):
        await dagger_engine.wait("o-9")
    with pytest.raises(UnknownInstance, match=r"^no instance has the id 'o-9'$"):
        await dagger_engine.signal("o-9", "approve", True)


async def test_one_id_twice_in_one_go_is_one_instance_or_refused(dagger_engine: TestEngine) -> None:
    first, again = await dagger_engine.start_all(order_workflow, [Order("o-1", 10), Order("o-1", 10)])
    assert first.id == again.id == "o-1"
    with pytest.raises(InstanceConflict, match="'o-2' is the id of two different instances"):
        await dagger_engine.start_all(order_workflow, [Order("o-2", 1), Order("o-2", 2)])
    with pytest.raises(UnknownInstance):
        await dagger_engine.get_instance("o-2")
