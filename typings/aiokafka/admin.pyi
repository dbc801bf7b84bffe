from collections.abc import Mapping, Sequence
from ssl import SSLContext
from typing import Any

from aiokafka import OffsetAndMetadata, TopicPartition
from aiokafka.client import AIOKafkaClient

class NewTopic:
    def __init__(
        self,
        name: str,
        num_partitions: int,
        replication_factor: int,
        replica_assignments: Mapping[int, Sequence[int]] | None = ...,
        topic_configs: Mapping[str, str] | None = ...,
    ) -> None: ...

class AIOKafkaAdminClient:
    _client: AIOKafkaClient
    def __init__(
        self,
        *,
        bootstrap_servers: str = ...,
        client_id: str = ...,
        request_timeout_ms: int = ...,
        retry_backoff_ms: int = ...,
        metadata_max_age_ms: int = ...,
        security_protocol: str = ...,
        ssl_context: SSLContext | None = ...,
        sasl_mechanism: str = ...,
        sasl_plain_username: str | None = ...,
        sasl_plain_password: str | None = ...,
    ) -> None: ...
    async def start(self) -> None: ...
    async def close(self) -> None: ...
    async def create_topics(self, new_topics: Sequence[NewTopic]) -> Any: ...
    async def delete_topics(self, topics: Sequence[str]) -> Any: ...
    async def describe_topics(self, topics: Sequence[str] | None = None) -> Sequence[Mapping[str, Any]]: ...
    async def describe_consumer_groups(self, group_ids: Sequence[str]) -> Sequence[Any]: ...
    async def list_consumer_group_offsets(
        self, group_id: str, *, partitions: Sequence[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata]: ...
