"""What a store that goes with a log of another kind keeps beside its records, and what other processes see of it."""

from __future__ import annotations

import anyio
import pytest

from dagger.engine.ports import Row, Write
from dagger.testing.contract.harness import in_loop
from dagger.testing.contract.with_memory_log import StoreStorage


class StandaloneContract:
    """The contract of standalone stores; what they have in common with others is in `BackendContract`."""

    @pytest.fixture
    def stores(self) -> StoreStorage:
        """The data under test, empty at first: override it."""
        raise NotImplementedError(f"{type(self).__name__} must override the fixture `stores`")

    # Pins.

    @in_loop
    async def test_of_many_who_pin_at_once_all_get_the_same(self, stores: StoreStorage) -> None:
        one, other = stores.store(), stores.store()
        found = list[bytes]()

        async def pin(number: int) -> None:
            found.append(await (one, other)[number % 2].pin("name", b"%d" % number))

        async with one.open(), other.open(), anyio.create_task_group() as group:
            for number in range(20):
                group.start_soon(pin, number)
        assert len(found) == 20
        assert len(set(found)) == 1

    # Several processes.

    @in_loop
    async def test_a_write_is_seen_by_others_when_it_returns(self, stores: StoreStorage) -> None:
        one, other = stores.store(), stores.store()
        async with one.open(), other.open():
            for version in range(5):
                assert await one.write([Write("key", 0, 2 * version, 2 * version + 1, b"one", due=version)]) == [True]
                assert await other.read(["key"]) == [Row(2 * version + 1, b"one")]
                assert await other.due([0], version, 10) == [("key", version)]
                assert await other.write([Write("key", 0, 2 * version + 1, 2 * version + 2, b"other")]) == [True]
                assert await one.read(["key"]) == [Row(2 * version + 2, b"other")]
                assert await one.due([0], version, 10) == []

    @in_loop
    async def test_of_two_processes_the_first_to_write_a_record_wins(self, stores: StoreStorage) -> None:
        """Record by record, whatever else they write with it."""
        one, other = stores.store(), stores.store()
        both = [f"k-{number}" for number in range(50)]
        answers = dict[str, list[bool]]()

        async def write(name: str) -> None:
            store = one if name == "one" else other
            keys = [key for number in range(50) for key in (f"{name}-{number}", both[number])]
            writes = [Write(key, 0, 0, 1, name.encode()) for key in keys]
            answers[name] = list(await store.write(writes))

        async with one.open(), other.open():
            async with anyio.create_task_group() as group:
                group.start_soon(write, "one")
                group.start_soon(write, "other")
            for name, taken in answers.items():
                assert taken[::2] == [True] * 50
                rows = await one.read(both)
                assert [row == Row(1, name.encode()) for row in rows] == taken[1::2]
            assert [a != b for a, b in zip(answers["one"][1::2], answers["other"][1::2], strict=True)] == [True] * 50

    @in_loop
    async def test_what_others_deleted_is_remembered_for_all(self, stores: StoreStorage) -> None:
        one, other = stores.store(), stores.store()
        async with one.open(), other.open():
            assert await one.write([Write("key", 0, 0, 5, b"")]) == [True]
            assert await one.write([Write("key", 0, 5, 6, None)]) == [True]
            assert await other.write([Write("key", 0, 0, 5, b"late")]) == [False]
            assert await other.read(["key"]) == [None]
            assert await other.write([Write("key", 0, 0, 7, b"new")]) == [True]

    @in_loop
    async def test_who_waits_is_told_what_others_change(self, stores: StoreStorage) -> None:
        """It also wakes for changes made before it began to wait. It may wake too often, and checks each time."""
        one, other = stores.store(), stores.store()
        async with one.open(), other.open(), anyio.create_task_group() as group:
            seen = list[int]()

            async def look() -> None:
                while not seen or seen[-1] < 3:
                    await one.changed()
                    (row,) = await one.read(["key"])
                    seen.append(0 if row is None else row.version)

            group.start_soon(look)
            for version in range(3):
                await anyio.wait_all_tasks_blocked()
                assert await other.write([Write("key", 0, version, version + 1, b"")]) == [True]

    @in_loop
    async def test_it_says_how_large_a_record_may_be(self, stores: StoreStorage) -> None:
        store = stores.store()
        assert store.size_max >= 64 * 1024
        async with store.open():
            large = b"x" * min(store.size_max, 1024 * 1024)
            assert await store.write([Write("key", 0, 0, 1, large)]) == [True]
            assert await store.read(["key"]) == [Row(1, large)]
