"""Where an event makes more than can be stored, the step that the event was for fails, and no other."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from dagger import Step, Topic, listener, signal, sleep, task, template
from dagger.codecs import codec_of
from dagger.core import State, begin
from dagger.core.envelope import Envelope
from dagger.core.events import (
    InstanceEvent,
    MessageForwarded,
    MessageReceived,
    SignalReceived,
    StopRequested,
    Submitted,
    TimerDue,
)
from dagger.core.oversized import step_oversized
from dagger.core.state import FAILURE, STATUSES
from dagger.core.step_rows import step_rows
from dagger.plan import Plan
from dagger.plan.compile import compile
from dagger.plan.names import topic_channel

SECOND = 1_000_000
TOO_LARGE = "TooLarge: it has 5,000 bytes, and may have 4,000"


@dataclass(frozen=True)
class Word:
    key: str


def by_key(word: Word) -> str:
    return word.key


words, others = Topic("WORDS", Word, key=by_key), Topic("OTHERS", Word, key=by_key)


@task
async def work(word: Word) -> Word:
    raise NotImplementedError


class Instance:
    """One that waits in several branches."""

    def __init__(self, *branches: Step[Any, Any]) -> None:
        first, second, third = branches
        body = (first & second & third).then(first_of)
        self.plan: Plan = compile(template("Waits", body, key=by_key, takes=Word))
        self.state: State = begin(self.plan, Submitted("Waits", 1, "k", "k", codec_of(Word).encode(Word("k"))), SECOND)[
            0
        ]

    def is_too_large_after(self, event: InstanceEvent, seconds: int = 0) -> None:
        now = self.state.now + seconds * SECOND
        self.state, _ = step_oversized(self.plan, self.state, event, now, "it has 5,000 bytes, and may have 4,000")

    @property
    def error(self) -> str:
        return str(self.state.error)

    def stands(self, path: str) -> str:
        return STATUSES[step_rows(self.plan, self.state)[self.plan.paths.index(path)][0]].name


def first_of(values: tuple[Word, Word, Word]) -> Word:
    return values[0]


def received(topic: Topic[Any], id: str = "m-1", key: str = "k") -> Envelope:
    return Envelope(topic_channel(topic.name), key, topic.wire.encode(Word("k")), id)


@pytest.mark.parametrize("event", [MessageReceived(received(words)), MessageForwarded(received(words), 0)])
def test_the_listener_that_a_message_is_for_fails(event: InstanceEvent) -> None:
    one = Instance(listener(others), listener(words), signal("say", str))
    one.is_too_large_after(event)
    assert one.error == f"WORDS: {TOO_LARGE}"
    assert [one.stands(path) for path in ("OTHERS", "WORDS", "say")] == ["STOPPED", "FAILURE", "STOPPED"]


def test_the_message_that_made_it_is_taken() -> None:
    one = Instance(listener(others), listener(words), signal("say", str))
    one.is_too_large_after(MessageReceived(received(words)))
    assert one.state.seen == ("m-1",)


def test_the_signal_step_that_a_signal_is_for_fails() -> None:
    one = Instance(listener(words), signal("ask", str), signal("say", str))
    one.is_too_large_after(SignalReceived("say", b"", "s-1"))
    assert one.error == f"say: {TOO_LARGE}"
    assert one.state.seen == ("s-1",)


def test_the_step_whose_time_has_come_first_fails() -> None:
    one = Instance(
        sleep(timedelta(seconds=9)).named("late"), sleep(timedelta(seconds=5)).named("soon"), listener(words)
    )
    one.is_too_large_after(TimerDue(), 10)
    assert one.error == f"soon: {TOO_LARGE}"


def test_a_bound_fails_that_has_run_out() -> None:
    """Not what it bounds, which is stopped."""
    one = Instance(listener(words).timeout(timedelta(seconds=5), otherwise=work), listener(others), signal("say", str))
    one.is_too_large_after(TimerDue(), 5)
    assert one.stands("WORDS") == "STOPPED"
    assert one.error.endswith(TOO_LARGE)
    assert one.state.status == FAILURE


def events_for_nobody() -> list[InstanceEvent]:
    return [
        MessageReceived(received(words, key="another")),
        SignalReceived("hush", b"", ""),
        TimerDue(),
        StopRequested(),
    ]


@pytest.mark.parametrize("event", events_for_nobody(), ids=lambda event: type(event).__name__)
def test_the_instance_fails_where_no_step_is_known(event: InstanceEvent) -> None:
    one = Instance(listener(words), listener(others), signal("say", str))
    one.is_too_large_after(event)
    assert one.error == TOO_LARGE
    assert one.state.status == FAILURE
    assert one.state.frames == {}
    assert one.stands("WORDS") == "STOPPED"


def test_it_is_an_error_of_the_library() -> None:
    one = Instance(listener(words), listener(others), signal("say", str))
    one.is_too_large_after(StopRequested())
    assert one.state.error is not None
    assert "dagger.errors.DaggerError" in one.state.error.kinds
