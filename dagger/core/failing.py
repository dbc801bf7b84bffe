"""A failure goes up until something answers it.

It first finds who answers: it goes from what has failed outwards along the owners of operations and the frames that
belong to them, and asks the rule `failed` of each frame on its way. Nothing is stopped meanwhile. The frame that
answers then leaves what is inside of it, as one (`leaving.py`). If nothing answers, the instance ends.

Each step that the failure goes through is noted as FAILURE. Only the step that has failed keeps the traceback.
"""

from __future__ import annotations

from typing import Final

import msgspec

from dagger.core.kinds import RULES
from dagger.core.leaving import leave
from dagger.core.state import FAILURE, STOPPED, EndAs, Error
from dagger.core.transition import Transition
from dagger.plan import ops

_FRAMELESS: Final = frozenset[type[ops.Op]]({ops.Enter, ops.Choose})
"""What steps may be inside of, and has no frame."""


def fail(tr: Transition, op: ops.Op, parent: int, error: Error) -> None:
    """A step has failed; `parent` is the frame around it."""
    tr.failed, tr.passed = (), ()
    if op.slot >= 0:
        if type(op) is ops.Publish:
            tr.reopen(op.slot)
        tr.fail(op.slot, error)
    _propagate(tr, op.owner, parent, error, 0)


def exceed(tr: Transition, op: ops.Op, parent: int, error: Error) -> None:
    """A task has exceeded its own timeout: it is stopped, as what is in a bound is, and that is a failure."""
    tr.failed, tr.passed = ((op.slot, tr.row(op.slot)),), ()
    tr.finish(op.slot, STOPPED)
    _propagate(tr, op.owner, parent, error, 0)


def fail_frame(tr: Transition, number: int, error: Error) -> None:
    """A composite fails by itself, not by what is inside of it."""
    tr.failed, tr.passed = (), (number,)
    frame = tr.frames[number]
    _propagate(tr, tr.ops[frame.op].owner, frame.parent, error, number)


def _propagate(tr: Transition, owner: int, parent: int, error: Error, below: int) -> None:
    """Carry a failure up until something answers it; `below` is the frame directly inside of
    `parent` that it comes from, or 0."""
    while owner >= 0:
        op = tr.ops[owner]
        if type(op) in _FRAMELESS:
            note_failed(tr, op, error)
            owner = op.owner
            continue
        frame = tr.frames[parent]
        onward = RULES[type(frame)].failed(tr, parent, frame, op, error, below)
        if onward is None:
            return
        tr.passed = (*tr.passed, parent)
        below = parent
        owner, parent, error = onward
        while tr.frames[below].parent != parent:
            below = tr.frames[below].parent
    leave(tr, 0, EndAs(FAILURE, error))


def note_failed(tr: Transition, op: ops.Op, error: Error) -> None:
    """A failure goes through what is around a step."""
    if op.slot >= 0:
        tr.fail(op.slot, msgspec.structs.replace(error, traceback="") if error.traceback else error)
