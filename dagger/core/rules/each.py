"""A for_each: one body for each item, begun in the order of the items, so many at a time.

The items that are to begin in a step are counted in `Transition.feeding`, and one token on the stack stands for all of
them: it comes back to the opening operation with the number of the frame, begins the next item, and is put back as long
as there are more. So items begin one after the other, whatever their bodies do, and each costs the same.
"""

from __future__ import annotations

from typing import Any, Final

from dagger.core.failing import note_failed
from dagger.core.functions import StepFailed, Stored, call_pure, error_of, wrong
from dagger.core.kinds import Onward, Rules
from dagger.core.state import Error, Item, Spreading
from dagger.core.transition import Token, Transition
from dagger.errors import CodecError, message_of
from dagger.plan import ops
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
    number = tr.add_frame(Spreading(op.index, parent, items, 0, {}))
    _feed(tr, op, number, len(items) if op.limit is None else min(op.limit, len(items)))
    return None


def ended(tr: Transition, op: ops.Gather, stored: Stored, parent: int) -> Token | None:
    """A body has ended well; the next begins, or with the last one all have."""
    item = tr.frames.pop(parent)
    number = item.parent
    each, spread = tr.frames[number], tr.ops[item.op]
    assert isinstance(item, Item)
    assert isinstance(each, Spreading)
    assert isinstance(spread, ops.Spread)
    if not tr.may_change(number):
        each = tr.frames[number] = Spreading(each.op, each.parent, each.items, each.begun, each.done.copy())
    each.done[item.number] = stored.raw
    if len(each.done) == len(each.items):
        del tr.frames[number]
        tr.finish(spread.slot)
        return spread.exit, Stored(row(each.done[place] for place in range(len(each.items)))), each.parent
    if each.begun + _to_begin(tr, number) < len(each.items):
        _feed(tr, spread, number, 1)
    return None


def failed(tr: Transition, number: int, item: Item, op: ops.Spread, error: Error, below: int) -> Onward:
    """With one of its bodies it fails as a whole."""
    note_failed(tr, op, error)
    return op.owner, tr.frames[item.parent].parent, error


def _items(op: ops.Spread, found: Any) -> tuple[bytes, ...]:
    try:
        return tuple(op.item.round_trip(item)[0] for item in found)
    except CodecError as error:
        raise wrong(op, TypeError, f"an item does not fit: {message_of(error)}") from None
    except BaseException as error:
        raise StepFailed(error_of(error, op.path)) from None


def _to_begin(tr: Transition, number: int) -> int:
    return 0 if tr.feeding is None else tr.feeding.get(number, 0)


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
    tr.frames[number] = Spreading(each.op, each.parent, each.items, place + 1, each.done)
    tr.feeding[number] -= 1
    if tr.feeding[number]:
        tr.stack.append((op.index, _FEED, number))
    return op.body, Stored(each.items[place]), tr.add_frame(Item(op.index, number, place))


RULES: Final = Rules(failed=failed)
