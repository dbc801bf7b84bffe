"""Keys: what messages and instances are matched by. Always text that is not empty."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from enum import Enum
from typing import Any

from dagger.dsl.topics import Topic


class MissingKey(ValueError):
    """A key function gave no key, or one that is no text; the message says which and what to do."""


def key_text(value: object, encode: Callable[[Any], str] | None = None) -> str:
    """One key as text. UUIDs, whole numbers and enums have a plain form; others need the topic's `encode_key`."""
    if type(value) is str and value:
        return value if value.isascii() else _encodable(value)
    if encode is not None and value is not None and not isinstance(value, str):
        value = encode(value)
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, uuid.UUID) or (isinstance(value, int) and not isinstance(value, bool)):
        return str(value)
    if isinstance(value, str) and value:
        return _encodable(str(value))
    if value is None or value == "":
        raise MissingKey(f"the key is {value!r}; it must be text that is not empty")
    raise MissingKey(f"the key is a {type(value).__name__}; make it text, or give the topic encode_key=")


def _encodable(text: str) -> str:
    if not is_encodable(text):
        raise MissingKey(f"the key {text!r} holds half a character (a lone surrogate); use another")
    return text


def is_encodable(text: str) -> bool:
    """Whether text can be written as UTF-8: half a character cannot."""
    return text.isascii() or text.encode(errors="ignore").decode() == text


def keys_of(topic: Topic[Any], message: object, by: Callable[[Any], Any] | None = None) -> tuple[str, ...]:
    """The correlation keys of a message, without repetition; raises MissingKey where there is none."""
    found = (by or topic.key.call)(message)
    if type(found) is str and found and found.isascii():
        return (found,)
    if isinstance(found, list | tuple | set | frozenset):
        texts = dict.fromkeys([key_text(one, topic.encode_key) for one in found])  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]  # a user's value
        if not texts:
            raise MissingKey("the key function gave an empty collection; give one key or more")
        # A set has another order in each process, and the first key is what a message is partitioned by.
        return tuple(sorted(texts)) if isinstance(found, set | frozenset) else tuple(texts)
    return (key_text(found, topic.encode_key),)


def partition_key_of(topic: Topic[Any], message: object) -> str:
    """The key that a message is partitioned by: the topic's partition key, else its first correlation key."""
    if topic.partition_key is not None:
        return key_text(topic.partition_key.call(message), topic.encode_key)
    return keys_of(topic, message)[0]
