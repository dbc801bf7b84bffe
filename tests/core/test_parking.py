"""How much is parked at a key."""

from __future__ import annotations

import pytest

from dagger.core.envelope import Envelope
from dagger.core.events import (
    Event,
    MessageForwarded,
    MessageReceived,
    MessageReturned,
    SignalReceived,
    StopRequested,
    Submitted,
    TaskSucceeded,
    UnreadRecord,
)
from dagger.core.parking import ParkedFull, check_room
from dagger.plan.plan import Limits

SIX = Envelope("WORDS", "k", b"four", original=b"56")

SIX_BYTES = MessageReceived(SIX)

OF_SIX_BYTES: list[Event] = [
    MessageReceived(SIX),
    MessageForwarded(SIX, 1),
    MessageReturned(SIX, 1, "one"),
    SignalReceived("say", b"123456", ""),
    Submitted("T", 1, "k", "k", b"123456"),
    UnreadRecord(b"123456", "it is of format 9"),
    TaskSucceeded(1, b"123456"),
]


def fits(parked: list[Event], event: Event, *, count: int = 9, size: int = 1_000) -> bool:
    try:
        check_room(Limits(parked_count=count, parked_bytes=size), parked, event, "why")
    except ParkedFull:
        return False
    return True


@pytest.mark.parametrize("event", OF_SIX_BYTES, ids=lambda event: type(event).__name__)
def test_what_an_event_carries_takes_room(event: Event) -> None:
    other = SignalReceived("say", b"1234", "")
    assert fits([other], event, size=10)
    assert fits([event], other, size=10)
    assert not fits([other], event, size=9)
    assert not fits([event], other, size=9)


def test_the_first_event_is_parked_however_large_it_is() -> None:
    assert fits([], SIX_BYTES, size=1)
    assert not fits([StopRequested()], SIX_BYTES, size=1)


def test_so_many_events_are_parked() -> None:
    assert fits([StopRequested()] * 2, StopRequested(), count=3)
    assert not fits([StopRequested()] * 3, StopRequested(), count=3)


def test_the_reason_says_how_much_is_parked_and_why_it_waits() -> None:
    with pytest.raises(ParkedFull, match=r"^1 records are parked already, and this one would make 12 bytes; no plan$"):
        check_room(Limits(parked_bytes=6), [SIX_BYTES], SIX_BYTES, "no plan")
