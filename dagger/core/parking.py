"""How much may be parked at a key: events that no worker can apply yet, and that come all the same."""

from __future__ import annotations

from collections.abc import Sequence

from dagger.core.events import (
    Event,
    MessageForwarded,
    MessageReceived,
    MessageReturned,
    MessagesHandedOver,
    SignalReceived,
    Submitted,
    TaskSucceeded,
    UnreadRecord,
)
from dagger.plan.plan import Limits


class ParkedFull(Exception):
    """Too much is parked at a key: what comes now is for the dead letters."""


def check_room(limits: Limits, parked: Sequence[Event], event: Event, why: str) -> None:
    """Raises ParkedFull where no more is to be parked."""
    count, size = len(parked) + 1, sum(map(_size, parked)) + _size(event)
    if count > limits.parked_count or (parked and size > limits.parked_bytes):
        raise ParkedFull(f"{len(parked):,} records are parked already, and this one would make {size:,} bytes; {why}")


def _size(event: Event) -> int:
    """How much data an event carries, in bytes."""
    match event:
        case MessageReceived() | MessageForwarded() | MessageReturned():
            return len(event.message.payload) + len(event.message.original)
        case MessagesHandedOver():
            return sum([len(one.payload or b"") + len(one.key or b"") for one in event.messages])
        case SignalReceived():
            return len(event.payload)
        case Submitted():
            return len(event.input)
        case UnreadRecord():
            return len(event.data)
        case TaskSucceeded():
            return len(event.result)
        case _:
            return 0
