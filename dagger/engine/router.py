"""From external topics to the internal log: each message goes to the homes of its keys, in one commit with its offset.

What cannot be decoded, or has no key, goes to the topic's dead letters with the reason; the next one is routed.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

from dagger.core.events import MessageReceived, Submitted
from dagger.dsl.topics import Topic
from dagger.engine.ports import Append, Entry, Log, Outgoing, Position, TopicRecord
from dagger.engine.records import Record, encode_record, partition_of
from dagger.engine.registry import Registry, Starter
from dagger.plan.keys import keys_of

logger: Final = logging.getLogger("dagger")


class Router:
    """Turns messages into records."""

    def __init__(self, registry: Registry, log: Log) -> None:
        self._registry = registry
        self._log = log

    def route(self, messages: Sequence[TopicRecord], offsets: dict[Position, int], counts: Counter[str]) -> list[Entry]:
        """The entries for a batch of messages; notes their offsets."""
        entries = list[Entry]()
        for message in messages:
            offsets[message.topic, message.partition] = message.offset
            try:
                entries += self._entries(message)
            except Exception as error:  # whatever a user's codec, key or build function raises
                counts["dead_letters"] += 1
                logger.warning("%s: a message is put aside: %s", _position(message), error)
                entries.append(dead_letter(message, error))
        return entries

    def _entries(self, message: TopicRecord) -> list[Entry]:
        topic = self._registry.topics[message.topic]
        value = topic.wire.decode(message.payload)
        entries = list[Entry]()
        for channel in self._registry.channels.get(message.topic, {}).values():
            keys = keys_of(topic, value, channel.by)
            entries += self._received(message, channel.name, keys)
        for starter in self._registry.starters.get(message.topic, ()):
            entries.append(self._submitted(starter, topic, value))
        return entries

    def _received(self, message: TopicRecord, channel: str, keys: Iterable[str]) -> list[Entry]:
        id = message.headers.get("dagger-id", "")
        return [self._to(key, MessageReceived(channel, key, message.payload, id)) for key in keys]

    def _submitted(self, starter: Starter, topic: Topic[Any], value: Any) -> Entry:
        plan = starter.plan
        given = value if starter.build is None else starter.build(value)
        raw, live = plan.takes.settle(given)
        key = plan.key_of(live)
        return self._to(key, Submitted(plan.template, plan.version, key, key, raw))

    def _to(self, key: str, event: MessageReceived | Submitted) -> Entry:
        return Append(partition_of(key, self._log.partitions), encode_record(Record(key, event)))


def dead_letter(message: TopicRecord, error: Exception) -> Outgoing:
    """A message as it came, for the dead letters of its topic, with the reason and where it stood."""
    headers = {
        **message.headers,
        "dagger-reason": f"{type(error).__name__}: {error}",
        "dagger-topic": message.topic,
        "dagger-partition": str(message.partition),
        "dagger-offset": str(message.offset),
    }
    return Outgoing(dead_letter_topic(message.topic), message.key or "", message.payload, headers)


def dead_letter_topic(topic: str) -> str:
    """The topic that holds the dead letters of a topic."""
    return f"{topic}.dead-letter"


def _position(message: TopicRecord) -> str:
    return f"{message.topic}/{message.partition}/{message.offset}"
