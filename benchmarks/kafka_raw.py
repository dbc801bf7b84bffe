"""The raw loop, as a process: `python -m benchmarks.kafka_raw JOB`. It speaks as the worker does.

It does what a worker did: the same batches, or else, record by record, the same for whatever is there.
"""

from __future__ import annotations

import asyncio
import gc
import resource
import sys
import time
from collections import Counter, defaultdict
from pathlib import Path
from typing import Final

from aiokafka import AIOKafkaConsumer, OffsetAndMetadata, TopicPartition

from benchmarks.kafka_plain import PARTITIONS, Batches, Job, Put, Records, Transactions, job_of, reading
from benchmarks.kafka_script import Script
from benchmarks.workflow import payments, shipments
from dagger.engine.process.gc_tuning import THRESHOLDS

MARK: Final = "0" * 32
"""What stands beside an offset: as long as that of a worker."""


class Loop:
    """Plain clients."""

    def __init__(self, job: Job, script: Script, consumer: AIOKafkaConsumer) -> None:
        self._job = job
        self._script = script
        self._consumer = consumer
        self._transactions = Transactions(job.place)
        self._records = Records(job.place)
        self._position: dict[TopicPartition, int] = {}

    async def open(self) -> None:
        await self._transactions.open()

    async def close(self) -> None:
        await self._transactions.close()
        await self._consumer.stop()
        self._records.close()

    async def again(self) -> None:
        """The same batches."""
        rounds = self._script.rounds()
        ready()
        there = Counter[TopicPartition]()
        for round in rounds:
            while not round.wanted <= there:
                for at, found in (await self._consumer.getmany(timeout_ms=1_000, max_records=self._job.batch)).items():
                    there[at] += len(found)
                    self._position[at] = found[-1].offset + 1
            there -= round.wanted
            await self._commit(round.reads, round.puts, round.lanes)

    async def live(self) -> None:
        """Whatever is there."""
        deeds = self._script.deeds()
        ready()
        written = 0
        while written < 3 * self._job.count:
            begun = time.monotonic()
            reads, puts = list[str](), list[Put]()
            lanes = defaultdict[int, tuple[Batches, list[TopicPartition]]](lambda: ({}, []))
            polled = await self._consumer.getmany(timeout_ms=1_000, max_records=self._job.batch)
            for at, found in polled.items():
                batches, places = lanes[at.partition % PARTITIONS]
                places.append(at)
                self._position[at] = found[-1].offset + 1
                for record in found:
                    deed = deeds[at.topic, record.value or b""]
                    reads += [deed.read] if deed.read else []
                    puts += [deed.put] if deed.put else []
                    for target, item in deed.produced:
                        batches.setdefault(target, []).append(item)
            await self._commit(reads, puts, lanes)
            written += len(puts)
            await asyncio.sleep(begun + self._job.interval_ms / 1000 - time.monotonic())

    async def _commit(
        self, reads: list[str], puts: list[Put], lanes: dict[int, tuple[Batches, list[TopicPartition]]]
    ) -> None:
        if reads:
            await self._records.read(reads)
        if puts:
            await self._records.write(puts)
        everything, marks = Batches(), dict[TopicPartition, OffsetAndMetadata]()
        for batches, places in lanes.values():
            for at, items in batches.items():
                everything.setdefault(at, []).extend(items)
            marks |= {at: OffsetAndMetadata(self._position[at], MARK) for at in places}
        if marks:
            await self._transactions.commit(everything, marks)


async def work(job: Job) -> None:
    assert job.replay is not None
    place = job.place
    topics = [place.log, *(place.prefix + topic.name for topic in (payments, shipments))]
    loop = Loop(job, Script(Path(job.replay), place), await reading(place, topics))
    await loop.open()
    await (loop.live() if job.live else loop.again())
    print("done", time.monotonic(), flush=True)
    print("memory", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await loop.close()


def ready() -> None:
    """What is there by now is no garbage, and is not looked through while it works: as in a worker."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
    print("ready", flush=True)


if __name__ == "__main__":
    asyncio.run(work(job_of(sys.argv)))
