"""A bound around steps: a longest duration, tries, or an answer to their failure."""

from __future__ import annotations

import zlib
from typing import Final

from dagger.core.effects import Answered, TryFailed
from dagger.core.failing import fail_frame
from dagger.core.functions import Stored, took_longer
from dagger.core.kinds import Onward, Rules
from dagger.core.leaving import leave
from dagger.core.state import FOREVER, Error, GoOn, Scope, TryAgain
from dagger.core.transition import Token, Transition
from dagger.errors import kinds_of
from dagger.plan import ops
from dagger.plan.shapes import failed as failure_of


def entered(tr: Transition, op: ops.Open, stored: Stored, parent: int) -> Token:
    """What is inside begins, and so does its time."""
    due = min(tr.now + op.after, FOREVER) if op.after >= 0 else 0
    frame = Scope(op.index, parent, stored.raw, due)
    number = tr.add_frame(frame)
    if due:
        tr.timed(number, frame)
    return op.next, stored, number


def ended(tr: Transition, op: ops.Close, stored: Stored, parent: int) -> Token:
    """What is inside has ended well."""
    return op.next, stored, tr.frames.pop(parent).parent


def failed(tr: Transition, number: int, frame: Scope, op: ops.Open, error: Error, below: int) -> Onward | None:
    """Another try begins, or a handler answers, or the failure goes on."""
    if op.retry is not None and _is_tried_again(op, op.retry, frame, error):
        _try_again(tr, op, op.retry, number, frame, error)
        return None
    if op.recover:
        tr.answered(frame.parent)
        tr.effects.append(Answered(error, tr.ops[op.other].path or "its handler"))
        leave(tr, number, GoOn(op.other, failure_of(frame.value, error.text, error.path)))
        return None
    return op.owner, frame.parent, error


def due(tr: Transition, number: int, frame: Scope) -> Token | None:
    """A pause between tries is over, or what is inside took too long."""
    op = tr.ops[frame.op]
    assert isinstance(op, ops.Open)
    if op.retry is not None:
        tr.over(number)
        tr.frames[number] = Scope(frame.op, frame.parent, frame.value, 0, frame.attempt)
        return op.next, Stored(frame.value), number
    if op.other >= 0:
        leave(tr, number, GoOn(op.other, frame.value))
    else:
        fail_frame(tr, number, Error(op.path, "TimeoutError", took_longer(op.after), kinds_of(TimeoutError)))
    return None


def _is_tried_again(op: ops.Open, rule: ops.RetryRule, frame: Scope, error: Error) -> bool:
    """Whether tries are left, and the error is of the kinds that are tried again.

    A task that has exceeded its own timeout is tried again in any case, where its own tries end.
    """
    if error.pure or frame.attempt >= rule.attempts:
        return False
    return (error.timed_out and error.path == op.path) or not set(rule.on).isdisjoint(error.kinds)


def _try_again(tr: Transition, op: ops.Open, rule: ops.RetryRule, number: int, frame: Scope, error: Error) -> None:
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
