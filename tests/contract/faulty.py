"""Backends in memory with a fault each, of the kind that the suite is there to find."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec
from typing_extensions import override

from dagger.backends.memory import MemoryBackend, MemoryGroup, MemoryLog, MemoryReader, MemoryStore
from dagger.engine.ports import (
    Append,
    Backlog,
    Batch,
    Entry,
    Orders,
    Outgoing,
    Position,
    Query,
    Row,
    TopicRecord,
    Write,
    flat,
)


class Torn(MemoryLog):
    """Commits the offsets, and then appends one entry after the other."""

    @override
    async def commit(self, entries: Orders, offsets: Mapping[Position, int]) -> None:
        await super().commit({}, offsets)
        for entry in flat(entries):
            await super().append([entry])


class Restarting(MemoryLog):
    """Numbers its records from 0 again once all were consumed and it was opened anew."""

    @override
    def open_anew(self) -> None:
        super().open_anew()
        for partition, log in enumerate(self._internal):
            if self.committed.get(("", partition), -1) + 1 == self._base[partition] + len(log):
                log.clear()
                self._base[partition] = 0
                self.committed.pop(("", partition), None)


class Forgetful(MemoryLog):
    """Forgets what it has committed when it is opened anew."""

    @override
    def open_anew(self) -> None:
        super().open_anew()
        self.committed.clear()


class Eager(MemoryLog):
    """Takes for committed what was polled."""

    @override
    async def poll(self, limit: int) -> Batch:
        batch = await super().poll(limit)
        for record in batch.records:
            self.committed["", record.partition] = record.offset
        return batch


class Dropping(MemoryLog):
    """Drops the last of several entries of a commit."""

    @override
    async def commit(self, entries: Orders, offsets: Mapping[Position, int]) -> None:
        await super().commit({at: them[:-1] if len(them) > 1 else them for at, them in entries.items()}, offsets)


class Backwards(MemoryLog):
    """Appends the entries of one call in the wrong order."""

    @override
    async def append(self, entries: Sequence[Entry]) -> None:
        await super().append(list(reversed(entries)))


class Deaf(MemoryLog):
    """Does not wake those who wait when a commit appends."""

    @override
    async def commit(self, entries: Orders, offsets: Mapping[Position, int]) -> None:
        notifier, self._news = self._news, type(self._news)()
        await super().commit(entries, offsets)
        self._news = notifier


class Unfair(MemoryLog):
    """Begins with the first partition each time."""

    @override
    async def poll(self, limit: int) -> Batch:
        self._first = 0
        return await super().poll(limit)


class Headless(MemoryLog):
    """Loses the headers of messages."""

    @override
    async def append(self, entries: Sequence[Entry]) -> None:
        bare = [msgspec.structs.replace(one, headers={}) if isinstance(one, Outgoing) else one for one in entries]
        await super().append(bare)


class Astray(MemoryReader):
    """A reader that commits nothing, and begins anew."""

    @override
    async def read(self, limit: int) -> Sequence[TopicRecord]:
        found = await super().read(limit)
        self._group.committed[:] = [0] * len(self._group.committed)
        return found


class Rereading(MemoryLog):
    """Gives readers that lose their position."""

    @override
    def _reader_of(self, group: MemoryGroup) -> MemoryReader:
        return Astray(self, group)


class Alone(MemoryLog):
    """Lets readers of a group share nothing: each has everything, and commits what others have read."""

    @override
    def _share(self, group: MemoryGroup) -> None:
        for reader in group.readers:
            for partition in range(self.partitions):
                if partition not in reader.owned:
                    reader.take(partition)
        self._published.notify()


class Keeping(MemoryLog):
    """Never gives the share of a reader that has left to the others."""

    @override
    def _share(self, group: MemoryGroup) -> None:
        if not any(reader.owned for reader in group.readers):
            super()._share(group)


class Careless(MemoryLog):
    """Gives readers that take for committed what they have read."""

    @override
    def _reader_of(self, group: MemoryGroup) -> MemoryReader:
        return Hasty(self, group)


class Hasty(MemoryReader):
    """A reader that commits at once."""

    @override
    async def read(self, limit: int) -> Sequence[TopicRecord]:
        found = await super().read(limit)
        for partition, position in self._given.items():
            self._group.committed[partition] = position
        return found


class Silent(MemoryLog):
    """Says what it owns only once, not anew after a rewind or a join."""

    _said = False

    @override
    async def poll(self, limit: int) -> Batch:
        batch = await super().poll(limit)
        said, self._said = self._said, True
        return msgspec.structs.replace(batch, owned=None) if said else batch


class Trusting(MemoryStore):
    """Writes whatever the version is."""

    @override
    def _write_one(self, write: Write) -> bool:
        old = self._rows.get(write.key)
        return super()._write_one(msgspec.structs.replace(write, version=0 if old is None else old.next))


class Overwriting(MemoryStore):
    """Takes version 0 for any version."""

    @override
    def _write_one(self, write: Write) -> bool:
        old = self._rows.get(write.key)
        if write.version == 0 and old is not None:
            write = msgspec.structs.replace(write, version=old.next)
        return super()._write_one(write)


class Forgiving(MemoryStore):
    """Forgets what was deleted, and so lets a late write make it again."""

    @override
    def _remember_deleted(self, write: Write) -> None:
        pass


class Hurried(MemoryStore):
    """Remembers the version of the deletion that came last, though another was greater."""

    @override
    def _remember_deleted(self, write: Write) -> None:
        self._deleted[write.key] = write.next


class Boundless(MemoryStore):
    """Finds what is due in the partitions of others, too."""

    @override
    async def due(self, partitions: Collection[int], until: int, limit: int) -> Sequence[tuple[str, int]]:
        return await super().due(range(4), until, limit)


class Stale(MemoryStore):
    """Says of the timers of old versions that they are due."""

    @override
    def _is_due(self, at: int, key: str) -> bool:
        return key in self._rows


class Late(MemoryStore):
    """Finds what is due before a time, and not what is due at it."""

    @override
    async def due(self, partitions: Collection[int], until: int, limit: int) -> Sequence[tuple[str, int]]:
        return await super().due(partitions, until - 1, limit)


class Everywhere(MemoryStore):
    """Says of tasks in the partitions of others that they run."""

    @override
    async def busy(self, partitions: Collection[int]) -> Sequence[str]:
        return await super().busy(range(4))


class Repeating(MemoryStore):
    """Begins the next page with the last of the one before."""

    @override
    async def find(self, query: Query) -> Sequence[Row]:
        if query.after is None:
            return await super().find(query)
        return await super().find(msgspec.structs.replace(query, after=query.after[:-1] or None))


class Squeezing(MemoryStore):
    """Leaves out what does not exist instead of saying so in its place."""

    @override
    async def read(self, keys: Sequence[str]) -> Sequence[Row | None]:
        return [row for row in await super().read(keys) if row is not None]


class Replacing(MemoryStore):
    """Replaces a note whatever it is."""

    @override
    async def repin(self, name: str, old: bytes, new: bytes) -> bool:
        return await super().repin(name, await self.pin(name, old), new)


class Losing(MemoryBackend):
    """Loses what was appended and not committed when it is closed."""

    @override
    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        async with super().open():
            yield
        for partition, log in enumerate(self.log._internal):
            done = self.log.committed.get(("", partition), -1) + 1 - self.log._base[partition]
            del log[done:]


def with_log(kind: type[MemoryLog]) -> type[MemoryBackend]:
    """A backend that has such a log."""

    class Faulty(MemoryBackend):
        def __init__(self) -> None:
            super().__init__()
            self.log = kind()

    return Faulty


def with_store(kind: type[MemoryStore]) -> type[MemoryBackend]:
    """A backend that has such a store."""

    class Faulty(MemoryBackend):
        def __init__(self) -> None:
            super().__init__()
            self.store = kind()

    return Faulty


class Doubling(MemoryLog):
    """Appends the internal records of a commit twice."""

    @override
    async def commit(self, entries: Orders, offsets: Mapping[Position, int]) -> None:
        await super().commit(
            {at: [*them, *[one for one in them if isinstance(one, Append)]] for at, them in entries.items()}, offsets
        )


class Republishing(MemoryLog):
    """Publishes the messages of a commit twice."""

    @override
    async def commit(self, entries: Orders, offsets: Mapping[Position, int]) -> None:
        await super().commit(
            {at: [*them, *[one for one in them if isinstance(one, Outgoing)]] for at, them in entries.items()}, offsets
        )


class Secretive(MemoryLog):
    """Keeps from the backlog what was polled."""

    @override
    async def backlog(self, after: Mapping[int, int], limit: int) -> Backlog:
        later = {partition: max(offset, self._polled[partition] - 1) for partition, offset in after.items()}
        return await super().backlog(later, limit)


class Clinging(MemoryLog):
    """Gives what is committed as part of the backlog, until it is forgotten."""

    @override
    async def backlog(self, after: Mapping[int, int], limit: int) -> Backlog:
        committed, self.committed = self.committed, {}
        try:
            return await super().backlog(after, limit)
        finally:
            self.committed = committed


class Short(MemoryLog):
    """Says that nothing is left behind a part of the backlog."""

    @override
    async def backlog(self, after: Mapping[int, int], limit: int) -> Backlog:
        return msgspec.structs.replace(await super().backlog(after, limit), more=False)


class Starting(MemoryLog):
    """Gives the backlog from its beginning each time."""

    @override
    async def backlog(self, after: Mapping[int, int], limit: int) -> Backlog:
        return await super().backlog(dict.fromkeys(after, -1), limit)


class Consuming(MemoryLog):
    """Takes for polled what it gave as the backlog."""

    @override
    async def backlog(self, after: Mapping[int, int], limit: int) -> Backlog:
        found = await super().backlog(after, limit)
        for partition, offset in found.settled.items():
            self._polled[partition] = max(self._polled[partition], offset + 1)
        return found
