"""A worker on Kafka and Aerospike, as a process: `python -m benchmarks.kafka_worker JOB`.

It says `ready`, and `done SECONDS` (of the machine's monotonic clock) once all orders are completed.
"""

from __future__ import annotations

import asyncio
import pickle
import resource
import sys
import time
from collections.abc import Sequence
from typing import Any

import anyio
from typing_extensions import override

from benchmarks.kafka_plain import Job, job_of
from benchmarks.kafka_record import Step, recording
from benchmarks.workflow import orders
from dagger import Dagger
from dagger.backends.kafka import KafkaBackend
from dagger.core.state import STATUSES, State, Status
from dagger.engine.ports import Batch
from dagger.engine.process.gc_tuning import tuned_gc
from dagger.engine.worker import worker
from dagger.engine.worker.dispatch import LocalEffects


class Counting(Dagger):
    """An engine that counts what is completed; of a crowd, what goes on."""

    def __init__(self, job: Job) -> None:
        super().__init__(job.place.broker, job.place.store)
        self._job = job
        self.left = job.count
        self.ended = asyncio.Event()
        self.ended_s = 0.0

    @override
    def _committed(self, changes: Sequence[LocalEffects], states: Sequence[State]) -> None:
        super()._committed(changes, states)
        self.left -= (
            len(states) if self._job.crowd else sum(STATUSES[state.status] is Status.COMPLETED for state in states)
        )
        if self.left <= 0 and not self.ended_s:
            self.ended_s = time.monotonic()
            self.ended.set()


def slower(backend: KafkaBackend, interval_s: float) -> None:
    """Poll no more often than that."""
    log: Any = backend.log
    poll, polled = log.poll, 0.0

    async def poll_later(limit: int) -> Batch:
        nonlocal polled
        await asyncio.sleep(polled + interval_s - time.monotonic())
        polled = time.monotonic()
        batch: Batch = await poll(limit)
        return batch

    log.poll = poll_later


async def work(job: Job) -> None:
    worker.BATCH = job.batch  # type: ignore[misc]  # what is measured is what it would do if it were another
    engine = Counting(job)
    engine.register(orders)
    steps = list[Step]()
    backend = engine.backend
    assert isinstance(backend, KafkaBackend)
    if job.interval_ms:
        slower(backend, job.interval_ms / 1000)
    if job.record is not None:
        recording(backend, steps)
    async with engine:
        while not engine._worker._owned:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.05)
        with tuned_gc():  # as in main()
            print("ready", flush=True)
            await engine.ended.wait()
        print("done", engine.ended_s, flush=True)
        print("memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
        await asyncio.to_thread(sys.stdin.readline)
    if job.record is not None:
        await anyio.Path(job.record).write_bytes(pickle.dumps(steps))


if __name__ == "__main__":
    asyncio.run(work(job_of(sys.argv)))
