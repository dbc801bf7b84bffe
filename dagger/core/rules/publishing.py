"""A command: it publishes what its function builds, and the input passes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dagger.core.effects import Publish
from dagger.core.functions import StepFailed, Stored, call_pure, error_of, load, wrong
from dagger.core.tracing import trace_context
from dagger.core.transition import Token, Transition
from dagger.dsl.values import Message
from dagger.errors import shown
from dagger.plan import ops
from dagger.plan.keys import is_encodable, key_text, partition_key_of

_SEVERAL: Final = (list, tuple)
"""What a command's function may return several messages in; a named tuple is one message."""


def publish(tr: Transition, op: ops.Publish, stored: Stored, parent: int) -> Token:
    """Build, encode and order the messages; the input passes on."""
    # Noted as complete at once: a failure opens the row again.
    head = tr.state.head
    id = f"{head.run_name}/{op.path}/{tr.complete(op.slot)}"
    build = op.build
    built = load(op, stored) if build is None else call_pure(op, build, stored, op.shape)
    trace = trace_context(tr) if tr.cause or head.headers else {}
    if op.many and type(built) in _SEVERAL:
        tr.effects += [_message(op, message, f"{id}.{n}", trace) for n, message in enumerate(built)]
    else:
        tr.effects.append(_message(op, built, id, trace))
    return op.next, stored, parent


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
        raise wrong(op, TypeError, f"the headers of its message are {shown(given)}; give a dict of text")
    headers: dict[Any, Any] = dict(given)  # pyright: ignore[reportUnknownArgumentType]  # a user's value
    for name, text in headers.items():
        if not isinstance(name, str) or not isinstance(text, str):
            raise wrong(op, TypeError, f"header {shown(name)} is {shown(text)}; names and values of headers are text")
        if not is_encodable(name) or not is_encodable(text):
            raise wrong(
                op, ValueError, f"header {shown(name)} is {shown(text)}, which holds half a character; use another"
            )
    key: Any = envelope.key
    if key is not None and not isinstance(key, str):
        raise wrong(op, TypeError, f"the key of its message is {shown(key)}; a key is text")
    return headers, None if key is None else key_text(key), envelope.value
