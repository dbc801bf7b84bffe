"""By what a message is recognised: the id that its sender gave; one without an id is known by where it stands."""

from dataclasses import dataclass
from datetime import timedelta

import pytest

from dagger import Again, Status, Topic, listener, template
from dagger.engine.ports import Headers, Outgoing
from dagger.testing import TestEngine


@dataclass(frozen=True)
class Tally:
    id: str
    amounts: tuple[int, ...] = ()


@dataclass(frozen=True)
class Paid:
    id: str
    amount: int


payments = Topic("PAYMENTS", Paid, key=lambda m: m.id)


@listener(payments)
def pay(tally: Tally, paid: Paid) -> Again[Tally] | Tally:
    amounts = (*tally.amounts, paid.amount)
    return Tally(tally.id, amounts) if not paid.amount else Again(Tally(tally.id, amounts))


tallies = template("Tallies", pay, key=lambda tally: tally.id)
others = template("Others", listener(payments, by=lambda m: [m.id, "all"]), key=lambda tally: tally.id, takes=Tally)
"""With it, a message of the topic goes several ways, and is recognised by where it stands if it has no id."""


async def send(engine: TestEngine, amount: int, headers: Headers) -> None:
    payload = payments.wire.encode(Paid("t-1", amount))
    await engine.memory.log.deliver(Outgoing(payments.name, b"t-1", payload, headers))
    await engine.run_until_idle()


async def amounts(engine: TestEngine, *several: Headers) -> tuple[int, ...]:
    """What an instance has taken of messages with these headers, numbered from 1."""
    run = await engine.start(tallies, Tally("t-1"))
    for number, headers in enumerate(several, start=1):
        await send(engine, number, headers)
    await send(engine, 0, (("dagger-id", b"the last"),))
    assert run.status is Status.COMPLETED
    assert run.result is not None
    return run.result.amounts[:-1]


def named(*ids: bytes | None) -> Headers:
    return tuple([("dagger-id", id) for id in ids])


@pytest.mark.parametrize("ways", [1, 2])
@pytest.mark.parametrize("headers", [(), named(None), named(b""), named(b"m", b""), named(b"m", None)])
async def test_absent_null_and_empty_ids_name_nothing(dagger_engine: TestEngine, headers: Headers, ways: int) -> None:
    if ways == 2:
        dagger_engine.register(others)
    assert await amounts(dagger_engine, headers, headers) == (1, 2)


@pytest.mark.parametrize("ways", [1, 2])
async def test_what_is_sent_again_under_its_id_is_taken_once(dagger_engine: TestEngine, ways: int) -> None:
    if ways == 2:
        dagger_engine.register(others)
    assert await amounts(dagger_engine, named(b"m"), named(b"m"), named(b"n"), named(b"m")) == (1, 3)


async def test_of_a_repeated_header_the_last_counts(dagger_engine: TestEngine) -> None:
    assert await amounts(dagger_engine, named(b"m"), named(b"m", b"n"), named(b"x", b"m"), named(b"n")) == (1, 2)


async def test_ids_that_are_no_text_are_told_apart(dagger_engine: TestEngine) -> None:
    ids = [b"\xff", b"\xfe", b"\\xff", b"0xff", b"\xef\xbf\xbd", b"\xff"]
    assert await amounts(dagger_engine, *map(named, ids)) == (1, 2, 3, 4, 5)


async def test_an_id_is_not_taken_for_a_place(dagger_engine: TestEngine) -> None:
    """Whatever an id is made of, it names another message than the one that stands at some place without an id."""
    dagger_engine.register(others)
    run = await dagger_engine.start(tallies, Tally("t-1"))
    await send(dagger_engine, 1, ())
    (first,) = dagger_engine.memory.log.history
    place = f"{first.partition}/{first.offset}"
    ids = [place, f"/{place}", f"PAYMENTS/{place}", f"/PAYMENTS/{place}", f"@{place}"]
    for number, id in enumerate(ids, start=2):
        await send(dagger_engine, number, named(id.encode()))
    await send(dagger_engine, 0, ())
    assert run.result == Tally("t-1", (*range(1, 7), 0))


@pytest.fixture
def publishing_engine() -> TestEngine:
    """Publishes what nobody takes."""
    return TestEngine(early_limit=1, early_for=timedelta(hours=1), unmatched_topic="UNMATCHED")


async def test_what_nobody_takes_is_published_as_it_came(publishing_engine: TestEngine) -> None:
    """Its key and its headers too, whatever it was matched by and however long it was kept."""
    engine = publishing_engine
    engine.register(tallies)
    headers: Headers = (("trace", b"\x80\xff"), ("via", b"a"), ("via", b"b"), ("null", None), ("dagger-id", b""))
    payload = payments.wire.encode(Paid("t-1", 1))
    written = [Outgoing(payments.name, b"\xff", payload, headers), Outgoing(payments.name, None, payload)]
    for message in written:  # one is kept, and the other is too many
        await engine.memory.log.deliver(message)
        await engine.run_until_idle()
    await engine.advance(timedelta(hours=2))
    found = [record for record in engine.memory.log.history if record.topic == "UNMATCHED"]
    assert sorted(repr(one.key) for one in found) == sorted(repr(one.key) for one in written)
    for one in found:
        came = headers if one.key is not None else ()
        assert one.headers[: len(came)] == came
        assert [name for name, _ in one.headers[len(came) :]] == ["dagger-reason", "dagger-channel"]
        assert one.payload == payload
