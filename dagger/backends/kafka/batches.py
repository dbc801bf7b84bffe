"""Entries as Kafka takes them: sorted by topic and partition, and sent in few large batches."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final, NamedTuple, TypeAlias

from dagger.backends.kafka.client import AIOKafkaProducer, BatchBuilder, RecordMetadata, TopicPartition, errors
from dagger.backends.kafka.cluster import LOOK_S, Cluster
from dagger.engine.dead_letters import DEAD_LETTERS, dead_letter_topic, without_value
from dagger.engine.headers import check_names, headers_of
from dagger.engine.ports import Append, Entry, Headers, Outgoing
from dagger.errors import BackendError, BackendUnavailable

logger: Final = logging.getLogger("dagger")

BATCH_BYTES: Final = 512 * 1024
"""How large a batch grows, in bytes: half of what a broker takes unless it is told otherwise."""
REFUSALS: Final = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.CorruptRecordException,
    errors.InvalidTopicError,
    errors.PolicyViolationError,
    errors.TopicAuthorizationFailedError,
)
"""What a broker says of entries that it will never take."""
TOO_LARGE: Final = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError)
"""Those of them that say that it is too large."""
FORBIDDEN: Final = (errors.TopicAuthorizationFailedError,)
"""Refusals that are not the fault of an entry. On the log they dead-letter nothing, as each entry would be refused."""
ROOM: Final = 4096
"""How much of a refused payload goes to the dead letters of the application, in bytes; of a key too."""
SMALLEST: Final = 1024
"""Batches are made smaller for a topic that refuses them until they have so many bytes."""
HEADERS: Final = 16 * ROOM
"""Headers that are larger are left out there."""


class EncodedEntry(NamedTuple):
    """An entry as bytes."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    entry: Entry


Batches: TypeAlias = dict[TopicPartition, list[EncodedEntry]]


class Refused(Exception):
    """A broker will never take these entries."""

    def __init__(self, place: TopicPartition, items: Sequence[EncodedEntry], error: errors.KafkaError) -> None:
        name = type(error).__name__
        why = f"{name}; raise its max.message.bytes" if isinstance(error, TOO_LARGE) else f"{name}: {error}"
        super().__init__(f"the topic '{place.topic}' does not take it: {why}")
        self.place = place
        self.items = items
        self.error = error


class Moved(errors.KafkaError):
    """A topic has no such partition: it was made again with fewer, and nothing of this was written there."""

    def __init__(self, place: TopicPartition) -> None:
        super().__init__(f"the topic '{place.topic}' has no partition {place.partition} any more: it was made again")


def batches_of(cluster: Cluster, entries: Iterable[Entry]) -> Batches:
    """Entries by their partition; their topics are known. Raises BackendError for a partition that does not exist."""
    log = cluster.options.log
    count = cluster.topics[log].partitions
    batches: Batches = {}
    for entry in entries:
        if type(entry) is Append:
            if not 0 <= entry.partition < count:
                raise BackendError(f"there is no partition {entry.partition} of '{log}'; there are {count}")
            place, item = TopicPartition(log, entry.partition), EncodedEntry(None, entry.data, (), entry)
        else:
            assert type(entry) is Outgoing
            check_names(entry.headers)
            topic = cluster.options.prefixed(entry.topic)
            place = TopicPartition(topic, cluster.partition_for(topic, entry.key or b""))
            item = EncodedEntry(entry.key, entry.payload, entry.headers, entry)
        batches.setdefault(place, []).append(item)
    return batches


async def send(
    cluster: Cluster, producer: AIOKafkaProducer, batches: Batches, *, as_one: bool = False
) -> dict[TopicPartition, BaseException]:
    """Send everything, and wait until the brokers have it; gives what went wrong, by place.

    `as_one` says that it is of one transaction: while a partition of it is missing, nothing else of it is answered.
    """
    if not batches:
        return {}
    tasks = {place: asyncio.ensure_future(_send(cluster, producer, place, items)) for place, items in batches.items()}
    try:
        done, _ = await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_EXCEPTION)
        if not (as_one and any(isinstance(task.exception(), Moved) for task in done)):
            await asyncio.wait(tasks.values())
        answers = {place: task.exception() for place, task in tasks.items() if task.done()}
    finally:
        for task in tasks.values():
            task.cancel()
    return {place: answer for place, answer in answers.items() if answer is not None}


async def _send(
    cluster: Cluster, producer: AIOKafkaProducer, place: TopicPartition, items: Sequence[EncodedEntry]
) -> None:
    """The items of one partition, in their order."""
    most = cluster.batch_bytes.get(place.topic, BATCH_BYTES)
    sent = list[tuple[asyncio.Future[RecordMetadata], Sequence[EncodedEntry]]]()
    # A client looks after the topics that it was told of, and aiokafka does not tell it of one that it knows by chance,
    # from a look at all that there are: the next look would drop it, and what was to be sent would wait for ever.
    producer.client.add_topic(place.topic)
    begun = cluster.clock.now()
    first, size, builder = 0, 0, producer.create_batch()
    for number, item in enumerate(items):
        weight = _weight(item)
        if number > first and size + weight > most:
            sent.append((await _ship(producer, builder, place), items[first:number]))
            first, size, builder = number, 0, producer.create_batch()
        builder.append(timestamp=None, key=item.key, value=item.value, headers=list(item.headers))
        size += weight
    sent.append((await _ship(producer, builder, place), items[first:]))
    for future, some in sent:
        try:
            told = await future
        except REFUSALS as error:
            if place.topic == cluster.options.log and isinstance(error, FORBIDDEN):
                raise
            raise Refused(place, some, error) from error
        if place.topic == cluster.options.log:
            cluster.clock.saw(begun, told.timestamp if told.timestamp_type else None)


def _weight(item: EncodedEntry) -> int:
    """About how large it is, in bytes."""
    headers = sum([len(name) + len(value or b"") for name, value in item.headers])
    return len(item.value or b"") + len(item.key or b"") + headers + 64 * (1 + len(item.headers))


async def _ship(
    producer: AIOKafkaProducer, builder: BatchBuilder, place: TopicPartition
) -> asyncio.Future[RecordMetadata]:
    known = producer.client.cluster.partitions_for_topic(place.topic)
    if known and place.partition not in known:  # what the producer knows may be late
        await producer.client.force_metadata_update()
        _check(producer, place)
    future = await producer.send_batch(builder, place.topic, partition=place.partition)
    watching = asyncio.get_running_loop().call_later(LOOK_S, _watch, producer, place, future)
    future.add_done_callback(partial(_heard, watching))
    return future


def _check(producer: AIOKafkaProducer, place: TopicPartition) -> None:
    """Raise Moved where a producer knows the topic, and no such partition."""
    known = producer.client.cluster.partitions_for_topic(place.topic)
    if known and place.partition not in known:
        raise Moved(place)


def _watch(producer: AIOKafkaProducer, place: TopicPartition, future: asyncio.Future[RecordMetadata]) -> None:
    """Tell who waits for a batch that its partition is gone, of which aiokafka goes on to look for the leader."""
    if future.done():
        return
    try:
        _check(producer, place)
    except Moved as moved:
        future.set_exception(moved)
    else:
        _ = producer.client.force_metadata_update()  # in a transaction, aiokafka does not ask
        asyncio.get_running_loop().call_later(LOOK_S, _watch, producer, place, future)


def _heard(watching: asyncio.TimerHandle, future: asyncio.Future[RecordMetadata]) -> None:
    """Nobody waits for what is behind a failure; it is not to complain of that."""
    watching.cancel()
    if not future.cancelled():
        future.exception()


async def addressed(cluster: Cluster, entries: Sequence[Entry]) -> Sequence[Entry]:
    """The entries with topics that exist: for one that cannot be had, those to it go to the dead letters instead."""
    prefixed = cluster.options.prefixed
    wanted = {prefixed(entry.topic) for entry in entries if type(entry) is Outgoing} - cluster.topics.keys()
    reasons = dict[str, str]()
    for topic in wanted:
        try:
            await cluster.need([topic])
        except BackendUnavailable:
            raise
        except BackendError as error:
            reasons[topic] = str(error)
    if not reasons:
        return entries
    return [_elsewhere(cluster, entry, reasons) for entry in entries]


def _elsewhere(cluster: Cluster, entry: Entry, reasons: Mapping[str, str]) -> Entry:
    """An entry, or the dead letter in its place where its topic cannot be had."""
    reason = reasons.get(cluster.options.prefixed(entry.topic)) if type(entry) is Outgoing else None
    if reason is None:
        return entry
    cluster.counts["refused"] += 1
    cluster.counts["dead_letters"] += 1
    logger.error("a message is dead-lettered: %s", reason)
    return dead_letter(cluster, entry, reason)


def instead(cluster: Cluster, refusal: Refused) -> Outgoing:
    """What is sent in place of an entry that a broker will never take; that is counted, and said."""
    (item,) = refusal.items
    entry, topic = item.entry, cluster.options.unprefixed(refusal.place.topic)
    is_large = isinstance(refusal.error, TOO_LARGE)
    if not topic.endswith(DEAD_LETTERS):  # what is a dead letter is counted already
        cluster.counts["too_large" if is_large else "refused"] += 1
        cluster.counts["dead_letters"] += 1
    letter = _letter(cluster, entry, refusal, topic)
    logger.error(
        "%s: a message of %d bytes with the key %.200r is dead-lettered in '%s': %s",
        cluster.options.place,
        _weight(item),
        item.key,
        cluster.options.prefixed(letter.topic),
        refusal,
    )
    return letter


def _letter(cluster: Cluster, entry: Entry, refusal: Refused, topic: str) -> Outgoing:
    """The dead letter of an entry that its topic refuses; in the topic's own where it is only too large."""
    if not isinstance(refusal.error, TOO_LARGE) or type(entry) is Append:
        return dead_letter(cluster, entry, str(refusal))
    assert type(entry) is Outgoing
    if topic.endswith(DEAD_LETTERS):
        return dead_letter(cluster, entry, str(refusal)) if entry.payload is None else without_value(entry)
    # Whoever reads the dead letters of a topic finds it there too, with where it was to go: it got no offset, which -1
    # stands for in Kafka.
    added = {
        "dagger-reason": str(refusal),
        "dagger-topic": topic,
        "dagger-partition": str(refusal.place.partition),
        "dagger-offset": "-1",
    }
    return Outgoing(dead_letter_topic(topic), entry.key, entry.payload, (*entry.headers, *headers_of(added)))


def without(cluster: Cluster, batches: Batches, refusal: Refused) -> list[Entry]:
    """The entries with a dead letter for each that was refused; of a large batch, those of smaller ones."""
    entries = [item.entry for items in batches.values() for item in items]
    if len(refusal.items) > 1:
        size = sum(len(item.value or b"") for item in refusal.items)
        cluster.batch_bytes[refusal.place.topic] = size // 2 if size // 2 > SMALLEST else 1
        return entries
    refused = refusal.items[0].entry
    if refusal.place.topic == cluster.options.dead_letters:
        raise BackendError(f"{cluster.options.place}: {refusal}") from refusal
    letter = instead(cluster, refusal)
    return [letter if entry is refused else entry for entry in entries]


def dead_letter(cluster: Cluster, entry: Entry, reason: str) -> Outgoing:
    """An entry that cannot be sent, for the dead letters of the application; of a large one, the beginning."""
    dead = cluster.options.unprefixed(cluster.options.dead_letters)
    if type(entry) is Append:
        added = {"dagger-reason": reason, "dagger-partition": str(entry.partition), "dagger-size": str(len(entry.data))}
        return Outgoing(dead, None, entry.data[:ROOM], headers_of(added))
    assert type(entry) is Outgoing
    added = {"dagger-reason": reason, "dagger-topic": entry.topic}
    payload = entry.payload
    if payload is not None and len(payload) > ROOM:
        added["dagger-size"] = str(len(payload))
        payload = payload[:ROOM]
    headers, key = entry.headers, entry.key
    if sum(len(name) + len(value or b"") for name, value in headers) > HEADERS:
        added["dagger-headers"] = f"{len(headers)} are left out"
        headers = ()
    if key is not None and len(key) > ROOM:
        added["dagger-key-size"] = str(len(key))
        key = key[:ROOM]
    return Outgoing(dead, key, payload, (*headers, *headers_of(added)))
