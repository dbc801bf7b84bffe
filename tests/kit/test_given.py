"""What is given to an engine and is of another type is refused with what to give."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from dagger import Dagger, RequestError, Topic, WrongInput, signal, template
from dagger.plan.keys import keys_of
from dagger.testing import TestEngine

notes = Topic("NOTES", str, key=lambda m: m)
asked = template("Asked", signal("go", bool), key=lambda order: order, takes=str)

CALLS: dict[str, Callable[[TestEngine, Any], Coroutine[Any, Any, Any]]] = {
    "start_all": lambda engine, given: engine.start_all(asked, given),
    "submit_all": lambda engine, given: engine.submit_all(given),
    "publish_all": lambda engine, given: engine.publish_all(notes, given),
}


@pytest.mark.parametrize("given", [None, 1, "o-1", b"o-1", object()])
@pytest.mark.parametrize("name", CALLS)
async def test_one_where_several_are_wanted(dagger_engine: TestEngine, name: str, given: object) -> None:
    with pytest.raises(RequestError, match=rf"{name}: expects several .*, as a list, got "):
        await CALLS[name](dagger_engine, given)
    assert await dagger_engine.count() == 0


@pytest.mark.parametrize("headers", [0, "trace", ["trace"], [("trace", "t")]])
async def test_headers_that_are_no_dict(dagger_engine: TestEngine, headers: Any) -> None:
    with pytest.raises(WrongInput, match=r"topic 'NOTES': headers are .*; give a dict of text"):
        await dagger_engine.publish(notes, "x", headers=headers)
    assert dagger_engine.sent(notes) == []


async def test_a_signal_whose_name_is_none(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(asked, "o-1")
    given: Any = ["go"]
    with pytest.raises(RequestError, match="go"):
        await dagger_engine.signal_json(run, given, b"true")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("datadir", 1, "datadir is 1; give the path of a directory"),
        ("datadir", b"/tmp", "datadir is b'/tmp'; give the path of a directory"),
        ("clock", 0, "clock is 0; give a Clock"),
        ("clock", "UTC", "clock is 'UTC'; give a Clock"),
        ("backend", "sqlite:///o.db", "backend is 'sqlite:///o.db'; give a Backend, or the URL of one as broker="),
        ("backend", 0, "backend is 0; give a Backend"),
    ],
)
def test_settings_of_other_types(name: str, value: Any, words: str) -> None:
    with pytest.raises(RequestError) as raised:
        Dagger(**{name: value})
    assert words in str(raised.value)


def test_keys_of_a_set_have_one_order_in_every_process() -> None:
    keys = [f"k-{number}" for number in range(20)]
    topic = Topic("SETS", str, key=frozenset)
    listed = Topic("LISTED", str, key=lambda m: m.split()[::-1])
    assert keys_of(topic, "fedcba") == ("a", "b", "c", "d", "e", "f")
    assert keys_of(topic, "x", by=lambda m: set(keys)) == tuple(sorted(keys))
    assert keys_of(listed, "a b c") == ("c", "b", "a")
