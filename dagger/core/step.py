"""`step(plan, state, event, now) -> (state, effects)`: the workflow machine.

Pure: it awaits nothing, reads no clock, draws no random number, and raises nothing but CannotRead. An event that no
longer applies changes nothing and says why (`Ignored`). The old state is left as it was.

A value moves along a *token* through the operations of the plan (`run.py`) until it stays in a frame or the template
ends. An event finds the frame that it is for, and the rules of that kind of frame say what comes of it (`kinds.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from dagger.core.early import as_held, keep, unmatched
from dagger.core.effects import Effect, Ignored, Send
from dagger.core.envelope import Envelope
from dagger.core.events import (
    ChildEnded,
    InstanceEvent,
    MessageForwarded,
    MessageReceived,
    SignalReceived,
    SizeLimitExceeded,
    StopRequested,
    Submitted,
    Subscribed,
    TaskFailed,
    TaskSucceeded,
    TimerDue,
)
from dagger.core.failing import exceed, fail
from dagger.core.frames import ManyFrames
from dagger.core.functions import Stored
from dagger.core.head import head_of
from dagger.core.kinds import RULES
from dagger.core.leaving import ROOT, leave
from dagger.core.rules import calling, scope
from dagger.core.run import run
from dagger.core.same_start import is_same_start
from dagger.core.state import (
    EXECUTING,
    FAILURE,
    STOPPED,
    Calling,
    EndAs,
    Ending,
    Error,
    Held,
    Recalling,
    Running,
    State,
    Waiting,
)
from dagger.core.transition import Token, Transition
from dagger.errors import DaggerError, kinds_of
from dagger.plan import ops
from dagger.plan.names import signal_channel
from dagger.plan.plan import Plan

Result = tuple[State, tuple[Effect, ...]]


def begin(plan: Plan, event: Submitted, now: int, held: tuple[Held, ...] = (), before: State | None = None) -> Result:
    """The first step of an instance; `held` are messages that came for it before it existed.

    `before` is its state at the end of its last run, if it has had one.
    """
    tr = Transition.of(plan, _first(plan, event, now, held, before), now)
    if event.id != event.key and plan.open_channels:
        tr.effects.append(Send(event.key, Subscribed(event.id, tuple(sorted(plan.open_channels)))))
    token: Token = (0, Stored(event.input), 0)
    return _run(tr, token if before is None or not plan.undoes else _around_everything(tr, token))


def _around_everything(tr: Transition, token: Token) -> Token:
    """The frame around everything has the same number in each run."""
    number, tr.next_frame = tr.next_frame, ROOT
    op = tr.ops[0]
    assert isinstance(op, ops.Scope)
    token = scope.entered(tr, op, token[1], token[2])
    tr.next_frame = max(number, ROOT + 1)
    return token


def begin_oversized(
    plan: Plan, event: Submitted, now: int, held: tuple[Held, ...], text: str, before: State | None = None
) -> Result:
    """The same where the first step is larger than the store takes: the instance fails, and keeps its input."""
    return _size_limit_exceeded(plan, _first(plan, event, now, held, before), SizeLimitExceeded(text), now)


def begin_stopped(plan: Plan, event: Submitted, now: int, before: State | None) -> Result:
    """The same where the instance is to be stopped before it has begun."""
    return _end(plan, _first(plan, event, now, (), before), EndAs(STOPPED), now)


def _first(plan: Plan, event: Submitted, now: int, held: tuple[Held, ...], before: State | None) -> State:
    """The state before the first step. The frames of another run have other numbers, so that what comes late for one
    of an earlier run is ignored."""
    head = head_of(event, now, plan.signature)
    if before is None:
        return State(head, now, held=held)
    return State(head, max(now, before.now), next_frame=before.next_frame, held=held, seen=before.seen)


def step(plan: Plan, state: State, event: InstanceEvent, now: int) -> Result:
    """What an event makes of an instance. `now` is in microseconds since 1970-01-01 UTC."""
    if state.status != EXECUTING:
        return _after_the_end(state, event)
    return _ON[type(event)](plan, state, event, now)


def _after_the_end(state: State, event: InstanceEvent) -> Result:
    if isinstance(event, MessageReceived | MessageForwarded):
        if event.message.id and event.message.id in state.seen:
            return state, (Ignored("a message of this id was taken already"),)
        return state, (unmatched(as_held(event, 0), "ended"),)
    return state, (Ignored("the instance has ended"),)


def _run(tr: Transition, token: Token | None) -> Result:
    """Drive all tokens as far as they go; then close the transition."""
    run(tr, token)
    return tr.close()


def _submitted(plan: Plan, state: State, event: Submitted, now: int) -> Result:
    same = is_same_start(plan, event, state)
    return state, (Ignored("it was started already" if same else "another instance has this id"),)


def _signal(plan: Plan, state: State, event: SignalReceived, now: int) -> Result:
    message = Envelope(signal_channel(event.name), "", event.payload, event.id, event.headers)
    return _message(plan, state, MessageReceived(message), now)


def _message(plan: Plan, state: State, event: MessageReceived | MessageForwarded, now: int) -> Result:
    """Fold a message into the step that has waited longest for it, or keep it for one that will."""
    message = event.message
    id, channel, key = message.id, message.channel, message.key
    if id and id in state.seen:
        return state, (Ignored("a message of this id was taken already"),)
    table = plan.ops
    frames = state.frames
    for number, frame in frames.waiting(key) if type(frames) is ManyFrames else frames.items():
        if type(frame) is Waiting and frame.key == key:
            op = table[frame.op]
            assert isinstance(op, ops.Listen)
            if op.channel == channel:
                tr = Transition.of(plan, state, now, message.headers)
                tr.take(id)
                run(tr, RULES[Waiting].heard(tr, number, frame, message.payload))
                return tr.close()
    return keep(plan, state, as_held(event, now + plan.limits.early_us), now)


def _task_succeeded(plan: Plan, state: State, event: TaskSucceeded, now: int) -> Result:
    frame = state.frames.get(event.frame)
    if not isinstance(frame, Running):
        return state, (Ignored("the task was stopped"),)
    tr = Transition.of(plan, state, now, event.headers or frame.trace)
    del tr.frames[event.frame]
    op = plan.ops[frame.op]
    tr.finish(op.slot)
    return _run(tr, (op.next, Stored(event.result), frame.parent))


def _task_failed(plan: Plan, state: State, event: TaskFailed, now: int) -> Result:
    frame = state.frames.get(event.frame)
    if not isinstance(frame, Running):
        return state, (Ignored("the task was stopped"),)
    tr = Transition.of(plan, state, now, event.headers or frame.trace)
    del tr.frames[event.frame]
    op = plan.ops[frame.op]
    error = Error(op.path, event.kind, event.message, event.kinds, timed_out=event.timed_out, traceback=event.traceback)
    (exceed if event.timed_out else fail)(tr, op, frame.parent, error)
    return _run(tr, None)


def _child_ended(plan: Plan, state: State, event: ChildEnded, now: int) -> Result:
    head, parent = state.head, event.parent
    frame = state.frames.get(parent.frame)
    if not isinstance(frame, Calling | Recalling) or (parent.created, parent.run) != (head.created, head.run):
        return state, (Ignored("the step was given up"),)
    tr = Transition.of(plan, state, now)
    return _run(tr, calling.ended(tr, parent.frame, frame, event))


def _timer(plan: Plan, state: State, event: TimerDue, now: int) -> Result:
    """Fire all that is due."""
    tr = Transition.of(plan, state, now)
    fired = False
    while tr.status == EXECUTING and (found := tr.next_timer()) is not None:
        number, frame = found
        fired = True
        tr.cause = frame.trace
        run(tr, RULES[type(frame)].due(tr, number, frame))
    return tr.close() if fired else (state, (Ignored("no timer is due"),))


def _stop(plan: Plan, state: State, event: StopRequested, now: int) -> Result:
    root = state.frames.get(ROOT)
    if type(root) is Ending and type(root.then) is EndAs:
        return state, (Ignored("it ends already"),)
    return _end(plan, state, EndAs(STOPPED), now)


def _size_limit_exceeded(plan: Plan, state: State, event: SizeLimitExceeded, now: int) -> Result:
    error = Error("", "TooLarge", event.text, kinds_of(DaggerError))
    return _end(plan, state, EndAs(FAILURE, error), now)


def _end(plan: Plan, state: State, then: EndAs, now: int) -> Result:
    """The instance ends, whatever executes in it."""
    tr = Transition.of(plan, state, now)
    leave(tr, 0, then)
    return _run(tr, None)


_ON: dict[type[msgspec.Struct], Callable[[Plan, State, Any, int], Result]] = {
    Submitted: _submitted,
    MessageReceived: _message,
    MessageForwarded: _message,
    SignalReceived: _signal,
    TaskSucceeded: _task_succeeded,
    TaskFailed: _task_failed,
    TimerDue: _timer,
    StopRequested: _stop,
    SizeLimitExceeded: _size_limit_exceeded,
    ChildEnded: _child_ended,
}
