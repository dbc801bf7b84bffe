"""Partitions move while there is work: whatever is stashed of those that are gone is dropped, nothing is lost.

aiokafka rebalances beside whatever its user does, so what is committed may not be assigned any more. Workers commit in
the transactions of their lanes, and readers commit explicit offsets of what is assigned to them, and nothing else.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from aiokafka import TopicPartition

from dagger.backends.kafka import reader as reader_module
from dagger.backends.kafka.cluster import Cluster
from dagger.backends.kafka.member import Member
from dagger.backends.kafka.reader import KafkaReader
from dagger.engine.ports import Append, Entry, Position
from dagger.errors import BackendUnavailable, Fenced
from dagger.testing.contract.driver import messages_of
from dagger.testing.contract.harness import Harness, alone, datas, in_loop, note, offsets_of, working
from tests.kafka.stage import OnKafka, fails, kafka_of

pytestmark = [pytest.mark.slow, pytest.mark.kafka]

PARTITIONS = 4
EACH = 12
OUT = "OUT"
KEYS = [str(partition) for partition in range(PARTITIONS)]


async def work(harness: Harness) -> None:
    """Publish a message for each record of a small poll, of what is owned."""
    try:
        batch = await harness.poll(5)
        orders = defaultdict[Position, list[Entry]](list)
        for record in batch.records:
            assert record.partition in harness.owned, "it is another's"
            orders["", record.partition].append(note(OUT, str(record.partition), record.data))
        if batch:
            await harness.log.commit(orders, offsets_of(batch.records))
        else:
            await harness.rest()
    except (BackendUnavailable, Fenced):
        await harness.log.rewind()


async def stash(harness: Harness) -> None:
    """Let a member have fetched ahead some of each partition."""
    member = kafka_of(harness.backend).log._member
    assert member is not None
    while member._waiting is not None:  # it would take some of the records beside this, and keep them later
        await anyio.sleep(0.01)
        member._collect()
    while len({record.partition for record in member._stash}) < PARTITIONS:
        member._keep(await member._fetching.take(8, 10))


async def moved_amid_work(storage: OnKafka) -> None:
    async with alone(storage) as one:
        await one.log.append([Append(p, b"%d" % number) for number in range(EACH) for p in range(PARTITIONS)])
        await stash(one)
        for _ in range(2):  # another comes, and leaves
            async with working(storage) as other:
                while len(other.owned) != PARTITIONS // 2:
                    await work(other)
                while not (len(one.owned) == len(other.owned) == PARTITIONS // 2):
                    await work(one)  # at first with what it has stashed of all
                    await work(other)
                await work(other)
        while not (len(one.owned) == PARTITIONS and await kafka_of(one.backend).caught_up()):
            await work(one)
        found = defaultdict[bytes | None, list[bytes | None]](list)
        for message in await messages_of(one.backend, OUT, set(KEYS)):
            found[message.key].append(message.payload)
        assert found == {key.encode(): [b"%d" % number for number in range(EACH)] for key in KEYS}


async def sought_while_a_record_was_on_its_way(storage: OnKafka) -> None:
    """A record that was waited for, and came before everything was sought anew, would be given out first."""
    async with alone(storage) as harness:
        member = kafka_of(harness.backend).log._member
        assert member is not None
        await harness.log.append([Append(0, b"%d" % number) for number in range(3)])
        first = await harness.records(1, limit=1)
        while member._waiting is None or not member._waiting.done():
            await harness.log.wait()
        await harness.log.rewind()
        assert datas(first + await harness.records(3)) == [b"0", b"0", b"1", b"2"]


async def dropped_at_once(storage: OnKafka) -> None:
    """What is owned is found out anew: until then nothing is given out of what was fetched ahead."""
    async with alone(storage) as one:
        await one.log.append([Append(p, b"%d" % number) for number in range(EACH) for p in range(PARTITIONS)])
        await stash(one)
        member = kafka_of(one.backend).log._member
        assert member is not None
        member.subscribe(member.topics)
        assert not member._stash, "it may be another's by now"
        records = await one.records(EACH * PARTITIONS)
        assert all(record.data == b"0" for record in records if record.offset == 0)
        await one.commit(records)


@asynccontextmanager
async def reading(storage: OnKafka) -> AsyncGenerator[tuple[Harness, KafkaReader]]:
    """Somebody who reads the topic, for a group of its own."""
    backend = storage.backend()
    async with backend.open(), backend.log.reader(OUT, f"{storage.prefix}readers") as reader:
        yield Harness(backend), reader


async def read_by_two(storage: OnKafka) -> None:
    """The second comes while the first has read everything, and committed nothing of it."""
    seen = Counter[bytes | None]()

    async def read(reader: KafkaReader) -> None:
        seen.update(message.payload for message in await reader.read(100))

    first, later = [[note(OUT, str(n), b"%s %d" % (when, n)) for n in range(40)] for when in (b"first", b"later")]
    async with reading(storage) as (one, reader), reading(storage) as (_, second):
        await one.log.append(first)
        while len(seen) < len(first):
            await read(reader)
        async with anyio.create_task_group() as group:

            async def goes_on(reader: KafkaReader) -> None:
                while True:
                    await read(reader)

            group.start_soon(goes_on, second)
            while len(assigned(reader)) != PARTITIONS // 2:  # noqa: ASYNC110  # no event tells it
                await anyio.sleep(0.02)
            await one.log.append(later)
            group.start_soon(goes_on, reader)  # each waits for messages of its own share
            while len(seen) < len(first) + len(later):  # noqa: ASYNC110  # no event tells it
                await anyio.sleep(0.02)
            group.cancel_scope.cancel()
    assert seen.keys() == {message.payload for message in [*first, *later]}


def assigned(reader: KafkaReader) -> set[Any]:
    return reader._open_one[0].assignment() if reader._open_one is not None else set()


def nothing_dropped(patch: pytest.MonkeyPatch) -> None:
    """What was stashed is given out whatever is owned by then."""

    def forget(self: Member) -> None:
        self._running = frozenset()

    patch.setattr(Member, "_forget", forget)


async def further_by_another(storage: OnKafka) -> None:
    """Another reads on, commits, and leaves, before who has read the first commits."""
    async with reading(storage) as (one, reader):
        await one.log.append([note(OUT, str(number)) for number in range(40)])
        seen = 0
        while seen < 40:
            seen += len(await reader.read(100 - seen))
        reader._read.update(dict.fromkeys(assigned(reader), 1))  # as if it had got no further
        cluster, group_name = kafka_of(one.backend).log._cluster, reader._group
        theirs, committed = list[TopicPartition](), list[int]()
        async with reading(storage) as (_, second), anyio.create_task_group() as group:
            group.start_soon(reads_on, second)
            while len(assigned(second)) != PARTITIONS // 2:  # noqa: ASYNC110  # no event tells it
                await anyio.sleep(0.02)
            theirs = sorted(assigned(second))
            while min(committed := await offsets(cluster, group_name, theirs)) < 2:
                await one.log.append([note(OUT, str(number)) for number in range(40)])
                await anyio.sleep(0.05)
            group.cancel_scope.cancel()
        while len(assigned(reader)) != PARTITIONS:  # noqa: ASYNC110  # no event tells it
            await anyio.sleep(0.02)
        await reader.read(1)
        for before, after in zip(committed, await offsets(cluster, group_name, theirs), strict=True):
            assert after >= before, "less is committed than was"


async def offsets(cluster: Cluster, group: str, places: Sequence[TopicPartition]) -> list[int]:
    """What readers have committed."""
    found = await cluster.committed(group, places)
    return [found[place].offset if place in found else 0 for place in places]


async def reads_on(reader: KafkaReader) -> None:
    while True:
        await reader.read(100)


def nothing_forgotten(patch: pytest.MonkeyPatch) -> None:
    """What was read is still to be committed when it has gone to others."""
    patch.setattr(reader_module._Moves, "on_partitions_revoked", reader_module._Moves.on_partitions_assigned)


class TestWorkers:
    @in_loop
    async def test_everything_is_done_once(self, storage: OnKafka) -> None:
        await moved_amid_work(storage)

    @in_loop
    async def test_what_was_fetched_ahead_is_dropped_at_once(self, storage: OnKafka) -> None:
        await dropped_at_once(storage)

    @in_loop
    async def test_would_keep_what_may_be_anothers(self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
        nothing_dropped(monkeypatch)
        await fails(dropped_at_once(storage), "it may be another's by now")

    @in_loop
    async def test_what_was_on_its_way_is_dropped(self, storage: OnKafka) -> None:
        await sought_while_a_record_was_on_its_way(storage)

    @in_loop
    async def test_what_was_on_its_way_would_come_first(
        self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def forget(self: Member) -> None:
            self._running = frozenset()
            self._stash.clear()

        monkeypatch.setattr(Member, "_forget", forget)
        await fails(sought_while_a_record_was_on_its_way(storage), "expected 3 records, got")


class TestReaders:
    @in_loop
    async def test_nothing_is_lost(self, storage: OnKafka) -> None:
        await read_by_two(storage)

    @in_loop
    async def test_would_fail_for_what_is_not_assigned(self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
        async def commit(self: KafkaReader, consumer: Any) -> None:
            if self._read:
                await consumer.commit(self._read)
            self._read.clear()

        monkeypatch.setattr(KafkaReader, "_commit", commit)
        nothing_forgotten(monkeypatch)
        await fails(read_by_two(storage), "not assigned")

    @in_loop
    async def test_nothing_less_is_committed_than_was(self, storage: OnKafka) -> None:
        await further_by_another(storage)

    @in_loop
    async def test_would_commit_less_than_another_has(self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
        nothing_forgotten(monkeypatch)
        await fails(further_by_another(storage), "less is committed than was")


class TestLeaving:
    @in_loop
    async def test_amid_a_rebalance_is_in_order(self, storage: OnKafka) -> None:
        """aiokafka lets a rebalance be finished before it leaves a group."""
        async with alone(storage) as harness:
            member = kafka_of(harness.backend).log._member
            assert member is not None
            await harness.rest()
            waiting, stop = member._waiting, member._consumer.stop
            assert waiting is not None, "records are waited for"

            async def finished_before() -> None:
                await anyio.wait_all_tasks_blocked()
                assert waiting.cancelled()
                await member.on_partitions_assigned(set(member.assigned))
                await stop()

            member._consumer.stop = finished_before  # type: ignore[method-assign]  # its rebalance is under way
        assert member.assignments > 1
