"""What `dagger.backends.kafka.client` takes for granted of aiokafka's private side, one assumption after the other.

A release that breaks one fails here by the name of the assumption, and without a broker.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
from collections.abc import Callable, Iterator
from importlib.metadata import requires, version
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.conn import AIOKafkaConnection, CloseReason, create_conn
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.coordinator.assignors.abstract import AbstractPartitionAssignor
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.errors import KafkaConnectionError
from aiokafka.producer.sender import (
    AddOffsetsToTxnHandler,
    AddPartitionsToTxnHandler,
    Sender,
    TxnOffsetCommitHandler,
)
from aiokafka.protocol.api import Request, RequestStruct
from aiokafka.protocol.metadata import MetadataRequest
from packaging.requirements import Requirement

from dagger.backends.kafka.client import GroupMetadata, group_metadata
from dagger.backends.kafka.client.groups import OffsetFetchStable
from dagger.backends.kafka.client.transactions import TxnOffsetCommitAs

BACKEND = Path(__file__).resolve().parents[2] / "dagger" / "backends" / "kafka"
NOWHERE = "127.0.0.1:1"


def parameters(function: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(function).parameters)


class Parts:
    """Clients that are made and never started, as far as they come without a broker."""

    def __init__(self) -> None:
        self.client = AIOKafkaClient(bootstrap_servers=NOWHERE)
        self.consumer: Any = AIOKafkaConsumer(bootstrap_servers=NOWHERE, group_id="g")
        self.producer: Any = AIOKafkaProducer(bootstrap_servers=NOWHERE, transactional_id="t")
        self.admin: Any = AIOKafkaAdminClient(bootstrap_servers=NOWHERE)
        subscription: Any = vars(self.consumer)["_subscription"]
        self.fetcher = Fetcher(self.consumer._client, subscription)
        self.coordinator = GroupCoordinator(self.consumer._client, subscription, group_id="g")
        self.consumer._coordinator = self.coordinator

    async def close(self) -> None:
        for task in (self.fetcher._fetch_task, self.coordinator._coordination_task):
            task.cancel()
            await asyncio.wait([task])
        self.consumer._closed = self.producer._closed = self.admin._closed = True
        await self.client.close()


def a_client_keeps_how_it_connects(parts: Parts) -> bool:
    names = (
        "_client_id _request_timeout_ms _ssl_context _security_protocol _connections_max_idle_ms "
        "_sasl_mechanism _sasl_plain_username _sasl_plain_password cluster"
    )
    return all(hasattr(parts.client, name) for name in names.split())


def a_client_keeps_connections_by_node_and_group(parts: Parts) -> bool:
    return parts.client._conns == {} and ConnectionGroup.DEFAULT is not ConnectionGroup.COORDINATION


def a_client_connects_by_get_conn(parts: Parts) -> bool:
    given = parameters(parts.client._get_conn)
    return {"node_id", "group"} <= given and inspect.iscoroutinefunction(parts.client._get_conn)


def a_client_learns_of_the_cluster_by_metadata_update(parts: Parts) -> bool:
    return parameters(parts.client._metadata_update) == {"cluster_metadata", "topics"}


def a_client_has_a_task_that_synchronizes_metadata(parts: Parts) -> bool:
    return parts.client._sync_task is None and inspect.iscoroutinefunction(parts.client._md_synchronizer)


def a_client_forces_updates_and_hears_of_closed_connections(parts: Parts) -> bool:
    return all(callable(getattr(parts.client, name)) for name in ("force_metadata_update", "_on_connection_closed"))


def a_connection_is_made_by_create_conn(parts: Parts) -> bool:
    given = "host port client_id request_timeout_ms ssl_context security_protocol max_idle_ms on_close "
    given += "sasl_mechanism sasl_plain_username sasl_plain_password"
    return set(given.split()) <= parameters(create_conn) | parameters(AIOKafkaConnection.__init__)


def a_connection_is_closed_with_a_reason(parts: Parts) -> bool:
    return "reason" in parameters(AIOKafkaConnection.close) and bool(CloseReason.CONNECTION_TIMEOUT)


def metadata_is_asked_for_by_a_list_of_topics(parts: Parts) -> bool:
    return isinstance(MetadataRequest([]), Request) and {"FLEXIBLE_VERSION", "RESPONSE_TYPE"} <= set(
        RequestStruct.__annotations__
    )


def consumers_and_admins_keep_their_client(parts: Parts) -> bool:
    return all(isinstance(one._client, AIOKafkaClient) for one in (parts.consumer, parts.admin))


def producers_show_their_client(parts: Parts) -> bool:
    return isinstance(parts.producer.client, AIOKafkaClient)


def a_consumer_keeps_its_fetcher_and_its_coordinator(parts: Parts) -> bool:
    return {"_fetcher", "_coordinator"} <= vars(parts.consumer).keys() and callable(parts.fetcher.close)


def a_fetcher_has_a_task(parts: Parts) -> bool:
    return isinstance(parts.fetcher._fetch_task, asyncio.Task)


def a_coordinator_has_a_task(parts: Parts) -> bool:
    return isinstance(parts.coordinator._coordination_task, asyncio.Task)


def a_sender_shows_its_task(parts: Parts) -> bool:
    return parts.producer._sender.sender_task is None


def an_accumulator_keeps_unsent_and_unanswered_batches(parts: Parts) -> bool:
    accumulator = parts.producer._message_accumulator
    accumulator.fail_all(KafkaConnectionError("ended"))
    return bool(accumulator._batches == {} and accumulator._pending_batches == set())


def a_transaction_has_a_future_for_its_end(parts: Parts) -> bool:
    manager = parts.producer._txn_manager
    manager.set_pid_and_epoch(1, 0)
    manager.begin_transaction()
    offsets = manager.add_offsets_to_txn({}, "g")
    manager.fatal_error(KafkaConnectionError("ended"))
    failures = [future.exception() for future in (offsets, manager._transaction_waiter)]
    return all(isinstance(failure, KafkaConnectionError) for failure in failures)


def a_coordinator_knows_who_it_is_in_the_group(parts: Parts) -> bool:
    return group_metadata(parts.consumer) == GroupMetadata("g", -1, "")


def a_sender_adds_partitions_and_commits_offsets_by_methods(parts: Parts) -> bool:
    methods = (Sender._do_add_partitions_to_txn, Sender._do_add_offsets_to_txn, Sender._do_txn_offset_commit)
    return all(inspect.iscoroutinefunction(one) for one in methods) and callable(Sender._find_coordinator)


def a_sender_asks_by_handlers_that_answer_with_a_pause(parts: Parts) -> bool:
    kinds = (AddOffsetsToTxnHandler, AddPartitionsToTxnHandler, TxnOffsetCommitHandler)
    return all({"create_request", "handle_response", "do"} <= set(dir(kind)) for kind in kinds)


def offsets_of_a_transaction_wait_in_a_queue(parts: Parts) -> bool:
    manager = parts.producer._txn_manager
    manager.set_pid_and_epoch(1, 0)
    manager.begin_transaction()
    manager.add_offsets_to_txn({}, "g").cancel()
    ((group, _, future),) = manager._pending_txn_offsets
    return bool(group == "g" and future.cancelled() and manager.is_in_transaction())


def requests_of_later_versions_are_encoded_as_flexible(parts: Parts) -> bool:
    stable = OffsetFetchStable("g", [TopicPartition("t", 1)]).prepare({9: (0, 9)})
    manager = parts.producer._txn_manager
    offsets = TxnOffsetCommitAs(manager, GroupMetadata("g", 3, "m"), {"t": [(1, 7, "note")]}).prepare({28: (0, 5)})
    return all(one.FLEXIBLE_VERSION and one.encode() for one in (stable, offsets))


def an_assignor_is_a_class_that_sees_members_user_data(parts: Parts) -> bool:
    metadata: Any = ConsumerProtocolMemberMetadata
    assignment: Any = ConsumerProtocolMemberAssignment
    member = metadata.decode(metadata(0, ["t"], b"data").encode())
    share = assignment.decode(assignment(0, [("t", [1])], b"more").encode())
    methods: Any = AbstractPartitionAssignor
    return (
        methods.__abstractmethods__ >= {"assign", "metadata", "on_assignment"}
        and (member.subscription, member.user_data) == (["t"], b"data")
        and bool((share.partitions(), share.user_data) == ([("t", 1)], b"more"))
    )


ASSUMPTIONS = [
    a_client_keeps_how_it_connects,
    a_client_keeps_connections_by_node_and_group,
    a_client_connects_by_get_conn,
    a_client_learns_of_the_cluster_by_metadata_update,
    a_client_has_a_task_that_synchronizes_metadata,
    a_client_forces_updates_and_hears_of_closed_connections,
    a_connection_is_made_by_create_conn,
    a_connection_is_closed_with_a_reason,
    metadata_is_asked_for_by_a_list_of_topics,
    consumers_and_admins_keep_their_client,
    producers_show_their_client,
    a_consumer_keeps_its_fetcher_and_its_coordinator,
    a_fetcher_has_a_task,
    a_coordinator_has_a_task,
    a_sender_shows_its_task,
    an_accumulator_keeps_unsent_and_unanswered_batches,
    a_transaction_has_a_future_for_its_end,
    a_coordinator_knows_who_it_is_in_the_group,
    a_sender_adds_partitions_and_commits_offsets_by_methods,
    a_sender_asks_by_handlers_that_answer_with_a_pause,
    offsets_of_a_transaction_wait_in_a_queue,
    requests_of_later_versions_are_encoded_as_flexible,
    an_assignor_is_a_class_that_sees_members_user_data,
]


@pytest.mark.parametrize("assumption", ASSUMPTIONS, ids=lambda one: one.__name__.replace("_", " "))
def test_of_aiokafka(assumption: Callable[[Parts], bool]) -> None:
    async def run() -> bool:
        parts = Parts()
        try:
            return assumption(parts)
        finally:
            await parts.close()

    broken = f"aiokafka {version('aiokafka')} breaks an assumption: {assumption.__name__.replace('_', ' ')}"
    try:
        holds = anyio.run(run)
    except Exception as error:
        pytest.fail(f"{broken} ({type(error).__name__}: {error})")
    assert holds, broken


def test_the_version_is_bounded_from_above() -> None:
    found = [one for one in map(Requirement, requires("dagger-workflow") or ()) if one.name == "aiokafka"]
    assert found
    for one in found:
        assert any(specifier.operator == "<" for specifier in one.specifier)
        assert one.specifier.contains(version("aiokafka"))


def private(tree: ast.AST) -> Iterator[ast.Attribute]:
    """Attributes of other objects than self whose names begin with one underscore."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Attribute)
            and node.attr.startswith("_")
            and not node.attr.startswith("__")
            and not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"))
        ):
            yield node


def test_private_attributes_are_used_in_one_place() -> None:
    found = [
        f"{path.name}:{node.lineno}: {node.attr}"
        for path in BACKEND.glob("*.py")
        for node in private(ast.parse(path.read_text()))
    ]
    assert found == []
    assert any(True for path in BACKEND.glob("client/*.py") for _ in private(ast.parse(path.read_text())))
