"""The backlog: what is accepted and not committed, for whoever asks."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from dagger.engine.ports import Append, Log, LogRecord
from dagger.testing.contract.case import ContractCase
from dagger.testing.contract.harness import alone, datas, in_loop, needs_sharing, note, working
from dagger.testing.contract.log import IMPOSSIBLE, numbered
from dagger.testing.contract.storage import Storage


async def whole(log: Log, after: Mapping[int, int], limit: int = 100) -> list[LogRecord]:
    """All of the backlog, asked for as often as there may be more; each record as it was given last."""
    found = dict[tuple[int, int], LogRecord]()
    at = dict(after)
    while True:
        part = await log.backlog(at, limit)
        assert set(part.settled) == set(part.committed) == set(at), "it says how far it goes, for each partition"
        assert all(part.settled[partition] >= at[partition] for partition in at), "it goes on, and never back"
        for record in part.records:
            assert record.partition in at
            assert record.offset > max(at[record.partition], part.committed[record.partition])
            found[record.partition, record.offset] = record
        at = dict(part.settled)
        if not part.more:
            return [found[place] for place in sorted(found)]


def anew(log: Log) -> dict[int, int]:
    """Before the first record of each partition."""
    return dict.fromkeys(range(log.partitions), -1)


class BacklogContract(ContractCase):
    """The contract of what can be known of records before they are committed."""

    @in_loop
    async def test_the_backlog_is_what_is_accepted_and_not_committed(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            assert not await whole(harness.log, anew(harness.log))
            await harness.log.append(numbered(4))
            assert datas(await whole(harness.log, anew(harness.log))) == [b"0", b"1", b"2", b"3"]
            records = await harness.records(4)
            assert await whole(harness.log, anew(harness.log)) == records
            await harness.commit(records[:3])
            assert await whole(harness.log, anew(harness.log)) == records[3:]
            await harness.commit(records[3:])
            assert not await whole(harness.log, anew(harness.log))
            await harness.nothing_is_left()

    @in_loop
    async def test_the_backlog_is_there_for_those_who_do_not_work(self, storage: Storage) -> None:
        backend = storage.backend()
        async with backend.open():
            await backend.log.append(numbered(2))
            assert datas(await whole(backend.log, anew(backend.log))) == [b"0", b"1"]
        async with backend.open():
            assert datas(await whole(backend.log, anew(backend.log))) == [b"0", b"1"]
        async with working(storage) as harness:
            assert datas(await harness.records(2)) == [b"0", b"1"]

    @in_loop
    async def test_what_another_process_has_accepted_is_in_the_backlog(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            needs_sharing(harness.backend)
            other = storage.backend()
            async with other.open():
                for number in range(3):
                    await harness.log.append([Append(0, b"%d" % number)])
                    assert datas(await whole(other.log, {0: -1})) == [b"%d" % number]
                    await harness.commit(await harness.records(1))
                    assert not await whole(other.log, {0: -1})

    @in_loop
    async def test_the_backlog_is_read_on_from_where_it_was_read(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            await harness.log.append(numbered(3))
            first = await harness.log.backlog({0: -1}, 100)
            assert datas(first.records) == [b"0", b"1", b"2"]
            await harness.log.append([Append(0, b"3")])
            second = await harness.log.backlog(first.settled, 100)
            assert datas(second.records) == [b"3"]
            assert second.committed == first.committed
            await harness.commit(await harness.records(4))
            third = await harness.log.backlog(first.settled, 100)
            assert not third.records
            assert third.committed[0] >= second.records[0].offset
            await harness.nothing_is_left()

    @in_loop
    async def test_a_part_of_the_backlog_says_that_there_is_more(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            last = harness.log.partitions - 1
            await harness.log.append([*numbered(7), *numbered(5, last)])
            part = await harness.log.backlog(anew(harness.log), 3)
            assert len(part.records) <= 3
            assert part.more
            found = await whole(harness.log, anew(harness.log), limit=3)
            assert len(found) == 12
            assert datas([one for one in found if one.partition == 0])[:7] == [b"%d" % n for n in range(7)]

    @in_loop
    async def test_the_backlog_of_a_partition_is_of_no_other(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            if harness.log.partitions < 2:
                pytest.skip("the log has one partition")
            await harness.log.append([Append(0, b"zero"), Append(1, b"one")])
            assert datas(await whole(harness.log, {1: -1})) == [b"one"]
            assert datas(await whole(harness.log, {0: -1})) == [b"zero"]

    @in_loop
    async def test_to_look_at_the_backlog_changes_nothing_of_what_is_polled(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            await harness.log.append(numbered(3))
            await whole(harness.log, anew(harness.log))
            records = await harness.records(3)
            await whole(harness.log, anew(harness.log))
            assert not (await harness.poll()).records
            await harness.log.rewind()
            assert await harness.records(3) == records

    @in_loop
    async def test_what_a_commit_appends_is_in_the_backlog(self, storage: Storage) -> None:
        async with alone(storage, "CONTRACT") as harness:
            await harness.log.append(numbered(1))
            records = await harness.records(1)
            await harness.commit(records, [Append(0, b"next"), note("CONTRACT", "k", b"told")])
            assert datas(await whole(harness.log, anew(harness.log))) == [b"next"]

    @in_loop
    async def test_nothing_of_a_commit_that_has_failed_is_in_the_backlog(self, storage: Storage) -> None:
        async with alone(storage, "CONTRACT") as harness:
            await harness.log.append(numbered(1))
            records = await harness.records(1)
            with pytest.raises(Exception, match=r"."):
                await harness.commit(records, [Append(0, b"no"), IMPOSSIBLE, Append(0, b"no")])
            await harness.log.rewind()
            assert await harness.records(1) == records  # taken anew, where commits are settled by that
            assert await whole(harness.log, anew(harness.log)) == records
