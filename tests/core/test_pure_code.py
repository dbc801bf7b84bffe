"""Code of the user that the core runs where it reads and stores values: what it raises is the failure of a step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from dagger import Status, Topic, listener, template
from dagger.codecs import codec_of
from dagger.core import State, begin, step
from dagger.core.dispatch import receive
from dagger.core.effects import Ignored
from dagger.core.entity import EMPTY
from dagger.core.envelope import Envelope
from dagger.core.error import Error
from dagger.core.events import Event, MessageReceived, StopRequested, Submitted, TaskSucceeded
from dagger.core.state import STATUSES
from dagger.plan.compile import compile
from dagger.plan.names import topic_channel
from dagger.plan.plan import Limits


class Odd(BaseException):
    pass


@dataclass(frozen=True)
class Picky:
    key: str

    def __post_init__(self) -> None:
        if self.key == "bad":
            raise Odd("no such key")


def by_key(picky: Picky) -> str:
    return picky.key


pickies = Topic("PICKIES", Picky, key=by_key)


def made_without_a_look() -> Picky:
    found = object.__new__(Picky)
    object.__setattr__(found, "key", "bad")
    return found


@listener(pickies)
def swapped(one: Picky, other: Picky) -> Picky:
    return made_without_a_look() if other.key == "swap" else other


def after(payload: bytes) -> State:
    """What becomes of an instance that waits for such a message."""
    plan = compile(template("Waits", swapped, key=by_key, takes=Picky))
    state, _ = begin(plan, Submitted("Waits", 1, "k", "k", codec_of(Picky).encode(Picky("k"))), 1)
    return step(plan, state, MessageReceived(Envelope(topic_channel("PICKIES"), "k", payload)), 2)[0]


@pytest.mark.parametrize("payload", [b'{"key": "bad"}', pickies.wire.encode(Picky("swap"))], ids=["read", "stored"])
def test_what_a_type_raises_when_a_value_is_read_or_stored_fails_the_step(payload: bytes) -> None:
    state = after(payload)
    assert STATUSES[state.status] is Status.FAILURE
    assert str(state.error) == "swapped: Odd: no such key"


def test_a_value_that_the_type_takes_is_the_result() -> None:
    state = after(pickies.wire.encode(Picky("good")))
    assert state.result is not None
    assert codec_of(Picky).decode(state.result) == Picky("good")


@pytest.mark.parametrize("event", [StopRequested(), TaskSucceeded(1, b"")])
def test_an_event_of_an_instance_that_does_not_exist_is_for_nobody(event: Event) -> None:
    assert receive(lambda *_: None, Limits(), EMPTY, event, 1) == (EMPTY, (Ignored("no instance has this id"),))


def test_errors_that_say_the_same_are_one() -> None:
    """Whatever their tracebacks."""
    one, same = Error("a", "ValueError", "no", traceback="here"), Error("a", "ValueError", "no", traceback="there")
    others: list[Any] = [
        Error("b", "ValueError", "no"),
        Error("a", "KeyError", "no"),
        Error("a", "ValueError", "yes"),
        Error("a", "ValueError", "no", ("builtins.ValueError",)),
        "a: ValueError: no",
    ]
    assert one == same
    assert len({one, same, *others}) == 1 + len(others)
