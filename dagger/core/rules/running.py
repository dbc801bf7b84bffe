"""A task: its input stays while the shell runs it. What it reports comes as an event."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dagger.core.effects import RunTask, StopTask
from dagger.core.envelope import with_trace
from dagger.core.functions import Stored
from dagger.core.head import Head
from dagger.core.kinds import Rules
from dagger.core.rounds import place_in
from dagger.core.state import Frame, Running, Scoping, State, Undoing
from dagger.core.tracing import kept_trace
from dagger.core.transition import Transition
from dagger.plan import ops
from dagger.plan.names import quoted_path
from dagger.plan.plan import Plan


def entered(tr: Transition, op: ops.Task, stored: Stored, parent: int) -> None:
    """Keep the input; the shell runs the task once this is committed."""
    tr.begin(op.slot)
    frame = Running(op.index, parent, stored.raw, _attempt(tr, parent), kept_trace(tr))
    number = tr.add_frame(frame)
    tr.effects.append(_order(tr.state.head, tr.ops, tr.frames, number, frame))


def stopped(tr: Transition, number: int, frame: Running) -> None:
    """Call it off; a task that this very step has begun is not ordered at all."""
    if tr.is_ordered(number):
        tr.effects.append(StopTask(number))
    else:
        tr.cancel(number)


def running(plan: Plan, state: State) -> tuple[RunTask, ...]:
    """The tasks that must be running for a state: what an owner starts after a take-over."""
    return tuple(
        _order(state.head, plan.ops, state.frames, number, frame)
        for number, frame in state.frames.items()
        if isinstance(frame, Running)
    )


def _attempt(tr: Transition, parent: int) -> int:
    """Which try this is, of the innermost retry around; what undoes is not part of the tries of what it undoes."""
    while parent:
        frame = tr.frames[parent]
        if type(frame) is Undoing:
            return 1
        if type(frame) is Scoping and _is_retried(tr.ops[frame.op]):
            return frame.attempt
        parent = frame.parent
    return 1


def _is_retried(op: ops.Op) -> bool:
    return isinstance(op, ops.Scope) and any(trigger.tries is not None for trigger in op.triggers)


def _order(head: Head, table: tuple[ops.Op, ...], frames: Mapping[int, Frame], number: int, frame: Running) -> RunTask:
    key = f"{head.run_name}/{quoted_path(table[frame.op].path)}{place_in(table, frames, frame.parent)}"
    headers = with_trace(head.headers, frame.trace) if frame.trace else head.headers
    return RunTask(number, frame.op, frame.attempt, key, frame.value, headers)


RULES: Final = Rules(stopped=stopped)
