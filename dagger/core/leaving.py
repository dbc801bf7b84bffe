"""`leave(tr, number, then)`: give up all that executes inside of a frame, as one, and go on from there.

Everything inside ends this way unless it ends well: a bound that runs out, a failure that is answered, a try that
is given up, a branch that loses, a stop. Frames are left innermost first. What they wait for is cancelled, and each
of their steps that still executes is STOPPED; those through which a failure has gone are FAILURE already, and stay
that.

`then` says what becomes of the frame itself:

* `GoOn(op, value)`: the frame is gone, and a token with the value goes to `op`;
* `TryAgain(value, attempt, pause)`: the frame begins anew with the value, at once or after the pause;
* `EndAs(status, error)`: the instance ends; the frame is that around everything;
* None: the frame is gone, and nothing follows.

If something has to be run first, `then` waits. An `Ending` takes the place of the frame, under its number. It has a
queue: the hooks of what was stopped, innermost first, and then the undos of what had completed, last first. One after
the other is run, each in an `Undoing` inside of it. After the last, `then` is carried out.

A child that executes is stopped, and its end is waited for before anything is run: a `Recalling` takes the place of
the frame of the step, under its number, and is inside of the `Ending`.

What undoes is not disturbed, whatever is given up around it. An `Ending` inside of what is left is gone, with what it
was to carry out, but what it runs goes on inside of the outer one. The hooks of its queue come before those of the
outer one, and the undos of both are run last first. So each hook and each undo is ordered once, and `then` is that of
the outermost.

What is left costs a constant for each frame: the frames below are found by an index (`below.py`).
"""

from __future__ import annotations

from typing import assert_never

import msgspec

from dagger.core.below import below
from dagger.core.functions import Stored
from dagger.core.kinds import RULES
from dagger.core.state import (
    EXECUTING,
    FOREVER,
    STOPPED,
    Calling,
    EndAs,
    Ending,
    GoOn,
    Recalling,
    Scoping,
    Then,
    TryAgain,
    Undo,
    Undoing,
)
from dagger.core.tracing import kept_trace
from dagger.core.transition import Transition
from dagger.plan import ops

ROOT = 1
"""The frame around everything, where something may be undone."""


def leave(tr: Transition, number: int, then: Then | None, *, undoes: bool = True) -> None:
    """Give up all that executes inside of a frame (0: the instance), and carry out `then`.

    Without `undoes` only what executes is stopped: what would be undone goes to the scope around.
    """
    if not number and ROOT in tr.frames and tr.plan.undoes:
        number = ROOT
    boundary = tr.frames[number].op if number else -1
    inside, undoing = below(tr, number)
    queue, inherited = list[Undo](), list[Undo]()
    for inner in inside:
        frame = tr.frames.pop(inner)
        RULES[type(frame)].stopped(tr, inner, frame)
        if type(frame) is Calling and tr.is_ordered(inner):
            tr.frames[inner] = Recalling(frame.op, frame.parent, frame.child)
            undoing.append(inner)  # the step itself is stopped when the child has ended
            _note_stopped(tr, tr.ops[frame.op].owner, boundary)
            continue
        _note_stopped(tr, frame.op, boundary)
        if type(frame) is Ending:
            inherited += reversed(frame.queue)
        elif type(frame) is Scoping and tr.plan.undoes:
            queue += _to_run(tr, inner, frame)
    if number:
        left = tr.frames[number]
        if type(left) is Ending:
            inherited += reversed(left.queue)
        elif type(left) is Scoping:
            queue += left.undos
    tr.passed = ()
    if not undoes:
        keep(tr, tr.frames[number].parent, sorted((one for one in queue if one.number), key=lambda one: one.number))
        queue = [one for one in queue if not one.number]
    if queue or inherited or undoing:
        _end(tr, number, then, inherited + queue, undoing)
    else:
        _carry_out(tr, number, then)


def keep(tr: Transition, number: int, undos: list[Undo]) -> None:
    """The nearest scope that keeps undos gets some. What is inside of something that undoes is not undone itself."""
    while number and undos:
        frame = tr.frames[number]
        if type(frame) is Undoing:
            return
        if type(frame) is Scoping and _keeps(tr.ops[frame.op]):
            if tr.may_change(number):
                frame.undos.extend(undos)
            else:
                tr.frames[number] = msgspec.structs.replace(frame, undos=[*frame.undos, *undos])
            return
        number = frame.parent


def _keeps(op: ops.Op) -> bool:
    return isinstance(op, ops.Scope) and op.keeps


def undone(tr: Transition, number: int) -> None:
    """One that an `Ending` has waited for is done."""
    ending = tr.frames[number]
    assert isinstance(ending, Ending)
    if ending.running > 1:
        tr.frames[number] = Ending(ending.op, ending.parent, ending.then, ending.queue, ending.running - 1)
    else:
        _run_next(tr, number, ending)


def _note_stopped(tr: Transition, index: int, boundary: int) -> None:
    """The steps that execute at an operation, or around it and inside of what is left, are stopped."""
    while index not in (boundary, -1):
        op = tr.ops[index]
        if op.slot >= 0 and tr.row(op.slot)[0] == EXECUTING:
            tr.finish(op.slot, STOPPED)
        index = op.owner


# What is run before it goes on.


def _to_run(tr: Transition, number: int, frame: Scoping) -> list[Undo]:
    """What has to be run because a scope is given up: hooks in the order in which they are run, and undos."""
    op = tr.ops[frame.op]
    assert isinstance(op, ops.Scope)
    has_failed = number in tr.passed
    found = list[Undo]()
    for trigger in op.triggers:
        if type(trigger.when) is ops.Stopped and not has_failed:
            found.append(Undo(trigger.start, frame.value, 0, tr.place(frame.parent)))
        elif type(trigger.when) is ops.GivenUp:
            found.append(Undo(trigger.start, frame.value, tr.count(), tr.place(frame.parent)))
    return [*found, *frame.undos] if found else frame.undos


def _end(tr: Transition, number: int, then: Then | None, queue: list[Undo], undoing: list[int]) -> None:
    """Run what has to be run, hooks in the order of `queue`, and then carry out `then`."""
    left = tr.frames[number]
    ordered = tr.count()
    queue = [one if one.ordered else Undo(one.op, one.value, one.number, one.items, ordered) for one in queue]
    hooks = [one for one in queue if not one.number]
    undos = sorted([one for one in queue if one.number], key=lambda one: one.number)
    ending = Ending(left.op, left.parent, then, [*undos, *reversed(hooks)], len(undoing))
    tr.frames[number] = ending
    for child in undoing:
        frame = tr.frames[child]
        assert isinstance(frame, Undoing | Recalling)
        tr.adopt(number, child, frame)
    if not undoing:
        _run_next(tr, number, ending)


def _run_next(tr: Transition, number: int, ending: Ending) -> None:
    if not ending.queue:
        _carry_out(tr, number, ending.then)
        return
    queue = ending.queue if tr.may_change(number) else ending.queue.copy()
    one = queue.pop()
    tr.frames[number] = Ending(ending.op, ending.parent, ending.then, queue, 1)
    child = tr.add_frame(Undoing(one.op, number, one.items, one.ordered))
    tr.stack.append((tr.ops[one.op].next, Stored(one.value), child))


# What follows.


def _carry_out(tr: Transition, number: int, then: Then | None) -> None:
    match then:
        case GoOn():
            parent = tr.frames.pop(number).parent
            tr.stack.append((then.op, Stored(then.value), parent))
        case TryAgain():
            _begin_anew(tr, number, then)
        case EndAs():
            tr.frames.clear()
            tr.status, tr.error = then.status, then.error
        case None:
            parent = tr.frames.pop(number).parent
            if type(tr.frames.get(parent)) is Ending:
                undone(tr, parent)
        case _:
            assert_never(then)


def _begin_anew(tr: Transition, number: int, then: TryAgain) -> None:
    frame = tr.frames[number]
    due = min(tr.now + then.pause, FOREVER) if then.pause else 0
    anew = Scoping(frame.op, frame.parent, then.value, due, then.attempt, trace=kept_trace(tr))
    tr.frames[number] = anew
    if not due:  # else its timer is of a time to come
        tr.stack.append((tr.ops[frame.op].next, Stored(then.value), number))
