"""A worker that polled a record, lost its partition and decides on the record late, changes nothing.

Passing over a record is a decision too, and is written like any other. Else the record of an instance would still be as
the late one has read it, its write would be taken, and what it ordered would never be published: the offset of the
record is committed by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import anyio
import pytest

from dagger import command, sleep, template
from dagger.core.state import Status
from dagger.engine.ports import LogRecord, Write
from dagger.engine.records import Record
from dagger.engine.worker.dispatch import BatchResult
from dagger.engine.worker.worker import Worker
from dagger.errors import Fenced
from dagger.testing.clock import VirtualClock
from dagger.testing.contract import shop
from dagger.testing.contract.driver import Driver, messages_of
from dagger.testing.contract.harness import in_loop
from tests.kafka.stage import OnKafka, fails

pytestmark = [pytest.mark.slow, pytest.mark.kafka]


@command(shop.SHIPMENTS)
def ship(order: shop.Order) -> shop.Shipped:
    return shop.Shipped(order.id, 1)


patient = template("Patient", sleep(timedelta(hours=1)) >> ship, key=shop.by_id)


class Writing:
    """Holds the writes of a worker back."""

    def __init__(self, engine: Driver) -> None:
        self._write = engine.backend.store.write
        self.reached = anyio.Event()
        self.goes_on = anyio.Event()
        engine.backend.store.write = self  # type: ignore[method-assign]  # it stands in

    async def __call__(self, writes: Sequence[Write]) -> Sequence[bool]:
        self.reached.set()
        await self.goes_on.wait()
        return await self._write(writes)


async def late(storage: OnKafka) -> None:
    """A clock that is ahead orders a timer to fire. Who comes next knows that it is not due, and passes it over."""
    ahead, right = VirtualClock(), VirtualClock()
    answers = list[str]()
    async with Driver(storage.backend(), ahead).working() as zombie:
        await zombie.start(patient, shop.Order("o-1"))
        await zombie.run_until_idle()
        ahead.move_to(right.now() + 3_600_000_000)
        writing = Writing(zombie)

        async def fire() -> None:
            worker = zombie._worker
            assert await worker.fire_due_timers() == 1
            try:
                while not await worker.run_once():
                    await zombie.rest()
            except Fenced as error:
                answers.append(str(error))
            else:
                answers.append("done")

        async with anyio.create_task_group() as group:
            group.start_soon(fire)
            await writing.reached.wait()
            assert await storage.expire(zombie.backend)
            async with Driver(storage.backend(), right).working() as other:
                other.register(patient)
                await other.run_until_idle()
                assert (await other.get_instance("o-1")).status is Status.EXECUTING
                writing.goes_on.set()
                while not answers:
                    await other.step()
                    await other.rest()
                assert "written by another worker" in answers[0]
                right.move_to(ahead.now())
                await other.run_until_idle()
                assert (await other.get_instance("o-1")).status is Status.COMPLETED
                assert len(await messages_of(other.backend, shop.SHIPMENTS.name, {"o-1"})) == 1


class TestLate:
    @in_loop
    async def test_what_is_decided_late_is_refused(self, storage: OnKafka) -> None:
        await late(storage)

    @in_loop
    async def test_would_be_taken_if_passing_over_wrote_nothing(
        self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        step = Worker._step

        def passing(self: Worker, source: LogRecord, record: Record, now: int, result: BatchResult) -> Any:
            before = self._rows[record.to].cell
            entries = step(self, source, record, now, result)
            if self._rows[record.to].cell.entity is before.entity:
                result.dirty.pop(record.to, None)
                self._rows[record.to].cell = before
            return entries

        monkeypatch.setattr(Worker, "_step", passing)
        await fails(late(storage), "written by another worker")
