"""A zombie is fenced by the transactional id of its lane, which the next owner initialises before it asks for offsets.

aiokafka tells the broker no generation of the group with a transaction's offsets, so nothing else would refuse them.
Each test is run a second time with the product broken, and must fail then: that shows that it would find the fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

import anyio
import pytest
from aiokafka import AIOKafkaProducer, OffsetAndMetadata, TopicPartition

from dagger.backends.kafka import lane as lane_module
from dagger.backends.kafka.binding import Binding
from dagger.backends.kafka.cluster import Cluster
from dagger.backends.kafka.lane import Lane
from dagger.backends.kafka.ownership import Ownership
from dagger.engine.ports import Append
from dagger.errors import Fenced
from dagger.testing.contract.harness import alone, datas, in_loop, note, working
from dagger.testing.contract.owners import TOPIC, overtaking
from tests.kafka.requests import Held, instead
from tests.kafka.stage import OnKafka, fails

pytestmark = [pytest.mark.slow, pytest.mark.kafka]


async def overtaken_amid_a_commit(storage: OnKafka, patch: pytest.MonkeyPatch) -> None:
    """The transaction of a zombie holds offsets and messages, and only its end is missing when another takes over."""
    held = Held(0)
    outcome, ended = list[str](), anyio.Event()
    async with alone(storage, TOPIC) as zombie, anyio.create_task_group() as group:
        await zombie.log.append([Append(0, b"record")])
        polled = await zombie.records(1)

        async def commit() -> None:
            try:
                await zombie.commit(polled, [note(TOPIC, "k", b"zombie")])
            except Fenced:
                outcome.append("fenced")
            else:
                outcome.append("committed")
            ended.set()

        with patch.context() as patched:
            instead(patched, "EndTxnRequest", held)
            group.start_soon(commit)
            await held.reached.wait()
            async with overtaking(storage, zombie) as other:
                assert await other.records(1) == polled
                held.goes_on.set()
                await ended.wait()
                assert outcome == ["fenced"]
                await other.commit(polled, [note(TOPIC, "k", b"other")])
                taken = await other.messages(1)
                assert [message.payload for message in taken] == [b"other"]


async def behind_its_own_commit(storage: OnKafka, patch: pytest.MonkeyPatch) -> None:
    """A broker says that a transaction is committed, and still tells its old offsets for a while."""
    stale = dict[TopicPartition, OffsetAndMetadata]()
    committed, commit, take = Cluster.committed, Lane.commit, Lane.take

    async def stale_for_a_while(
        self: Cluster, group: str, places: Iterable[TopicPartition]
    ) -> dict[TopicPartition, OffsetAndMetadata]:
        found = await committed(self, group, places)
        return {place: stale.get(place, mark) for place, mark in found.items()}

    async def commits(self: Lane, batches: Any, offsets: Mapping[TopicPartition, int], binding: Binding) -> None:
        before = await committed(self._cluster, binding.application, offsets)
        await commit(self, batches, offsets, binding)
        stale.update(before)

    async def takes(self: Lane) -> None:
        await take(self)  # only that waits until everything is there
        stale.clear()

    with patch.context() as patched:
        patched.setattr(Cluster, "committed", stale_for_a_while)
        patched.setattr(Lane, "commit", commits)
        patched.setattr(Lane, "take", takes)
        async with alone(storage) as harness:
            await harness.log.append([Append(0, b"0"), Append(0, b"1")])
            await harness.commit(await harness.records(1, limit=1))
            await harness.log.rewind()
            second = await harness.records(1)
            assert datas(second) == [b"1"]
            await harness.commit(second)
            await harness.log.rewind()
            await harness.nothing_is_left()


async def overtaken_as_it_begins(storage: OnKafka, patch: pytest.MonkeyPatch) -> None:
    """Another begins all partitions when the first to come has asked for offsets, and heard that there are none."""
    committed, asked = Cluster.committed, list[Cluster]()

    async def late(self: Cluster, group: str, places: Iterable[TopicPartition]) -> Any:
        found = await committed(self, group, places)
        asked.append(self)
        if asked == [self]:
            assert found == {}
            assert await storage.expire(zombie.backend)
            async with working(storage) as other:
                await other.own_all()
        return found

    patch.setattr(Cluster, "committed", late)
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
    async def test_would_commit_under_an_id_of_its_own(self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
        def producer(transactional_id: str, **settings: Any) -> AIOKafkaProducer:
            return AIOKafkaProducer(transactional_id=f"{uuid4()}.{transactional_id}", **settings)

        monkeypatch.setattr(lane_module, "AIOKafkaProducer", producer)
        await fails(overtaken_amid_a_commit(storage, monkeypatch), "['committed']")

    @in_loop
    async def test_would_commit_if_offsets_were_asked_for_first(
        self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        take, commit = Lane.take, Lane.commit

        async def later(self: Lane) -> None:
            self.leave()
            self.is_sound = True

        async def commits(self: Lane, *what: Any) -> None:
            if self._producer is None:
                positions = dict(self.positions)
                await take(self)
                self.positions.update(positions)
            await commit(self, *what)

        monkeypatch.setattr(Lane, "take", later)
        monkeypatch.setattr(Lane, "commit", commits)
        await fails(overtaken_amid_a_commit(storage, monkeypatch), "['committed']")


class TestOwner:
    @in_loop
    async def test_goes_on_behind_its_own_commit(self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
        await behind_its_own_commit(storage, monkeypatch)

    @in_loop
    async def test_would_go_back_if_it_asked_again(self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
        positions = Ownership._positions

        async def asked(self: Ownership, *what: Any) -> None:
            for lane in self.lanes.values():
                lane.positions.clear()
            await positions(self, *what)

        monkeypatch.setattr(Ownership, "_positions", asked)
        await fails(behind_its_own_commit(storage, monkeypatch), "expected 1 records, got")
