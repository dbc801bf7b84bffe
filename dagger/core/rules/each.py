"""A for_each: one body for each item, begun in the order of the items, so many at a time.

The items that are to begin in a step are counted in `Transition.feeding`, and one token on the stack stands for all of
them: it comes back to the opening operation with the number of the frame, begins the next item, and is put back as long
as there are more. So items begin one after the other, whatever their bodies do, and each costs the same.

A body that fails is the failure of the whole, unless a failure is a result too, or a number of bodies is enough. Then
what executes in the body is given up, and its token goes on at `Spread.lost`, in the frame of the item: the next item
begins when what had to be undone is undone.
"""

from __future__ import annotations

from collections.abc import MutableMapping, Sequence
from typing import Any, Final

from dagger.core.effects import Answered
from dagger.core.failing import note_failed
from dagger.core.functions import StepFailed, Stored, call_pure, error_of, wrong
from dagger.core.kinds import Onward, Rules
from dagger.core.leaving import leave
from dagger.core.many import MANY, Fixed, InParts
from dagger.core.state import Error, GoOn, Item, Spreading
from dagger.core.transition import Token, Transition
from dagger.errors import CodecError, message_of
from dagger.plan import ops
from dagger.plan.shapes import failed as failure_of
from dagger.plan.shapes import row

_FEED: Final = Stored(b"")
"""What the token that begins items carries instead of a value."""


def entered(tr: Transition, op: ops.Spread, stored: Stored, parent: int) -> Token | None:
    """Begin one body for each item, up to the limit."""
    if stored is _FEED:
        return _begin_next(tr, op, parent)
    tr.begin(op.slot)
    items = _items(op, call_pure(op, op.items, stored, op.shape))
    if not items:
        tr.finish(op.slot)
        return op.exit, Stored(row(())), parent
    if op.enough is not None and len(items) < op.enough:
        raise wrong(op, ValueError, f"returns {_counted(len(items))}, fewer than enough={op.enough}")
    number = tr.add_frame(Spreading(op.index, parent, _fixed(items), 0, {}))
    _feed(tr, op, number, len(items) if op.limit is None else min(op.limit, len(items)))
    return None


def ended(tr: Transition, op: ops.Gather, stored: Stored, parent: int) -> Token | None:
    """A body has ended well; the next begins, or with the last one that is needed the whole ends."""
    item = tr.frames.pop(parent)
    assert isinstance(item, Item)
    number = item.parent
    each, spread = _each(tr, number)
    each.done[item.number] = stored.raw
    if len(each.done) == (spread.enough or len(each.items)):
        tr.finish(spread.slot)
        result = row(each.done[place] for place in sorted(each.done))
        if spread.enough is None:
            del tr.frames[number]
            return spread.exit, Stored(result), each.parent
        leave(tr, number, GoOn(spread.exit, result))
        return None
    _feed_next(tr, spread, number, each)
    return None


def lost(tr: Transition, op: ops.Lose, stored: Stored, parent: int) -> None:
    """A body that has failed is given up, and undone; the next begins."""
    item = tr.frames.pop(parent)
    each, spread = _each(tr, item.parent)
    _feed_next(tr, spread, item.parent, each)


def failed(tr: Transition, number: int, item: Item, op: ops.Spread, error: Error, below: int) -> Onward | None:
    """The failure is a result, or does not count; else the whole fails with one of its bodies."""
    each = tr.frames[item.parent]
    assert isinstance(each, Spreading)
    if op.lost < 0:
        note_failed(tr, op, error)
        return op.owner, each.parent, error
    value = b""
    if op.enough is None:
        value = failure_of(each.items[item.number], error.text, error.path)
    else:
        each = tr.frames[item.parent] = Spreading(
            each.op, each.parent, each.items, each.begun, each.done, each.lost + 1
        )
        if len(each.items) - each.lost < op.enough:
            error = _too_few(op, each, error)
            note_failed(tr, op, error)
            return op.owner, each.parent, error
    tr.answered(item.parent)
    tr.effects.append(Answered(error, op.path))
    if below:
        leave(tr, below, GoOn(op.lost, value))
    else:
        tr.stack.append((op.lost, Stored(value), number))
    return None


def _too_few(op: ops.Spread, each: Spreading, last: Error) -> Error:
    text = f"fewer than {op.enough} of {_counted(len(each.items))} can succeed; the last failure: {last}"
    return Error(op.path, "AllFailed", text, last.kinds, last.pure, traceback=last.traceback)


def _counted(count: int) -> str:
    return "1 item" if count == 1 else f"{count:,} items"


def _items(op: ops.Spread, found: Any) -> list[bytes]:
    try:
        return [op.item.round_trip(item)[0] for item in found]
    except CodecError as error:
        raise wrong(op, TypeError, f"an item does not fit: {message_of(error)}") from None
    except BaseException as error:
        raise StepFailed(error_of(error, op.path)) from None


def _fixed(items: Sequence[bytes]) -> Sequence[bytes]:
    """Items as a frame has them."""
    return items if len(items) <= MANY or isinstance(items, Fixed) else Fixed(tuple(items))


def _copied(done: MutableMapping[int, bytes]) -> MutableMapping[int, bytes]:
    """A copy of results that may be changed."""
    if isinstance(done, InParts):
        return done.copy()
    return dict(done) if len(done) < MANY else InParts(done)


def _each(tr: Transition, number: int) -> tuple[Spreading, ops.Spread]:
    """The frame of a for_each, whose results this step may change, and its operation."""
    each = tr.frames[number]
    assert isinstance(each, Spreading)
    if not tr.may_change(number):
        each = tr.frames[number] = Spreading(
            each.op, each.parent, _fixed(each.items), each.begun, _copied(each.done), each.lost
        )
    op = tr.ops[each.op]
    assert isinstance(op, ops.Spread)
    return each, op


def _to_begin(tr: Transition, number: int) -> int:
    return 0 if tr.feeding is None else tr.feeding.get(number, 0)


def _feed_next(tr: Transition, op: ops.Spread, number: int, each: Spreading) -> None:
    """One more item is to begin, if there is one."""
    if each.begun + _to_begin(tr, number) < len(each.items):
        _feed(tr, op, number, 1)


def _feed(tr: Transition, op: ops.Spread, number: int, count: int) -> None:
    """So many more items are to begin, after those that are to begin already."""
    waiting = _to_begin(tr, number)
    if not waiting:
        tr.stack.append((op.index, _FEED, number))
    if tr.feeding is None:
        tr.feeding = {}
    tr.feeding[number] = waiting + count


def _begin_next(tr: Transition, op: ops.Spread, number: int) -> Token:
    each = tr.frames[number]
    assert isinstance(each, Spreading)
    assert tr.feeding is not None
    place = each.begun
    tr.frames[number] = Spreading(each.op, each.parent, each.items, place + 1, each.done, each.lost)
    tr.feeding[number] -= 1
    if tr.feeding[number]:
        tr.stack.append((op.index, _FEED, number))
    return op.body, Stored(each.items[place]), tr.add_frame(Item(op.index, number, place))


RULES: Final = Rules(failed=failed)
