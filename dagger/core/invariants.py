"""What holds of every state that a step gives, and of every one that is stored.

Tests assert it of what they read. A worker asks it of each row that it reads: bytes that were changed may decode, and
the core follows the numbers in a state without looking at them twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from dagger.core.leaving import ROOT
from dagger.core.state import (
    COMPLETED,
    EXECUTING,
    FAILURE,
    FOREVER,
    STATUSES,
    STOPPED,
    TIMED,
    Calling,
    Ending,
    Frame,
    Gathering,
    Item,
    Recalling,
    Running,
    Scoping,
    Sleeping,
    Spreading,
    State,
    Undoing,
    Waiting,
)
from dagger.core.table import Row, unpacked
from dagger.plan import ops
from dagger.plan.plan import Plan

_ODD_ROW: Final = "a row of the outcome table has a status or a time that does not exist"
NUMBER_MAX: Final = 1 << 62
"""No number in a state is as large as this: what is added to one can be stored too."""

_OPERATIONS: dict[type[Frame], type[ops.Op]] = {
    Waiting: ops.Listen,
    Running: ops.Task,
    Sleeping: ops.Pause,
    Scoping: ops.Scope,
    Gathering: ops.Fork,
    Spreading: ops.Spread,
    Item: ops.Spread,
    Undoing: ops.Aside,
    Calling: ops.Call,
    Recalling: ops.Call,
}
"""The operation that a frame of each kind is at. An `Ending` is at that of the frame whose place it has."""


def broken(plan: Plan | None, state: State) -> list[str]:
    """What does not hold of a state; empty if all does. Without its plan, what depends on that is not asked."""
    found = [*_of_the_whole(state), *_of_the_table(plan, state)]
    if not state.frames:
        return found
    inside = Counter([frame.parent for frame in state.frames.values()])
    for number, frame in state.frames.items():
        found += _of_a_frame(state, number, frame)
        if plan is not None:
            found += _of_an_operation(plan, number, frame)
            found += _of_a_skippable(plan, state, number, frame)
        if type(frame) is Ending:
            found += _of_an_ending(plan, number, frame, inside[number])
    return found


def why_broken(plan: Plan | None, state: State) -> str:
    """Why a stored state cannot be a state of an instance; empty if it can be."""
    if plan is not None and plan.signature != state.signature:
        plan = None
    try:
        return "; ".join(broken(plan, state)[:3])
    except Exception as error:  # what is asked assumes something, too
        return f"{type(error).__name__}: {error}"


def _of_the_whole(state: State) -> Iterator[str]:
    if state.status not in (EXECUTING, COMPLETED, FAILURE, STOPPED):
        yield f"an instance has the status {state.status}, which does not exist"
    if (state.status == EXECUTING) != bool(state.frames):
        yield "an instance executes as long as it has frames"
    if (state.status == COMPLETED) != (state.result is not None):
        yield "an instance has a result if it is completed"
    if (state.status == FAILURE) != (state.error is not None):
        yield "an instance has an error if it has failed"
    if any(number not in state.frames for number in state.failing):
        yield "what has failed counts as long as the frame that answered is there"
    if state.status != EXECUTING and state.held:
        yield "nothing is kept for an instance that has ended"
    times = (state.head.created, state.now, state.ended)
    if min(times) < 0 or max(times) > FOREVER:
        yield "a time of an instance is before 1970 or after 9999"
    if not (0 < state.next_frame < NUMBER_MAX and 0 < state.head.run < NUMBER_MAX):
        yield "the numbers of frames and runs are counted from 1"
    if any(_is_too_large((held.expires, held.number)) for held in state.held):
        yield "a message that is kept expires at no time that is known"


def _of_the_table(plan: Plan | None, state: State) -> Iterator[str]:
    count = len(state.rows)
    for chunk in state.chunks:
        rows = unpacked(chunk)
        count += len(rows)
        if not all(map(_is_sound, rows)):
            yield _ODD_ROW
    if not all(map(_is_sound, state.rows)):
        yield _ODD_ROW
    if plan is None:
        return
    steps = len(plan.paths)
    if count > steps:
        yield f"the outcome table has {count} rows, and the template {steps} steps"
    if any(not 0 <= slot < steps for slots in state.failing.values() for slot in slots):
        yield "a step has failed that the template does not have"


def _is_sound(row: Row) -> bool:
    status, attempts, began, ended = row
    return (
        0 <= status < len(STATUSES) and 0 <= attempts < NUMBER_MAX and 0 <= began <= FOREVER and 0 <= ended <= FOREVER
    )


def _is_too_large(values: Iterable[Any]) -> bool:
    return any(type(value) is int and not -NUMBER_MAX < value < NUMBER_MAX for value in values)


def _of_a_frame(state: State, number: int, frame: Frame) -> Iterator[str]:
    if not 0 < number < state.next_frame:
        yield f"frame {number} has a number that was not given"
    if frame.parent and not (0 < frame.parent < number and frame.parent in state.frames):
        yield f"frame {number} is in {frame.parent}, which is not an older one"
    if _is_too_large(msgspec.structs.astuple(frame)):
        yield f"frame {number} has a number that is too large"
    if isinstance(frame, TIMED) and frame.due < 0:
        yield f"frame {number} has a timer before 1970"
    parent = state.frames.get(frame.parent)
    if (type(frame) is Item) != (type(parent) is Spreading) and type(frame) is not Ending:
        yield f"frame {number} is directly in a for_each, and is no item of it"
    if type(parent) is Ending and type(frame) not in (Undoing, Ending, Recalling):
        yield f"frame {number} is in what ends, and undoes nothing"
    if type(frame) is Recalling and type(parent) is not Ending:
        yield f"frame {number} waits for a child that was stopped, and nothing ends"


def _of_an_operation(plan: Plan, number: int, frame: Frame) -> Iterator[str]:
    if not 0 <= frame.op < len(plan.ops):
        yield f"frame {number} is at operation {frame.op}, and the template has {len(plan.ops)}"
        return
    kind = _OPERATIONS.get(type(frame))
    if kind is not None and type(plan.ops[frame.op]) is not kind:
        yield f"frame {number} is at a {type(plan.ops[frame.op]).__name__}, and is a {type(frame).__name__}"
    if plan.undoes and not frame.parent and number != ROOT:
        yield f"frame {number} is beside that around everything"


def _of_a_skippable(plan: Plan, state: State, number: int, frame: Frame) -> Iterator[str]:
    if type(frame) is not Scoping or not 0 <= frame.op < len(plan.ops):
        return
    op = plan.ops[frame.op]
    if isinstance(op, ops.Scope) and any(type(one.when) is ops.MessageArrives for one in op.triggers):
        listener, body = state.frames.get(number + 1), state.frames.get(number + 2)
        waits = type(listener) is Waiting and listener.parent == number
        if type(body) is Scoping and body.parent == number and not waits:
            yield f"frame {number} has a body that a message ends, and nothing waits for that"


def _of_an_ending(plan: Plan | None, number: int, frame: Ending, inside: int) -> Iterator[str]:
    if not frame.running or frame.running != inside:
        yield f"frame {number} says that it runs {frame.running}, and runs {inside}"
    if plan is not None and not plan.undoes:
        yield f"frame {number} ends later, and the plan has nothing that is waited for"
    order = [one.number for one in reversed(frame.queue) if one.number]
    if order != sorted(order, reverse=True):
        yield f"frame {number} undoes in another order than the last first"
