"""Commands: what they publish, in which envelope, and how the workflow continues."""

from dataclasses import dataclass
from typing import Any

import pytest

from dagger import Message, Status, Topic, command, task, template
from dagger.engine.headers import texts_of
from dagger.testing import TestEngine


@dataclass(frozen=True)
class Order:
    id: str
    items: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pick:
    order_id: str
    item: str = ""


picks = Topic("PICKS", Pick, key=lambda m: m.order_id)
orders = Topic("ORDERS", Order, key=lambda m: m.id)


def by_id(order: Order) -> str:
    return order.id


@task
async def after(order: Order) -> str:
    return f"after {order.id}"


async def test_a_raw_command_publishes_its_input_and_passes_it_on(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", command(orders) >> after, key=by_id), Order("o-1", ("a",)))
    assert dagger_engine.sent(orders) == [Order("o-1", ("a",))]
    assert run.result == "after o-1"
    assert run.step("ORDERS").status is Status.COMPLETED


async def test_a_command_publishes_what_its_function_builds(dagger_engine: TestEngine) -> None:
    @command(picks)
    def pick(order: Order) -> Pick:
        return Pick(order.id, order.items[0])

    run = await dagger_engine.start(template("W", pick >> after, key=by_id), Order("o-1", ("a",)))
    assert dagger_engine.sent(picks) == [Pick("o-1", "a")]
    assert run.result == "after o-1"


async def test_a_command_publishes_each_message_of_a_list(dagger_engine: TestEngine) -> None:
    @command(picks)
    def pick(order: Order) -> list[Pick]:
        return [Pick(order.id, item) for item in order.items]

    workflow = template("W", pick >> after, key=by_id)
    await dagger_engine.start(workflow, Order("o-1", ("a", "b", "c")))
    assert dagger_engine.sent(picks) == [Pick("o-1", "a"), Pick("o-1", "b"), Pick("o-1", "c")]


async def test_a_command_may_build_nothing(dagger_engine: TestEngine) -> None:
    @command(picks)
    def pick(order: Order) -> list[Pick]:
        return [Pick(order.id, item) for item in order.items]

    run = await dagger_engine.start(template("W", pick >> after, key=by_id), Order("o-1"))
    assert dagger_engine.sent(picks) == []
    assert run.result == "after o-1"


async def test_a_tuple_of_messages_is_several_messages_too(dagger_engine: TestEngine) -> None:
    @command(picks)
    def pick(order: Order) -> tuple[Pick, ...]:
        return tuple(Pick(order.id, item) for item in order.items)

    workflow = template("W", pick >> after, key=by_id)
    await dagger_engine.start(workflow, Order("o-1", ("a", "b")))
    assert dagger_engine.sent(picks) == [Pick("o-1", "a"), Pick("o-1", "b")]


async def test_a_list_is_one_message_where_the_topic_carries_lists(dagger_engine: TestEngine) -> None:
    words: Topic[list[str]] = Topic("WORDS", list[str], key=lambda m: m[0])

    @command(words)
    def spell(order: Order) -> list[str]:
        return [order.id, *order.items]

    await dagger_engine.start(template("W", spell >> after, key=by_id), Order("o-1", ("a", "b")))
    assert dagger_engine.sent(words) == [["o-1", "a", "b"]]


async def test_a_message_with_an_envelope_carries_its_headers_and_key(dagger_engine: TestEngine) -> None:
    @command(picks)
    def pick(order: Order) -> Message[Pick]:
        return Message(Pick(order.id), headers={"tenant": "north"}, key="north-1")

    await dagger_engine.start(template("W", pick, key=by_id), Order("o-1"))
    [record] = dagger_engine.memory.log.history
    assert dagger_engine.sent(picks) == [Pick("o-1")]
    assert (record.key, texts_of(record.headers)["tenant"]) == (b"north-1", "north")


async def test_envelopes_and_bare_messages_mix_in_a_list(dagger_engine: TestEngine) -> None:
    @command(picks)
    def pick(order: Order) -> list[Pick | Message[Pick]]:
        return [Pick(order.id, "a"), Message(Pick(order.id, "b"), key="k")]

    await dagger_engine.start(template("W", pick, key=by_id), Order("o-1"))
    assert dagger_engine.sent(picks) == [Pick("o-1", "a"), Pick("o-1", "b")]
    assert [record.key for record in dagger_engine.memory.log.history] == [b"o-1", b"k"]


async def test_each_message_has_an_id_of_its_own_and_always_the_same(dagger_engine: TestEngine) -> None:
    @command(picks)
    def pick(order: Order) -> list[Pick]:
        return [Pick(order.id, item) for item in order.items]

    workflow = template("W", pick >> command(orders), key=by_id)
    await dagger_engine.start(workflow, Order("o-1", ("a", "b")))
    ids = [texts_of(record.headers)["dagger-id"] for record in dagger_engine.memory.log.history]
    async with TestEngine() as other:
        await other.start(workflow, Order("o-1", ("a", "b")))
        again = [texts_of(record.headers)["dagger-id"] for record in other.memory.log.history]
    assert len(set(ids)) == 3
    assert ids == again


async def test_a_topic_may_be_partitioned_by_another_key(dagger_engine: TestEngine) -> None:
    parted = Topic("PARTED", Pick, key=lambda m: m.order_id, partition_key=lambda m: m.item)
    workflow = template("W", command(parted), key=lambda m: m.order_id)
    await dagger_engine.start(workflow, Pick("o-1", "a"))
    [record] = dagger_engine.memory.log.history
    assert record.key == b"a"


async def test_two_commands_go_out_in_the_order_written(dagger_engine: TestEngine) -> None:
    @command(picks)
    def first(order: Order) -> Pick:
        return Pick(order.id, "first")

    @command(picks)
    def second(order: Order) -> Pick:
        return Pick(order.id, "second")

    await dagger_engine.start(template("W", first >> second, key=by_id), Order("o-1"))
    assert [pick.item for pick in dagger_engine.sent(picks)] == ["first", "second"]


async def test_a_message_of_another_type_fails_its_step(dagger_engine: TestEngine) -> None:
    @command(picks)
    def pick(order: Order) -> Any:
        return order

    run = await dagger_engine.start(template("W", pick >> after, key=by_id), Order("o-1"))
    assert str(run.error) == "pick: EncodeError: declared Pick, got Order"
    assert dagger_engine.sent(picks) == []


async def test_one_wrong_message_of_a_list_publishes_none_of_them(dagger_engine: TestEngine) -> None:
    @command(picks)
    def pick(order: Order) -> list[Any]:
        return [Pick(order.id, "a"), None]

    run = await dagger_engine.start(template("W", pick >> after, key=by_id), Order("o-1"))
    assert str(run.error) == "pick: EncodeError: declared Pick, got None"
    assert dagger_engine.sent(picks) == []


async def test_a_message_without_key_fails_its_step(dagger_engine: TestEngine) -> None:
    @command(picks)
    def pick(order: Order) -> Pick:
        return Pick("")

    run = await dagger_engine.start(template("W", pick >> after, key=by_id), Order("o-1"))
    assert str(run.error) == "pick: MissingKey: the key is ''; it must be text that is not empty"


async def test_a_header_that_is_no_text_fails_its_step(dagger_engine: TestEngine) -> None:
    number: Any = 7

    @command(picks)
    def pick(order: Order) -> Message[Pick]:
        return Message(Pick(order.id), headers={"attempt": number})

    run = await dagger_engine.start(template("W", pick >> after, key=by_id), Order("o-1"))
    assert run.status is Status.FAILURE
    assert str(run.error).startswith("pick: ")
    assert "header 'attempt'" in str(run.error)
    assert (await dagger_engine.start(template("V", after, key=by_id), Order("o-2"))).result == "after o-2"


@pytest.mark.parametrize("headers", [{"half": "\ud800"}, {"\ud800": "half"}])
async def test_a_header_that_cannot_be_written_fails_its_step(
    dagger_engine: TestEngine, headers: dict[str, str]
) -> None:
    @command(picks)
    def pick(order: Order) -> Message[Pick]:
        return Message(Pick(order.id), headers=headers)

    run = await dagger_engine.start(template("W", pick >> after, key=by_id), Order("o-1"))
    assert str(run.error).startswith("pick: ValueError: header ")
    assert str(run.error).endswith("which holds half a character; use another")
    assert dagger_engine.sent(picks) == []


async def test_a_key_of_an_envelope_that_is_no_text_fails_its_step(dagger_engine: TestEngine) -> None:
    number: Any = 7

    @command(picks)
    def pick(order: Order) -> Message[Pick]:
        return Message(Pick(order.id), key=number)

    run = await dagger_engine.start(template("W", pick >> after, key=by_id), Order("o-1"))
    assert run.status is Status.FAILURE
    assert str(run.error).startswith("pick: ")
    assert (await dagger_engine.start(template("V", after, key=by_id), Order("o-2"))).result == "after o-2"
