"""`leave(tr, number, then)`: give up all that executes inside of a frame, as one, and go on from there.

Every end that is no good end of what is inside is this: a bound that runs out, a failure that is answered, a try that
is given up, a branch that loses, a stop. Frames are left innermost first. What they wait for is called off, and each
of their steps that still executes is STOPPED; those through which a failure has gone are FAILURE already, and stay
that.

`then` says what becomes of the frame itself:

* `GoOn(op, value)`: the frame is gone, and a token with the value goes to `op`;
* `TryAgain(value, attempt, pause)`: the frame begins anew with the value, at once or after the pause;
* `EndAs(status, error)`: the instance ends; the frame is 0;
* None: the frame is gone, and nothing follows.

What is left costs a constant for each frame: the frames below are found by an index (`Transition.inside`).
"""

from __future__ import annotations

from typing import assert_never

from dagger.core.functions import Stored
from dagger.core.kinds import RULES
from dagger.core.state import EXECUTING, FOREVER, STOPPED, EndAs, Frame, GoOn, Scoping, Then, TryAgain
from dagger.core.transition import Transition


def leave(tr: Transition, number: int, then: Then | None) -> None:
    """Give up all that executes inside of a frame (0: the instance), and carry out `then`."""
    boundary = tr.frames[number].op if number else -1
    for inner in tr.inside(number):
        frame = tr.frames.pop(inner)
        RULES[type(frame)].stopped(tr, inner, frame)
        _note_stopped(tr, frame, boundary)
    _carry_out(tr, number, then)


def _note_stopped(tr: Transition, frame: Frame, boundary: int) -> None:
    """The steps that execute at a frame, or around it and inside of what is left, are stopped."""
    index = frame.op
    while index not in (boundary, -1):
        op = tr.ops[index]
        if op.slot >= 0 and tr.row(op.slot)[0] == EXECUTING:
            tr.finish(op.slot, STOPPED)
        index = op.owner


def _carry_out(tr: Transition, number: int, then: Then | None) -> None:
    match then:
        case GoOn():
            parent = tr.frames.pop(number).parent
            tr.stack.append((then.op, Stored(then.value), parent))
        case TryAgain():
            _begin_anew(tr, number, then)
        case EndAs():
            tr.status, tr.error = then.status, then.error
        case None:
            del tr.frames[number]
        case _:
            assert_never(then)


def _begin_anew(tr: Transition, number: int, then: TryAgain) -> None:
    frame = tr.frames[number]
    due = min(tr.now + then.pause, FOREVER) if then.pause else 0
    anew = Scoping(frame.op, frame.parent, then.value, due, then.attempt)
    tr.frames[number] = anew
    if due:
        tr.timed(number, anew)
    else:
        tr.stack.append((tr.ops[frame.op].next, Stored(then.value), number))
