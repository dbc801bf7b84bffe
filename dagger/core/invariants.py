"""What holds of every state that a step gives, and of every one that is stored: asserted where tests read one."""

from __future__ import annotations

from collections.abc import Iterator

from dagger.core.leaving import ROOT
from dagger.core.state import (
    COMPLETED,
    EXECUTING,
    FAILURE,
    STOPPED,
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
from dagger.plan import ops
from dagger.plan.plan import Plan

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


def broken(plan: Plan, state: State) -> list[str]:
    """What does not hold of a state; empty if all does."""
    return [*_of_the_whole(state), *(text for one in state.frames.items() for text in _of_a_frame(plan, state, *one))]


def _of_the_whole(state: State) -> Iterator[str]:
    if state.status not in (EXECUTING, COMPLETED, FAILURE, STOPPED):
        yield f"an instance does not stand at {state.status}"
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


def _of_a_frame(plan: Plan, state: State, number: int, frame: Frame) -> Iterator[str]:
    if not 0 < number < state.next_frame:
        yield f"frame {number} has a number that was not given"
    if frame.parent and (frame.parent >= number or frame.parent not in state.frames):
        yield f"frame {number} is in {frame.parent}, which is not an older one"
    kind = _OPERATIONS.get(type(frame))
    if kind is not None and type(plan.ops[frame.op]) is not kind:
        yield f"frame {number} is at a {type(plan.ops[frame.op]).__name__}, and is a {type(frame).__name__}"
    parent = state.frames.get(frame.parent)
    if (type(frame) is Item) != (type(parent) is Spreading) and type(frame) is not Ending:
        yield f"frame {number} is directly in a for_each, and is no item of it"
    if type(parent) is Ending and type(frame) not in (Undoing, Ending, Recalling):
        yield f"frame {number} is in what ends, and undoes nothing"
    if type(frame) is Recalling and type(parent) is not Ending:
        yield f"frame {number} waits for a child that was stopped, and nothing ends"
    if type(frame) is Ending:
        yield from _of_an_ending(plan, state, number, frame)
    if plan.undoes and not frame.parent and number != ROOT:
        yield f"frame {number} is beside that around everything"


def _of_an_ending(plan: Plan, state: State, number: int, frame: Ending) -> Iterator[str]:
    inside = sum(one.parent == number for one in state.frames.values())
    if not frame.running or frame.running != inside:
        yield f"frame {number} says that it runs {frame.running}, and runs {inside}"
    if not plan.undoes:
        yield f"frame {number} ends later, and the plan has nothing that is waited for"
    order = [one.number for one in reversed(frame.queue) if one.number]
    if order != sorted(order, reverse=True):
        yield f"frame {number} undoes in another order than the last first"
