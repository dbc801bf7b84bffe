"""What aiokafka does not ask a group's coordinator: for offsets that no open transaction can change any more.

A transaction's offsets are pending from `TxnOffsetCommit` until its markers are written, also after its end was
answered. `OffsetFetch` since version 7 can be told to refuse them meanwhile (`require_stable`, KIP-447,
https://cwiki.apache.org/confluence/display/KAFKA/KIP-447%3A+Producer+scalability+for+exactly+once+semantics);
aiokafka speaks version 3.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any, Final

import msgspec
from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition, errors
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.group import HeartbeatRequest
from aiokafka.protocol.transaction import InitProducerIdRequest
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)
from typing_extensions import override

PAUSE_S: Final = 0.02
"""How long is waited before a coordinator is asked again, in seconds."""
UNSTABLE: Final = 88
"""UNSTABLE_OFFSET_COMMIT, which aiokafka does not know."""
_LATER: Final = (
    errors.CoordinatorLoadInProgressError,
    errors.CoordinatorNotAvailableError,
    errors.NotCoordinatorError,
    errors.ConcurrentTransactions,
)
"""What a coordinator answers that may answer otherwise soon."""
_AWAY: Final = (errors.NodeNotReadyError, errors.KafkaConnectionError, errors.RequestTimedOutError)


class GroupMetadata(msgspec.Struct, frozen=True):
    """Who somebody is in a group: what Java's clients call `ConsumerGroupMetadata`."""

    group: str
    generation: int
    member: str


def group_metadata(consumer: AIOKafkaConsumer) -> GroupMetadata:
    """Who a consumer is in its group now. aiokafka rejoins in the background, and changes that then."""
    coordinator: Any = consumer._coordinator
    return GroupMetadata(coordinator.group_id, coordinator.generation, coordinator.member_id)


class OffsetFetchResponse7(Response):
    """https://kafka.apache.org/protocol#The_Messages_OffsetFetch"""

    API_KEY = 9
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("name", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", CompactString("utf-8")),
                        ("error_code", Int16),
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("error_code", Int16),
        ("tags", TaggedFields),
    )


class OffsetFetchRequest7(RequestStruct):
    """https://kafka.apache.org/protocol#The_Messages_OffsetFetch"""

    FLEXIBLE_VERSION = True
    API_KEY = 9
    API_VERSION = 7
    RESPONSE_TYPE = OffsetFetchResponse7
    SCHEMA = Schema(
        ("group", CompactString("utf-8")),
        (
            "topics",
            CompactArray(
                ("name", CompactString("utf-8")),
                ("partitions", CompactArray(Int32)),
                ("tags", TaggedFields),
            ),
        ),
        ("require_stable", Boolean),
        ("tags", TaggedFields),
    )


class OffsetFetchStable(Request[OffsetFetchRequest7]):
    """Asks for offsets, of which none may be pending unless `is_stable` is False."""

    API_KEY = 9

    def __init__(self, group: str, places: Collection[TopicPartition], is_stable: bool = True) -> None:
        self._group = group
        self._is_stable = is_stable
        self._partitions = defaultdict[str, list[int]](list)
        for place in places:
            self._partitions[place.topic].append(place.partition)

    @override
    def build(self, request_struct_class: type[OffsetFetchRequest7]) -> OffsetFetchRequest7:
        topics = [(topic, partitions, dict[int, bytes]()) for topic, partitions in self._partitions.items()]
        return request_struct_class(self._group, topics, self._is_stable, {})


async def stable_offsets(
    client: AIOKafkaClient, group: str, places: Collection[TopicPartition]
) -> tuple[dict[TopicPartition, OffsetAndMetadata], set[TopicPartition]]:
    """The committed offsets, without partitions that have none, and the partitions whose offsets are pending.

    Raises KafkaError.
    """
    answer = await _ask(
        client, CoordinationType.GROUP, group, OffsetFetchStable(group, places), lambda answer: answer.error_code
    )
    found, pending = dict[TopicPartition, OffsetAndMetadata](), set[TopicPartition]()
    for topic, partitions, _ in answer.topics:
        for partition, offset, _, metadata, code, _ in partitions:
            if code == UNSTABLE:
                pending.add(TopicPartition(topic, partition))
            elif code:
                raise errors.for_code(code)(f"partition {partition} of '{topic}'")
            elif offset >= 0:
                found[TopicPartition(topic, partition)] = OffsetAndMetadata(offset, metadata or "")
    return found, pending


async def is_current(client: AIOKafkaClient, member: GroupMetadata) -> bool:
    """Whether a member is in its generation, and no rebalance is under way. Raises KafkaError."""
    request = HeartbeatRequest(member.group, member.generation, member.member)
    try:
        await _ask(client, CoordinationType.GROUP, member.group, request, lambda answer: answer.error_code)
    except (errors.IllegalGenerationError, errors.RebalanceInProgressError, errors.UnknownMemberIdError):
        return False
    return True


async def fence(client: AIOKafkaClient, transactional_id: str, timeout_ms: int) -> None:
    """Initialise a transactional id: its open transaction is settled, and whoever has used it is fenced.

    Raises KafkaError.
    """
    request = InitProducerIdRequest(transactional_id, timeout_ms)
    await _ask(client, CoordinationType.TRANSACTION, transactional_id, request, lambda answer: answer.error_code)


async def _ask(
    client: AIOKafkaClient, kind: int, key: str, request: Request[Any], code_of: Callable[[Any], int]
) -> Any:
    """The answer of a coordinator, also if it has just become one. Goes on asking until it is cancelled."""
    while True:
        try:
            node = await client.coordinator_lookup(kind, key)
            answer = await client.send(node, request)
        except _LATER:
            pass
        except _AWAY:
            _ = client.force_metadata_update()
        else:
            error = errors.for_code(code_of(answer))
            if not issubclass(error, _LATER):
                if error is not errors.NoError:
                    raise error(key)
                return answer
        await asyncio.sleep(PAUSE_S)
