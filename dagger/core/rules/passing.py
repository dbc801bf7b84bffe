"""Operations that have no frame: what comes to them passes on at once, or its step fails."""

from __future__ import annotations

from typing import Any

from dagger.core.functions import StepFailed, Stored, call_pure, error_of, load, store_result
from dagger.core.state import COMPLETED, Error
from dagger.core.transition import Token, Transition
from dagger.errors import kinds_of, shown
from dagger.plan import ops
from dagger.plan.shapes import tagged


def apply(tr: Transition, op: ops.Apply, stored: Stored, parent: int) -> Token:
    """Apply a pure function: nothing new is stored, the function is part of how the value is loaded."""
    result = call_pure(op, op.fn, stored, op.shape)
    mapped = Stored(stored.raw, result) if op.frozen else Stored(stored.raw)
    return op.next, mapped, parent


def retype(tr: Transition, op: ops.Retype, stored: Stored, parent: int) -> Token:
    """Store the value by a declared type: the same bytes whichever way it has come."""
    return op.next, store_result(op, op.out, load(op, stored)), parent


def choose(tr: Transition, op: ops.Choose, stored: Stored, parent: int) -> Token:
    """Take one of several ways."""
    if op.slot >= 0:
        tr.begin(op.slot)
    value = call_pure(op, op.fn, stored, op.shape)
    try:
        kind: type[Any] = type(value)  # pyright: ignore[reportUnknownVariableType]  # narrowed from Any
        start = op.cases.get((kind, value), op.default)
    except BaseException as error:
        raise StepFailed(error_of(error, op.path)) from None
    if start < 0:
        text = f"no case for {shown(value)}, and no otherwise"
        raise StepFailed(Error(op.path, "LookupError", text, kinds_of(LookupError), pure=True))
    return start, stored, parent


def merge(tr: Transition, op: ops.Merge, stored: Stored, parent: int) -> Token:
    """One of several ways ends: its number is kept with the value."""
    if op.slot >= 0:
        tr.finish(op.slot)
    return op.next, Stored(tagged(op.tag, stored.raw), stored.live), parent


def branch(tr: Transition, op: ops.Branch, stored: Stored, parent: int) -> Token:
    """A branch begins."""
    return op.next, stored, parent


def end(tr: Transition, op: ops.End, stored: Stored, parent: int) -> None:
    """The template ends well."""
    tr.status = COMPLETED
    tr.result = stored.raw
