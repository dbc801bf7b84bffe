"""What can happen to an instance or at a key: the records of the log. Past tense, frozen, plain data."""

from __future__ import annotations

from typing import TypeAlias

import msgspec


class Submitted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """An instance was asked for. `input` is stored by the template's input type."""

    template: str
    version: int
    id: str
    key: str
    input: bytes
    at: int = 0
    """When it was accepted, in microseconds; 0 where nobody has said."""


class MessageReceived(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """A message of a channel came for a key. `id` is empty where the sender gave none."""

    channel: str
    key: str
    payload: bytes
    id: str = ""
    envelope: bytes = b""
    """Its own key and headers, packed, where somebody may want them who gets what nobody takes."""


class SignalReceived(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """A signal came for this instance."""

    name: str
    payload: bytes
    id: str = ""


class TaskSucceeded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """A task gave its result, stored by its declared type."""

    frame: int
    result: bytes


class TaskFailed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=5):
    """A task raised, or took too long. `kinds` are the qualified names of the exception's classes."""

    frame: int
    kind: str
    message: str
    kinds: tuple[str, ...]
    timed_out: bool = False
    """Whether it exceeded the timeout of the task."""
    traceback: str = ""
    """Where it was raised, the last part of it."""


class TimerDue(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """The time of a timer has come."""


class StopRequested(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=7):
    """Somebody wants the instance to end now."""


class Subscribed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=8):
    """An instance wants the messages of channels at this key."""

    instance: str
    channels: tuple[str, ...]


class Unsubscribed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=9):
    """An instance no longer wants the messages of channels at this key."""

    instance: str
    channels: tuple[str, ...]


class MessageForwarded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=10):
    """A message that was received at a key where this instance has subscribed.

    `expires` is when it is no longer kept, whether it was kept at the key or will be by the instance.
    """

    channel: str
    key: str
    payload: bytes
    expires: int
    id: str = ""
    shared: bool = False
    """Whether others get it too."""
    envelope: bytes = b""


class SizeLimitExceeded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=11):
    """What is to be kept of this instance is larger than the store takes: it fails, and is again as it was before."""

    text: str


class PlanRegistered(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=12):
    """The template that events were parked for is registered where they are now."""


class MessageReturned(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=13):
    """A message that was forwarded to an instance, and to no other, was not taken: it is kept at its key."""

    channel: str
    key: str
    payload: bytes
    expires: int
    by: str
    """The instance."""
    id: str = ""
    envelope: bytes = b""


InstanceEvent: TypeAlias = (
    Submitted
    | MessageReceived
    | MessageForwarded
    | SignalReceived
    | TaskSucceeded
    | TaskFailed
    | TimerDue
    | StopRequested
    | SizeLimitExceeded
)
Event: TypeAlias = InstanceEvent | Subscribed | Unsubscribed | MessageReturned | PlanRegistered
