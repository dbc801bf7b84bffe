"""What the composites do: begin, end well, fail, time out, and stop what is inside them.

A failure goes up along `owner`; what happens at each level is the table `_PROPAGATE`. The frame that belongs to the
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
from dagger.core.transition import StepFailed, Stored, Token, Transition, call_pure, error_of, took_longer
from dagger.errors import CodecError, kinds_of, shown, words_of
from dagger.plan import ops
from dagger.plan.shapes import failed, row, tagged

replace = msgspec.structs.replace

# Beginning and ending well.


def open_bound(transition: Transition, op: ops.Open, stored: Stored, parent: int) -> Token:
    due = min(transition.now + op.after, FOREVER) if op.after >= 0 else 0
    return op.next, stored, transition.add_frame(Scope(op.index, parent, stored.raw, due))


def close_bound(transition: Transition, op: ops.Close, stored: Stored, parent: int) -> Token:
    return op.next, stored, transition.frames.pop(parent).parent


def fork(transition: Transition, op: ops.Fork, stored: Stored, parent: int) -> None:
    if op.slot >= 0:
        transition.begin(op.slot)
    number = transition.add_frame(Gathering(op.index, parent, {}, {}))
    transition.stack.extend((start, stored, number) for start in reversed(op.branches))


def branch(transition: Transition, op: ops.Branch, stored: Stored, parent: int) -> Token:
    return op.next, stored, parent


def join(transition: Transition, op: ops.Join, stored: Stored, parent: int) -> Token | None:
    """A branch has succeeded; with the last one that is needed, the group has."""
    group, spec = _group(transition, parent)
    done = {**group.done, op.number: stored.raw}
    if len(done) < spec.needed:
        transition.frames[parent] = replace(group, done=done)
        return None
    stop_inside(transition, parent)
    del transition.frames[parent]
    if spec.slot >= 0:
        transition.finish(spec.slot)
    return spec.exit, _gathered(spec.kind, done), group.parent


def _group(transition: Transition, number: int) -> tuple[Gathering, ops.Fork]:
    frame = transition.frames[number]
    assert isinstance(frame, Gathering)
    op = transition.ops[frame.op]
    assert isinstance(op, ops.Fork)
    return frame, op


def _gathered(kind: str, done: dict[int, bytes]) -> Stored:
    if kind == "any":
        ((number, raw),) = done.items()
        return Stored(tagged(number, raw))
    if kind == "at_least":
        return Stored(row(tagged(number, done[number]) for number in sorted(done)))
    return Stored(row(done[number] for number in sorted(done)))


def choose(transition: Transition, op: ops.Choose, stored: Stored, parent: int) -> Token:
    transition.begin(op.slot)
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


def merge(transition: Transition, op: ops.Merge, stored: Stored, parent: int) -> Token:
    if op.slot >= 0:
        transition.finish(op.slot)
    return op.next, Stored(tagged(op.tag, stored.raw), stored.live), parent


def spread(transition: Transition, op: ops.Spread, stored: Stored, parent: int) -> Token | None:
    """Begin one body for each item, up to the limit."""
    transition.begin(op.slot)
    items = _items(op, call_pure(op, op.items, stored, op.shape))
    if not items:
        transition.finish(op.slot)
        return op.exit, Stored(row(())), parent
    number = transition.add_frame(Spreading(op.index, parent, items, 0, {}))
    count = len(items) if op.limit is None else min(op.limit, len(items))
    _begin_items(transition, op, number, count)
    return None


def _items(op: ops.Spread, found: Any) -> tuple[bytes, ...]:
    try:
        return tuple(op.item.round_trip(item)[0] for item in found)
    except CodecError as error:
        text = f"an item does not fit: {words_of(error)}"
        raise StepFailed(Error(op.path, "TypeError", text, kinds_of(TypeError), pure=True)) from None
    except BaseException as error:
        raise StepFailed(error_of(error, op.path)) from None


def _begin_items(transition: Transition, op: ops.Spread, number: int, count: int) -> None:
    """Begin the next `count` bodies of a Spread."""
    each = transition.frames[number]
    assert isinstance(each, Spreading)
    last = min(each.begun + count, len(each.items))
    tokens: list[Token] = []
    for index in range(each.begun, last):
        item = transition.add_frame(Item(op.index, number, index))
        tokens.append((op.body, Stored(each.items[index]), item))
    transition.frames[number] = replace(each, begun=last)
    at = _behind(transition, number)
    transition.stack[at:at] = reversed(tokens)


def _behind(transition: Transition, number: int) -> int:
    """Where on the stack a body goes that is to begin after those of the same Spread that are there."""
    at = len(transition.stack)
    for place in range(at - 1, -1, -1):
        frame = transition.frames.get(transition.stack[place][2])
        if isinstance(frame, Item) and frame.parent == number:
            at = place
        elif frame is not None:
            break
    return at


def gather(transition: Transition, op: ops.Gather, stored: Stored, parent: int) -> Token | None:
    """A body has ended well; the next begins, or with the last one all have."""
    item = transition.frames.pop(parent)
    each = transition.frames[item.parent]
    spec = transition.ops[item.op]
    assert isinstance(item, Item)
    assert isinstance(each, Spreading)
    assert isinstance(spec, ops.Spread)
    done = {**each.done, item.number: stored.raw}
    if len(done) < len(each.items):
        transition.frames[item.parent] = replace(each, done=done)
        _begin_items(transition, spec, item.parent, 1 if each.begun < len(each.items) else 0)
        return None
    del transition.frames[item.parent]
    transition.finish(spec.slot)
    return spec.exit, Stored(row(done[number] for number in sorted(done))), each.parent


def end(transition: Transition, op: ops.End, stored: Stored, parent: int) -> None:
    transition.status = COMPLETED
    transition.result = stored.raw


# Failing.


def fail(transition: Transition, op: ops.Op, parent: int, error: Error) -> None:
    """A step has failed: the first composite around that can answer does, else the instance fails."""
    transition.failed = []
    if op.slot >= 0:
        transition.fail(op.slot, error)
    propagate(transition, op.owner, parent, error)


def exceed(transition: Transition, op: ops.Op, parent: int, error: Error) -> None:
    """A task has exceeded its own timeout: it is stopped, as what is in a bound is, and that is a failure."""
    transition.failed = [(op.slot, transition.row(op.slot))]
    transition.finish(op.slot, STOPPED)
    propagate(transition, op.owner, parent, error)


def propagate(transition: Transition, owner: int, parent: int, error: Error) -> None:
    """Carry a failure up until something answers it."""
    while owner >= 0:
        op = transition.ops[owner]
        onward = _PROPAGATE[type(op)](transition, op, parent, error)
        if onward is None:
            return
        owner, parent, error = onward
    transition.status = FAILURE
    transition.error = error


def _answer(transition: Transition, number: int) -> None:
    """A failure goes no further. Where the frame is in an item, what has failed counts until the frame is gone."""
    if number and item_suffix(transition.frames, number):
        transition.answered(number)


Onward = tuple[int, int, Error]
"""Where a failure goes next: the operation and the frame around, and the error."""


def _without_traceback(error: Error) -> Error:
    """The error for the scopes around the step, which keeps the traceback itself."""
    return replace(error, traceback="") if error.traceback else error


def _through(transition: Transition, op: ops.Op, parent: int, error: Error) -> Onward:
    transition.fail(op.slot, _without_traceback(error))
    return op.owner, parent, error


def _through_bound(transition: Transition, op: ops.Open, parent: int, error: Error) -> Onward | None:
    scope = transition.frames[parent]
    assert isinstance(scope, Scope)
    if op.retry is not None and _tries_again(transition, op, op.retry, parent, scope, error):
        return None
    del transition.frames[parent]
    if op.recover:
        _answer(transition, scope.parent)
        transition.effects.append(Answered(error, transition.ops[op.other].path or "its handler"))
        answer = Stored(failed(scope.value, error.text, error.path))
        transition.stack.append((op.other, answer, scope.parent))
        return None
    return op.owner, scope.parent, error


def _tries_again(
    transition: Transition, op: ops.Open, rule: ops.RetryRule, number: int, scope: Scope, error: Error
) -> bool:
    if error.pure or scope.attempt >= rule.attempts or not _is_tried_again(op, rule, error):
        return False
    seed = f"{transition.state.id}/{op.path}{item_suffix(transition.frames, scope.parent)}"
    pause = retry_pause(rule, scope.attempt, seed)
    due = min(transition.now + pause, FOREVER)
    transition.frames[number] = replace(scope, attempt=scope.attempt + 1, due=due if pause else 0)
    transition.effects.append(TryFailed(error, scope.attempt, rule.attempts, due))
    if pause:
        _answer(transition, number)
    else:
        transition.stack.append((op.next, Stored(scope.value), number))
    return True


def _is_tried_again(op: ops.Open, rule: ops.RetryRule, error: Error) -> bool:
    """Whether an error is of the kinds that are; a task that exceeded its own timeout is, where its own tries end."""
    return (error.timed_out and error.path == op.path) or not set(rule.on).isdisjoint(error.kinds)


def _through_branch(transition: Transition, op: ops.Branch, parent: int, error: Error) -> Onward | None:
    """A group fails once too few branches are left that could still succeed."""
    group, spec = _group(transition, parent)
    reasons = {**group.failed, op.number: str(error)}
    if len(spec.branches) - len(reasons) >= spec.needed:
        transition.frames[parent] = replace(group, failed=reasons)
        _answer(transition, parent)
        transition.effects.append(Answered(error, "the other branches"))
        return None
    stop_inside(transition, parent)
    del transition.frames[parent]
    error = error if spec.kind == "all" else _all_failed(spec, reasons, error)
    if spec.slot >= 0:
        transition.fail(spec.slot, _without_traceback(error))
    return spec.owner, group.parent, error


def _all_failed(spec: ops.Fork, reasons: dict[int, str], last: Error) -> Error:
    text = "; ".join(reasons[number] for number in sorted(reasons))
    need = "no branch succeeded" if spec.kind == "any" else f"fewer than {spec.needed} branches can succeed"
    return Error(spec.path, "AllFailed", f"{need}: {text}", last.kinds, last.pure, traceback=last.traceback)


def _through_item(transition: Transition, op: ops.Spread, parent: int, error: Error) -> Onward:
    each = transition.frames[parent].parent
    stop_inside(transition, each)
    outer = transition.frames.pop(each).parent
    transition.fail(op.slot, _without_traceback(error))
    return op.owner, outer, error


_PROPAGATE: dict[type[ops.Op], Callable[[Transition, Any, int, Error], Onward | None]] = {
    ops.Enter: _through,
    ops.Choose: _through,
    ops.Open: _through_bound,
    ops.Branch: _through_branch,
    ops.Spread: _through_item,
}


# Time.


def bound_due(transition: Transition, number: int, scope: Scope) -> None:
    """The time of a bound has come: a pause between tries is over, or what is inside took too long."""
    op = transition.ops[scope.op]
    assert isinstance(op, ops.Open)
    if op.retry is not None:
        transition.over(number)
        transition.frames[number] = replace(scope, due=0)
        transition.stack.append((op.next, Stored(scope.value), number))
        return
    stop_inside(transition, number)
    del transition.frames[number]
    transition.failed = []
    if op.other >= 0:
        transition.stack.append((op.other, Stored(scope.value), scope.parent))
        return
    error = Error(op.path, "TimeoutError", took_longer(op.after), kinds_of(TimeoutError))
    propagate(transition, op.owner, scope.parent, error)


# Stopping.


def stop_inside(transition: Transition, number: int) -> None:
    """Stop all that executes below a frame; 0 is the whole instance."""
    boundary = transition.frames[number].op if number else -1
    below = [n for n in transition.frames if n != number and _is_below(transition, n, number)]
    for n in sorted(below, reverse=True):
        _stop_frame(transition, n, boundary)


def _is_below(transition: Transition, number: int, ancestor: int) -> bool:
    while number > ancestor:
        number = transition.frames[number].parent
    return number == ancestor


def _stop_task(transition: Transition, number: int) -> None:
    """A task that this very step has begun is not ordered at all."""
    if number >= transition.state.next_frame:
        transition.effects = [
            one for one in transition.effects if not (isinstance(one, RunTask) and one.frame == number)
        ]
    else:
        transition.effects.append(StopTask(number))


def _stop_frame(transition: Transition, number: int, boundary: int) -> None:
    frame = transition.frames.pop(number)
    if isinstance(frame, Running):
        _stop_task(transition, number)
    elif isinstance(frame, Waiting):
        unsubscribe(transition, frame)
    index = frame.op
    while index != boundary and index >= 0:
        op = transition.ops[index]
        if op.slot >= 0 and transition.row(op.slot)[0] == EXECUTING:
            transition.finish(op.slot, STOPPED)
        index = op.owner
