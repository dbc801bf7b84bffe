"""What records are found by: the time of their timers, tasks that run, and the listing of instances."""

from __future__ import annotations

import pytest

from dagger.engine.ports import Listing, Query, Write
from dagger.testing.contract.case import ContractCase
from dagger.testing.contract.harness import Harness, alone, in_loop
from dagger.testing.contract.storage import Storage


class DueIndexContract(ContractCase):
    """The contract of timers and running tasks."""

    @in_loop
    async def test_what_is_due_is_found_the_earliest_first(self, storage: Storage) -> None:
        dues = {"c": 30, "a": 10, "d": 40, "b": 20, "none": None}
        async with alone(storage) as harness:
            assert await harness.save(*[Write(key, 0, 0, 1, b"", due=due) for key, due in dues.items()])
            due = harness.store.due
            assert await due([0], 9, 10) == []
            assert await due([0], 10, 10) == [("a", 10)]
            assert await due([0], 30, 10) == [("a", 10), ("b", 20), ("c", 30)]
            assert await due([0], 30, 2) == [("a", 10), ("b", 20)]
            assert await due([0], 1_000, 10) == [("a", 10), ("b", 20), ("c", 30), ("d", 40)]

    @in_loop
    async def test_the_next_that_is_due_is_found(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            next_due = harness.store.next_due
            assert await next_due([0], -1) is None
            assert await harness.save(*[Write(f"k-{at}", 0, 0, 1, b"", due=at) for at in (20, 10, 0, 30)])
            found = [await next_due([0], after) for after in (-1, 0, 9, 10, 29, 30)]
            assert found == [0, 10, 10, 20, 30, None]

    @in_loop
    async def test_asking_changes_nothing(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            assert await harness.save(*[Write(f"k-{at}", 0, 0, 1, b"", due=at, busy=True) for at in (10, 20)])
            for _ in range(3):
                assert await harness.store.due([0], 20, 1) == [("k-10", 10)]
                assert await harness.store.next_due([0], 10) == 20
                assert sorted(await harness.store.busy([0])) == ["k-10", "k-20"]

    @in_loop
    async def test_times_are_microseconds_of_any_year(self, storage: Storage) -> None:
        times = [1_893_456_000_000_000, 1_893_456_000_000_001, 253_402_300_799_999_999]
        async with alone(storage) as harness:
            assert await harness.save(*[Write(f"k-{at}", 0, 0, 1, b"", due=at) for at in times])
            assert await harness.store.due([0], times[1], 10) == [(f"k-{at}", at) for at in times[:2]]
            assert await harness.store.next_due([0], times[1]) == times[2]

    @in_loop
    async def test_only_the_last_version_is_due_or_busy(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            store = harness.store
            assert await harness.save(Write("key", 0, 0, 1, b"", due=10, busy=True))
            assert await harness.save(Write("key", 0, 1, 2, b"", due=20, busy=True))
            assert await store.due([0], 100, 10) == [("key", 20)]
            assert await store.next_due([0], -1) == 20
            assert await harness.save(Write("key", 0, 2, 3, b"", due=5))
            assert await store.due([0], 100, 10) == [("key", 5)]
            assert await store.busy([0]) == []
            assert await harness.save(Write("key", 0, 3, 4, b"", due=20))
            assert await store.due([0], 100, 10) == [("key", 20)]
            assert await harness.save(Write("key", 0, 4, 5, b"", busy=True))
            assert await store.due([0], 100, 10) == []
            assert await store.next_due([0], -1) is None
            assert await store.busy([0]) == ["key"]

    @in_loop
    async def test_what_a_write_does_not_move_stays_as_it_is(self, storage: Storage) -> None:
        listing = Listing("T", "EXECUTING", "key", 1)
        async with alone(storage) as harness:
            assert await harness.save(Write("key", 0, 0, 1, b"one", due=10, busy=True, listing=listing))
            same_index = Write("key", 0, 1, 2, b"two", due=10, busy=True, listing=listing, index_changed=False)
            assert await harness.save(same_index)
            assert await harness.store.due([0], 10, 10) == [("key", 10)]
            assert await harness.store.busy([0]) == ["key"]
            assert [row.data for row in await harness.store.find(Query(template="T"))] == [b"two"]
            assert not await harness.save(
                Write("key", 0, 1, 3, b"no", due=10, busy=True, listing=listing, index_changed=False)
            )

    @in_loop
    async def test_each_partition_has_an_agenda_of_its_own(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            count = harness.log.partitions
            if count < 2:
                pytest.skip("the log has one partition")
            writes = [Write(f"p-{p}", p, 0, 1, b"", due=10 * p, busy=True) for p in range(count)]
            assert await harness.save(*writes)
            for partition in range(count):
                assert await harness.store.due([partition], 1_000_000, 10) == [(f"p-{partition}", 10 * partition)]
                assert await harness.store.due([partition], 10 * partition - 1, 10) == []
                assert await harness.store.next_due([partition], -1) == 10 * partition
                assert await harness.store.busy([partition]) == [f"p-{partition}"]
            assert await harness.store.due([1, 0], 1_000_000, 10) == [("p-0", 0), ("p-1", 10)]
            assert await harness.store.due({0: 7, 1: 9}, 1_000_000, 1) == [("p-0", 0)]
            assert await harness.store.next_due([1, 0], 0) == 10
            assert sorted(await harness.store.busy([0, 1])) == ["p-0", "p-1"]
            assert await harness.store.due([], 1_000_000, 10) == []
            assert await harness.store.next_due([], -1) is None
            assert await harness.store.busy([]) == []

    @in_loop
    async def test_the_agenda_is_there_after_it_was_closed(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            assert await harness.save(Write("key", 0, 0, 1, b"", due=10, busy=True))
        async with alone(storage) as harness:
            assert await harness.store.due([0], 10, 10) == [("key", 10)]
            assert await harness.store.busy([0]) == ["key"]


class ListingContract(ContractCase):
    """The contract of finding instances."""

    @in_loop
    async def test_instances_are_found_by_template_status_and_key(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            await some(harness)
            assert await found(harness, Query()) == ["a", "b", "c", "d"]
            assert await found(harness, Query(template="T")) == ["a", "b", "c"]
            assert await found(harness, Query(status="COMPLETED")) == ["b", "d"]
            assert await found(harness, Query(key="k-1")) == ["a", "b"]
            assert await found(harness, Query(template="T", status="COMPLETED")) == ["b"]
            assert await found(harness, Query(template="U", status="COMPLETED", key="k-1")) == []
            assert await found(harness, Query(template="t")) == []

    @in_loop
    async def test_a_key_finds_whose_id_it_is_and_whose_it_is_not(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            listing = Listing("T", "EXECUTING", "o-1", 1)
            ids = ["o-1", "x", "0"]
            assert await harness.save(*[Write(id, 0, 0, 1, id.encode(), listing=listing) for id in ids])
            assert await harness.save(Write("o-2", 0, 0, 1, b"o-2", listing=Listing("T", "EXECUTING", "y", 1)))
            assert await found(harness, Query(key="o-1")) == ["0", "o-1", "x"]
            assert await found(harness, Query(key="o-2")) == []

    @in_loop
    async def test_children_are_found_by_their_parent(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            of_a, of_b = Listing("T", "EXECUTING", "k", 1, "a"), Listing("T", "COMPLETED", "k", 1, "b")
            writes = [Write(f"a/{n}", 0, 0, 1, b"a/%d" % n, listing=of_a) for n in range(5)]
            assert await harness.save(*writes, Write("b/x", 0, 0, 1, b"b/x", listing=of_b))
            await some(harness)
            children = [f"a/{n}" for n in range(5)]
            assert await found(harness, Query(parent="a")) == children
            assert await found(harness, Query(parent="a", limit=2, after="a/1")) == ["a/2", "a/3"]
            assert await found(harness, Query(parent="a", status="COMPLETED")) == []
            assert await found(harness, Query(parent="b", template="T", status="COMPLETED")) == ["b/x"]
            assert await found(harness, Query(parent="c")) == []
            assert await found(harness, Query(parent="")) == ["a", "b", "c", "d"]
            assert await found(harness, Query(parent="", template="T")) == ["a", "b", "c"]
            assert await found(harness, Query()) == ["a", *children, "b", "b/x", "c", "d"]
            assert await harness.store.count(Query(parent="a", limit=1)) == 5
            assert await harness.store.count(Query(parent="")) == 4
            ended = Listing("T", "COMPLETED", "k", 1, "a")
            assert await harness.save(Write("a/0", 0, 1, 2, b"a/0", listing=ended))
            assert await found(harness, Query(parent="a", status="COMPLETED")) == ["a/0"]
            assert await found(harness, Query(parent="a")) == children

    @in_loop
    async def test_instances_are_counted(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            count = harness.store.count
            assert await count(Query()) == 0
            await some(harness)
            assert await count(Query()) == 4
            assert await count(Query(template="T")) == 3
            assert await count(Query(template="T", status="EXECUTING")) == 2
            assert await count(Query(key="k-1", limit=1, after="a")) == 2
            assert await count(Query(template="none")) == 0

    @in_loop
    async def test_records_that_are_not_listed_are_not_found(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            assert await harness.save(Write("unlisted", 0, 0, 1, b""))
            assert await found(harness, Query()) == []
            assert await harness.store.count(Query()) == 0

    @in_loop
    async def test_instances_are_found_as_they_are_now(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            await some(harness)
            assert await harness.save(Write("a", 0, 1, 2, b"a", listing=Listing("T", "COMPLETED", "k-1", 1)))
            assert await found(harness, Query(template="T", status="EXECUTING")) == ["c"]
            assert await found(harness, Query(template="T", status="COMPLETED")) == ["a", "b"]
            assert await harness.save(Write("b", 0, 1, 2, None))
            assert await found(harness, Query(template="T")) == ["a", "c"]
            assert await harness.store.count(Query(template="T")) == 2
            assert await harness.save(Write("b", 0, 0, 3, b"b", listing=Listing("U", "EXECUTING", "k-1", 1)))
            assert await found(harness, Query()) == ["a", "b", "c", "d"]
            assert await found(harness, Query(template="U")) == ["b", "d"]

    @in_loop
    async def test_pages_are_ordered_by_id_and_go_on_after_the_last(self, storage: Storage) -> None:
        ids = ["b", "a", "ä", "z", "A", "10", "9", "🍕", "ﬀ", "a b", "a/b"]
        async with alone(storage) as harness:
            listing = Listing("T", "EXECUTING", "k", 1)
            assert await harness.save(*[Write(id, 0, 0, 1, id.encode(), listing=listing) for id in ids])
            pages = list[list[str]]()
            while len(pages) < len(ids):
                page = await found(harness, Query(template="T", limit=3, after=pages[-1][-1] if pages else None))
                if not page:
                    break
                pages.append(page)
            assert [id for page in pages for id in page] == sorted(ids)
            assert [len(page) for page in pages] == [3, 3, 3, 2]
            assert await found(harness, Query(after="a a", limit=2)) == ["a b", "a/b"]


async def some(harness: Harness) -> None:
    """Four instances, of two templates, and a record that is none."""
    last = harness.log.partitions - 1
    assert await harness.save(
        Write("d", last, 0, 1, b"d", listing=Listing("U", "COMPLETED", "k-2", 4)),
        Write("b", 0, 0, 1, b"b", listing=Listing("T", "COMPLETED", "k-1", 2)),
        Write("c", last, 0, 1, b"c", listing=Listing("T", "EXECUTING", "k-2", 3)),
        Write("a", 0, 0, 1, b"a", listing=Listing("T", "EXECUTING", "k-1", 1)),
        Write("k-1", 0, 0, 1, b"no instance"),
    )


async def found(harness: Harness, query: Query) -> list[str]:
    """The ids of those that a query asks for, which are their data here."""
    return [row.data.decode() for row in await harness.store.find(query)]
