"""The internal log: what was accepted is polled in order, again and again until it is committed."""

from __future__ import annotations

import anyio
import pytest

from dagger.engine.ports import Append, Entry, LogRecord, Outgoing, TopicRecord
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

IMPOSSIBLE = Outgoing("CONTRACT", b"k", b"", (("\ud800", b""),))
"""A message that no log can take: half a character in the name of a header cannot be written."""


def numbered(count: int, partition: int = 0) -> list[Append]:
    """Records for a partition, each with its number."""
    return [Append(partition, b"%d" % number) for number in range(count)]


class LogContract(ContractCase):
    """The contract of the internal log."""

    # What is accepted is polled.

    @in_loop
    async def test_records_are_polled_in_the_order_in_which_they_were_accepted(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            await harness.log.append(numbered(5))
            await harness.log.append([Append(0, b"5"), Append(0, b"6")])
            records = await harness.records(7)
        assert datas(records) == [b"0", b"1", b"2", b"3", b"4", b"5", b"6"]
        offsets = [record.offset for record in records]
        assert offsets == sorted(set(offsets))
        assert min(offsets) >= 0

    @in_loop
    async def test_every_partition_has_an_order_of_its_own(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            partitions = range(harness.log.partitions)
            await harness.log.append([Append(partition, b"%d" % n) for n in range(3) for partition in partitions])
            records = await harness.records(3 * len(partitions))
            for partition in partitions:
                own = [record for record in records if record.partition == partition]
                assert datas(own) == [b"0", b"1", b"2"]
                assert [record.offset for record in own] == sorted({record.offset for record in own})

    @in_loop
    async def test_bytes_come_as_they_were_given(self, storage: Storage) -> None:
        given = [b"", b"\0", bytes(range(256)), b"x" * 300_000]
        async with alone(storage) as harness:
            await harness.log.append([Append(0, data) for data in given])
            assert datas(await harness.records(len(given))) == given

    @in_loop
    async def test_a_poll_gives_at_most_what_it_is_asked_for_and_nothing_twice(self, storage: Storage) -> None:
        async with alone(storage, "CONTRACT") as harness:
            await harness.log.append([*numbered(5), *[note("CONTRACT", "k", b"%d" % n) for n in range(5)]])
            found = await harness.take(10, limit=3)
            assert len(found) == len({(type(one), one.offset) for one in found}) == 10
            await harness.commit(found)
            await harness.nothing_is_left()

    @in_loop
    async def test_no_partition_waits_for_ever_behind_another(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            last = harness.log.partitions - 1
            await harness.log.append([*numbered(3), Append(last, b"here")])
            had_turn = set[int]()
            for _ in range(20 * harness.log.partitions):
                batch = await harness.poll(1)
                had_turn |= {record.partition for record in batch.records}
                await harness.commit(batch.records, numbered(1))  # there is always more for the first partition
            assert had_turn == {0, last}, "a partition was polled over and over, and another had no turn"

    @in_loop
    async def test_nobody_needs_to_work_for_records_to_be_accepted(self, storage: Storage) -> None:
        backend = storage.backend()
        async with backend.open():
            await backend.log.append(numbered(2))
        async with working(storage) as harness:
            assert datas(await harness.records(2)) == [b"0", b"1"]

    @in_loop
    async def test_nothing_is_no_trouble(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            await harness.log.append([])
            await harness.log.commit({}, {})
            assert await harness.store.read([]) == []
            assert not await harness.store.write([])
            await harness.log.commit({}, {})
            await harness.log.rewind()
            await harness.nothing_is_left()

    @in_loop
    async def test_the_partitions_stay_as_many(self, storage: Storage) -> None:
        counts = list[int]()
        for _ in range(2):
            async with alone(storage) as harness:
                counts.append(harness.log.partitions)
                assert set(harness.owned) == set(range(harness.log.partitions))
        assert counts[0] == counts[1] > 0

    # Until it is committed.

    @in_loop
    async def test_what_is_not_committed_is_polled_again_after_a_rewind(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            await harness.log.append(numbered(3))
            first = await harness.records(3)
            await harness.log.rewind()
            assert await harness.records(3) == first
            await harness.log.rewind()
            assert await harness.records(3) == first

    @in_loop
    async def test_what_is_not_committed_is_polled_again_after_it_was_closed(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            await harness.log.append(numbered(3))
            first = await harness.records(3)
        for _ in range(2):
            async with working(storage) as harness:
                assert await harness.records(3) == first

    @in_loop
    async def test_what_is_committed_is_not_polled_again(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            await harness.log.append([*numbered(3), *numbered(2, harness.log.partitions - 1)])
            await harness.commit(await harness.records(5))
            await harness.log.rewind()
            await harness.nothing_is_left()
        async with alone(storage) as harness:
            await harness.nothing_is_left()

    @in_loop
    async def test_a_commit_up_to_an_offset_is_of_all_before_it_and_of_none_behind(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            await harness.log.append(numbered(5))
            records = await harness.records(5)
            await harness.commit(records[2:3])
            await harness.log.rewind()
            assert await harness.records(2) == records[3:]
        async with working(storage) as harness:
            assert await harness.records(2) == records[3:]
            await harness.commit(records[4:])
        async with alone(storage) as harness:
            await harness.nothing_is_left()

    @in_loop
    async def test_one_partition_is_committed_without_the_others(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            if harness.log.partitions < 2:
                pytest.skip("the log has one partition")
            await harness.log.append([Append(0, b"zero"), Append(1, b"one")])
            await harness.commit([record for record in await harness.records(2) if record.partition == 1])
        async with working(storage) as harness:
            assert datas(await harness.records(1)) == [b"zero"]

    @in_loop
    async def test_offsets_never_come_twice(self, storage: Storage) -> None:
        """Neither after all was consumed, nor after it was closed and opened."""
        seen = list[int]()
        for _ in range(3):
            async with alone(storage) as harness:
                for _ in range(2):
                    await harness.log.append(numbered(2))
                    records = await harness.records(2)
                    seen += [record.offset for record in records]
                    await harness.commit(records)
        assert seen == sorted(set(seen))

    # A commit is one thing.

    @in_loop
    async def test_a_commit_appends_its_entries_and_commits_its_offsets(self, storage: Storage) -> None:
        async with alone(storage, "CONTRACT") as harness:
            await harness.log.append(numbered(2))
            await harness.commit(await harness.records(2), [Append(0, b"next"), note("CONTRACT", "k", b"told")])
        async with working(storage, "CONTRACT") as harness:
            found = await harness.take(2)
            assert sorted(data_of(one) for one in found) == [b"next", b"told"]
            await harness.commit(found)
            await harness.nothing_is_left()

    @in_loop
    async def test_a_commit_that_raises_keeps_nothing(self, storage: Storage) -> None:
        async with alone(storage, "CONTRACT") as harness:
            await harness.log.append(numbered(2))
            records = await harness.records(2)
            entries: list[Entry] = [Append(0, b"no"), note("CONTRACT", "k", b"no"), IMPOSSIBLE, Append(0, b"no")]
            with pytest.raises(Exception, match=r"."):
                await harness.commit(records, entries)
            await harness.log.rewind()
            assert await harness.records(2) == records
            await harness.log.rewind()
            assert await harness.records(2) == records
            await harness.commit(records)
            await harness.nothing_is_left()
        async with alone(storage, "CONTRACT") as harness:
            await harness.nothing_is_left()

    @in_loop
    async def test_after_a_commit_that_raised_the_work_goes_on(self, storage: Storage) -> None:
        async with alone(storage, "CONTRACT") as harness:
            await harness.log.append(numbered(2))
            await harness.log.append(numbered(1, harness.log.partitions - 1))
            with pytest.raises(Exception, match=r"."):
                await harness.commit(await harness.records(3), [IMPOSSIBLE])
            await harness.log.rewind()
            await harness.commit(await harness.records(3), [note("CONTRACT", "k", b"yes")])
            (message,) = await harness.messages(1)
            assert message.payload == b"yes"

    # Waiting.

    @in_loop
    async def test_wait_returns_when_something_is_appended(self, storage: Storage) -> None:
        async with alone(storage) as harness, anyio.create_task_group() as group:
            group.start_soon(wait_and_commit, harness, b"one")
            await anyio.wait_all_tasks_blocked()
            await harness.log.append([Append(0, b"one")])

    @in_loop
    async def test_wait_returns_when_something_was_appended_since_the_last_poll(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            for number in range(3):
                assert not await harness.poll()
                await harness.log.append([Append(0, b"%d" % number)])
                await harness.log.wait()
                await harness.commit(await harness.records(1))

    @in_loop
    async def test_wait_returns_when_another_process_has_appended(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            needs_sharing(harness.backend)
            other = storage.backend()
            async with other.open():
                for number in range(3):
                    async with anyio.create_task_group() as group:
                        group.start_soon(wait_and_commit, harness, b"%d" % number)
                        await anyio.wait_all_tasks_blocked()
                        await other.log.append([Append(0, b"%d" % number)])

    @in_loop
    async def test_a_commit_wakes_who_waits_for_its_entries(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            await harness.log.append(numbered(1))
            records = await harness.records(1)
            async with anyio.create_task_group() as group:
                group.start_soon(wait_and_commit, harness, b"next")
                await anyio.wait_all_tasks_blocked()
                await harness.commit(records, [Append(0, b"next")])


async def wait_and_commit(harness: Harness, data: bytes) -> None:
    """Wait, as often as it returns too early, until a record comes; there is no other way to notice it."""
    while True:
        await harness.log.wait()
        batch = await harness.poll()
        if batch.records:
            assert datas(batch.records) == [data]
            await harness.commit(batch.records)
            return


def data_of(one: LogRecord | TopicRecord) -> bytes:
    """What is in a record or message."""
    return one.data if isinstance(one, LogRecord) else one.payload or b""
