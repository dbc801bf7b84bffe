"""Messages that can't be used are dead-lettered with the reason, and the next one is processed."""

from dataclasses import dataclass
from typing import Any

import pytest

from dagger import RequestError, Status, Topic, WrongInput, listener, template
from dagger.engine.headers import texts_of
from dagger.testing import TestEngine


@dataclass(frozen=True)
class Order:
    id: str


@dataclass(frozen=True)
class Paid:
    order_id: str
    amount: int = 0


def key_of(message: Paid) -> str:
    if message.amount < 0:
        raise ValueError(f"{message.order_id} was paid {message.amount}")
    return message.order_id


def maybe_key(message: Paid) -> str | None:
    return message.order_id if message.amount else None


payments = Topic("PAYMENTS", Paid, key=key_of)
keyless = Topic("KEYLESS", Paid, key=maybe_key)


def by_id(order: Order) -> str:
    return order.id


pay = template("Pay", listener(payments), key=by_id, takes=Order)


async def goes_on(engine: TestEngine) -> None:
    """The next message is processed."""
    run = await engine.start(pay, Order("next"))
    await engine.deliver(payments, Paid("next", 1))
    assert run.result == Paid("next", 1)


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"", "DecodeError: Paid: "),
        (b"not json", "DecodeError: Paid: "),
        (b"[]", "DecodeError: Paid: "),
        (b'{"amount": 1}', "DecodeError: Paid: "),
        (b'{"order_id": "o-1", "amount": "much"}', "DecodeError: Paid: "),
        (b'{"order_id": "o-1", "amount": 1e400}', "DecodeError: Paid: "),
        (b'{"order_id": "\xff"}', "DecodeError: Paid: "),
        (b"[" * 100_000, "DecodeError: Paid: "),
        (b'{"order_id": ""}', "MissingKey: the key is ''; it must be text that is not empty"),
        (b'{"order_id": "o-1", "amount": -1}', "ValueError: o-1 was paid -1"),
    ],
    ids=["empty", "text", "shape", "missing", "type", "range", "utf8", "deep", "keyless", "raises"],
)
async def test_a_payload_that_is_no_message_is_put_aside_with_the_reason(
    dagger_engine: TestEngine, payload: bytes, reason: str
) -> None:
    dagger_engine.register(pay)
    await dagger_engine.deliver_raw(payments, payload, key="o-1", headers={"trace": "t-1"})
    [(aside, headers)] = dagger_engine.dead_letters(payments)
    assert aside == payload
    assert headers["dagger-reason"].startswith(reason)
    assert headers["trace"] == "t-1"
    assert dagger_engine.counts == {"dead_letters": 1}
    await goes_on(dagger_engine)


async def test_a_dead_letter_tells_where_it_stood(dagger_engine: TestEngine) -> None:
    dagger_engine.register(pay)
    await dagger_engine.deliver(payments, Paid("o-1", 1))
    await dagger_engine.deliver_raw(payments, b"?", key="o-1")
    [record] = [r for r in dagger_engine.memory.log.history if r.topic == "PAYMENTS.dead-letter"]
    bad = [r for r in dagger_engine.memory.log.history if r.topic == "PAYMENTS"][1]
    assert record.key == b"o-1"
    assert {name: value for name, value in texts_of(record.headers).items() if name != "dagger-reason"} == {
        "dagger-topic": "PAYMENTS",
        "dagger-partition": str(bad.partition),
        "dagger-offset": "1",
    }


async def test_what_is_put_aside_is_lost_for_nobody_else(dagger_engine: TestEngine) -> None:
    runs = [await dagger_engine.start(pay, Order(f"o-{n}")) for n in range(10)]
    for number in range(10):
        await dagger_engine.deliver_raw(payments, b"?", key=f"o-{number}")
        await dagger_engine.deliver(payments, Paid(f"o-{number}", 1))
    assert {run.status for run in runs} == {Status.COMPLETED}
    assert len(dagger_engine.dead_letters(payments)) == 10


@pytest.mark.parametrize("amount", [0, -1])
async def test_a_message_without_key_is_refused_where_it_is_published(dagger_engine: TestEngine, amount: int) -> None:
    topic, text = (
        (keyless, "topic 'KEYLESS': the key is None; it must be text that is not empty")
        if amount == 0
        else (payments, "topic 'PAYMENTS': its key function raised ValueError: o-1 was paid -1")
    )
    with pytest.raises(WrongInput, match=text):
        await dagger_engine.deliver(topic, Paid("o-1", amount))
    with pytest.raises(WrongInput, match=text):
        await dagger_engine.publish(topic, Paid("o-1", amount))
    await goes_on(dagger_engine)


async def test_a_message_of_another_type_is_refused_where_it_is_published(dagger_engine: TestEngine) -> None:
    wrong: Any = Order("o-1")
    with pytest.raises(WrongInput, match="topic 'PAYMENTS': declared Paid, got Order"):
        await dagger_engine.deliver(payments, wrong)
    amount: Any = "much"
    with pytest.raises(WrongInput, match=r"topic 'PAYMENTS': Paid\.amount: declared int, got str 'much'"):
        await dagger_engine.publish(payments, Paid("o-1", amount))
    await goes_on(dagger_engine)


async def test_a_name_is_no_topic(dagger_engine: TestEngine) -> None:
    wrong: Any = "PAYMENTS"
    with pytest.raises(RequestError, match=r"publish: expects a Topic\(name, type, key=...\), got 'PAYMENTS'"):
        await dagger_engine.publish(wrong, Paid("o-1", 1))
    with pytest.raises(RequestError, match=r"publish: expects a Topic\(name, type, key=...\), got 'PAYMENTS'"):
        await dagger_engine.deliver(wrong, Paid("o-1", 1))


async def test_a_refused_message_hides_no_later_one_from_sent(dagger_engine: TestEngine) -> None:
    wrong: Any = None
    with pytest.raises(WrongInput):
        await dagger_engine.deliver(payments, wrong)
    await dagger_engine.publish(payments, Paid("o-1", 1))
    assert dagger_engine.sent(payments) == [Paid("o-1", 1)]


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ({"attempt": 7}, "header 'attempt' is 7"),
        ({7: "attempt"}, "header 7 is 'attempt'"),
        ({"half": "\ud800"}, r"header 'half' is '\\ud800'"),
        ({"\ud800": "half"}, r"header '\\ud800' is 'half'"),
    ],
)
async def test_a_header_that_is_no_text_is_refused_where_it_is_published(
    dagger_engine: TestEngine, headers: Any, told: str
) -> None:
    with pytest.raises(WrongInput, match=f"topic 'PAYMENTS': {told}; names and values of headers are text"):
        await dagger_engine.publish(payments, Paid("o-1", 1), headers=headers)
    await goes_on(dagger_engine)


async def test_a_key_that_is_no_text_is_told_with_the_remedy(dagger_engine: TestEngine) -> None:
    odd: Topic[Paid] = Topic("ODD", Paid, key=lambda m: 1.5)
    with pytest.raises(WrongInput, match="the key is a float; make it text, or give the topic encode_key="):
        await dagger_engine.publish(odd, Paid("o-1"))


async def test_no_keys_at_all_are_told(dagger_engine: TestEngine) -> None:
    odd: Topic[Paid] = Topic("ODD", Paid, key=lambda m: list[str]())
    with pytest.raises(WrongInput, match="the key function gave an empty collection; give one key or more"):
        await dagger_engine.publish(odd, Paid("o-1"))


# One topic, several listeners.


def by_amount(message: Paid) -> str:
    if message.amount == 13:
        raise ValueError("13 is no amount")
    return str(message.amount)


async def test_by_that_raises_puts_the_message_aside_with_the_reason(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(
        template("By", listener(payments, by=by_amount), key=by_id, takes=Order), Order("7")
    )
    await dagger_engine.deliver(payments, Paid("o-1", 13))
    [(_, headers)] = dagger_engine.dead_letters(payments)
    assert headers["dagger-reason"] == "ValueError: 13 is no amount"
    await dagger_engine.deliver(payments, Paid("o-1", 7))
    assert run.result == Paid("o-1", 7)


async def test_by_that_raises_takes_the_message_from_no_other_listener(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(pay, Order("o-1"))
    dagger_engine.register(template("By", listener(payments, by=by_amount), key=by_id, takes=Order))
    await dagger_engine.deliver(payments, Paid("o-1", 13))
    assert run.result == Paid("o-1", 13)
    [(_, headers)] = dagger_engine.dead_letters(payments)
    assert headers["dagger-reason"] == "ValueError: 13 is no amount"


async def test_a_key_of_the_topic_that_is_missing_takes_the_message_from_no_other_listener(
    dagger_engine: TestEngine,
) -> None:
    dagger_engine.register(template("ByKey", listener(keyless), key=by_id, takes=Order))
    by = template("By", listener(keyless, by=lambda m: m.order_id), key=by_id, takes=Order)
    run = await dagger_engine.start(by, Order("o-1"))
    await dagger_engine.deliver_raw(keyless, b'{"order_id": "o-1"}')
    assert run.result == Paid("o-1")
    [(_, headers)] = dagger_engine.dead_letters(keyless)
    assert headers["dagger-reason"] == "MissingKey: the key is None; it must be text that is not empty"


async def test_a_start_that_cannot_be_built_takes_the_message_from_no_listener(
    dagger_engine: TestEngine,
) -> None:
    def build(message: Paid) -> Order:
        raise ValueError("no order of it")

    run = await dagger_engine.start(pay, Order("o-1"))
    dagger_engine.start_on(payments, template("Built", listener(keyless), key=by_id, takes=Order), build=build)
    await dagger_engine.deliver(payments, Paid("o-1", 1))
    assert run.result == Paid("o-1", 1)
    assert len(dagger_engine.dead_letters(payments)) == 1
