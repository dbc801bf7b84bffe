"""What becomes of an instance whose event has made more than a record can hold: the step that made it fails.

The value is dropped, and the failure climbs as any other: it is retried, handled, or ends the instance, and what had
completed is undone. The step is that which the event was for: the task whose result is too large, the step that has
heard the message, the timer that fired first. Where there is none, the instance fails as a whole.
"""

from __future__ import annotations

from dagger.core.effects import Effect
from dagger.core.events import (
    ChildEnded,
    InstanceEvent,
    MessageForwarded,
    MessageReceived,
    SignalReceived,
    TaskFailed,
    TaskSucceeded,
    TimerDue,
)
from dagger.core.failing import fail, fail_frame
from dagger.core.kinds import RULES
from dagger.core.leaving import leave
from dagger.core.run import run
from dagger.core.state import FAILURE, Calling, EndAs, Error, Scoping, State, Waiting
from dagger.core.transition import Transition
from dagger.errors import DaggerError, kinds_of
from dagger.plan import ops
from dagger.plan.names import signal_channel
from dagger.plan.plan import Plan


def step_oversized(
    plan: Plan, state: State, event: InstanceEvent, now: int, text: str
) -> tuple[State, tuple[Effect, ...]]:
    """What an event makes of an instance whose step it made too large; `text` says how large."""
    tr = Transition.of(plan, state, now)
    number = _maker(tr, event)
    if number:
        _fail(tr, number, text)
    else:
        leave(tr, 0, EndAs(FAILURE, _too_large("", text, pure=True)))
    run(tr, None)
    return tr.close()


def _maker(tr: Transition, event: InstanceEvent) -> int:
    """The frame whose step has made the value; 0 if that is not known."""
    match event:
        case ChildEnded():
            return event.parent.frame if type(tr.frames.get(event.parent.frame)) is Calling else 0
        case TaskSucceeded() | TaskFailed():
            return event.frame if event.frame in tr.frames else 0
        case MessageReceived() | MessageForwarded():
            tr.take(event.message.id)
            return _hearer(tr, event.message.channel, event.message.key)
        case SignalReceived():
            tr.take(event.id)
            return _hearer(tr, signal_channel(event.name), "")
        case TimerDue():
            found = tr.next_timer()
            return 0 if found is None else found[0]
        case _:
            return 0


def _hearer(tr: Transition, channel: str, key: str) -> int:
    """The step that has waited longest for a message."""
    for number, frame in tr.frames.items():
        if type(frame) is Waiting and frame.key == key:
            op = tr.ops[frame.op]
            if isinstance(op, ops.Listen) and op.channel == channel:
                return number
    return 0


def _fail(tr: Transition, number: int, text: str) -> None:
    frame = tr.frames[number]
    op = tr.ops[frame.op]
    error = _too_large(op.path, text, pure=not isinstance(op, ops.Task | ops.Call))
    if type(frame) is Scoping:
        fail_frame(tr, number, error)
        return
    del tr.frames[number]
    if type(frame) is not Calling:  # whose child has ended
        RULES[type(frame)].stopped(tr, number, frame)
    fail(tr, op, frame.parent, error)


def _too_large(path: str, text: str, *, pure: bool) -> Error:
    return Error(path, "TooLarge", text, kinds_of(DaggerError), pure=pure)
