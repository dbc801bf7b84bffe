"""A step that is an instance of its own, a child: its input stays while the child executes.

The child is started by a record of the log, and its end comes as one (`children.py`). If the step is given up, the
child is stopped, and what gives it up waits for the end of the child (`leaving.py`).
"""

from __future__ import annotations

from typing import Final

from dagger.core.effects import Send
from dagger.core.envelope import with_trace
from dagger.core.error import Error
from dagger.core.events import CallGivenUp, ChildEnded, Parent, Submitted
from dagger.core.failing import fail
from dagger.core.functions import StepFailed, Stored, call_pure, error_of, load, store_result
from dagger.core.kinds import Rules
from dagger.core.leaving import undone
from dagger.core.places import child_id
from dagger.core.state import COMPLETED, EXECUTING, FAILURE, STOPPED, Calling, Recalling
from dagger.core.tracing import kept_trace
from dagger.core.transition import Token, Transition
from dagger.dsl.paths import joined
from dagger.errors import DaggerError, kinds_of
from dagger.plan import ops
from dagger.plan.keys import key_text


def entered(tr: Transition, op: ops.Call, stored: Stored, parent: int) -> None:
    """Start the child."""
    tr.begin(op.slot)
    if not op.is_stored_alike:
        stored = store_result(op, op.takes.codec, load(op, stored))
    value = call_pure(op, op.key, stored, op.takes)
    try:
        key = key_text(value)
    except BaseException as error:
        raise StepFailed(error_of(error, op.path)) from None
    child, head = child_id(tr, op, parent), tr.state.head
    number = tr.add_frame(Calling(op.index, parent, stored.raw, child))
    trace = kept_trace(tr)
    headers = with_trace(head.headers, trace) if trace else head.headers
    caller = Parent(head.id, op.path, head.run, number, head.created)
    event = Submitted(op.template, op.version, child, key, stored.raw, tr.now, headers, parent=caller)
    tr.effects.append(Send(child, event))


def ended(tr: Transition, number: int, frame: Calling | Recalling, event: ChildEnded) -> Token | None:
    """The child has ended."""
    del tr.frames[number]
    op = tr.ops[frame.op]
    if type(frame) is Recalling:
        if tr.row(op.slot)[0] == EXECUTING:
            tr.finish(op.slot, STOPPED)
        undone(tr, frame.parent)
        return None
    if event.status == COMPLETED and event.result is not None:
        tr.finish(op.slot)
        return op.next, Stored(event.result), frame.parent
    fail(tr, op, frame.parent, _error(op, event))
    return None


def _error(op: ops.Op, event: ChildEnded) -> Error:
    error = event.error
    if event.status == FAILURE and error is not None:
        path = joined(op.path, error.path) if error.path else op.path
        return Error(path, error.type, error.message, error.kinds, error.pure)
    return Error(op.path, "ChildStopped", f"its instance '{event.child}' was stopped", kinds_of(DaggerError))


def stopped(tr: Transition, number: int, frame: Calling) -> None:
    """Stop the child; one that this very step has called is not started at all."""
    if not tr.is_ordered(number):
        tr.cancel(number)
        return
    head = tr.state.head
    caller = Parent(head.id, tr.ops[frame.op].path, head.run, number, head.created)
    tr.effects.append(Send(frame.child, CallGivenUp(caller, frame.child)))


RULES: Final = Rules(stopped=stopped)
