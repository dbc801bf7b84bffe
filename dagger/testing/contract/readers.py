"""Readers of external topics: the readers of a group share what is published, and nothing of it is lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack

import anyio
import pytest

from dagger.engine.ports import Log, Reader
from dagger.errors import BackendError, BackendUnavailable
from dagger.testing.contract.case import ContractCase
from dagger.testing.contract.harness import Harness, alone, in_loop, needs_sharing, note, working
from dagger.testing.contract.storage import Storage

TOPIC = "CONTRACT"
OTHER = "CONTRACT.other"
KEYS = 40
"""Enough of them to be in every partition."""


class ReaderContract(ContractCase):
    """The contract of readers: each group has every message at least once."""

    @in_loop
    async def test_a_group_reads_every_message_in_the_order_of_its_key(self, storage: Storage) -> None:
        async with alone(storage) as harness, harness.log.reader(TOPIC, "group") as reader:
            await publish(harness, 6)
            assert await payloads(reader, 6, limit=4) == [b"0", b"1", b"2", b"3", b"4", b"5"]
            await publish(harness, 1)
            assert await payloads(reader, 1) == [b"0"]

    @in_loop
    async def test_groups_do_not_disturb_each_other(self, storage: Storage) -> None:
        async with alone(storage, TOPIC) as harness:
            await publish(harness, 3)
            for group in ("one", "two"):
                assert await read(harness.log, 3, group=group) == [b"0", b"1", b"2"]
            assert [one.payload for one in await harness.messages(3)] == [b"0", b"1", b"2"]

    @in_loop
    async def test_a_group_reads_each_of_its_topics(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            await harness.log.append([note(TOPIC, "k", b"one"), note(OTHER, "k", b"two")])
            assert await read(harness.log, 1) == [b"one"]
            assert await read(harness.log, 1, topic=OTHER) == [b"two"]

    @in_loop
    async def test_groups_whose_names_look_alike_are_two(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            needs_sharing(harness.backend)
            await harness.log.append([note("CONTRACT.x", f"k-{n}", b"%d" % n) for n in range(20)])
            await harness.log.append([note("x", f"k-{n}", b"%d" % n) for n in range(20)])
            async with working(storage) as others, anyio.create_task_group() as group:
                group.start_soon(lambda: read(harness.log, 20, topic="CONTRACT.x", group="a"))
                await read(others.log, 20, topic="x", group="a.CONTRACT")

    @in_loop
    async def test_what_was_read_is_committed_by_the_next_read(self, storage: Storage) -> None:
        async with alone(storage) as harness, harness.log.reader(TOPIC, "group") as reader:
            await publish(harness, 4)
            assert await payloads(reader, 2, limit=2) == [b"0", b"1"]
            assert await payloads(reader, 1, limit=1) == [b"2"]  # it commits the two, and is not committed
        async with alone(storage) as harness:
            assert await read(harness.log, 2) == [b"2", b"3"]
        async with alone(storage) as harness:
            assert await read(harness.log, 2) == [b"2", b"3"]

    @in_loop
    async def test_what_was_read_last_is_read_again_by_the_next_reader(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            await publish(harness, 4)
            async with harness.log.reader(TOPIC, "group") as reader:
                assert await payloads(reader, 1, limit=1) == [b"0"]
                assert await payloads(reader, 2, limit=2) == [b"1", b"2"]
            assert await read(harness.log, 3, limit=3) == [b"1", b"2", b"3"]

    @in_loop
    async def test_a_reader_waits_until_there_is_something(self, storage: Storage) -> None:
        async with alone(storage) as harness, anyio.create_task_group() as group:
            found = list[bytes]()

            async def wait() -> None:
                found.extend(await read(harness.log, 1))

            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            assert found == []
            await publish(harness, 1)

    @in_loop
    async def test_a_reader_sees_what_another_process_publishes(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            needs_sharing(harness.backend)
            other = storage.backend()
            async with other.open(), anyio.create_task_group() as group:
                group.start_soon(read, other.log, 2)
                await anyio.wait_all_tasks_blocked()
                await publish(harness, 1)
                await publish(harness, 1)

    # Several readers of one group.

    @in_loop
    async def test_two_of_a_group_share_what_is_published(self, storage: Storage) -> None:
        """In one process; nothing is lost from the beginning on, and from a time on nothing comes to both."""
        async with alone(storage) as harness, ReaderGroup(harness) as crew:
            await crew.enter("one", harness.log)
            await crew.enter("two", harness.log)
            await crew.until_shared()

    @in_loop
    async def test_two_processes_of_a_group_share_what_is_published(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            needs_sharing(harness.backend)
            other = storage.backend()
            async with other.open(), ReaderGroup(harness) as crew:
                await crew.enter("one", harness.log)
                await crew.enter("two", other.log)
                await crew.until_shared()

    @in_loop
    async def test_what_a_reader_has_left_comes_to_the_other(self, storage: Storage) -> None:
        """And what it has read, and not committed."""
        async with alone(storage) as harness, ReaderGroup(harness) as crew:
            await crew.enter("one", harness.log)
            await crew.enter("two", harness.log)
            await crew.until_shared()
            await crew.hold("two")
            crew.leave("two")
            await crew.until(lambda: crew.last <= crew.seen["one"].keys())

    @in_loop
    async def test_a_reader_that_gives_up_waiting_takes_nothing_away(self, storage: Storage) -> None:
        """What another of its group has read, and not finished, is not committed by it."""
        async with alone(storage) as harness:
            await harness.log.append([note(TOPIC, f"k-{at}", b"%d" % at) for at in range(KEYS)])
            async with harness.log.reader(TOPIC, "group") as one:
                assert await one.read(100)
                async with harness.log.reader(TOPIC, "group") as two:
                    with anyio.move_on_after(0.1):
                        await two.read(100)  # its share may come to it; that is not committed either
            assert sorted(await read(harness.log, KEYS)) == sorted(b"%d" % at for at in range(KEYS))

    @in_loop
    async def test_a_reader_is_told_that_its_backend_is_closed(self, storage: Storage) -> None:
        backend = storage.backend()
        async with AsyncExitStack() as stack, anyio.create_task_group() as group:
            async with backend.open():
                reader = await stack.enter_async_context(backend.log.reader(TOPIC, "group"))
                group.start_soon(refused, reader)
                await anyio.wait_all_tasks_blocked()
            await refused(reader)


class ReaderGroup:
    """Readers of one group, each in a task of its own, and what each has read."""

    def __init__(self, harness: Harness) -> None:
        self._harness = harness
        self._group = anyio.create_task_group()
        self._scopes: dict[str, anyio.CancelScope] = {}
        self.published = set[bytes]()
        self.last = set[bytes]()
        """What was published last."""
        self.seen: dict[str, Counter[bytes]] = {}
        self._held = ""
        self._moved = anyio.Event()

    async def __aenter__(self) -> ReaderGroup:
        await self._group.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._group.cancel_scope.cancel()
        await self._group.__aexit__(None, None, None)

    async def enter(self, name: str, log: Log) -> None:
        """Let another read."""
        self.seen[name] = Counter[bytes]()
        self._scopes[name] = anyio.CancelScope()
        self._group.start_soon(self._read, name, log)
        await anyio.wait_all_tasks_blocked()

    def leave(self, name: str) -> None:
        """Let one read no more, as its task is cancelled; what it has read last may not be committed."""
        self._scopes[name].cancel()

    async def _read(self, name: str, log: Log) -> None:
        with self._scopes[name]:
            async with log.reader(TOPIC, "group") as reader:
                while True:
                    for record in await reader.read(7):
                        self.seen[name][record.payload or b""] += 1
                    self._moved.set()
                    if name == self._held and self.last & self.seen[name].keys():
                        await anyio.sleep_forever()

    async def hold(self, name: str) -> None:
        """Publish, and return when one has read something of it, which it is not going to commit."""
        self._held = name
        await self._publish()
        await self.until(lambda: bool(self.last & self.seen[name].keys()))

    async def until_shared(self) -> None:
        """Publish again and again, until what is published comes to each of them, and nothing of it to two."""
        while True:
            await self._publish()
            await self.until(lambda: self.last <= set().union(*self.seen.values()))
            shares = [seen.keys() & self.last for seen in self.seen.values()]
            if all(shares) and sum(map(len, shares)) == len(self.last):
                break
        assert self.published <= set().union(*self.seen.values()), "nothing was lost on the way"

    async def _publish(self) -> None:
        number = len(self.published)
        notes = [note(TOPIC, f"k-{at}", b"%d" % (number + at)) for at in range(KEYS)]
        self.last = {one.payload or b"" for one in notes}
        self.published |= self.last
        await self._harness.log.append(notes)

    async def until(self, done: Callable[[], bool]) -> None:
        """Return when something is so."""
        while not done():
            self._moved = anyio.Event()
            await self._moved.wait()


async def publish(harness: Harness, count: int) -> None:
    """Messages of one key, numbered."""
    await harness.log.append([note(TOPIC, "key", b"%d" % number) for number in range(count)])


async def read(log: Log, count: int, limit: int = 100, *, topic: str = TOPIC, group: str = "group") -> list[bytes]:
    """Read as another of a group until there are so many payloads."""
    async with log.reader(topic, group) as reader:
        return await payloads(reader, count, limit)


async def payloads(reader: Reader, count: int, limit: int = 100) -> list[bytes]:
    """Read until there are so many payloads."""
    found = list[bytes]()
    while len(found) < count:
        batch = await reader.read(limit)
        assert 0 < len(batch) <= limit
        found += [message.payload or b"" for message in batch]
    return found


async def refused(reader: Reader) -> None:
    """Reading raises an error that says that it is closed."""
    with pytest.raises(BackendError) as found:
        await reader.read(1)
    assert not isinstance(found.value, BackendUnavailable)
