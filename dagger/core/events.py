"""What can happen to an instance or at a key: the records of the log. Past tense, frozen, plain data."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from dagger.core.envelope import Envelope
from dagger.core.error import Error

Match: TypeAlias = Literal["all", "one"]
"""Who of several subscribers gets a message."""


class Parent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The step of an instance that started another one."""

    id: str
    path: str
    """That of the step."""
    run: int = 1
    """The run of the parent."""
    frame: int = 0
    """The frame in which the parent waits for the end."""
    created: int = 0
    """When the parent began, in microseconds: another instance that has its id later is another parent."""

    @property
    def order(self) -> tuple[int, int]:
        """Of two starts of one child by one parent, the later has the greater."""
        return self.created, self.frame


class Submitted(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=1):
    """An instance was asked for. `input` is stored by the template's input type."""

    template: str
    version: int
    id: str
    key: str
    input: bytes
    at: int = 0
    """When it was accepted, in microseconds; 0 if unknown."""
    headers: dict[str, str] = {}
    """Those of the message or of the call that started it."""
    run: int = 1
    """Which run of this id is to begin."""
    parent: Parent | None = None
    """The step of another instance that starts it."""


class MessageReceived(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=2):
    """A message of a channel came for a key."""

    message: Envelope


class SignalReceived(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=3):
    """A signal came for this instance."""

    name: str
    payload: bytes
    id: str = ""
    headers: dict[str, str] = {}


class TaskSucceeded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=4):
    """A task gave its result, stored by its declared type."""

    frame: int
    result: bytes
    headers: dict[str, str] = {}
    """The trace context of the call, where it is another than that with which it was ordered."""


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
    headers: dict[str, str] = {}
    """The trace context of the call, where it is another than that with which it was ordered."""


class TimerDue(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=6):
    """The time of a timer has come."""


class StopRequested(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=7):
    """Somebody wants the instance to end now."""


class Subscribed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=8):
    """An instance wants the messages of channels at this key."""

    instance: str
    channels: tuple[str, ...]
    match: Match = "all"
    """Whether each of several subscribers is to get a message, or the one that has waited longest."""


class Unsubscribed(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=9):
    """An instance no longer wants the messages of channels at this key."""

    instance: str
    channels: tuple[str, ...]


class MessageForwarded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=10):
    """A message that was received at a key where this instance has subscribed.

    `expires` is when it is no longer kept, whether it was kept at the key or will be by the instance.
    """

    message: Envelope
    expires: int
    shared: bool = False
    """Whether others get it too."""


class SizeLimitExceeded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=11):
    """What is to be kept of this instance is larger than the store takes: it fails, and is again as it was before."""

    text: str


class PlanRegistered(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=12):
    """The template that events were parked for is registered where they are now."""


class MessageReturned(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=13):
    """A message that was forwarded to an instance, and to no other, was not taken: it is kept at its key."""

    message: Envelope
    expires: int
    by: str
    """The instance."""


class UnreadRecord(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=14):
    """A record of the log that the worker could not read, since its format is a later one, or its event."""

    data: bytes
    why: str


class ChildEnded(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=20):
    """An instance that a step of this one started has ended, or could not be started."""

    parent: Parent
    """As the child was started with."""
    child: str
    """The id of the child."""
    status: int
    result: bytes | None = None
    error: Error | None = None


class CallGivenUp(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=21):
    """The step of another instance that has started this one, or is about to start it, was given up."""

    parent: Parent
    """As this instance was, or will be, started with."""
    child: str
    """The id of this instance."""


class RawMessage(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message of a topic as it was published, and its offset."""

    offset: int
    key: bytes | None
    payload: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    made: int = 0
    """How often its topic was deleted and created again before."""


class MessagesHandedOver(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=15):
    """Messages of a topic for a channel that the worker which has read them does not know: they wait for one that does.

    `expires` is when they are no longer kept.
    """

    channel: str
    topic: str
    partition: int
    messages: tuple[RawMessage, ...]
    expires: int


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
    | ChildEnded
)
Event: TypeAlias = (
    InstanceEvent
    | Subscribed
    | Unsubscribed
    | MessageReturned
    | PlanRegistered
    | UnreadRecord
    | CallGivenUp
    | MessagesHandedOver
)
