"""A scope: steps to which something may happen as a whole, by its triggers.

| trigger | surface |
|---|---|
| after a while → interrupt | `.timeout`, `process(timeout=)` |
| failure → again | `.retry` |
| failure → interrupt | `.recover` |
| stop → beside | a hook: it is run if the scope is given up while it executes |
| end → again | `repeat(until=)`: the body begins anew with the result, unless that is what was wanted |
| `Again` → again | `repeat`: the body begins anew with the value of the `Again` that it gave |
| end → later | an undo: it is kept, and run if what is around is given up |
| message → interrupt | `skippable`: the listener waits from the beginning, and its message ends the body |
| given up → later | an undo of what was only attempted: its place among the others is that of the end of the scope |

The frame has the input of the scope, which a handler, another try or what answers a timeout gets; the number of the
try or round; and one timer: that of the bound, that of the pause before the next try, or that of a round of a loop that
is left to the next event, which is due at once.
"""

from __future__ import annotations

import zlib
from typing import Any, Final

import msgspec

from dagger.core.effects import Answered, TryFailed
from dagger.core.failing import fail_frame
from dagger.core.functions import Stored, call_pure, load, store_result, took_longer
from dagger.core.kinds import Onward, Rules
from dagger.core.leaving import keep, leave
from dagger.core.state import FOREVER, Error, GoOn, Scoping, TryAgain, Undo
from dagger.core.tracing import kept_trace
from dagger.core.transition import Token, Transition
from dagger.dsl.values import Again
from dagger.errors import BusinessError, TooManyRounds, kinds_of
from dagger.plan import ops
from dagger.plan.shapes import failed as failure_of

ROUNDS_MAX: Final = 100
"""How many rounds of loops begin in one step, so that none is unbounded; those after them begin with the next event."""
_BY_DECISION: Final = kinds_of(BusinessError)[:1]


def entered(tr: Transition, op: ops.Scope, stored: Stored, parent: int) -> Token:
    """What is inside begins, and so does its time."""
    due, listener = 0, -1
    for trigger in op.triggers:
        if type(trigger.when) is ops.After:
            due = min(tr.now + trigger.when.after, FOREVER)
        elif type(trigger.when) is ops.MessageArrives:
            listener = trigger.start
    frame = Scoping(op.index, parent, stored.raw, due, trace=kept_trace(tr))
    number = tr.add_frame(frame)
    if due:
        tr.timed(number, frame)
    if listener >= 0:  # it is the first to wait, and its frame and that of the body have the next two numbers
        tr.stack.append((op.next, stored, number))
        return listener, stored, number
    return op.next, stored, number


def ended(tr: Transition, op: ops.Close, stored: Stored, parent: int) -> Token | None:
    """What is inside has ended well."""
    if op.plain:
        return op.next, stored, tr.frames.pop(parent).parent
    return _ended(tr, op, stored, parent)


def _ended(tr: Transition, op: ops.Close, stored: Stored, number: int) -> Token | None:
    """The same where something comes of it: the body begins anew, or an undo is kept, and those that were kept inside
    go to the scope around."""
    frame, scope = tr.frames[number], tr.ops[op.owner]
    assert isinstance(frame, Scoping)
    assert isinstance(scope, ops.Scope)
    undos = frame.undos
    for trigger in scope.triggers:
        if trigger.effect == ops.AGAIN:
            again = _begins_again(op, trigger.when, stored)
            if again is not None:
                return _next_round(tr, scope, trigger, number, again)
        elif type(trigger.when) is ops.Ended:
            undos = [*undos, Undo(trigger.start, stored.raw, tr.count(), tr.place(frame.parent))]
    del tr.frames[number]
    if undos:
        keep(tr, frame.parent, undos)
    return op.next, stored, frame.parent


def _begins_again(op: ops.Close, when: ops.When, stored: Stored) -> Stored | None:
    """The value with which a loop begins its next round; None if there is none."""
    match when:
        case ops.Ended(until=until):
            return None if until is not None and call_pure(op, until, stored, op.shape) else stored
        case ops.SaysAgain(out=out):
            result = load(op, stored)
            if type(result) is not Again:
                return None
            again: Again[Any] = result  # pyright: ignore[reportUnknownVariableType]  # narrowed from Any
            return store_result(op, out, again.value)
        case _:
            return None


def _next_round(tr: Transition, op: ops.Scope, trigger: ops.Trigger, number: int, stored: Stored) -> Token | None:
    """Begin the next round, or leave it to the next event, where this step has begun many already."""
    frame = tr.frames[number]
    assert isinstance(frame, Scoping)
    if trigger.at_most is not None and frame.attempt >= trigger.at_most:
        text = f"is not done after {trigger.at_most} round{'s' if trigger.at_most > 1 else ''}"
        fail_frame(tr, number, Error(op.path, TooManyRounds.__name__, text, kinds_of(TooManyRounds)))
        return None
    if number in tr.failing:
        tr.over(number)
    tr.rounds += 1
    due = tr.now if tr.rounds > ROUNDS_MAX else 0
    trace = kept_trace(tr) if due else frame.trace
    tr.frames[number] = msgspec.structs.replace(
        frame, value=stored.raw, due=due, attempt=frame.attempt + 1, trace=trace
    )
    return None if due else _round(tr, op, trigger.start, stored, number)


def _round(tr: Transition, op: ops.Scope, start: int, stored: Stored, number: int) -> Token:
    if op.counted >= 0:
        tr.begin(op.counted)
    return start, stored, number


def follow(tr: Transition, number: int, raw: bytes) -> None:
    """A step has answered `Again`: a bound around it and nothing else has the latest value as its input."""
    while type(frame := tr.frames.get(number)) is Scoping:
        op = tr.ops[frame.op]
        assert isinstance(op, ops.Scope)
        if op.follows:
            tr.frames[number] = msgspec.structs.replace(frame, value=raw)
            return
        number = frame.parent


def failed(tr: Transition, number: int, frame: Scoping, op: ops.Scope, error: Error, below: int) -> Onward | None:
    """Another try begins, or a handler answers, or the failure goes on."""
    for trigger in op.triggers:
        if type(trigger.when) is not ops.InnerFailure:
            continue
        if trigger.tries is not None:
            if _is_tried_again(op, trigger.tries, frame, error):
                _try_again(tr, op, trigger.tries, number, frame, error)
                return None
        elif _is_of(trigger.when.on, error):
            _recover(tr, trigger.start, number, frame, error)
            return None
    return op.owner, frame.parent, error


def due(tr: Transition, number: int, frame: Scoping) -> Token | None:
    """A pause between tries is over, the next round of a loop begins, or what is inside took too long."""
    op = tr.ops[frame.op]
    assert isinstance(op, ops.Scope)
    for trigger in op.triggers:
        if type(trigger.when) is ops.After:
            _run_out(tr, op, trigger.start, trigger.when.after, number, frame)
            return None
    tr.over(number)
    tr.frames[number] = msgspec.structs.replace(frame, due=0)
    if op.loops:
        (start,) = [trigger.start for trigger in op.triggers if trigger.effect == ops.AGAIN]
        return _round(tr, op, start, Stored(frame.value), number)
    return op.next, Stored(frame.value), number


def _run_out(tr: Transition, op: ops.Scope, start: int, after: int, number: int, frame: Scoping) -> None:
    if start >= 0:
        leave(tr, number, GoOn(start, frame.value))
    else:
        fail_frame(tr, number, Error(op.path, "TimeoutError", took_longer(after), kinds_of(TimeoutError)))


def _is_of(kinds: tuple[str, ...] | None, error: Error) -> bool:
    return kinds is None or not set(kinds).isdisjoint(error.kinds)


def _recover(tr: Transition, start: int, number: int, frame: Scoping, error: Error) -> None:
    tr.answered(frame.parent)
    tr.effects.append(Answered(error, tr.ops[start].path or "its handler"))
    leave(tr, number, GoOn(start, failure_of(frame.value, error.text, error.path)))


def _is_tried_again(op: ops.Scope, rule: ops.RetryRule, frame: Scoping, error: Error) -> bool:
    """Whether tries are left, and the error is of the kinds that are tried again.

    A task that has exceeded its own timeout is tried again in any case, where its own tries end. A failure by decision
    is tried again only where its very kind is named, and no other failure of a pure function is.
    """
    if frame.attempt >= rule.attempts:
        return False
    if error.kinds[:1] == _BY_DECISION:
        return _BY_DECISION[0] in rule.on
    if error.pure:
        return False
    return (error.timed_out and error.path == op.path) or _is_of(rule.on, error)


def _try_again(tr: Transition, op: ops.Scope, rule: ops.RetryRule, number: int, frame: Scoping, error: Error) -> None:
    pause = retry_pause(rule, frame.attempt, f"{tr.state.id}/{op.path}{tr.item_suffix(frame.parent)}")
    tr.effects.append(TryFailed(error, frame.attempt, rule.attempts, min(tr.now + pause, FOREVER)))
    if pause:
        tr.answered(number)
    leave(tr, number, TryAgain(frame.value, frame.attempt + 1, pause))


def retry_pause(rule: ops.RetryRule, attempt: int, seed: str) -> int:
    """The pause after a failed attempt, in microseconds; the same whenever it is computed again.

    It lies anywhere between what the jitter allows at least and at most, and never above the longest of the rule.
    """
    try:
        base = min(rule.first * rule.factor ** (attempt - 1), rule.longest)
    except OverflowError:
        base = rule.longest
    spread = zlib.crc32(f"{seed}/{attempt}".encode()) / 0x1_0000_0000
    least, most = base * (1 - rule.jitter), min(base * (1 + rule.jitter), rule.longest)
    return round(least + (most - least) * spread)


RULES: Final = Rules(failed=failed, due=due)
