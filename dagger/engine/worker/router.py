"""From external topics to the internal log: a message goes to the entities of its keys, in one commit with its offset.

What cannot be decoded, or has no key, goes to the topic's dead letters with the reason; the next one is routed.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from dagger.core.envelope import Envelope
from dagger.core.events import MessageReceived, Submitted
from dagger.dsl.topics import Topic
from dagger.engine.dead_letters import dead_letter, payload_of, position_of
from dagger.engine.headers import ID, carried, header, packed
from dagger.engine.ports import Append, Backend, Entry, Position, TopicRecord
from dagger.engine.records import Record, encode_record
from dagger.engine.registry import Registry, StartTrigger
from dagger.errors import in_line, reason_of
from dagger.plan.keys import keys_of
from dagger.plan.plan import Channel

logger: Final = logging.getLogger("dagger")

Aside: TypeAlias = Mapping[Position, Collection[str]]
"""By position, the channels for which its messages are not routed at once."""

TOO_LARGE: Final = "TooLarge"
"""The first word of the reason why something does not fit."""


class Router:
    """Turns messages into records."""

    def __init__(self, registry: Registry, backend: Backend, *, keeps_originals: bool = False) -> None:
        """`keeps_originals`: whether unmatched messages are published elsewhere, as they came."""
        self._keeps_originals = keeps_originals
        self._registry = registry
        self._backend = backend
        self._log = backend.log

    def route(
        self, messages: Sequence[TopicRecord], offsets: dict[Position, int], counts: Counter[str], aside: Aside
    ) -> dict[Position, list[Entry]]:
        """The entries for a batch of messages, by their positions, but for channels that are left aside; notes their
        offsets."""
        orders = dict[Position, list[Entry]]()
        nothing = frozenset[str]()
        for message in messages:
            at = message.topic, message.partition
            offsets[at] = message.offset
            entries = orders.setdefault(at, [])
            found = self._registry.consumers.get(message.topic)
            if found is None:
                continue
            topic, has_one_channel, receivers = found
            left_out = aside.get(at, nothing) if aside else nothing
            if left_out:
                has_one_channel = False
                receivers = tuple([one for one in receivers if one.name not in left_out])
            reasons = self._take(message, topic, receivers, entries, has_one_channel)
            if reasons:
                entries.append(self.dead_letter(message, "; ".join(reasons), counts))
        return orders

    def routed(self, messages: Sequence[TopicRecord], channel: str, counts: Counter[str]) -> list[Entry]:
        """The entries for messages that came another way to a channel that is known here."""
        topic, _, receivers = self._registry.consumers[messages[0].topic]
        wanted = [one for one in receivers if one.name == channel]
        entries = list[Entry]()
        for message in messages:
            reasons = self._take(message, topic, wanted, entries, has_one_channel=False)
            if reasons:
                entries.append(self.dead_letter(message, "; ".join(reasons), counts))
        return entries

    def dead_letter(self, message: TopicRecord, reason: str, counts: Counter[str]) -> Entry:
        """The dead letter of a message; it is counted and logged."""
        level = logging.WARNING
        if TOO_LARGE in reason:
            counts["too_large"] += 1
            level = logging.ERROR
        counts["dead_letters"] += 1
        logger.log(level, "%s: a message is dead-lettered: %s", position_of(message), in_line(reason))
        return dead_letter(message, reason)

    def envelope(self, message: TopicRecord, channel: str) -> Envelope:
        """A message that has no receiver."""
        headers = message.headers
        original = packed(message.key, headers) if self._keeps_originals else b""
        key = (message.key or b"").decode(errors="backslashreplace")
        return Envelope(channel, key, message.payload or b"", _id_of(message), carried(headers), original)

    def _take(
        self,
        message: TopicRecord,
        topic: Topic[Any],
        receivers: Iterable[Channel | StartTrigger],
        entries: list[Entry],
        has_one_channel: bool,
    ) -> Iterable[str]:
        """Add the entries for all receivers; gives why some could not: one failure keeps it from nobody else."""
        reasons: dict[str, None] = {}
        size_max = self._backend.size_max  # known once the store is open
        for consumer in receivers:
            try:
                payload = message.payload
                if payload is None:
                    payload = payload_of(message)  # the reason
                value = topic.wire.decode(payload)  # decoded for each: a function may change its argument
                if isinstance(consumer, StartTrigger):
                    ordered = [self._submitted(consumer, value, message)]
                else:
                    ordered = self._received(
                        consumer, message, payload, keys_of(topic, value, consumer.by), has_one_channel
                    )
                size = len(ordered[0].data) if len(ordered) == 1 else max([len(entry.data) for entry in ordered])
                if size > size_max:
                    reasons[f"{TOO_LARGE}: its record would have {size:,} bytes, and may have {size_max:,}"] = None
                else:
                    entries += ordered
            except (
                BaseException
            ) as error:  # whatever a user's codec, key or build function raises, including SystemExit
                reasons[reason_of(error)] = None
        return reasons

    def _received(
        self, channel: Channel, message: TopicRecord, payload: bytes, keys: tuple[str, ...], has_one_channel: bool
    ) -> list[Append]:
        """A message for the entity of each key, with the id by which it is recognised when it comes again."""
        id = _id_of(message) if message.headers else ""
        if not id and not (has_one_channel and len(keys) == 1):
            id = f"/{position_of(message)}" + (f"/{message.made}" if message.made else "")
        name = channel.name
        headers = carried(message.headers) if message.headers else {}
        original = packed(message.key, message.headers) if self._keeps_originals else b""
        entries: list[Append] = []
        for key in keys:
            event = MessageReceived(Envelope(name, key, payload, id, headers, original))
            entries.append(Append(self._log.partition_of(key), encode_record(Record(key, event))))
        return entries

    def _submitted(self, trigger: StartTrigger, value: Any, message: TopicRecord) -> Append:
        plan = trigger.plan
        given = value if trigger.build is None else trigger.build(value)
        raw, live = plan.takes.round_trip(given)
        key = plan.key_of(live)
        headers = carried(message.headers) if message.headers else {}
        event = Submitted(plan.template, plan.version, key, key, raw, headers=headers)
        return Append(self._log.partition_of(key), encode_record(Record(key, event)))


def _id_of(message: TopicRecord) -> str:
    """The id that the sender gave, with the topic; empty if the id is missing, null or empty.

    Different ids give different texts, and none gives the text of a position. Positions and ids that are not UTF-8
    begin with a slash, which the name of a topic cannot contain.
    """
    given = header(message.headers, ID)
    if not given:
        return ""
    try:
        return f"{message.topic}/{given.decode()}"
    except UnicodeDecodeError:
        return f"/{message.topic}/0x{given.hex()}"
