"""What the composites do: begin, end well, fail, time out, and stop what is inside them.

A failure goes up along `owner`; what happens at each level is the table `_CLIMB`. The frame that belongs to the
innermost composite with one is carried along as `parent`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from dagger.core.effects import Answered, RunTask, StopTask, TryFailed
from dagger.core.leaves import item_suffix, retry_pause, unsubscribe
from dagger.core.state import (
    COMPLETED,
    EXECUTING,
    FAILURE,
    FOREVER,
    STOPPED,
    Error,
    Gathering,
    Item,
    Running,
    Scope,
    Spreading,
    Waiting,
)
from dagger.core.turn import StepFailed, Stored, Strand, Turn, call_pure, error_of, took_longer
from dagger.errors import CodecError, kinds_of, shown, words_of
from dagger.plan import ops
from dagger.plan.shapes import failed, row, tagged

replace = msgspec.structs.replace

# Beginning and ending well.


def open_bound(turn: Turn, op: ops.Open, stored: Stored, parent: int) -> Strand:
    due = min(turn.now + op.after, FOREVER) if op.after >= 0 else 0
    return op.next, stored, turn.park(Scope(op.index, parent, stored.raw, due))


def close_bound(turn: Turn, op: ops.Close, stored: Stored, parent: int) -> Strand:
    return op.next, stored, turn.frames.pop(parent).parent


def fork(turn: Turn, op: ops.Fork, stored: Stored, parent: int) -> None:
    if op.slot >= 0:
        turn.begin(op.slot)
    number = turn.park(Gathering(op.index, parent, {}, {}))
    turn.stack.extend((start, stored, number) for start in reversed(op.branches))


def branch(turn: Turn, op: ops.Branch, stored: Stored, parent: int) -> Strand:
    return op.next, stored, parent


def join(turn: Turn, op: ops.Join, stored: Stored, parent: int) -> Strand | None:
    """A branch has succeeded; with the last one that is needed, the group has."""
    group, spec = _group(turn, parent)
    done = {**group.done, op.number: stored.raw}
    if len(done) < spec.needed:
        turn.frames[parent] = replace(group, done=done)
        return None
    stop_inside(turn, parent)
    del turn.frames[parent]
    if spec.slot >= 0:
        turn.finish(spec.slot)
    return spec.exit, _gathered(spec.kind, done), group.parent


def _group(turn: Turn, number: int) -> tuple[Gathering, ops.Fork]:
    frame = turn.frames[number]
    assert isinstance(frame, Gathering)
    op = turn.ops[frame.op]
    assert isinstance(op, ops.Fork)
    return frame, op


def _gathered(kind: str, done: dict[int, bytes]) -> Stored:
    if kind == "any":
        ((number, raw),) = done.items()
        return Stored(tagged(number, raw))
    if kind == "at_least":
        return Stored(row(tagged(number, done[number]) for number in sorted(done)))
    return Stored(row(done[number] for number in sorted(done)))


def choose(turn: Turn, op: ops.Choose, stored: Stored, parent: int) -> Strand:
    turn.begin(op.slot)
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


def merge(turn: Turn, op: ops.Merge, stored: Stored, parent: int) -> Strand:
    if op.slot >= 0:
        turn.finish(op.slot)
    return op.next, Stored(tagged(op.tag, stored.raw), stored.live), parent


def spread(turn: Turn, op: ops.Spread, stored: Stored, parent: int) -> Strand | None:
    """Begin one body for each item, up to the limit."""
    turn.begin(op.slot)
    items = _items(op, call_pure(op, op.items, stored, op.shape))
    if not items:
        turn.finish(op.slot)
        return op.exit, Stored(row(())), parent
    number = turn.park(Spreading(op.index, parent, items, 0, {}))
    count = len(items) if op.limit is None else min(op.limit, len(items))
    _begin_items(turn, op, number, count)
    return None


def _items(op: ops.Spread, found: Any) -> tuple[bytes, ...]:
    try:
        return tuple(op.item.settle(item)[0] for item in found)
    except CodecError as error:
        text = f"an item does not fit: {words_of(error)}"
        raise StepFailed(Error(op.path, "TypeError", text, kinds_of(TypeError), pure=True)) from None
    except BaseException as error:
        raise StepFailed(error_of(error, op.path)) from None


def _begin_items(turn: Turn, op: ops.Spread, number: int, count: int) -> None:
    """Begin the next `count` bodies of a Spread."""
    each = turn.frames[number]
    assert isinstance(each, Spreading)
    last = min(each.begun + count, len(each.items))
    strands: list[Strand] = []
    for index in range(each.begun, last):
        item = turn.park(Item(op.index, number, index))
        strands.append((op.body, Stored(each.items[index]), item))
    turn.frames[number] = replace(each, begun=last)
    at = _behind(turn, number)
    turn.stack[at:at] = reversed(strands)


def _behind(turn: Turn, number: int) -> int:
    """Where on the stack a body goes that is to begin after those of the same Spread that are there."""
    at = len(turn.stack)
    for place in range(at - 1, -1, -1):
        frame = turn.frames.get(turn.stack[place][2])
        if isinstance(frame, Item) and frame.parent == number:
            at = place
        elif frame is not None:
            break
    return at


def gather(turn: Turn, op: ops.Gather, stored: Stored, parent: int) -> Strand | None:
    """A body has ended well; the next begins, or with the last one all have."""
    item = turn.frames.pop(parent)
    each = turn.frames[item.parent]
    spec = turn.ops[item.op]
    assert isinstance(item, Item)
    assert isinstance(each, Spreading)
    assert isinstance(spec, ops.Spread)
    done = {**each.done, item.number: stored.raw}
    if len(done) < len(each.items):
        turn.frames[item.parent] = replace(each, done=done)
        _begin_items(turn, spec, item.parent, 1 if each.begun < len(each.items) else 0)
        return None
    del turn.frames[item.parent]
    turn.finish(spec.slot)
    return spec.exit, Stored(row(done[number] for number in sorted(done))), each.parent


def end(turn: Turn, op: ops.End, stored: Stored, parent: int) -> None:
    turn.status = COMPLETED
    turn.result = stored.raw


# Failing.


def fail(turn: Turn, op: ops.Op, parent: int, error: Error) -> None:
    """A step has failed: the first composite around that can answer does, else the instance fails."""
    turn.failed = []
    if op.slot >= 0:
        turn.fail(op.slot, error)
    climb(turn, op.owner, parent, error)


def exceed(turn: Turn, op: ops.Op, parent: int, error: Error) -> None:
    """A task has exceeded its own timeout: it is stopped, as what is in a bound is, and that is a failure."""
    turn.failed = [(op.slot, turn.row(op.slot))]
    turn.finish(op.slot, STOPPED)
    climb(turn, op.owner, parent, error)


def climb(turn: Turn, owner: int, parent: int, error: Error) -> None:
    """Carry a failure up until something answers it."""
    while owner >= 0:
        op = turn.ops[owner]
        onward = _CLIMB[type(op)](turn, op, parent, error)
        if onward is None:
            return
        owner, parent, error = onward
    turn.status = FAILURE
    turn.error = error


def _answer(turn: Turn, number: int) -> None:
    """A failure goes no further. Where the frame is in an item, what has failed counts until the frame is gone."""
    if number and item_suffix(turn.frames, number):
        turn.answered(number)


Onward = tuple[int, int, Error]
"""Where a failure goes next: the operation and the frame around, and the error."""


def _without_traceback(error: Error) -> Error:
    """The error for the scopes around the step, which keeps the traceback itself."""
    return replace(error, traceback="") if error.traceback else error


def _through(turn: Turn, op: ops.Op, parent: int, error: Error) -> Onward:
    turn.fail(op.slot, _without_traceback(error))
    return op.owner, parent, error


def _through_bound(turn: Turn, op: ops.Open, parent: int, error: Error) -> Onward | None:
    scope = turn.frames[parent]
    assert isinstance(scope, Scope)
    if op.retry is not None and _tries_again(turn, op, op.retry, parent, scope, error):
        return None
    del turn.frames[parent]
    if op.recover:
        _answer(turn, scope.parent)
        turn.effects.append(Answered(error, turn.ops[op.other].path or "its handler"))
        answer = Stored(failed(scope.value, error.text, error.path))
        turn.stack.append((op.other, answer, scope.parent))
        return None
    return op.owner, scope.parent, error


def _tries_again(turn: Turn, op: ops.Open, rule: ops.RetryRule, number: int, scope: Scope, error: Error) -> bool:
    if error.pure or scope.attempt >= rule.attempts or not _is_tried_again(op, rule, error):
        return False
    seed = f"{turn.state.id}/{op.path}{item_suffix(turn.frames, scope.parent)}"
    pause = retry_pause(rule, scope.attempt, seed)
    due = min(turn.now + pause, FOREVER)
    turn.frames[number] = replace(scope, attempt=scope.attempt + 1, due=due if pause else 0)
    turn.effects.append(TryFailed(error, scope.attempt, rule.attempts, due))
    if pause:
        _answer(turn, number)
    else:
        turn.stack.append((op.next, Stored(scope.value), number))
    return True


def _is_tried_again(op: ops.Open, rule: ops.RetryRule, error: Error) -> bool:
    """Whether an error is of the kinds that are; a task that exceeded its own timeout is, where its own tries end."""
    return (error.timed_out and error.path == op.path) or not set(rule.on).isdisjoint(error.kinds)


def _through_branch(turn: Turn, op: ops.Branch, parent: int, error: Error) -> Onward | None:
    """A group fails once too few branches are left that could still succeed."""
    group, spec = _group(turn, parent)
    reasons = {**group.failed, op.number: str(error)}
    if len(spec.branches) - len(reasons) >= spec.needed:
        turn.frames[parent] = replace(group, failed=reasons)
        _answer(turn, parent)
        turn.effects.append(Answered(error, "the other branches"))
        return None
    stop_inside(turn, parent)
    del turn.frames[parent]
    error = error if spec.kind == "all" else _all_failed(spec, reasons, error)
    if spec.slot >= 0:
        turn.fail(spec.slot, _without_traceback(error))
    return spec.owner, group.parent, error


def _all_failed(spec: ops.Fork, reasons: dict[int, str], last: Error) -> Error:
    text = "; ".join(reasons[number] for number in sorted(reasons))
    need = "no branch succeeded" if spec.kind == "any" else f"fewer than {spec.needed} branches can succeed"
    return Error(spec.path, "AllFailed", f"{need}: {text}", last.kinds, last.pure, traceback=last.traceback)


def _through_item(turn: Turn, op: ops.Spread, parent: int, error: Error) -> Onward:
    each = turn.frames[parent].parent
    stop_inside(turn, each)
    outer = turn.frames.pop(each).parent
    turn.fail(op.slot, _without_traceback(error))
    return op.owner, outer, error


_CLIMB: dict[type[ops.Op], Callable[[Turn, Any, int, Error], Onward | None]] = {
    ops.Enter: _through,
    ops.Choose: _through,
    ops.Open: _through_bound,
    ops.Branch: _through_branch,
    ops.Spread: _through_item,
}


# Time.


def bound_due(turn: Turn, number: int, scope: Scope) -> None:
    """The time of a bound has come: a pause between tries is over, or what is inside took too long."""
    op = turn.ops[scope.op]
    assert isinstance(op, ops.Open)
    if op.retry is not None:
        turn.over(number)
        turn.frames[number] = replace(scope, due=0)
        turn.stack.append((op.next, Stored(scope.value), number))
        return
    stop_inside(turn, number)
    del turn.frames[number]
    turn.failed = []
    if op.other >= 0:
        turn.stack.append((op.other, Stored(scope.value), scope.parent))
        return
    error = Error(op.path, "TimeoutError", took_longer(op.after), kinds_of(TimeoutError))
    climb(turn, op.owner, scope.parent, error)


# Stopping.


def stop_inside(turn: Turn, number: int) -> None:
    """Stop all that executes below a frame; 0 is the whole instance."""
    boundary = turn.frames[number].op if number else -1
    below = [n for n in turn.frames if n != number and _is_below(turn, n, number)]
    for n in sorted(below, reverse=True):
        _stop_frame(turn, n, boundary)


def _is_below(turn: Turn, number: int, ancestor: int) -> bool:
    while number > ancestor:
        number = turn.frames[number].parent
    return number == ancestor


def _stop_task(turn: Turn, number: int) -> None:
    """A task that this very step has begun is not ordered at all."""
    if number >= turn.state.next_frame:
        turn.effects = [one for one in turn.effects if not (isinstance(one, RunTask) and one.frame == number)]
    else:
        turn.effects.append(StopTask(number))


def _stop_frame(turn: Turn, number: int, boundary: int) -> None:
    frame = turn.frames.pop(number)
    if isinstance(frame, Running):
        _stop_task(turn, number)
    elif isinstance(frame, Waiting):
        unsubscribe(turn, frame)
    index = frame.op
    while index != boundary and index >= 0:
        op = turn.ops[index]
        if op.slot >= 0 and turn.row(op.slot)[0] == EXECUTING:
            turn.finish(op.slot, STOPPED)
        index = op.owner
