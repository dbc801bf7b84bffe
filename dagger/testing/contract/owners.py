"""Owners: each partition has one at a time, and who was overtaken changes nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest

from dagger.engine.ports import Append, Write
from dagger.errors import Fenced
from dagger.testing.contract.case import ContractCase
from dagger.testing.contract.harness import (
    Harness,
    alone,
    datas,
    in_loop,
    needs_sharing,
    note,
    working,
)
from dagger.testing.contract.storage import Storage

TOPIC = "CONTRACT"


class OwnerContract(ContractCase):
    """The contract of those who own partitions."""

    @in_loop
    async def test_who_joins_alone_owns_everything(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            assert set(harness.owned) == set(range(harness.log.partitions))

    @in_loop
    async def test_what_is_owned_is_told_once_and_anew_after_a_rewind(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            assert (await harness.poll()).owned is None
            await harness.log.rewind()
            batch = await harness.poll()
            assert batch.owned is not None
            assert set(batch.owned) == set(range(harness.log.partitions))

    @in_loop
    async def test_what_is_taken_again_has_another_number(self, storage: Storage) -> None:
        backend = storage.backend()
        async with backend.open():
            async with backend.log.join():
                first = Harness(backend)
                await first.own_all()
            async with backend.log.join():
                second = Harness(backend)
                await second.own_all()
        assert first.owned.keys() == second.owned.keys()
        assert not first.owned.items() & second.owned.items()

    @in_loop
    async def test_who_has_not_joined_polls_nothing(self, storage: Storage) -> None:
        backend = storage.backend()
        async with backend.open():
            needs_sharing(backend)
            backend.log.consume([TOPIC])
            await backend.log.append([Append(0, b"record"), note(TOPIC, "k")])
            batch = await backend.log.poll(100)
            assert not batch
            assert not batch.owned

    @in_loop
    async def test_two_share_the_partitions(self, storage: Storage) -> None:
        async with working(storage) as one, working(storage) as other:
            await divide(one, other)
            for partition in range(one.log.partitions):
                await one.log.append([Append(partition, b"%d" % partition)])
            for harness in (one, other):
                records = await harness.records(len(harness.owned))
                assert {record.partition for record in records} == set(harness.owned)
                await harness.commit(records)

    @in_loop
    async def test_when_one_leaves_the_other_has_everything(self, storage: Storage) -> None:
        async with working(storage) as stays:
            async with working(storage) as leaves:
                await divide(stays, leaves)
                mine = set(leaves.owned)
                await stays.log.append([Append(partition, b"left") for partition in mine])
                await leaves.take(len(mine))
            records = await stays.records(len(mine))
            assert {record.partition for record in records} == mine
            assert set(stays.owned) == set(range(stays.log.partitions))
            await stays.commit(records)
            await stays.nothing_is_left(min(mine))

    @in_loop
    async def test_who_takes_over_begins_where_the_other_has_committed(self, storage: Storage) -> None:
        async with working(storage, TOPIC) as stays:
            async with working(storage, TOPIC) as leaves:
                await divide(stays, leaves)
                partition = min(leaves.owned)
                await leaves.log.append([Append(partition, b"%d" % number) for number in range(4)])
                await leaves.commit((await leaves.records(4))[:2])
            assert datas(await stays.records(2)) == [b"2", b"3"]

    @in_loop
    async def test_a_zombie_commits_nothing(self, storage: Storage) -> None:
        """It was paused, its partitions passed to another, and it goes on as if nothing had been."""
        async with alone(storage, TOPIC) as zombie:
            await zombie.log.append([Append(0, b"record")])
            polled = await zombie.records(1)
            async with overtaking(storage, zombie) as other:
                assert await other.records(1) == polled
                with pytest.raises(Fenced):
                    await zombie.commit(polled, [Append(0, b"no"), note(TOPIC, "k", b"no")])
                await other.commit(polled)
                await other.nothing_is_left()

    @in_loop
    async def test_a_zombie_writes_nothing(self, storage: Storage) -> None:
        async with alone(storage) as zombie:
            await zombie.log.append([Append(0, b"record")])
            polled = await zombie.records(1)
            async with overtaking(storage, zombie) as other:
                assert await other.records(1) == polled
                await other.store.write([Write("key", 0, 0, 1, b"other")])
                await other.commit(polled)
                answers = await zombie.store.write([Write("key", 0, 0, 1, b"zombie")])
                if all(answers):
                    with pytest.raises(Fenced):
                        await zombie.commit(polled)
                row = await other.row("key")
                assert row is not None
                assert row.data == b"other"

    @in_loop
    async def test_a_zombie_is_fenced_even_after_the_other_has_left(self, storage: Storage) -> None:
        async with alone(storage, TOPIC) as zombie:
            await zombie.log.append([Append(0, b"record")])
            polled = await zombie.records(1)
            async with overtaking(storage, zombie) as other:
                await other.commit(await other.records(1))
            with pytest.raises(Fenced):
                await zombie.commit(polled, [note(TOPIC, "k", b"no")])
        async with alone(storage, TOPIC) as harness:
            await harness.nothing_is_left()

    @in_loop
    async def test_who_was_fenced_goes_on_after_a_rewind(self, storage: Storage) -> None:
        async with alone(storage) as zombie:
            await zombie.log.append([Append(0, b"record")])
            polled = await zombie.records(1)
            async with overtaking(storage, zombie) as other:
                await other.take(1)
                with pytest.raises(Fenced):
                    await zombie.commit(polled)
            await zombie.log.rewind()
            assert datas(await zombie.records(1)) == [b"record"]
            await zombie.commit(polled)
            await zombie.nothing_is_left()


async def divide(one: Harness, other: Harness) -> None:
    """Let both poll, while there is nothing to be polled, until each owns a share."""
    needs_sharing(one.backend)
    everything = set(range(one.log.partitions))
    if len(everything) < 2:
        pytest.skip("the log has one partition: nothing can be shared")
    while not (one.owned and other.owned and sorted([*one.owned, *other.owned]) == sorted(everything)):
        for harness in (one, other):
            assert not await harness.poll(), "nothing was appended"
            await harness.rest()


@asynccontextmanager
async def overtaking(storage: Storage, zombie: Harness) -> AsyncGenerator[Harness]:
    """Another that has joined, once all that the zombie owned is anybody's without its noticing."""
    needs_sharing(zombie.backend)
    if not await storage.expire(zombie.backend):
        pytest.skip("the storage has no way to let what is owned pass to others (`expire`)")
    async with working(storage, TOPIC) as other:
        yield other
