"""aiokafka, as the rest of the backend uses it: no other module of Dagger imports it.

Some of what is here relies on aiokafka's private attributes and inner modules, which any release may change. That is
why `pyproject.toml` bounds its version from above. `tests/kafka/test_internals.py` checks each assumption by its name.
"""

from aiokafka import AIOKafkaConsumer as AIOKafkaConsumer
from aiokafka import AIOKafkaProducer as AIOKafkaProducer
from aiokafka import ConsumerRebalanceListener as ConsumerRebalanceListener
from aiokafka import ConsumerRecord as ConsumerRecord
from aiokafka import OffsetAndMetadata as OffsetAndMetadata
from aiokafka import TopicPartition as TopicPartition
from aiokafka import errors as errors
from aiokafka.admin import AIOKafkaAdminClient as AIOKafkaAdminClient
from aiokafka.admin import NewTopic as NewTopic
from aiokafka.client import AIOKafkaClient as AIOKafkaClient
from aiokafka.cluster import ClusterMetadata as ClusterMetadata
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor as AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment as ConsumerProtocolMemberAssignment
from aiokafka.coordinator.protocol import ConsumerProtocolMemberMetadata as ConsumerProtocolMemberMetadata
from aiokafka.partitioner import murmur2 as murmur2
from aiokafka.producer.message_accumulator import BatchBuilder as BatchBuilder
from aiokafka.structs import RecordMetadata as RecordMetadata

from dagger.backends.kafka.client.brokers import Brokers as Brokers
from dagger.backends.kafka.client.brokers import Unreached as Unreached
from dagger.backends.kafka.client.connections import KafkaClient as KafkaClient
from dagger.backends.kafka.client.connections import adopt as adopt
from dagger.backends.kafka.client.connections import end_connections as end_connections
from dagger.backends.kafka.client.connections import refresh as refresh
from dagger.backends.kafka.client.groups import GroupMetadata as GroupMetadata
from dagger.backends.kafka.client.groups import fence as fence
from dagger.backends.kafka.client.groups import group_metadata as group_metadata
from dagger.backends.kafka.client.groups import is_current as is_current
from dagger.backends.kafka.client.groups import stable_offsets as stable_offsets
from dagger.backends.kafka.client.liveness import check_tasks as check_tasks
from dagger.backends.kafka.client.liveness import silence as silence
from dagger.backends.kafka.client.liveness import watch_sender as watch_sender
from dagger.backends.kafka.client.metadata import TopicInfo as TopicInfo
from dagger.backends.kafka.client.metadata import described as described
from dagger.backends.kafka.client.transactions import commits_as as commits_as
from dagger.backends.kafka.client.transactions import stop_sending as stop_sending

__all__ = [
    "AIOKafkaAdminClient",
    "AIOKafkaClient",
    "AIOKafkaConsumer",
    "AIOKafkaProducer",
    "AbstractPartitionAssignor",
    "BatchBuilder",
    "Brokers",
    "ClusterMetadata",
    "ConsumerProtocolMemberAssignment",
    "ConsumerProtocolMemberMetadata",
    "ConsumerRebalanceListener",
    "ConsumerRecord",
    "GroupMetadata",
    "KafkaClient",
    "NewTopic",
    "OffsetAndMetadata",
    "RecordMetadata",
    "TopicInfo",
    "TopicPartition",
    "Unreached",
    "adopt",
    "check_tasks",
    "commits_as",
    "described",
    "end_connections",
    "errors",
    "fence",
    "group_metadata",
    "is_current",
    "murmur2",
    "refresh",
    "silence",
    "stable_offsets",
    "stop_sending",
    "watch_sender",
]
