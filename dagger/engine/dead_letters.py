"""Dead letters of external topics: messages that can't be decoded, unchanged, with the reason."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Final

from dagger.dsl.topics import Topic
from dagger.engine.headers import headers_of
from dagger.engine.ports import Outgoing, TopicRecord
from dagger.errors import DecodeError, in_line, reason_of

logger: Final = logging.getLogger("dagger")

DEAD_LETTERS: Final = ".dead-letter"
"""The suffix of the name of a dead-letter topic."""


def decoded(topic: Topic[Any], records: Sequence[TopicRecord]) -> tuple[list[Any], list[Outgoing]]:
    """The messages of records, and dead letters for records that can't be decoded."""
    messages, others = list[Any](), list[Outgoing]()
    for record in records:
        payload = record.payload
        try:
            messages.append(topic.wire.decode(payload_of(record) if payload is None else payload))
        except Exception as error:  # whatever a user's codec raises
            reason = reason_of(error)
            logger.warning("%s: a message is dead-lettered: %s", position_of(record), in_line(reason))
            others.append(dead_letter(record, reason))
    return messages, others


def payload_of(message: TopicRecord) -> bytes:
    """The bytes of a message. Raises DecodeError for a tombstone."""
    if message.payload is None:
        raise DecodeError("the message has no value (null, a tombstone)")
    return message.payload


def dead_letter(message: TopicRecord, reason: str) -> Outgoing:
    """An unchanged message for the dead-letter topic; the reason and its position are appended to its headers."""
    added = {
        "dagger-reason": reason,
        "dagger-topic": message.topic,
        "dagger-partition": str(message.partition),
        "dagger-offset": str(message.offset),
    }
    headers = (*message.headers, *headers_of(added))
    return Outgoing(dead_letter_topic(message.topic), message.key, message.payload, headers)


def without_value(letter: Outgoing) -> Outgoing:
    """A dead letter without its value, which is too large, but with the size of the value."""
    size = {"dagger-size": str(len(letter.payload or b""))}
    return Outgoing(letter.topic, letter.key, None, (*letter.headers, *headers_of(size)))


def dead_letter_topic(topic: str) -> str:
    """The dead-letter topic of a topic."""
    return f"{topic}{DEAD_LETTERS}"


def position_of(message: TopicRecord) -> str:
    """The topic, partition and offset of a message, as text."""
    return f"{message.topic}/{message.partition}/{message.offset}"
