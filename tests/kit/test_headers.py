"""Headers that travel: what is kept of them, what is refused, and what a command carries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from dagger import (
    Message,
    Retry,
    Topic,
    WrongInput,
    all_of,
    command,
    context,
    listener,
    signal,
    task,
    template,
)
from dagger.engine.headers import CARRIED_MAX, ID, carried, texts_of
from dagger.engine.ports import Headers, Outgoing
from dagger.testing import TestEngine, hang

HOUR = timedelta(hours=1)
TRACE = {"traceparent": "00-1-1-01", "tracestate": "a=1"}
OTHER = {"traceparent": "00-2-2-01", "tracestate": "b=2"}


def itself(text: str) -> str:
    return text


ins = Topic("IN", str, key=itself)
outs = Topic("OUT", str, key=itself)


def sent_headers(engine: TestEngine, topic: Topic[Any] = outs) -> list[dict[str, str]]:
    """The headers of what was sent, but for their ids."""
    found = [texts_of(one.headers) for one in engine.memory.log.history if one.topic == topic.name]
    for headers in found:
        del headers[ID]
    return found


PAIR = TRACE["traceparent"].encode(), TRACE["tracestate"].encode()
KEPT: dict[str, tuple[Headers, dict[str, str]]] = {
    "nothing": ((), {}),
    "text": ((("a", b"1"), ("b", "ä".encode())), {"a": "1", "b": "ä"}),
    "the last of a repeated name": ((("a", b"1"), ("a", b"2")), {"a": "2"}),
    "an empty value": ((("a", b""),), {"a": ""}),
    "no null": ((("a", None), ("b", b"1")), {"b": "1"}),
    "no bytes that are no text": ((("a", b"\xff"), ("b", b"1")), {"b": "1"}),
    "none of this library": (((ID, b"m"), ("dagger-reason", b"x"), ("daggers", b"1")), {"daggers": "1"}),
    "what fits": ((("a", bytes(CARRIED_MAX)), ("b", b"x" * (CARRIED_MAX - 1))), {"b": "x" * (CARRIED_MAX - 1)}),
    "the trace context first": (
        (("a", b"x" * (CARRIED_MAX - 1)), ("tracestate", PAIR[1]), ("traceparent", PAIR[0])),
        TRACE,
    ),
}


@pytest.mark.parametrize("what", KEPT)
def test_what_is_carried_is(what: str) -> None:
    given, kept = KEPT[what]
    assert carried(given) == kept


REFUSED: dict[str, tuple[Any, str]] = {
    "no mapping": ([("a", "b")], "headers are [('a', 'b')]; give a dict of text"),
    "no text": ({"a": b"1"}, "header 'a' is b'1'; names and values of headers are text"),
    "half a character": ({"a": "\ud800"}, "names and values of headers are text"),
    "one of ours": ({"dagger-id": "1"}, "header 'dagger-id' begins with 'dagger-', as those of this library do"),
    "too much": (
        {"a": "x" * CARRIED_MAX},
        "the headers have 4,097 bytes, and may have 4,096 together; put what is long into the input",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
async def test_what_is_not_carried_is_refused(dagger_engine: TestEngine, what: str) -> None:
    given, says = REFUSED[what]
    waits = template("Waits", signal("go", str), key=itself, takes=str)
    run = await dagger_engine.start(waits, "a")
    prepared = await dagger_engine.get_template(waits).create_instance(None, "b")
    for place, call in {
        "submit": dagger_engine.start(waits, "b", headers=given),
        "submit_all": dagger_engine.submit_all([prepared], headers=given),
        "signal": dagger_engine.signal(run, "go", "x", headers=given),
    }.items():
        with pytest.raises(WrongInput) as raised:
            await call
        assert str(raised.value).startswith(f"{place}: ")
        assert says in str(raised.value)
    assert await dagger_engine.count() == 1


async def test_headers_of_many_starts(dagger_engine: TestEngine) -> None:
    echoes = template("Echoes", command(outs), key=itself)
    runs = await dagger_engine.start_all(echoes, ["a", "b"], headers=TRACE)
    assert [run.instance.headers for run in runs] == [TRACE, TRACE]
    assert sent_headers(dagger_engine) == [TRACE, TRACE]
    with pytest.raises(TypeError):
        runs[0].instance.headers["a"] = "b"  # type: ignore[index]  # pyright: ignore[reportIndexIssue]  # it is a view


async def test_only_the_trace_context_goes_on_to_commands(dagger_engine: TestEngine) -> None:
    await dagger_engine.start(template("T", command(outs), key=itself), "a", headers={**TRACE, "tenant": "blue"})
    await dagger_engine.start(template("U", command(outs), key=itself), "b", headers={"tracestate": "a=1"})
    assert sent_headers(dagger_engine) == [TRACE, {}]


GIVEN: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "others": ({"a": "1"}, {**TRACE, "a": "1"}),
    "a trace of its own": ({"traceparent": "00-9-9-00"}, {"traceparent": "00-9-9-00"}),
    "a state of its own": ({"tracestate": "z=9"}, {**TRACE, "tracestate": "z=9"}),
}


@pytest.mark.parametrize("what", GIVEN)
async def test_headers_that_the_function_of_a_command_gives_win(dagger_engine: TestEngine, what: str) -> None:
    headers, expected = GIVEN[what]

    @command(outs)
    def out(text: str) -> Message[str]:
        return Message(text, headers=headers)

    await dagger_engine.start(template("T", out, key=itself), "a", headers=TRACE)
    assert sent_headers(dagger_engine) == [expected]


async def test_each_of_several_messages_carries_it(dagger_engine: TestEngine) -> None:
    @command(outs)
    def out(text: str) -> list[str]:
        return [text, text + text]

    await dagger_engine.start(template("T", out, key=itself), "a", headers=TRACE)
    assert sent_headers(dagger_engine) == [TRACE, TRACE]


async def test_a_message_without_a_trace_leaves_that_of_the_start(dagger_engine: TestEngine) -> None:
    body = listener(ins) >> command(outs)
    await dagger_engine.start(template("T", body, key=itself, takes=str), "a", headers=TRACE)
    await dagger_engine.deliver(ins, "a", headers={"tenant": "blue"})
    assert sent_headers(dagger_engine) == [TRACE]


async def test_a_message_that_goes_to_a_subscriber_keeps_its_headers(dagger_engine: TestEngine) -> None:
    def elsewhere(text: str) -> str:
        return "elsewhere"

    @listener(ins, on=elsewhere)
    def heard(text: str, message: str) -> str:
        return message

    workflow = template("T", heard >> command(outs), key=itself, takes=str)
    await dagger_engine.start(workflow, "a", headers=TRACE)
    await dagger_engine.deliver(ins, "elsewhere", headers=OTHER)
    assert sent_headers(dagger_engine) == [OTHER]


async def test_a_task_sees_them_also_after_its_worker_has_died(dagger_engine: TestEngine) -> None:
    seen = list[dict[str, str]]()

    @task
    async def look(text: str) -> str:
        seen.append(dict(context().headers))
        if len(seen) == 1:
            await hang()
        return text

    workflow = template("T", listener(ins) >> look >> command(outs), key=itself, takes=str)
    await dagger_engine.start(workflow, "a", headers={**TRACE, "tenant": "blue"})
    await dagger_engine.deliver(ins, "a", headers={**OTHER, "of": "the message"})
    await dagger_engine.crash()
    assert seen == [{"tenant": "blue", **OTHER}] * 2
    assert sent_headers(dagger_engine) == [OTHER]


async def test_a_branch_that_waits_does_not_change_the_trace_of_another(dagger_engine: TestEngine) -> None:
    go = signal("go", str)
    body = all_of(listener(ins) >> command(outs), go >> command(outs).named("signalled"))
    run = await dagger_engine.start(template("T", body, key=itself, takes=str), "a", headers=TRACE)
    await dagger_engine.signal(run, go, "a", headers=OTHER)
    await dagger_engine.deliver(ins, "a")
    assert sent_headers(dagger_engine) == [OTHER, TRACE]


async def test_headers_that_are_no_text_harm_nobody(dagger_engine: TestEngine) -> None:
    workflow = template("T", command(outs), key=itself)
    dagger_engine.start_on(ins, workflow)
    headers: Headers = (("traceparent", b"\xff"), ("a", None), ("b", b"1"))
    await dagger_engine.run_until_idle()
    await dagger_engine.memory.log.deliver(Outgoing("IN", b"a", b'"a"', headers))
    await dagger_engine.run_until_idle()
    assert (await dagger_engine.get_instance("a")).headers == {"b": "1"}
    assert sent_headers(dagger_engine) == [{}]


async def test_the_next_try_of_a_task_and_what_follows_a_timeout_keep_the_trace(dagger_engine: TestEngine) -> None:
    seen = list[dict[str, str]]()

    @task(retry=Retry(attempts=2, first=HOUR, longest=HOUR))
    async def fails(text: str) -> str:
        seen.append(dict(context().headers))
        raise ValueError(text)

    @command(outs)
    def late(text: str) -> str:
        return text

    tries = listener(ins) >> fails
    waits = signal("never", str).timeout(3 * HOUR, otherwise=late)
    await dagger_engine.start(template("T", tries, key=itself, takes=str), "a", headers=TRACE)
    await dagger_engine.start(template("U", listener(ins) >> waits, key=itself, takes=str), "b", headers=TRACE)
    await dagger_engine.deliver(ins, "a", headers=OTHER)
    await dagger_engine.deliver(ins, "b", headers=OTHER)
    await dagger_engine.advance(4 * HOUR)
    assert seen == [OTHER, OTHER]
    assert sent_headers(dagger_engine) == [OTHER]
