"""Messages from a shell: validated by a topic that an engine knows, or published unchanged."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from dagger.cli.targets import UsageError, checked_shared, checked_there, engine_of, is_url
from dagger.dsl.topics import Topic, checked_topic_name
from dagger.engine import Dagger
from dagger.engine.client.validation import checked_headers, checked_message
from dagger.engine.connect import BACKENDS, connect, scheme_of
from dagger.engine.headers import ID, headers_of
from dagger.engine.ports import Backend, Outgoing
from dagger.errors import DecodeError, TemplateError, WrongInput
from dagger.plan.keys import is_encodable


async def publish(arguments: argparse.Namespace) -> int:
    """Publish messages to a topic; returns how many. If it raises UsageError or WrongInput, none was published."""
    texts = list(_texts(arguments.messages))
    headers = _headers(arguments)
    if arguments.id is not None and len(texts) != 1:
        raise UsageError("--id is for a single message; publish several messages one by one")
    if arguments.id == "":
        raise UsageError("--id is empty; give the message an id, or leave --id out")
    if is_url(arguments.target):
        if arguments.store is None and scheme_of(BACKENDS, "TARGET", arguments.target).store_beside is not None:
            name = arguments.target.partition("://")[0]
            raise UsageError(f"{name}:// is only a log; give its store with --store")
        backend = connect(arguments.target, arguments.store)
        entries = [_as_it_is(arguments, headers, data) for _, data in texts]
    else:
        engine = engine_of(arguments.target)
        if arguments.key is not None:
            raise UsageError("--key goes with a URL; an engine's topic computes the key of a message")
        if arguments.store is not None:
            raise UsageError("--store goes with a URL; an engine has its store")
        backend = engine.backend
        topic = _topic(engine, arguments.topic)
        entries = [_checked(topic, headers, where, data) for where, data in texts]
    checked_shared(backend, arguments.target)
    checked_there(backend)
    for (where, _), entry in zip(texts, entries, strict=True):
        size = len(entry.payload or b"")
        if size > backend.size_max:
            raise WrongInput(f"{where} has {size:,} bytes, and may have {backend.size_max:,}; nothing was published")
    await _append(backend, entries)
    return len(entries)


async def _append(backend: Backend, entries: list[Outgoing]) -> None:
    async with backend.open():
        await backend.log.append(entries)


def _texts(given: list[str]) -> list[tuple[str, bytes]]:
    """The origin of each message, and its bytes."""
    found = list[tuple[str, bytes]]()
    for number, text in enumerate(given, start=1):
        if text == "-":
            lines = sys.stdin.buffer.read().splitlines()
            found += [(f"line {at}", line) for at, line in enumerate(lines, start=1) if line.strip()]
        else:
            found.append((f"message {number}", text.encode(errors="surrogateescape")))
    return found


def _headers(arguments: argparse.Namespace) -> dict[str, str]:
    headers = dict[str, str]()
    for text in arguments.header:
        name, separator, value = text.partition("=")
        if not separator or not name:
            raise UsageError(f"--header '{text}': write NAME=VALUE")
        headers[name] = value
    if arguments.id is not None:
        headers[ID] = arguments.id
    return checked_headers(arguments.topic, headers)


def _as_it_is(arguments: argparse.Namespace, headers: dict[str, str], data: bytes) -> Outgoing:
    if not arguments.key or not is_encodable(arguments.key):
        raise UsageError("a URL does not say how keys are computed: give the key of the messages with --key")
    try:
        name = checked_topic_name(arguments.topic)
    except TemplateError as error:
        raise UsageError(str(error)) from None
    return Outgoing(name, arguments.key.encode(), data, headers_of(headers))


def _topic(engine: Dagger, name: str) -> Topic[Any]:
    known = engine.topics
    if name not in known:
        names = ", ".join(sorted(known)) or "none"
        raise UsageError(f"the engine has no topic '{name}'; it has: {names}")
    return known[name]


def _checked(topic: Topic[Any], headers: dict[str, str], where: str, data: bytes) -> Outgoing:
    try:
        return checked_message(topic, topic.wire.decode(data), headers)
    except (DecodeError, WrongInput) as error:
        raise WrongInput(f"{where}: {error}; nothing was published") from None
