"""A listener or a signal: the value stays until a message comes for it.

A message that was kept for it is taken at once, the oldest first. One that the function answers with `Again` leaves the
step where it is, under its old number, so that it keeps its place among those that wait for the same.

A step that waits by a computed key subscribes at that key, and unsubscribes when it no longer waits; two steps that
wait for the same have one subscription.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

from dagger.core.effects import Send, Unmatched
from dagger.core.events import Subscribed, Unsubscribed
from dagger.core.failing import fail
from dagger.core.frames import ManyFrames
from dagger.core.functions import CannotRead, StepFailed, Stored, call_pure, error_of, store_result, wrong
from dagger.core.kinds import Rules
from dagger.core.leaving import leave
from dagger.core.rules.scope import follow
from dagger.core.state import Ending, Frame, GoOn, Held, Undoing, Waiting
from dagger.core.transition import Token, Transition
from dagger.dsl.values import Again
from dagger.errors import DecodeError
from dagger.plan import ops
from dagger.plan.keys import key_text
from dagger.plan.shapes import Shape


def entered(tr: Transition, op: ops.Listen, stored: Stored, parent: int) -> Token | None:
    """Take a message that came early, or wait for one."""
    tr.begin(op.slot)
    if op.on is None and not tr.held:
        key = "" if op.is_signal else tr.state.head.key
        tr.add_frame(Waiting(op.index, parent, stored.raw, key))
        return None
    token = _wait(tr, op, stored, parent, 0, again=False)
    if op.ahead and token is None and _listener(tr, parent).again:
        tr.stack.pop()  # the body, which has not begun
    return token


def heard(tr: Transition, number: int, frame: Waiting, payload: bytes) -> Token | None:
    """Fold a message in that has come."""
    op = tr.ops[frame.op]
    assert isinstance(op, ops.Listen)
    shape = op.again if frame.again and op.again else op.shape
    token: Token | None = None
    try:
        done, result = _fold(tr, op, Stored(frame.value), shape, payload)
        token = (op.next, result, frame.parent) if done else _wait(tr, op, result, frame.parent, number, again=True)
        if token is not None:
            del tr.frames[number]
        if op.ahead:
            token = _skip(tr, frame.parent, token)
    except StepFailed as failure:
        del tr.frames[number]
        fail(tr, op, frame.parent, failure.error)
    if op.on is not None:
        _wait_no_more(tr, op, frame.key)
    return token


def handed_over(tr: Transition, op: ops.HandOver, stored: Stored, parent: int) -> Token | None:
    """The body beside which a listener waits has ended: the listener waits on with the result."""
    number, frame = parent + 1, _listener(tr, parent)
    listen = tr.ops[frame.op]
    assert isinstance(listen, ops.Listen)
    if listen.on is None:
        tr.frames[number] = Waiting(frame.op, parent, stored.raw, frame.key)
        return None
    token: Token | None = None
    try:
        token = _wait(tr, listen, stored, parent, number, again=False)
        if token is not None:
            del tr.frames[number]
    except StepFailed as failure:
        del tr.frames[number]
        fail(tr, listen, parent, failure.error)
    _wait_no_more(tr, listen, frame.key)
    return token


def _listener(tr: Transition, scope: int) -> Waiting:
    """The listener that waits beside a body: its frame follows that of the scope around both."""
    frame = tr.frames[scope + 1]
    assert isinstance(frame, Waiting)
    return frame


def _skip(tr: Transition, scope: int, token: Token | None) -> Token | None:
    """A message has come to a listener beside a body: what executes in the body is stopped, if it has not ended, and
    the token goes on after that."""
    number = scope + 2
    body = tr.frames.get(number)
    if body is None or body.parent != scope:
        return token
    then = None if token is None else GoOn(token[0], token[1].raw)
    if type(body) is not Ending:
        leave(tr, number, then, undoes=False)
    elif then is not None:  # an earlier message has stopped it, and hooks run still
        tr.frames[number] = Ending(body.op, body.parent, then, body.queue, body.running)
    return None


def stopped(tr: Transition, number: int, frame: Waiting) -> None:
    """It is not subscribed any more."""
    op = tr.ops[frame.op]
    if isinstance(op, ops.Listen) and op.on is not None:
        _wait_no_more(tr, op, frame.key)


def _wait(tr: Transition, op: ops.Listen, stored: Stored, parent: int, number: int, *, again: bool) -> Token | None:
    """Fold in what was kept, until the listener is done or nothing is left.

    `number` is the frame of a listener that waits already, else 0: it goes on waiting at its old place. `again` says
    whether the value is that of an `Again`.
    """
    while True:
        shape = op.again if again and op.again else op.shape
        key = _awaited(tr, op, stored, shape)
        held = _early(tr, op.channel, key, _ordered(tr, parent) if op.aside >= 0 else -1)
        if held is None:
            _wait_from_now(tr, op, Waiting(op.index, parent, stored.raw, key, again), number)
            return None
        tr.drop_held(held)
        tr.take(held.message.id)
        tr.cause = held.message.headers or tr.cause
        done, result = _fold(tr, op, stored, shape, held.message.payload)
        if done:
            return op.next, result, parent
        stored, again = result, True


def _fold(tr: Transition, op: ops.Listen, stored: Stored, shape: Shape, payload: bytes) -> tuple[bool, Stored]:
    """Fold a message in: whether the listener is done, and its result or the value that it goes on waiting with."""
    try:
        message = op.decode(payload)
    except DecodeError as error:  # it could be read where it was received
        raise CannotRead(op, error) from None
    except BaseException as error:  # of a user's own type
        raise StepFailed(error_of(error, op.path)) from None
    result = message if op.fold is None else call_pure(op, op.fold, stored, shape, message)
    if type(result) is Again:
        if op.again is None:
            raise wrong(op, TypeError, "answers Again, which its return annotation does not name")
        again: Again[Any] = result  # pyright: ignore[reportUnknownVariableType]  # narrowed from Any
        return False, store_result(op, op.again.codec, again.value)
    stored_result = store_result(op, op.out, result)
    tr.finish(op.slot)
    return True, stored_result


def _awaited(tr: Transition, op: ops.Listen, stored: Stored, shape: Shape) -> str:
    if op.is_signal:
        return ""
    if op.on is None:
        return tr.state.head.key
    found = call_pure(op, op.on, stored, shape)
    try:
        return key_text(found, op.encode_key)
    except BaseException as error:
        raise StepFailed(error_of(error, op.path)) from None


def _ordered(tr: Transition, number: int) -> int:
    """What the counter of frames said when the undo or hook around was ordered."""
    frame = tr.frames[number]
    while type(frame) is not Undoing:
        frame = tr.frames[frame.parent]
    return frame.ordered


def _early(tr: Transition, channel: str, key: str, since: int) -> Held | None:
    """The first kept message that matches and has come `since`; those that have expired on the way are dropped."""
    for held in tr.held:
        if held.message.channel != channel or held.message.key != key or held.number <= since:
            continue
        if held.expires > tr.now:
            return held
        tr.drop_held(held)
        tr.effects.append(Unmatched(held.message, "expired"))
    return None


# Subscriptions.


def _wait_from_now(tr: Transition, op: ops.Listen, frame: Waiting, number: int) -> None:
    if frame.again:
        follow(tr, frame.parent, frame.value)
    if op.on is not None:
        if not _comes(tr, op, frame.key):
            tr.effects.append(Send(frame.key, Subscribed(tr.state.head.id, (op.channel,))))
        if tr.awaited is not None:
            tr.awaited[op.channel, frame.key] += 1
    if number:
        tr.frames[number] = frame
    else:
        tr.add_frame(frame)


def _wait_no_more(tr: Transition, op: ops.Listen, key: str) -> None:
    """A wait by a computed key is over: its subscription too, unless another step of the instance waits for the
    same."""
    if tr.awaited is not None:
        tr.awaited[op.channel, key] -= 1
    if not _comes(tr, op, key):
        tr.effects.append(Send(key, Unsubscribed(tr.state.head.id, (op.channel,))))


def _comes(tr: Transition, op: ops.Listen, key: str) -> bool:
    """Whether the messages of a channel and key come to the instance, whatever becomes of a listener by computed
    key."""
    if key == tr.state.head.key and op.channel in tr.plan.open_channels:
        return True
    if tr.awaited is None:
        frames = tr.frames
        if type(frames) is ManyFrames and tr.may_look():
            return (op.channel, key) in _waits(tr, frames.waiting(key))
        tr.awaited = Counter(_waits(tr, frames.items()))
    return tr.awaited[op.channel, key] > 0


def _waits(tr: Transition, frames: Iterable[tuple[int, Frame]]) -> list[tuple[str, str]]:
    """For each step that waits by a computed key, the channel and the key."""
    found = list[tuple[str, str]]()
    for _, frame in frames:
        if type(frame) is Waiting:
            op = tr.ops[frame.op]
            if isinstance(op, ops.Listen) and op.on is not None:
                found.append((op.channel, frame.key))
    return found


RULES: Final = Rules(stopped=stopped, heard=heard)
