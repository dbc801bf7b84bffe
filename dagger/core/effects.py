"""What a step of the machine asks the shell to do. Imperative, frozen, plain data."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from dagger.core.envelope import Envelope
from dagger.core.events import Event, Submitted
from dagger.core.state import Error


class Publish(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Put a message on an external topic. `id` is the same whenever this step is carried out again."""

    topic: str
    key: str
    payload: bytes
    id: str
    headers: dict[str, str] = {}


class Send(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Append an event to the log, at the entity of `to`."""

    to: str
    event: Event


class RunTask(msgspec.Struct, frozen=True, gc=False):
    """Call the function of the operation `op` with the stored `value`, and append what comes of it."""

    frame: int
    op: int
    attempt: int
    key: str
    """The same for every try of one call: what a service is given to recognise a repetition by."""
    value: bytes
    headers: dict[str, str] = {}
    """Those of the instance, with the trace context of what has caused the step."""


class StopTask(msgspec.Struct, frozen=True, gc=False):
    """Cancel a task; its result no longer matters."""

    frame: int


class Unmatched(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message that nobody takes: what becomes of it is the engine's policy."""

    message: Envelope
    reason: str
    expires: int = 0
    """When it is no longer kept, in microseconds; 0 where that is not decided yet."""
    shared: bool = False
    """Whether others were offered it too, and may have taken it."""


class Parked(msgspec.Struct, frozen=True, gc=False):
    """The event is kept at its entity, until a worker has the template, or can read what is stored; this is why."""

    reason: str
    unreadable: bool = False


class TryFailed(msgspec.Struct, frozen=True, gc=False):
    """A try has failed; the next one begins at `due`, in microseconds."""

    error: Error
    attempt: int
    attempts: int
    due: int


class Answered(msgspec.Struct, frozen=True, gc=False):
    """A step has failed, and something in the instance answers it: a handler, or the other branches of a group."""

    error: Error
    by: str


class Failed(msgspec.Struct, frozen=True, gc=False):
    """The instance has failed."""

    error: Error


class Ignored(msgspec.Struct, frozen=True, gc=False):
    """Nothing was changed, for this reason."""

    reason: str


def frame_of(effect: Effect) -> int:
    """The frame for which a task or a child is ordered; 0 for all else."""
    if type(effect) is RunTask:
        return effect.frame
    if type(effect) is Send and type(effect.event) is Submitted and effect.event.parent is not None:
        return effect.event.parent.frame
    return 0


Notice: TypeAlias = TryFailed | Answered | Failed
"""What is worth a line in the log of the process, and nothing else."""
Effect: TypeAlias = Publish | Send | RunTask | StopTask | Unmatched | Parked | Ignored | Notice
