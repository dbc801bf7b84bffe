"""A sleep, or a wait for a time: the value stays until then."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from dagger.core.functions import StepFailed, Stored, call_pure, error_of, wrong
from dagger.core.kinds import Rules
from dagger.core.state import FOREVER, Sleeping
from dagger.core.tracing import kept_trace
from dagger.core.transition import Token, Transition
from dagger.errors import shown
from dagger.plan import ops

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def entered(tr: Transition, op: ops.Pause, stored: Stored, parent: int) -> Token | None:
    """Keep the value until its time; a time that has come passes it on at once."""
    tr.begin(op.slot)
    at = tr.now + op.delay if op.at is None else _time_of(op, call_pure(op, op.at, stored, op.shape))
    due = min(at, FOREVER)
    if due <= tr.now:
        tr.finish(op.slot)
        return op.next, stored, parent
    tr.add_frame(Sleeping(op.index, parent, stored.raw, due, kept_trace(tr)))
    return None


def due(tr: Transition, number: int, frame: Sleeping) -> Token:
    """Its time has come."""
    del tr.frames[number]
    op = tr.ops[frame.op]
    tr.finish(op.slot)
    return op.next, Stored(frame.value), frame.parent


def _time_of(op: ops.Pause, at: Any) -> int:
    try:
        if not isinstance(at, datetime):
            raise wrong(op, TypeError, f"expects a datetime, got {shown(at)}")
        if at.utcoffset() is None:
            raise wrong(op, ValueError, f"{shown(at)} has no time zone; use datetime(..., tzinfo=...) or .astimezone()")
        delta = at - EPOCH
    except StepFailed:
        raise
    except BaseException as error:  # a user's time zone
        raise StepFailed(error_of(error, op.path)) from None
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


RULES: Final = Rules(due=due)
