"""What a key keeps for whoever comes, to whom it gives what comes, and what it remembers of that."""

from __future__ import annotations

import pytest

from dagger.core.dispatch import receive
from dagger.core.effects import Effect, Ignored, Send, Unmatched
from dagger.core.entity import EMPTY, Entity
from dagger.core.envelope import Envelope
from dagger.core.events import (
    Event,
    MessageForwarded,
    MessageReceived,
    MessageReturned,
    Subscribed,
    TimerDue,
    Unsubscribed,
)
from dagger.core.mailbox import hold_untaken
from dagger.core.state import State
from dagger.core.transition import SEEN_MAX
from dagger.plan.plan import Limits
from tests.core.machine import INT, Machine, job

LIMITS = Limits(early_count=2, early_us=10)
HOLDING = Limits(early_count=2, early_us=10, hold=True)


def message(id: str, channel: str = "t:A") -> Envelope:
    return Envelope(channel, "k", id.encode(), id)


class Key:
    """An entity at which no instance lives."""

    def __init__(self) -> None:
        self.entity: Entity = EMPTY

    def gets(self, event: Event, now: int) -> tuple[Effect, ...]:
        self.entity, effects = receive(lambda *_: None, LIMITS, self.entity, event, now)
        return effects

    def told(self, id: str, now: int, channel: str = "t:A") -> tuple[Effect, ...]:
        """A message comes."""
        return self.gets(MessageReceived(message(id, channel)), now)

    @property
    def kept(self) -> list[str]:
        return [one.message.id for one in self.entity.held]


def given(effects: tuple[Effect, ...]) -> list[tuple[str, str]]:
    """Who is given which message."""
    return [
        (one.to, one.event.message.id)
        for one in effects
        if isinstance(one, Send) and isinstance(one.event, MessageForwarded)
    ]


def test_subscribers_are_given_a_message_in_the_order_in_which_they_asked() -> None:
    key = Key()
    for name in ("first", "second", "third", "first"):
        key.gets(Subscribed(name, ("t:A",)), 1)
    assert given(key.told("m", 1)) == [("first", "m"), ("second", "m"), ("third", "m")]


@pytest.mark.parametrize("several", [True, False])
def test_a_message_is_shared_where_several_are_given_it(several: bool) -> None:
    key = Key()
    key.gets(Subscribed("one", ("t:A",)), 1)
    if several:
        key.gets(Subscribed("other", ("t:A",)), 1)
    for effect in key.told("m", 1):
        assert isinstance(effect, Send)
        assert effect.event == MessageForwarded(message("m"), 11, shared=several)


def test_who_leaves_a_channel_is_given_no_more_of_it() -> None:
    key = Key()
    for name in ("one", "other"):
        key.gets(Subscribed(name, ("t:A", "t:B")), 1)
    key.gets(Unsubscribed("one", ("t:A",)), 1)
    assert given(key.told("a", 1)) == [("other", "a")]
    assert given(key.told("b", 1, "t:B")) == [("one", "b"), ("other", "b")]


def test_nothing_is_remembered_of_a_channel_that_all_have_left() -> None:
    key = Key()
    key.gets(Subscribed("one", ("t:A",)), 1)
    key.gets(Unsubscribed("one", ("t:A",)), 1)
    assert key.entity == EMPTY


def test_what_is_kept_goes_to_the_first_that_asks_for_its_channel() -> None:
    key = Key()
    key.told("a", 1)
    key.told("b", 1, "t:B")
    assert key.gets(Subscribed("one", ("t:A",)), 2) == (Send("one", MessageForwarded(message("a"), 11)),)
    assert key.kept == ["b"]
    assert key.gets(Subscribed("other", ("t:A",)), 2) == ()


def test_so_many_are_kept_of_a_channel() -> None:
    key = Key()
    assert [key.told(id, 1) for id in "ab"] == [(), ()]
    assert key.told("c", 1) == (Unmatched(message("c"), "overflow"),)
    assert key.told("d", 1, "t:B") == ()
    assert key.kept == ["a", "b", "d"]


def test_what_has_expired_takes_no_room() -> None:
    key = Key()
    key.told("a", 1)
    key.told("b", 2)
    assert key.told("c", 11) == ()


def test_a_message_that_comes_again_is_kept_once_and_one_without_an_id_is_another() -> None:
    key = Key()
    key.told("a", 1)
    assert key.told("a", 1) == (Ignored("a message of this id is kept already"),)
    assert key.told("a", 1, "t:B") == ()
    key = Key()
    assert [key.told("", 1), key.told("", 1)] == [(), ()]


@pytest.mark.parametrize(("now", "is_kept"), [(10, True), (11, False)])
def test_a_message_expires_at_its_time(now: int, is_kept: bool) -> None:
    key = Key()
    key.told("a", 1)
    effects = key.gets(Subscribed("one", ("t:A",)), now)
    assert given(effects) == ([("one", "a")] if is_kept else [])
    assert (Unmatched(message("a"), "expired") in effects) is not is_kept


def test_a_key_wakes_when_the_first_thing_expires() -> None:
    key = Key()
    assert key.entity.wakeup() == (None, False)
    key.gets(Subscribed("one", ("t:B",)), 1)
    key.told("a", 3)
    key.told("b", 5)
    assert key.entity.wakeup() == (13, False)
    key.told("c", 2, "t:B")
    assert key.entity.wakeup() == (12, False)


@pytest.mark.parametrize(("now", "is_kept"), [(10, True), (11, False)])
def test_a_timer_tells_of_what_has_expired(now: int, is_kept: bool) -> None:
    key = Key()
    key.told("a", 1)
    assert key.gets(TimerDue(), now) == (() if is_kept else (Unmatched(message("a"), "expired"),))
    assert key.kept == (["a"] if is_kept else [])


@pytest.mark.parametrize(("now", "is_remembered"), [(10, True), (11, False)])
def test_what_was_given_is_remembered_for_as_long_as_it_would_be_kept(now: int, is_remembered: bool) -> None:
    key = Key()
    key.gets(Subscribed("one", ("t:A",)), 1)
    key.told("a", 1)
    key.gets(TimerDue(), now)
    again = key.told("a", now)
    assert (again == (Ignored("a message of this id was given already"),)) is is_remembered
    assert (given(again) == [("one", "a")]) is not is_remembered


def test_a_message_of_the_same_id_on_another_channel_is_another() -> None:
    key = Key()
    key.gets(Subscribed("one", ("t:A", "t:B")), 1)
    key.told("a", 1)
    assert given(key.told("a", 1, "t:B")) == [("one", "a")]


def test_the_last_that_were_given_are_remembered() -> None:
    key = Key()
    key.gets(Subscribed("one", ("t:A",)), 1)
    for number in range(SEEN_MAX + 1):
        key.told(f"m-{number}", 1)
    assert [one.id for one in key.entity.given] == [f"m-{number}" for number in range(1, SEEN_MAX + 1)]


def test_what_has_no_id_is_not_remembered() -> None:
    key = Key()
    key.gets(Subscribed("one", ("t:A",)), 1)
    assert [given(key.told("", 1)) for _ in range(2)] == [[("one", "")]] * 2
    assert key.entity.given == ()


def test_a_message_that_is_returned_is_for_others_than_who_returns_it() -> None:
    key = Key()
    for name in ("one", "other"):
        key.gets(Subscribed(name, ("t:A",)), 1)
    assert given(key.gets(MessageReturned(message("a"), 11, "one"), 1)) == [("other", "a")]


@pytest.mark.parametrize(("now", "is_kept"), [(10, True), (11, False)])
def test_a_message_that_is_returned_is_kept_while_its_time_lasts(now: int, is_kept: bool) -> None:
    key = Key()
    effects = key.gets(MessageReturned(message("a"), 11, "one"), now)
    assert effects == (() if is_kept else (Unmatched(message("a"), "expired"),))
    assert key.kept == (["a"] if is_kept else [])


def state_of(id: str) -> State:
    return Machine(job(id)).state


def untaken(effect: Unmatched, now: int = 1) -> tuple[list[str], tuple[Effect, ...]]:
    """What is kept, and what else comes of it, where the instance of the key `a` does not take a message."""
    entity, effects = hold_untaken(HOLDING, EMPTY, state_of("x"), (effect,), now)
    return [one.message.id for one in entity.held], effects


def test_what_an_instance_does_not_take_is_kept_or_returned_to_its_key() -> None:
    own, foreign = Envelope("t:A", "a", b"", "m"), Envelope("t:A", "k", b"", "m")
    assert untaken(Unmatched(own, "late", 9)) == (["m"], ())
    assert untaken(Unmatched(foreign, "late", 9)) == ([], (Send("k", MessageReturned(foreign, 9, "a")),))
    assert untaken(Unmatched(foreign, "ended")) == ([], (Send("k", MessageReturned(foreign, 11, "a")),))


@pytest.mark.parametrize(
    "effect",
    [
        Unmatched(Envelope("t:A", "k", b"", "m"), "overflow", 9),
        Unmatched(Envelope("t:A", "k", b"", "m"), "expired", 9),
        Unmatched(Envelope("t:A", "k", b"", "m"), "late", 9, shared=True),
        Unmatched(Envelope("s:say", "", INT.encode(1), "m"), "late", 9),
    ],
    ids=["overflow", "expired", "others were offered it", "a signal"],
)
def test_what_is_for_nobody_else_is_unmatched(effect: Unmatched) -> None:
    assert untaken(effect) == ([], (effect,))
