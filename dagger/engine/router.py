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
from dagger.errors import DecodeError, words_of
from dagger.plan.keys import keys_of
from dagger.plan.plan import Channel

logger: Final = logging.getLogger("dagger")


class Router:
    """Turns messages into records."""

    def __init__(self, registry: Registry, log: Log) -> None:
        self._registry = registry
        self._log = log

    def route(
        self, messages: Sequence[TopicRecord], offsets: dict[Position, int], counts: Counter[str]
    ) -> dict[Position, list[Entry]]:
        """The entries for a batch of messages, by their positions; notes their offsets."""
        orders = dict[Position, list[Entry]]()
        for message in messages:
            at = message.topic, message.partition
            offsets[at] = message.offset
            entries = orders.setdefault(at, [])
            reasons = self._take(message, entries)
            if reasons:
                counts["dead_letters"] += 1
                logger.warning("%s: a message is put aside: %s", _position(message), "; ".join(reasons))
                entries.append(dead_letter(message, "; ".join(reasons)))
        return orders

    def _take(self, message: TopicRecord, entries: list[Entry]) -> Iterable[str]:
        """Add the entries for all takers; gives why some could not: one failure keeps it from nobody else."""
        reasons: dict[str, None] = {}
        topic, one_way, takers = self._registry.takers[message.topic]
        for taker in takers:
            try:
                value = topic.wire.decode(message.payload)  # for each anew: a function may change what it is given
                if isinstance(taker, Starter):
                    entries.append(self._submitted(taker, value))
                else:
                    entries += self._received(taker, message, keys_of(topic, value, taker.by), one_way)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # whatever a user's codec, key or build function raises, SystemExit too
                reasons[f"{type(error).__name__}: {words_of(error)}"] = None
        return reasons

    def _received(self, channel: Channel, message: TopicRecord, keys: tuple[str, ...], one_way: bool) -> list[Entry]:
        """A message for the home of each key, with what it is recognised by when it comes again, or another way."""
        id = message.headers.get("dagger-id")
        if id is not None:
            id = f"{message.topic}/{id}"
        else:
            id = "" if one_way and len(keys) == 1 else _position(message)
        partitions, name = self._log.partitions, channel.name
        return [_to(partitions, key, MessageReceived(name, key, message.payload, id)) for key in keys]

    def _submitted(self, starter: Starter, value: Any) -> Entry:
        plan = starter.plan
        given = value if starter.build is None else starter.build(value)
        raw, live = plan.takes.settle(given)
        key = plan.key_of(live)
        return _to(self._log.partitions, key, Submitted(plan.template, plan.version, key, key, raw))


def _to(partitions: int, key: str, event: MessageReceived | Submitted) -> Entry:
    return Append(partition_of(key, partitions), encode_record(Record(key, event)))


def decoded(topic: Topic[Any], records: Sequence[TopicRecord]) -> tuple[list[Any], list[Entry]]:
    """The messages of records, and dead letters for those that are none."""
    messages, others = list[Any](), list[Entry]()
    for record in records:
        try:
            messages.append(topic.wire.decode(record.payload))
        except DecodeError as error:
            logger.warning("%s: a message is put aside: %s", _position(record), error)
            others.append(dead_letter(record, f"DecodeError: {words_of(error)}"))
    return messages, others


def dead_letter(message: TopicRecord, reason: str) -> Outgoing:
    """A message as it came, for the dead letters of its topic, with the reason and where it stood."""
    headers = {
        **message.headers,
        "dagger-reason": reason,
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
