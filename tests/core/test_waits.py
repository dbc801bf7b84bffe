"""Listeners and signals of an instance: whom it subscribes with, which messages it remembers, and what it keeps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from dagger import Again, Step, Topic, any_of, command, for_each, listener, signal, sleep, template
from dagger.codecs import codec_of
from dagger.core import State, begin, step
from dagger.core.effects import Effect, Ignored, Send, Unmatched
from dagger.core.envelope import Envelope
from dagger.core.events import (
    InstanceEvent,
    MessageReceived,
    SignalReceived,
    StopRequested,
    Submitted,
    Subscribed,
    TimerDue,
    Unsubscribed,
)
from dagger.core.functions import CannotRead
from dagger.core.state import Sleeping
from dagger.core.transition import SEEN_MAX
from dagger.plan import ops
from dagger.plan.compile import compile
from dagger.plan.names import topic_channel

SECOND = 1_000_000


@dataclass(frozen=True)
class Word:
    key: str
    more: bool = False


def by_key(word: Word) -> str:
    return word.key


def elsewhere(word: Word) -> str:
    return f"{word.key}-elsewhere"


words, others = Topic("WORDS", Word, key=by_key), Topic("OTHERS", Word, key=by_key)


@listener(words)
def heard(one: Word, other: Word) -> Word | Again[Word]:
    return Again(one) if other.more else other


@listener(others, on=elsewhere)
def away(one: Word, other: Word) -> Word:
    return other


@listener(others, on=elsewhere)
def away_too(one: Word, other: Word) -> Word:
    return other


class Instance:
    def __init__(self, body: Step[Any, Any]) -> None:
        self.plan = compile(template("T", body, key=by_key, takes=Word))
        start = Submitted("T", 1, "k", "k", codec_of(Word).encode(Word("k")))
        self.state: State
        self.effects: tuple[Effect, ...]
        self.state, self.effects = begin(self.plan, start, SECOND)

    def gets(self, event: InstanceEvent, now: int = 0) -> tuple[Effect, ...]:
        self.state, self.effects = step(self.plan, self.state, event, now or self.state.now)
        return self.effects

    @property
    def is_live(self) -> bool:
        return self.state.is_live


def message(id: str, *, topic: Topic[Word] = words, key: str = "k", more: bool = False) -> Envelope:
    return Envelope(topic_channel(topic.name), key, topic.wire.encode(Word(key, more)), id)


def subscribed(effects: tuple[Effect, ...]) -> list[tuple[str, type]]:
    """At which keys the instance subscribes, or no longer does."""
    found = [one for one in effects if isinstance(one, Send) and isinstance(one.event, Subscribed | Unsubscribed)]
    return [(one.to, type(one.event)) for one in found]


def test_a_listener_that_is_stopped_is_not_subscribed_any_more() -> None:
    one = Instance(any_of(heard, away))
    assert subscribed(one.effects) == [("k-elsewhere", Subscribed)]
    one.gets(MessageReceived(message("m-1")))
    assert not one.is_live
    assert subscribed(one.effects) == [("k-elsewhere", Unsubscribed)]


def test_one_that_is_stopped_and_waited_for_its_own_key_was_not_subscribed() -> None:
    one = Instance(any_of(heard, signal("say", str)))
    assert subscribed(one.effects) == []
    assert subscribed(one.gets(StopRequested())) == []


def test_an_instance_is_subscribed_once_for_all_its_listeners_of_a_key() -> None:
    one = Instance(any_of(away, away_too, signal("say", str)))
    assert subscribed(one.effects) == [("k-elsewhere", Subscribed)]
    one.gets(SignalReceived("say", codec_of(str).encode("yes"), ""))
    assert subscribed(one.effects) == [("k-elsewhere", Unsubscribed)]


def test_it_stays_subscribed_while_another_of_its_listeners_waits_for_the_key() -> None:
    one = Instance(away & away_too)
    assert subscribed(one.gets(MessageReceived(message("m-1", topic=others, key="k-elsewhere")))) == []
    one.gets(MessageReceived(message("m-2", topic=others, key="k-elsewhere")))
    assert subscribed(one.effects) == [("k-elsewhere", Unsubscribed)]


def test_the_last_messages_that_were_taken_are_remembered() -> None:
    one = Instance(heard)
    for number in range(SEEN_MAX + 1):
        one.gets(MessageReceived(message(f"m-{number}", more=True)))
    assert one.state.seen == tuple(f"m-{number}" for number in range(1, SEEN_MAX + 1))


@pytest.mark.parametrize(
    ("id", "effect"),
    [
        ("m-1", Ignored("a message of this id was taken already")),
        ("m-2", Unmatched(message("m-2"), "ended")),
        ("", Unmatched(message(""), "ended")),
    ],
    ids=["taken", "new", "without an id"],
)
def test_a_message_after_the_end_is_for_nobody_unless_it_was_taken(id: str, effect: Effect) -> None:
    one = Instance(heard)
    one.gets(MessageReceived(message("m-1")))
    assert not one.is_live
    assert one.gets(MessageReceived(message(id))) == (effect,)


def test_an_instance_that_has_ended_keeps_no_messages() -> None:
    one = Instance(signal("say", str) >> listener(words))
    one.gets(MessageReceived(message("m-1")))
    assert [held.message.id for held in one.state.held] == ["m-1"]
    effects = one.gets(StopRequested())
    assert [(e.message.id, e.reason) for e in effects if isinstance(e, Unmatched)] == [("m-1", "ended")]
    assert one.state.held == ()


def several(word: Word) -> list[Word]:
    return [word] * 2


def first(found: list[Word]) -> Word:
    return found[0]


def test_a_listener_is_reached_again_only_where_it_is_in_items() -> None:
    """Whether a message that comes late may still have its listener depends on it."""
    ask, say = Topic("ASK", Word, key=by_key), Topic("SAY", Word, key=by_key)
    before, after = listener(ask), listener(say)
    plan = compile(
        template("T", before >> for_each(several, listener(words)).then(first) >> after, key=by_key, takes=Word)
    )
    repeats = {op.path: op.repeats for op in plan.ops if isinstance(op, ops.Listen)}
    assert repeats.pop("ASK") is False
    assert repeats.pop("SAY") is False
    assert list(repeats.values()) == [True]


def test_what_is_stored_for_a_command_and_cannot_be_read_is_no_failure_of_it() -> None:
    one = Instance(sleep(timedelta(seconds=1)) >> command(words))
    (number,) = one.state.frames
    frame = one.state.frames[number]
    assert isinstance(frame, Sleeping)
    frames = {number: Sleeping(frame.op, frame.parent, b"\xc1", frame.due, frame.trace)}
    one.state = msgspec.structs.replace(one.state, frames=frames)
    with pytest.raises(CannotRead, match="what is stored for step 'WORDS' cannot be read here"):
        one.gets(TimerDue(), 3 * SECOND)
