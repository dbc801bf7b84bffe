"""Transactions of aiokafka, whose offsets tell the group's coordinator who commits them.

`TxnOffsetCommit` since version 3 carries the generation and the member under which records were polled, and the
coordinator refuses those of another generation (KIP-447); aiokafka speaks version 0
(https://github.com/aio-libs/aiokafka/issues/844). A refusal ends no task of the producer: it is raised to whoever
commits.

The next transaction can begin once all markers of the last are written. aiokafka sleeps 20 ms where they are not.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, NamedTuple

import anyio
from aiokafka import AIOKafkaProducer, errors
from aiokafka.client import CoordinationType
from aiokafka.producer.sender import AddOffsetsToTxnHandler, AddPartitionsToTxnHandler, Sender, TxnOffsetCommitHandler
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields
from typing_extensions import override

from dagger.backends.kafka.client.groups import GroupMetadata

MARKERS_S: Final = 0.002
"""How long is waited before it is asked again whether the markers of the last transaction are written, in seconds."""
_TAGS: Final[dict[int, bytes]] = {}
_OTHERS: Final = {
    22: errors.IllegalGenerationError,
    25: errors.UnknownMemberIdError,
    82: errors.IllegalGenerationError,  # FENCED_INSTANCE_ID, which aiokafka does not know
}
"""What a coordinator says to those who are no members of the generation that they name."""


class TxnOffsetCommitResponse3(Response):
    """https://kafka.apache.org/protocol#The_Messages_TxnOffsetCommit"""

    API_KEY = 28
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("name", CompactString("utf-8")),
                (
                    "partitions",
                    CompactArray(("partition", Int32), ("error_code", Int16), ("tags", TaggedFields)),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class TxnOffsetCommitRequest3(RequestStruct):
    """https://kafka.apache.org/protocol#The_Messages_TxnOffsetCommit"""

    FLEXIBLE_VERSION = True
    API_KEY = 28
    API_VERSION = 3
    RESPONSE_TYPE = TxnOffsetCommitResponse3
    SCHEMA = Schema(
        ("transactional_id", CompactString("utf-8")),
        ("group", CompactString("utf-8")),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("generation", Int32),
        ("member", CompactString("utf-8")),
        ("instance", CompactString("utf-8")),
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
                        ("tags", TaggedFields),
                    ),
                ),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


class TxnOffsetCommitAs(Request[TxnOffsetCommitRequest3]):
    """Commits offsets in a transaction, as a member of a generation."""

    API_KEY = 28

    def __init__(self, manager: Any, member: GroupMetadata, offsets: dict[str, list[tuple[int, int, str]]]) -> None:
        self._manager = manager
        self._member = member
        self._offsets = offsets

    @override
    def build(self, request_struct_class: type[TxnOffsetCommitRequest3]) -> TxnOffsetCommitRequest3:
        topics: list[Any] = [
            (topic, [(partition, offset, -1, metadata, {}) for partition, offset, metadata in partitions], _TAGS)
            for topic, partitions in self._offsets.items()
        ]
        manager, member = self._manager, self._member
        return request_struct_class(
            manager.transactional_id,
            member.group,
            manager.producer_id,
            manager.producer_epoch,
            member.generation,
            member.member,
            None,
            topics,
            {},
        )


class _Errors(NamedTuple):
    """An answer as aiokafka's handler reads it."""

    errors: list[tuple[str, list[tuple[int, int]]]]


class _CommitOffsets(TxnOffsetCommitHandler):
    @override
    def create_request(self) -> TxnOffsetCommitAs:
        offsets = dict[str, list[tuple[int, int, str]]]()
        for place, mark in sorted(self._offsets.items()):
            offsets.setdefault(place.topic, []).append((place.partition, mark.offset, mark.metadata))
        return TxnOffsetCommitAs(self._sender._txn_manager, self._sender.member, offsets)

    @override
    def handle_response(self, response: Any) -> float | None:
        answers = [(topic, [(one, code) for one, code, _ in partitions]) for topic, partitions, _ in response.topics]
        for _, partitions in answers:
            for _, code in partitions:
                if code in _OTHERS:
                    _refuse(self._sender._txn_manager, _OTHERS[code](self._group_id))
                    return None
        backoff_s: float | None = super().handle_response(_Errors(answers))
        return backoff_s


def _refuse(manager: Any, error: errors.KafkaError) -> None:
    """Report that offsets were refused. aiokafka's way (`error_transaction`) would let batches be sent whose partitions
    are not in the transaction yet."""
    for _, _, future in manager._pending_txn_offsets:
        if not future.done():
            future.set_exception(error)
    manager._pending_txn_offsets.clear()


class _AddPartitions(AddPartitionsToTxnHandler):
    @override
    def handle_response(self, response: Any) -> float | None:
        backoff_s: float | None = super().handle_response(response)
        codes = {code for _, partitions in response.errors for _, code in partitions}
        is_early = backoff_s is not None and errors.ConcurrentTransactions.errno in codes
        return MARKERS_S if is_early else backoff_s


class _AddOffsets(AddOffsetsToTxnHandler):
    @override
    def handle_response(self, response: Any) -> float | None:
        backoff_s = super().handle_response(response)
        is_early = backoff_s is not None and errors.ConcurrentTransactions.errno == response.error_code
        return MARKERS_S if is_early else backoff_s


class _Sender(Sender):
    """Takes the place of a producer's sender."""

    member: GroupMetadata

    @override
    async def _do_add_partitions_to_txn(self, tps: Any) -> bool:
        node = await self._find_coordinator(CoordinationType.TRANSACTION, self._txn_manager.transactional_id)
        return await _AddPartitions(self, tps).do(node)

    @override
    async def _do_add_offsets_to_txn(self, group_id: str) -> bool:
        node = await self._find_coordinator(CoordinationType.TRANSACTION, self._txn_manager.transactional_id)
        return await _AddOffsets(self, group_id).do(node)

    @override
    async def _do_txn_offset_commit(self, offsets: Any, group_id: str) -> None:
        if not offsets:
            return
        try:
            node = await self._find_coordinator(CoordinationType.GROUP, group_id)
        except errors.GroupAuthorizationFailedError as error:
            self._txn_manager.error_transaction(error)
            return
        await _CommitOffsets(self, offsets, group_id).do(node)


def commits_as(producer: AIOKafkaProducer, member: GroupMetadata) -> None:
    """Let a producer's next offsets be those of a member of a generation."""
    sender = producer._sender
    sender.__class__ = _Sender
    assert isinstance(sender, _Sender)
    sender.member = member


async def stop_sending(producer: AIOKafkaProducer, within_s: float) -> None:
    """Send nothing more of what a producer has, and disconnect it, also where no broker answers."""
    task = producer._sender.sender_task
    if task is not None:
        task.cancel()  # it waits for answers that are on their way
        await asyncio.wait([task], timeout=within_s)
    with anyio.move_on_after(within_s):
        await producer.client.close()
