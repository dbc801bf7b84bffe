"""What was applied comes again after its record was deleted: it is done with, and the work goes on."""

from __future__ import annotations

import anyio
from typing_extensions import override

from dagger.backends.memory import MemoryBackend, MemoryLog
from dagger.core.events import Subscribed, Unsubscribed
from dagger.engine.ports import Append, Batch, Position
from dagger.engine.records import Record, decode_stored, encode_record
from dagger.errors import DaggerError
from dagger.testing.clock import VirtualClock
from dagger.testing.contract.driver import Driver

CHANNELS = ("PAYMENTS",)


class Dividing(MemoryLog):
    """Gives at most so many records at a time, and not for ever."""

    at_once = 100
    polls = 0

    @override
    async def poll(self, limit: int) -> Batch:
        self.polls += 1
        if self.polls > 100:
            raise DaggerError("the work does not end")
        return await super().poll(min(limit, self.at_once))


def backend_with(*events: Subscribed | Unsubscribed) -> tuple[MemoryBackend, Dividing, Position]:
    backend, log = MemoryBackend(), Dividing()
    backend.log = log
    partition = log.partition_of("o-1")
    log._put([Append(partition, encode_record(Record("o-1", event))) for event in events])
    return backend, log, ("", partition)


async def lose_commits(log: Dividing, committed: int, at: Position) -> None:
    """Begin again with what is behind an offset, and with one record at a time."""
    log.committed[at] = committed
    log.at_once = 1
    await log.rewind()


def test_what_was_made_and_deleted_in_one_batch_comes_again_one_by_one() -> None:
    backend, log, at = backend_with(Subscribed("i-1", CHANNELS), Unsubscribed("i-1", CHANNELS))

    async def run() -> None:
        async with Driver(backend, VirtualClock()).working() as engine:
            await engine.step()
            assert await backend.store.read(["o-1"]) == [None]
            await lose_commits(log, -1, at)
            await engine.run_until_idle()
            assert await backend.store.read(["o-1"]) == [None]
        assert log.committed[at] == 1

    anyio.run(run)


def test_what_comes_behind_it_is_applied() -> None:
    """Also where it comes in one batch with what was applied before."""
    backend, log, at = backend_with(
        Subscribed("i-1", CHANNELS), Unsubscribed("i-1", CHANNELS), Subscribed("i-2", CHANNELS)
    )

    async def run() -> None:
        async with Driver(backend, VirtualClock()).working() as engine:
            log.at_once = 2
            await engine.step()
            assert await backend.store.read(["o-1"]) == [None]
            await lose_commits(log, -1, at)
            await engine.run_until_idle()
            (row,) = await backend.store.read(["o-1"])
            assert row is not None
            assert decode_stored(row.data).entity.subscribers == {"PAYMENTS": ("i-2",)}
        assert log.committed[at] == 2

    anyio.run(run)
