"""What each simple operation does with a value: pass it on, or park it in a frame."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from dagger.core.effects import Publish, RunTask, Send, Unmatched
from dagger.core.envelope import trace_of, with_trace
from dagger.core.events import Subscribed, Unsubscribed
from dagger.core.head import Head
from dagger.core.state import (
    FOREVER,
    Error,
    Held,
    Item,
    Running,
    Scope,
    Sleeping,
    State,
    Waiting,
)
from dagger.core.transition import (
    CannotRead,
    StepFailed,
    Stored,
    Token,
    Transition,
    call_pure,
    error_of,
    look,
    store_result,
)
from dagger.dsl.values import Again, Message
from dagger.errors import DecodeError, kinds_of, shown
from dagger.plan import ops
from dagger.plan.keys import is_encodable, key_text, partition_key_of
from dagger.plan.names import quoted, quoted_path
from dagger.plan.plan import Plan
from dagger.plan.shapes import Shape, Unreadable

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SEVERAL: Final = (list, tuple)
"""What a command's function may return several messages in; a named tuple is one message."""


def publish(transition: Transition, op: ops.Publish, stored: Stored, parent: int) -> Token:
    """Build, encode and order the messages; the input passes on."""
    # Noted as done at once: should it fail, that is noted over it.
    head = transition.state.head
    id = f"{quoted(head.id)}/{op.path}/{transition.complete(op.slot)}"
    build = op.build
    built = _looked(op, stored) if build is None else call_pure(op, build, stored, op.shape)
    trace = transition.trace() if transition.cause or head.headers else {}
    if op.many and type(built) in _SEVERAL:
        transition.effects += [_message(op, message, f"{id}.{n}", trace) for n, message in enumerate(built)]
    else:
        transition.effects.append(_message(op, built, id, trace))
    return op.next, stored, parent


def _looked(op: ops.Op, stored: Stored) -> Any:
    try:
        return look(stored, op.shape)
    except Unreadable as error:
        raise CannotRead(op, error) from None
    except BaseException as error:
        raise StepFailed(error_of(error, op.path)) from None


def _message(op: ops.Publish, message: Any, id: str, trace: dict[str, str]) -> Publish:
    headers, key = trace, None
    try:
        if type(message) is Message:
            given, key, message = _opened(op, message)  # pyright: ignore[reportUnknownArgumentType]  # narrowed from Any
            headers = {**trace, **given} if "traceparent" not in given else given
        payload = op.encode(message)
        if key is None:
            key = op.key(message)
            if type(key) is not str or not key or not key.isascii():
                key = partition_key_of(op.topic, message)
    except StepFailed:
        raise
    except BaseException as error:
        raise StepFailed(error_of(error, op.path)) from None
    return Publish(op.topic.name, key, payload, id, headers)


def _opened(op: ops.Publish, envelope: Message[Any]) -> tuple[dict[str, str], str | None, Any]:
    """The headers, the key and the value of an envelope. Headers and keys are text, which can be written."""
    given: Any = envelope.headers
    if not isinstance(given, Mapping):
        raise _wrong(op, TypeError, f"the headers of its message are {shown(given)}; give a dict of text")
    headers: dict[Any, Any] = dict(given)  # pyright: ignore[reportUnknownArgumentType]  # a user's value
    for name, text in headers.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise _wrong(op, TypeError, f"header {shown(name)} is {shown(text)}; names and values of headers are text")
        if not is_encodable(name) or not is_encodable(text):
            raise _wrong(
                op, ValueError, f"header {shown(name)} is {shown(text)}, which holds half a character; use another"
            )
    key: Any = envelope.key
    if key is not None and not isinstance(key, str):
        raise _wrong(op, TypeError, f"the key of its message is {shown(key)}; a key is text")
    return headers, None if key is None else key_text(key), envelope.value


def run_task(transition: Transition, op: ops.Run, stored: Stored, parent: int) -> None:
    """Park the input; the shell runs the task once this is committed."""
    transition.begin(op.slot)
    trace = trace_of(transition.cause) if transition.cause else {}
    frame = Running(op.index, parent, stored.raw, _attempt(transition, parent), trace)
    number = transition.add_frame(frame)
    transition.effects.append(_order(transition.state.head, transition.ops, transition.frames, number, frame))


def _attempt(transition: Transition, parent: int) -> int:
    """Which try this is, of the innermost retry around."""
    while parent:
        frame = transition.frames[parent]
        if isinstance(frame, Scope) and _tries(transition.ops[frame.op]):
            return frame.attempt
        parent = frame.parent
    return 1


def _tries(op: ops.Op) -> bool:
    return isinstance(op, ops.Open) and op.retry is not None


def running(plan: Plan, state: State) -> tuple[RunTask, ...]:
    """The tasks that must be running for a state: what an owner starts after a take-over."""
    return tuple(
        _order(state.head, plan.ops, state.frames, number, frame)
        for number, frame in state.frames.items()
        if isinstance(frame, Running)
    )


def _order(head: Head, table: tuple[ops.Op, ...], frames: Any, number: int, frame: Running) -> RunTask:
    key = f"{quoted(head.id)}/{quoted_path(table[frame.op].path)}{item_suffix(frames, frame.parent)}"
    headers = with_trace(head.headers, frame.trace) if frame.trace else head.headers
    return RunTask(number, frame.op, frame.attempt, key, frame.value, headers)


def item_suffix(frames: Any, parent: int) -> str:
    """Which items of for_each a frame is in: `[2]`, `[0][7]`, or nothing."""
    suffix = ""
    while parent:
        frame = frames[parent]
        if isinstance(frame, Item):
            suffix = f"[{frame.number}]{suffix}"
        parent = frame.parent
    return suffix


def pause(transition: Transition, op: ops.Pause, stored: Stored, parent: int) -> Token | None:
    """Park the value until its time; a time that has come passes it on at once."""
    transition.begin(op.slot)
    at = transition.now + op.delay if op.at is None else _time_of(op, call_pure(op, op.at, stored, op.shape))
    due = min(at, FOREVER)
    if due <= transition.now:
        transition.finish(op.slot)
        return op.next, stored, parent
    transition.add_frame(Sleeping(op.index, parent, stored.raw, due))
    return None


def _time_of(op: ops.Pause, at: Any) -> int:
    try:
        if not isinstance(at, datetime):
            raise _wrong(op, TypeError, f"wants a datetime, got {shown(at)}")
        if at.utcoffset() is None:
            raise _wrong(
                op, ValueError, f"{shown(at)} has no time zone; use datetime(..., tzinfo=...) or .astimezone()"
            )
        delta = at - EPOCH
    except StepFailed:
        raise
    except BaseException as error:  # a user's time zone
        raise StepFailed(error_of(error, op.path)) from None
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _wrong(op: ops.Op, kind: type[Exception], text: str) -> StepFailed:
    return StepFailed(Error(op.path, kind.__name__, text, kinds_of(kind), pure=True))


def apply(transition: Transition, op: ops.Apply, stored: Stored, parent: int) -> Token:
    """Apply a pure function: nothing new is stored, the function is part of how the value is loaded."""
    result = call_pure(op, op.fn, stored, op.shape)
    mapped = Stored(stored.raw, result) if op.out.frozen else Stored(stored.raw)
    return op.next, mapped, parent


def listen(transition: Transition, op: ops.Listen, stored: Stored, parent: int) -> Token | None:
    """Take a message that came early, or wait for one."""
    transition.begin(op.slot)
    if op.on is None and not transition.held:
        key = "" if op.is_signal else transition.state.head.key
        transition.add_frame(Waiting(op.index, parent, stored.raw, key))
        return None
    return wait(transition, op, stored, parent)


def wait(transition: Transition, op: ops.Listen, stored: Stored, parent: int, number: int = 0) -> Token | None:
    """Fold in what was kept, until the listener is done or nothing is left.

    `number` is the frame of a listener that has answered Again: it goes on waiting at its old place.
    """
    again = number > 0
    while True:
        shape = op.again if again and op.again else op.shape
        key = _awaited(transition, op, stored, shape)
        held = _early(transition, op.channel, key)
        if held is None:
            _park_wait(transition, op, Waiting(op.index, parent, stored.raw, key, again), number)
            return None
        transition.drop_held(held)
        transition.take(held.message.id)
        done, result = fold(transition, op, stored, shape, held.message.payload)
        if done:
            return op.next, result, parent
        stored, again = result, True


def fold(transition: Transition, op: ops.Listen, stored: Stored, shape: Shape, payload: bytes) -> tuple[bool, Stored]:
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
            raise _wrong(op, TypeError, "answers Again, which its return annotation does not name")
        again: Again[Any] = result  # pyright: ignore[reportUnknownVariableType]  # narrowed from Any
        return False, store_result(op, op.again.codec, again.value)
    settled = store_result(op, op.out, result)
    transition.finish(op.slot)
    return True, settled


def _awaited(transition: Transition, op: ops.Listen, stored: Stored, shape: Shape) -> str:
    if op.is_signal:
        return ""
    if op.on is None:
        return transition.state.head.key
    found = call_pure(op, op.on, stored, shape)
    try:
        return key_text(found, op.encode_key)
    except BaseException as error:
        raise StepFailed(error_of(error, op.path)) from None


def _early(transition: Transition, channel: str, key: str) -> Held | None:
    """The first kept message that matches; those that have expired on the way there are dropped."""
    for held in transition.held:
        if held.message.channel != channel or held.message.key != key:
            continue
        if held.expires > transition.now:
            return held
        transition.drop_held(held)
        transition.effects.append(Unmatched(held.message, "expired"))
    return None


def _park_wait(transition: Transition, op: ops.Listen, frame: Waiting, number: int) -> None:
    if not _comes(transition, op, frame.key):
        transition.effects.append(Send(frame.key, Subscribed(transition.state.head.id, (op.channel,))))
    if number:
        transition.frames[number] = frame
    else:
        transition.add_frame(frame)


def unsubscribe(transition: Transition, frame: Waiting) -> None:
    """A wait is over: its subscription too, unless another step of the instance waits for the same."""
    op = transition.ops[frame.op]
    if isinstance(op, ops.Listen) and not _comes(transition, op, frame.key):
        transition.effects.append(Send(frame.key, Unsubscribed(transition.state.head.id, (op.channel,))))


def _comes(transition: Transition, op: ops.Listen, key: str) -> bool:
    """Whether the messages of a channel and key come to the instance, whatever becomes of this listener."""
    if op.on is None or (key == transition.state.head.key and op.channel in transition.plan.open_channels):
        return True
    return _awaits(transition, op.channel, key)


def _awaits(transition: Transition, channel: str, key: str) -> bool:
    """Whether some step waits by a computed key for this channel and key."""
    for frame in transition.frames.values():
        if isinstance(frame, Waiting) and frame.key == key:
            op = transition.ops[frame.op]
            if isinstance(op, ops.Listen) and op.channel == channel and op.on is not None:
                return True
    return False


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
