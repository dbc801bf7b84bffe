"""The store: compare-and-swap, record by record, and what records are found by."""

from __future__ import annotations

from typing import Final

import pytest

from dagger.engine.ports import Append, Backend, Row, Write
from dagger.errors import Fenced
from dagger.testing.contract.case import ContractCase
from dagger.testing.contract.harness import alone, in_loop, needs_sharing, note
from dagger.testing.contract.log import IMPOSSIBLE
from dagger.testing.contract.storage import Storage

FAR: Final = 4_102_444_800_000_000
"""2100, in microseconds: what ended then is not deleted by the backend itself meanwhile."""


class StoreContract(ContractCase):
    """The contract of records."""

    # Reading.

    @in_loop
    async def test_a_record_is_read_as_it_was_written(self, storage: Storage) -> None:
        given = {"key": b"data", "empty": b"", "schlüssel 🗝": bytes(range(256)), "long": b"x" * 300_000, "a/b c": b"d"}
        async with alone(storage) as harness:
            assert await harness.save(*[Write(key, 0, 0, 7, data) for key, data in given.items()])
            assert await harness.store.read(list(given)) == [Row(7, data) for data in given.values()]
        async with alone(storage) as harness:
            assert await harness.store.read(list(given)) == [Row(7, data) for data in given.values()]

    @in_loop
    async def test_what_does_not_exist_is_none_in_its_place(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            assert await harness.save(*[Write(f"k-{n}", 0, 0, n + 1, b"%d" % n) for n in range(0, 1000, 2)])
            rows = await harness.store.read([f"k-{n}" for n in reversed(range(1000))])
        wanted = [Row(n + 1, b"%d" % n) if n % 2 == 0 else None for n in reversed(range(1000))]
        assert rows == wanted

    @in_loop
    async def test_keys_differ_by_every_character(self, storage: Storage) -> None:
        keys = ["key", "KEY", "key ", " key", "kéy", "ke\u0301y", "k\0y", "k%y", "k_y"]
        async with alone(storage) as harness:
            assert await harness.save(*[Write(key, 0, 0, 1, key.encode()) for key in keys])
            assert await harness.store.read(keys) == [Row(1, key.encode()) for key in keys]

    # Notes.

    @in_loop
    async def test_what_is_pinned_first_is_kept(self, storage: Storage) -> None:
        data = bytes(range(256))
        async with alone(storage) as harness:
            store = harness.store
            assert await store.pin("name", data) == data
            assert await store.pin("name", b"other") == data
            assert await store.pin("empty", b"") == b""
            assert await store.pin("empty", b"other") == b""
            assert await store.pin("Name", b"of its own") == b"of its own"
        async with alone(storage) as harness:
            assert await harness.store.pin("name", b"later") == data
            assert await harness.store.pin("empty", b"later") == b""

    @in_loop
    async def test_a_note_is_replaced_where_the_old_one_is_kept(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            store = harness.store
            assert not await store.repin("name", b"", b"new")
            assert await store.pin("name", b"first") == b"first"
            assert not await store.repin("name", b"", b"no")
            assert not await store.repin("name", b"second", b"no")
            assert not await store.repin("Name", b"first", b"no")
            assert await store.repin("name", b"first", b"second")
            assert not await store.repin("name", b"first", b"no")
            assert await store.repin("name", b"second", b"second")
            assert await store.pin("name", b"no") == b"second"
        async with alone(storage) as harness:
            assert await harness.store.pin("name", b"no") == b"second"

    @in_loop
    async def test_a_note_is_no_record(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            assert await harness.store.pin("name", b"note") == b"note"
            assert await harness.store.read(["name"]) == [None]
            assert await harness.save(Write("name", 0, 0, 1, b"record"))
            assert await harness.store.pin("name", b"no") == b"note"

    # Compare-and-swap.

    @in_loop
    async def test_next_becomes_the_version(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            assert await harness.save(Write("key", 0, 0, 5, b"one"))
            assert await harness.save(Write("key", 0, 5, 9_000_000_000_000, b"two"))
            assert await harness.row("key") == Row(9_000_000_000_000, b"two")
            assert await harness.save(Write("key", 0, 9_000_000_000_000, 9_000_000_000_001, b"three"))
            assert await harness.row("key") == Row(9_000_000_000_001, b"three")

    @in_loop
    @pytest.mark.parametrize("version", [0, 1, 4, 6])
    async def test_a_write_of_another_version_changes_nothing(self, storage: Storage, version: int) -> None:
        async with alone(storage) as harness:
            assert await harness.save(Write("key", 0, 0, 5, b"old"))
            assert not await harness.save(Write("key", 0, version, 8, b"no", due=1, busy=True))
            assert await harness.row("key") == Row(5, b"old")
            assert await harness.store.due([0], 10, 10) == []
            assert await harness.store.busy([0]) == []
            assert not await harness.save(Write("key", 0, version, 8, None))
            assert await harness.row("key") == Row(5, b"old")
            assert await harness.save(Write("key", 0, 5, 6, b"new"))

    @in_loop
    async def test_a_write_of_what_does_not_exist_makes_nothing(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            assert not await harness.save(Write("key", 0, 5, 6, b"no"))
            assert await harness.row("key") is None

    @in_loop
    async def test_a_deleted_record_is_gone_and_may_be_made_again(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            assert await harness.save(Write("key", 0, 0, 5, b"old", due=1, busy=True))
            assert await harness.save(Write("key", 0, 5, 6, None))
            assert await harness.row("key") is None
            assert await harness.store.due([0], 10, 10) == []
            assert await harness.store.next_due([0], -1) is None
            assert await harness.store.busy([0]) == []
            assert not await harness.save(Write("key", 0, 5, 7, b"late"))
            assert not await harness.save(Write("key", 0, 6, 7, b"late"))
            assert await harness.save(Write("key", 0, 0, 8, b"new"))
            assert await harness.row("key") == Row(8, b"new")

    @in_loop
    async def test_one_that_is_refused_says_so_for_itself_or_takes_all_with_it(self, storage: Storage) -> None:
        async with alone(storage, "CONTRACT") as harness:
            assert await harness.save(Write("old", 0, 0, 5, b"old"))
            await harness.log.append([Append(0, b"record")])
            polled = await harness.records(1)
            answers = await harness.store.write([Write("one", 0, 0, 1, b"1"), Write("old", 0, 4, 6, b"no")])
            if all(answers):
                with pytest.raises(Fenced):
                    await harness.commit(polled, [note("CONTRACT", "k", b"no")])
                await harness.log.rewind()
                assert await harness.store.read(["one", "old"]) == [None, Row(5, b"old")]
                await harness.commit(await harness.records(1))
                await harness.nothing_is_left()
            else:
                assert list(answers) == [True, False]
                await harness.log.commit({}, {})
                assert await harness.store.read(["one", "old"]) == [Row(1, b"1"), Row(5, b"old")]

    @in_loop
    async def test_of_two_who_write_the_first_wins(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            assert await harness.save(Write("key", 0, 0, 1, b"first"))
            assert not await harness.save(Write("key", 0, 0, 1, b"second"))
            assert await harness.row("key") == Row(1, b"first")

    @in_loop
    async def test_a_late_write_of_one_who_was_overtaken_is_refused(self, storage: Storage) -> None:
        """Also after the record was made and deleted by who has overtaken it."""
        late = [Write("key", 0, 0, 5, b"late", due=1, busy=True), Write("key", 0, 0, 6, b"late", due=1, busy=True)]
        async with alone(storage) as harness:
            needs_memory(harness.backend)
            assert await harness.save(Write("key", 0, 0, 5, b"one"))
            assert [await harness.save(write) for write in late] == [False, False]
            assert await harness.save(Write("key", 0, 5, 6, None))
            assert [await harness.save(write) for write in late] == [False, False]
            assert await harness.row("key") is None
        async with alone(storage) as harness:
            assert [await harness.save(write) for write in late] == [False, False]
            assert await harness.row("key") is None
            assert await harness.store.due([0], 10, 10) == []
            assert await harness.store.busy([0]) == []
            assert await harness.save(Write("key", 0, 0, 7, b"two"))
            assert await harness.save(Write("key", 0, 7, 8, None))
            assert not await harness.save(Write("key", 0, 0, 7, b"late"))
            assert await harness.save(Write("key", 0, 0, 9, b"three"))
            assert await harness.row("key") == Row(9, b"three")

    @in_loop
    async def test_to_delete_what_is_not_there_is_remembered(self, storage: Storage) -> None:
        """Who has overtaken another may find that there is nothing to keep; and may find it twice."""
        async with alone(storage) as harness:
            needs_memory(harness.backend)
            assert await harness.save(Write("key", 0, 0, 6, None))
            assert not await harness.save(Write("key", 0, 0, 6, b"late"))
            assert await harness.save(Write("key", 0, 0, 6, None))
            assert await harness.save(Write("key", 0, 0, 4, None))
            assert not await harness.save(Write("key", 0, 0, 5, b"late"))
            assert await harness.row("key") is None
            assert await harness.save(Write("key", 0, 0, 7, b"new"))
            assert not await harness.save(Write("key", 0, 0, 8, None))
            assert await harness.row("key") == Row(7, b"new")

    # With the log.

    @in_loop
    async def test_where_it_is_atomic_nothing_is_written_before_the_commit(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            if not harness.backend.atomic:
                pytest.skip("the backend is not atomic: a write may be seen before its commit")
            await harness.log.append([Append(0, b"record")])
            polled = await harness.records(1)
            await harness.store.write([Write("key", 0, 0, 1, b"with_backend", due=1, busy=True)])
            assert await harness.row("key") is None
            assert await harness.store.due([0], 10, 10) == []
            await harness.log.append([Append(0, b"an append is not the commit")])
            assert await harness.row("key") is None
            await harness.commit(polled)
            assert await harness.row("key") == Row(1, b"with_backend")

    @in_loop
    async def test_where_it_is_atomic_a_rewind_forgets_what_was_written(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            if not harness.backend.atomic:
                pytest.skip("the backend is not atomic: a write may be seen before its commit")
            await harness.store.write([Write("key", 0, 0, 1, b"with_backend")])
            await harness.log.rewind()
            await harness.poll()
            await harness.log.commit({}, {})
            assert await harness.row("key") is None
            await harness.store.write([Write("key", 0, 0, 1, b"with_backend")])
        async with alone(storage) as harness:
            await harness.log.commit({}, {})
            assert await harness.row("key") is None

    @in_loop
    async def test_where_it_is_atomic_a_commit_that_raises_writes_nothing(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            if not harness.backend.atomic:
                pytest.skip("the backend is not atomic: a write may be seen before its commit")
            await harness.store.write([Write("key", 0, 0, 1, b"with_backend")])
            with pytest.raises(Exception, match=r"."):
                await harness.commit([], [IMPOSSIBLE])
            await harness.log.rewind()
            await harness.poll()
            assert await harness.row("key") is None
            await harness.log.commit({}, {})
            assert await harness.row("key") is None

    @in_loop
    async def test_other_processes_see_what_was_committed(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            needs_sharing(harness.backend)
            other = storage.backend()
            async with other.open():
                assert await other.store.read(["key"]) == [None]
                assert await harness.save(Write("key", 0, 0, 1, b"one"))
                assert await other.store.read(["key"]) == [Row(1, b"one")]

    @in_loop
    async def test_what_ended_long_ago_may_be_deleted(self, storage: Storage) -> None:
        """And nothing else: neither what ended since, nor what lives."""
        async with alone(storage) as harness:
            old, new = FAR + 10, FAR + 30
            writes = [Write("old", 0, 0, 1, b"", ended=old), Write("new", 0, 0, 1, b"", ended=new)]
            assert await harness.save(*writes, Write("lives", 0, 0, 1, b""), Write("again", 0, 0, 1, b"", ended=old))
            assert await harness.save(Write("again", 0, 1, 2, b""))
            if not await storage.purge(harness.backend, FAR + 20):
                pytest.skip("the backend keeps what has ended (`purge`)")
            rows = await harness.store.read(["old", "new", "lives", "again"])
            assert [row is not None for row in rows] == [False, True, True, True]
            if not harness.backend.atomic:  # it is remembered like any other that was deleted
                assert not await harness.save(Write("old", 0, 0, 1, b"late"))
            assert await harness.save(Write("old", 0, 0, 5, b"made again"))


def needs_memory(backend: Backend) -> None:
    """Skip a test of what deleted records leave behind, where a late write is refused with its commit."""
    if backend.atomic:
        pytest.skip("the backend is atomic: the commit of one who was overtaken is refused")
