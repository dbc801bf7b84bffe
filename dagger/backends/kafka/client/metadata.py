"""What topics there are, with their ids: by them a topic that was deleted and made again is told from the one before.

aiokafka asks for metadata in version 5, which knows no ids. This is version 12 of the same request, of KIP-516
(https://cwiki.apache.org/confluence/display/KAFKA/KIP-516%3A+Topic+Identifiers), and makes no topic by being asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any, Final
from uuid import UUID

import msgspec
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError, RequestTimedOutError, for_code
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)
from typing_extensions import override

TRIES: Final = 5
"""How many brokers are asked, at random, before it is given up."""
_ABSENT: Final = 3
"""UNKNOWN_TOPIC_OR_PARTITION"""


class Id(AbstractType):
    """16 bytes."""

    @classmethod
    def encode(cls, value: bytes) -> bytes:
        """The bytes."""
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        """The bytes."""
        return data.read(16)


_PARTITION: Final = CompactArray(
    ("error_code", Int16),
    ("partition", Int32),
    ("leader", Int32),
    ("leader_epoch", Int32),
    ("replicas", CompactArray(Int32)),
    ("isr", CompactArray(Int32)),
    ("offline", CompactArray(Int32)),
    ("tags", TaggedFields),
)


class MetadataResponse12(Response):
    """https://kafka.apache.org/protocol#The_Messages_Metadata"""

    API_KEY = 3
    API_VERSION = 12
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(
                ("node_id", Int32),
                ("host", CompactString("utf-8")),
                ("port", Int32),
                ("rack", CompactString("utf-8")),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_id", CompactString("utf-8")),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", CompactString("utf-8")),
                ("id", Id),
                ("is_internal", Boolean),
                ("partitions", _PARTITION),
                ("operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class MetadataRequest12(RequestStruct):
    """https://kafka.apache.org/protocol#The_Messages_Metadata"""

    FLEXIBLE_VERSION = True
    API_KEY = 3
    API_VERSION = 12
    RESPONSE_TYPE = MetadataResponse12
    SCHEMA = Schema(
        ("topics", CompactArray(("id", Id), ("name", CompactString("utf-8")), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _Metadata(Request[MetadataRequest12]):
    API_KEY = 3

    def __init__(self, topics: Sequence[str]) -> None:
        self._topics = topics

    @override
    def build(self, request_struct_class: type[MetadataRequest12]) -> MetadataRequest12:
        return request_struct_class([(bytes(16), topic, {}) for topic in self._topics], False, False, {})


class TopicInfo(msgspec.Struct, frozen=True):
    """A topic that exists."""

    name: str
    id: str
    partitions: int


async def described(client: AIOKafkaClient, topics: Sequence[str]) -> tuple[str, dict[str, TopicInfo]]:
    """The id of the cluster, and those of the topics that exist. Raises KafkaError."""
    answer = await _asked(client, _Metadata(topics))
    found = dict[str, TopicInfo]()
    for error, name, id, _, partitions, *_ in answer.topics:
        if error == _ABSENT:
            continue
        if error:
            raise for_code(error)(name)
        found[name] = TopicInfo(name, str(UUID(bytes=id)), len(partitions))
    return answer.cluster_id, found


async def _asked(client: AIOKafkaClient, request: _Metadata) -> Any:
    """The answer of some broker: of another where one is away."""
    for left in range(TRIES, 0, -1):
        node = client.get_random_node()
        if node is None:
            break
        try:
            return await client.send(node, request)
        except (NodeNotReadyError, KafkaConnectionError, RequestTimedOutError):
            if left == 1:
                raise
    raise NodeNotReadyError("no broker is known")
