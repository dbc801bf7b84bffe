"""Who was overtaken commits nothing, and who takes over begins where everything is decided.

A worker commits as a member of the generation in which it polled, which the group's coordinator checks; who takes over
asks for offsets that no open transaction can change, and settles those of workers that are gone. Each test is run a
second time with the product broken, and must fail then: that shows that it would find the fault.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from dagger.backends.kafka.client import GroupMetadata, TopicPartition
from dagger.backends.kafka.client import groups as groups_module
from dagger.backends.kafka.client import transactions as transactions_module
from dagger.backends.kafka.cluster import Cluster
from dagger.backends.kafka.log import KafkaLog
from dagger.engine.ports import Append, LogRecord, Orders, Position
from dagger.errors import Fenced
from dagger.testing.contract.harness import Harness, alone, datas, in_loop, note, working
from dagger.testing.contract.owners import TOPIC, overtaking
from tests.kafka.requests import Held, instead, ownership
from tests.kafka.stage import OnKafka, fails

pytestmark = [pytest.mark.slow, pytest.mark.kafka]

PARTITIONS = 4


class Commit:
    """A commit that is under way."""

    def __init__(self, harness: Harness, records: Sequence[LogRecord]) -> None:
        self._harness = harness
        self._records = records
        self.held = Held(ownership(harness.backend).transactions.id)
        self.outcome = ""
        self.ended = anyio.Event()

    async def run(self) -> None:
        try:
            await self._harness.commit(self._records, [note(TOPIC, "k", b"first")])
        except Fenced:
            self.outcome = "fenced"
        else:
            self.outcome = "committed"
        self.ended.set()


@asynccontextmanager
async def held_at_its_end(
    harness: Harness, records: Sequence[LogRecord], patch: pytest.MonkeyPatch
) -> AsyncGenerator[Commit]:
    """A transaction that holds offsets and messages, and of which only the end is missing."""
    commit = Commit(harness, records)
    with patch.context() as patched:
        instead(patched, "EndTxnRequest", commit.held)
        async with anyio.create_task_group() as group:
            group.start_soon(commit.run)
            await commit.held.reached.wait()
            yield commit


async def overtaken_amid_a_commit(storage: OnKafka, patch: pytest.MonkeyPatch) -> None:
    """Only the end of a zombie's transaction is missing when another takes over, which settles it at once."""
    async with alone(storage, TOPIC) as zombie:
        await zombie.log.append([Append(0, b"record")])
        polled = await zombie.records(1)
        async with held_at_its_end(zombie, polled, patch) as commit, overtaking(storage, zombie) as other:
            assert await other.records(1) == polled
            commit.held.goes_on.set()
            await commit.ended.wait()
            assert commit.outcome == "fenced"
            await other.commit(polled, [note(TOPIC, "k", b"other")])
            taken = await other.messages(1)
            assert [message.payload for message in taken] == [b"other"]


@asynccontextmanager
async def shared(storage: OnKafka, first: Harness) -> AsyncGenerator[Harness]:
    """Another comes while the first is busy, which joins again by itself, and is alive without half of its lanes."""
    async with working(storage, TOPIC) as other:
        while len(other.owned) != PARTITIONS // 2:
            batch = await other.poll()
            assert not batch.messages
            if batch.records:
                await other.log.rewind()
            await other.rest()
        yield other


async def overtaken_before_a_commit(storage: OnKafka) -> None:
    """It has polled, and joined again in the background: it is a member of a generation, and not of the one before."""
    async with alone(storage, TOPIC) as late:
        await late.log.append([Append(partition, b"record") for partition in range(PARTITIONS)])
        polled = await late.records(PARTITIONS)
        async with shared(storage, late) as other:
            with pytest.raises(Fenced):
                await late.commit(polled, [note(TOPIC, "k", b"late")])
            mine = await other.records(PARTITIONS // 2)
            await other.commit(mine)
            await late.log.rewind()
            rest = await late.records(PARTITIONS // 2)
            assert {record.partition for record in mine} | {record.partition for record in rest} == set(
                range(PARTITIONS)
            )


async def lost_amid_a_commit(storage: OnKafka, patch: pytest.MonkeyPatch) -> None:
    """Who has lost lanes is alive, and its transaction ends while another takes them over, which waits for that."""
    stable, looks = Cluster.stable, list[set[TopicPartition]]()

    async def looked(self: Cluster, group: str, places: Collection[TopicPartition]) -> Any:
        found = await stable(self, group, places)
        looks.append(found[1])
        return found

    async with alone(storage, TOPIC) as loses:
        await loses.log.append([Append(partition, b"record") for partition in range(PARTITIONS)])
        polled = await loses.records(PARTITIONS)
        async with held_at_its_end(loses, polled, patch) as commit, working(storage, TOPIC) as other:
            patch.setattr(Cluster, "stable", looked)
            records = list[LogRecord]()

            async def takes_over() -> None:
                while len(other.owned) != PARTITIONS // 2:
                    records.extend((await other.poll()).records)
                    await other.rest()

            async with anyio.create_task_group() as group:
                group.start_soon(takes_over)
                while not looks:  # noqa: ASYNC110  # no event tells it
                    await anyio.sleep(0.01)
                commit.held.goes_on.set()
            await commit.ended.wait()
            assert commit.outcome == "committed"
            place = min(other.owned)
            await other.log.append([Append(place, b"behind it")])
            while b"behind it" not in datas(records):
                records.extend((await other.poll()).records)
                await other.rest()
            assert [one.data for one in records if one.partition == place] == [b"behind it"], "it is committed"


async def never_settled(storage: OnKafka, patch: pytest.MonkeyPatch) -> None:
    """Who has lost lanes is alive, and does not end its transaction: after a session it is fenced."""
    async with alone(storage, TOPIC) as loses:
        await loses.log.append([Append(partition, b"record") for partition in range(PARTITIONS)])
        polled = await loses.records(PARTITIONS)
        async with held_at_its_end(loses, polled, patch) as commit, working(storage, TOPIC) as other:
            assert datas(await other.records(PARTITIONS // 2)) == [b"record"] * (PARTITIONS // 2)
            commit.held.goes_on.set()
            await commit.ended.wait()
            assert commit.outcome == "fenced"


async def overtaken_as_it_begins(storage: OnKafka, patch: pytest.MonkeyPatch) -> None:
    """Another begins all partitions when the first to come has asked for offsets, and heard that there are none."""
    stable, asked = Cluster.stable, list[Cluster]()

    async def late(self: Cluster, group: str, places: Collection[TopicPartition]) -> Any:
        found = await stable(self, group, places)
        asked.append(self)
        if asked == [self]:
            assert found == ({}, set())
            assert await storage.expire(zombie.backend)
            async with working(storage) as other:
                await other.own_all()
        return found

    patch.setattr(Cluster, "stable", late)
    async with working(storage) as zombie:
        with pytest.raises(Fenced):
            await zombie.own_all()
    async with alone(storage) as again:
        await again.nothing_is_left()


class TestZombie:
    @in_loop
    async def test_is_fenced_as_it_begins(self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
        await overtaken_as_it_begins(storage, monkeypatch)

    @in_loop
    async def test_is_fenced_amid_its_commit(self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
        await overtaken_amid_a_commit(storage, monkeypatch)

    @in_loop
    async def test_is_refused_for_its_generation(self, storage: OnKafka) -> None:
        await overtaken_before_a_commit(storage)

    @in_loop
    async def test_would_commit_with_the_generation_of_its_commit(
        self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        commit = KafkaLog.commit

        async def commits(self: KafkaLog, entries: Orders, offsets: dict[Position, int]) -> None:
            assert self._member is not None
            self._identity = self._member.identity
            await commit(self, entries, offsets)

        monkeypatch.setattr(KafkaLog, "commit", commits)
        with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
            await overtaken_before_a_commit(storage)

    @in_loop
    async def test_would_commit_without_a_generation(self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
        commits_as = transactions_module.commits_as

        def nobody(producer: Any, member: GroupMetadata) -> None:
            commits_as(producer, GroupMetadata(member.group, -1, ""))

        monkeypatch.setattr("dagger.backends.kafka.transactions.commits_as", nobody)
        with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
            await overtaken_before_a_commit(storage)


class TestHeir:
    @in_loop
    async def test_waits_for_those_who_are_alive(self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
        await lost_amid_a_commit(storage, monkeypatch)

    @in_loop
    async def test_would_read_again_what_is_committed_meanwhile(
        self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Unstable(groups_module.OffsetFetchStable):
            def __init__(self, group: str, places: Collection[TopicPartition]) -> None:
                super().__init__(group, places, is_stable=False)

        monkeypatch.setattr(groups_module, "OffsetFetchStable", Unstable)
        await fails(lost_amid_a_commit(storage, monkeypatch), "it is committed")

    @in_loop
    async def test_fences_who_does_not_settle(self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
        await never_settled(storage, monkeypatch)
