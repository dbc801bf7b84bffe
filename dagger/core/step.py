"""`step(plan, state, event, now) -> (state, effects)`: the workflow machine.

Pure: it awaits nothing, reads no clock, draws no random number, and raises nothing but CannotRead. An event that no
longer applies changes nothing and says why (`Ignored`). The old state is left as it was.

A value moves along a *token* through the operations of the plan until it is parked in a frame or the template
ends. Tokens that wait to be driven are on a stack, so that branches run in the order written, each until it
parks. A token whose frame is gone is dropped: its branch was never begun.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from dagger.core.effects import Effect, Failed, Ignored, Send, Unmatched
from dagger.core.envelope import Envelope
from dagger.core.events import (
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
    Unsubscribed,
)
from dagger.core.head import head_of
from dagger.core.leaves import apply, fold, listen, pause, publish, run_task, unsubscribe, wait
from dagger.core.same_start import is_same_start
from dagger.core.scopes import (
    bound_due,
    branch,
    choose,
    close_bound,
    end,
    exceed,
    fail,
    fork,
    gather,
    join,
    merge,
    open_bound,
    spread,
    stop_inside,
)
from dagger.core.state import (
    COMPLETED,
    EXECUTING,
    FAILURE,
    STOPPED,
    TIMED,
    Error,
    Held,
    Running,
    Scope,
    Sleeping,
    State,
    Waiting,
)
from dagger.core.transition import StepFailed, Stored, Token, Transition
from dagger.errors import DaggerError, kinds_of
from dagger.plan import ops
from dagger.plan.names import signal_channel
from dagger.plan.plan import Plan

Result = tuple[State, tuple[Effect, ...]]


def begin(plan: Plan, event: Submitted, now: int, held: tuple[Held, ...] = ()) -> Result:
    """The first step of an instance; `held` are messages that came for it before it existed."""
    transition = Transition.of(plan, _first(plan, event, now, held), now)
    if event.id != event.key and plan.open_channels:
        transition.effects.append(Send(event.key, Subscribed(event.id, tuple(sorted(plan.open_channels)))))
    _run_on(transition, (0, Stored(event.input), 0))
    return transition.close()


def begin_oversized(plan: Plan, event: Submitted, now: int, held: tuple[Held, ...], text: str) -> Result:
    """The same where the first step is larger than the store takes: the instance fails, and keeps its input."""
    return _size_limit_exceeded(plan, _first(plan, event, now, held), SizeLimitExceeded(text), now)


def _first(plan: Plan, event: Submitted, now: int, held: tuple[Held, ...]) -> State:
    return State(head_of(event, now, plan.layout), now, held=held)


def step(plan: Plan, state: State, event: InstanceEvent, now: int) -> Result:
    """What an event makes of an instance. `now` is in microseconds since 1970-01-01 UTC."""
    if state.status != EXECUTING:
        return _after_the_end(state, event)
    return _ON[type(event)](plan, state, event, now)


def _after_the_end(state: State, event: InstanceEvent) -> Result:
    if isinstance(event, MessageReceived | MessageForwarded):
        if event.message.id and event.message.id in state.seen:
            return state, (Ignored("a message of this id was taken already"),)
        return state, (unmatched(_as_held(event, 0), "ended"),)
    return state, (Ignored("the instance has ended"),)


def _run(transition: Transition, token: Token | None) -> Result:
    """Drive all tokens until each is parked; then close the transition."""
    _run_on(transition, token)
    return transition.close()


def _run_on(transition: Transition, token: Token | None) -> None:
    """Move values, one token after the other, until each is parked; end the instance if it has ended."""
    stack, table, do = transition.stack, transition.ops, _DO
    while True:
        while token is not None:
            index, stored, parent = token
            op = table[index]
            while op.scope:  # the two most common operations, and not worth a call
                if op.scope == ops.BEGINS:
                    transition.begin(op.slot)
                else:
                    transition.finish(op.slot)
                op = table[op.next]
            try:
                token = do[type(op)](transition, op, stored, parent)
            except StepFailed as failure:
                fail(transition, op, parent, failure.error)
                break
        if not stack or transition.status != EXECUTING:
            break
        token = stack.pop()
        if token[2] and token[2] not in transition.frames:
            token = None
    if transition.status != EXECUTING:
        _conclude(transition)


def _conclude(transition: Transition) -> None:
    """An instance ends: nothing executes any more, and nothing is kept for it."""
    if transition.frames:
        stop_inside(transition, 0)
    if transition.error is not None:
        transition.effects.append(Failed(transition.error))
    state = transition.state
    transition.effects += [unmatched(held, "ended") for held in transition.held]
    transition.held = ()
    if state.id != state.key and transition.plan.open_channels:
        channels = tuple(sorted(transition.plan.open_channels))
        transition.effects.append(Send(state.key, Unsubscribed(state.id, channels)))


_DO: dict[type[ops.Op], Callable[[Transition, Any, Stored, int], Token | None]] = {
    ops.Publish: publish,
    ops.Listen: listen,
    ops.Run: run_task,
    ops.Pause: pause,
    ops.Apply: apply,
    ops.Open: open_bound,
    ops.Close: close_bound,
    ops.Fork: fork,
    ops.Branch: branch,
    ops.Join: join,
    ops.Choose: choose,
    ops.Merge: merge,
    ops.Spread: spread,
    ops.Gather: gather,
    ops.End: end,
}


# Events.


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
    for number, frame in state.frames.items():
        if type(frame) is Waiting and frame.key == key:
            op = table[frame.op]
            assert isinstance(op, ops.Listen)
            if op.channel == channel:
                transition = Transition.of(plan, state, now, message.headers)
                transition.take(id)
                _run_on(transition, _folded(transition, number, frame, op, message.payload))
                return transition.close()
    return _keep(plan, state, _as_held(event, now + plan.limits.early_us), now)


def _as_held(event: MessageReceived | MessageForwarded, expires: int) -> Held:
    """A message as it is kept: one that came a second way until it was to be kept at first, another until `expires`."""
    if isinstance(event, MessageForwarded):
        return Held(event.message, event.expires, event.shared)
    return Held(event.message, expires)


def unmatched(held: Held, reason: str) -> Unmatched:
    """Word of a message that nobody takes, and why."""
    return Unmatched(held.message, reason, held.expires, held.shared)


def _folded(transition: Transition, number: int, frame: Waiting, op: ops.Listen, payload: bytes) -> Token | None:
    shape = op.again if frame.again and op.again else op.shape
    token: Token | None = None
    try:
        done, result = fold(transition, op, Stored(frame.value), shape, payload)
        token = (op.next, result, frame.parent) if done else wait(transition, op, result, frame.parent, number)
        if token is not None:
            del transition.frames[number]
    except StepFailed as failure:
        del transition.frames[number]
        fail(transition, op, frame.parent, failure.error)
    if op.on is not None:
        unsubscribe(transition, frame)
    return token


def _keep(plan: Plan, state: State, held: Held, now: int) -> Result:
    """A message that nobody waits for is kept while some listener may still come to it."""
    alike = _alike(state, held, now)
    id = held.message.id
    if id and any(one.message.id == id for one in alike):
        return state, (Ignored("a message of this id is kept already"),)
    reason = _refusal(plan, state, held, len(alike), now)
    if reason:
        return state, (unmatched(held, reason),)
    transition = Transition.of(plan, state, now)
    transition.held = (*state.held, held)
    return transition.close()


def _alike(state: State, held: Held, now: int) -> list[Held]:
    """What is kept for the same channel and key."""
    address = (held.message.channel, held.message.key)
    return [one for one in state.held if (one.message.channel, one.message.key) == address and one.expires > now]


def _refusal(plan: Plan, state: State, held: Held, kept: int, now: int) -> str:
    """Why a message is not kept; empty if it is."""
    transition = Transition.of(plan, state, now)
    found = plan.listeners.get(held.message.channel, ())
    if not any(_may_come(transition, op, held.message.key) for op in found):
        return "late" if found else "no listener"
    return "overflow" if kept >= plan.limits.early_count else ""


def _may_come(transition: Transition, op: ops.Listen, key: str) -> bool:
    """Whether a listener that does not wait now may still wait for a message of this key."""
    matches = op.on is not None or key in (transition.state.key, "")
    return matches and (op.repeats or transition.row(op.slot)[0] < COMPLETED)


def _task_succeeded(plan: Plan, state: State, event: TaskSucceeded, now: int) -> Result:
    frame = state.frames.get(event.frame)
    if not isinstance(frame, Running):
        return state, (Ignored("the task was stopped"),)
    transition = Transition.of(plan, state, now, event.headers or frame.trace)
    del transition.frames[event.frame]
    op = plan.ops[frame.op]
    transition.finish(op.slot)
    return _run(transition, (op.next, Stored(event.result), frame.parent))


def _task_failed(plan: Plan, state: State, event: TaskFailed, now: int) -> Result:
    frame = state.frames.get(event.frame)
    if not isinstance(frame, Running):
        return state, (Ignored("the task was stopped"),)
    transition = Transition.of(plan, state, now, event.headers or frame.trace)
    del transition.frames[event.frame]
    op = plan.ops[frame.op]
    error = Error(op.path, event.kind, event.message, event.kinds, timed_out=event.timed_out, traceback=event.traceback)
    (exceed if event.timed_out else fail)(transition, op, frame.parent, error)
    return _run(transition, None)


def _timer(plan: Plan, state: State, event: TimerDue, now: int) -> Result:
    """Fire all that is due, the earliest first; at one time what ends well goes before what times out."""
    transition = Transition.of(plan, state, now)
    fired = False
    while transition.status == EXECUTING:
        due = min(_due(transition), default=None)
        if due is None:
            break
        fired = True
        _fire(transition, -due[2])
    return transition.close() if fired else (state, (Ignored("no timer is due"),))


def _due(transition: Transition) -> list[tuple[int, bool, int]]:
    return [
        (frame.due, isinstance(frame, Scope), -number)
        for number, frame in transition.frames.items()
        if isinstance(frame, TIMED) and 0 < frame.due <= transition.now
    ]


def _fire(transition: Transition, number: int) -> None:
    frame = transition.frames[number]
    if isinstance(frame, Scope):
        bound_due(transition, number, frame)
        _run_on(transition, None)
        return
    del transition.frames[number]
    op = transition.ops[frame.op]
    transition.finish(op.slot)
    assert isinstance(frame, Sleeping)
    _run_on(transition, (op.next, Stored(frame.value), frame.parent))


def _stop(plan: Plan, state: State, event: StopRequested, now: int) -> Result:
    transition = Transition.of(plan, state, now)
    stop_inside(transition, 0)
    transition.status = STOPPED
    return _run(transition, None)


def _size_limit_exceeded(plan: Plan, state: State, event: SizeLimitExceeded, now: int) -> Result:
    transition = Transition.of(plan, state, now)
    transition.status = FAILURE
    transition.error = Error("", "TooLarge", event.text, kinds_of(DaggerError))
    return _run(transition, None)


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
}
