"""Names that are made of other text are one-to-one, whatever text that is."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger import (
    Again,
    Status,
    Topic,
    command,
    context,
    listener,
    process,
    signal,
    task,
    template,
)
from dagger.engine.headers import texts_of
from dagger.plan.names import (
    listener_channel,
    name_of,
    parts_of,
    quoted,
    quoted_path,
    signal_channel,
    topic_channel,
    topic_of,
)
from dagger.testing import TestEngine

ODD = st.text(st.sampled_from("%/[]#:2F5ab"), max_size=6)


@given(st.lists(ODD, min_size=1, max_size=4))
def test_a_name_tells_its_parts(parts: list[str]) -> None:
    assert parts_of(name_of(*parts)) == parts


@given(ODD, ODD)
def test_what_is_quoted_stays_another(one: str, other: str) -> None:
    assert (quoted(one) == quoted(other)) == (quoted_path(one) == quoted_path(other)) == (one == other)


@pytest.mark.parametrize(
    "text", ["o-1", "12345678-1234-5678-1234-567812345678", "a b", "über.x_y@z", "2030-01-01T00:00"]
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert quoted(text) == text


TEXT = st.text(st.sampled_from("%#:1sig"), min_size=1, max_size=5) | st.just("signal:go")
CHANNELS = st.one_of(
    st.tuples(TEXT),
    st.tuples(TEXT, TEXT, st.integers(1, 12), ODD),
    st.tuples(st.just("signal"), TEXT),
)


def channel_of(parts: tuple[object, ...]) -> str:
    match parts:
        case (str(topic),):
            return topic_channel(topic)
        case (str(topic), str(name), int(version), str(path)):
            return listener_channel(topic, name, version, path)
        case (_, str(name)):
            return signal_channel(name)
        case _:
            raise AssertionError(parts)


@given(CHANNELS, CHANNELS)
def test_two_channels_are_never_one(one: tuple[object, ...], other: tuple[object, ...]) -> None:
    assert (channel_of(one) == channel_of(other)) == (one == other)
    if one[0] != "signal" or len(one) != 2:
        assert topic_of(channel_of(one)) == one[0]


@dataclass(frozen=True)
class Box:
    id: str


@dataclass(frozen=True)
class Mail:
    to: str
    sender: str


mail = Topic("MAIL", Mail, key=lambda m: m.to)


@command(mail)
def tell(box: Box) -> Mail:
    return Mail("box", box.id)


@task
async def key_of_the_call(box: Box) -> str:
    return context().idempotency_key


@listener(mail)
def collect(box: Box, message: Mail) -> str | Again[Box]:
    return f"{box.id}, {message.sender}" if box.id else Again(Box(message.sender))


async def test_ids_and_paths_with_slashes_make_no_name_twice(dagger_engine: TestEngine) -> None:
    """An instance `shop` with a step `eu/tell`, and one `shop/eu` with a step `tell`."""
    nested = template("Nested", process("eu", tell >> key_of_the_call), key=lambda box: box.id)
    flat = template("Flat", tell >> key_of_the_call, key=lambda box: box.id)
    box = await dagger_engine.start(template("Box", collect, key=lambda box: "box"), Box(""), id="b")
    one = await dagger_engine.start(nested, Box("shop"))
    two = await dagger_engine.start(flat, Box("shop/eu"))
    assert (one.result, two.result) == ("shop/eu/key_of_the_call", "shop%2Feu/key_of_the_call")
    assert box.result == "shop, shop/eu"
    ids = [texts_of(message.headers)["dagger-id"] for message in dagger_engine.memory.log.history]
    assert ids == ["shop/eu/tell/1", "shop%2Feu/tell/1"]


async def test_a_topic_may_have_any_name(dagger_engine: TestEngine) -> None:
    """One that looks like the channel of a signal, or like that of a listener with keys of its own."""
    look_alike = Topic("signal:go", Mail, key=lambda m: m.to)
    both = listener(look_alike).named("message") & signal("go", Mail).named("signal")
    run = await dagger_engine.start(template("T", both, key=lambda box: box.id, takes=Box), Box("o"))
    await dagger_engine.deliver(look_alike, Mail("o", "by topic"))
    assert run.status is Status.EXECUTING
    await dagger_engine.signal(run, "go", Mail("o", "by signal"))
    assert run.result == (Mail("o", "by topic"), Mail("o", "by signal"))


async def test_two_versions_of_a_listener_take_keys_in_their_own_way(dagger_engine: TestEngine) -> None:
    old = template("T", listener(mail, by=lambda m: m.to).named("m"), key=lambda b: b.id, takes=Box, version=1)
    new = template("T", listener(mail, by=lambda m: m.sender).named("m"), key=lambda b: b.id, takes=Box, version=2)
    first = await dagger_engine.start(old, Box("a"))
    second = await dagger_engine.start(new, Box("b"))
    await dagger_engine.deliver(mail, Mail("a", "nobody"))
    await dagger_engine.deliver(mail, Mail("nobody", "b"))
    assert (first.status, second.status) == (Status.COMPLETED, Status.COMPLETED)


@pytest.mark.anyio
async def test_an_unmatched_message_names_its_topic_whatever_it_is_called() -> None:
    odd = Topic("a#b", Mail, key=lambda m: m.to)
    lost = Topic("LOST", Mail, key=lambda m: m.to)
    waits = template("T", listener(odd, by=lambda m: m.to).named("m"), key=lambda b: b.id, takes=Box)
    engine = TestEngine(unmatched_topic="LOST")
    await engine.start(waits, Box("o"))
    for sender in ("first", "late"):
        await engine.deliver(odd, Mail("o", sender))
    (found,) = engine.sent(lost)
    assert found.sender == "late"
