"""Those who submit orders and answer for the services, as a process beside a worker or the raw loop.

`python -m benchmarks.kafka_load JOB` waits for a line, submits the orders, all at once or so many a second, and answers
every command. Orders are submitted to the engine, or beside the raw loop by a plain producer. The services are plain
clients beside both. It prints the microseconds from each first message to the second command.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import msgspec
from aiokafka import AIOKafkaProducer, TopicPartition

from benchmarks.kafka_plain import Batches, Item, Job, Place, job_of, partition_for, produce, reading
from benchmarks.kafka_script import Script
from benchmarks.workflow import Order, charges, orders, parcels, payments, shipments
from dagger import Dagger

AT_ONCE: Final = 500
"""How many orders are submitted at a time, and commands answered at a time."""
TICK_S: Final = 0.02
"""How often orders are submitted where they come at a rate."""
Submit = Callable[[int, int], Awaitable[None]]
"""Submits the orders from one number up to another."""


async def submit_all(submit: Submit, count: int, rate: float) -> None:
    """Submit all orders, at their times."""
    begun, done = time.monotonic(), 0
    while done < count:
        due = min(count, int((time.monotonic() - begun) * rate) + 1 if rate else done + AT_ONCE)
        if due > done:
            await submit(done, min(due, done + AT_ONCE))
            done = min(due, done + AT_ONCE)
        if rate and done >= due:
            await asyncio.sleep(TICK_S)


class Services:
    """Answer every command, and note how long the second takes after the answer to the first."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._topics = [place.prefix + topic.name for topic in (charges, parcels)]
        self._answered: dict[bytes, float] = {}
        self.took_us = list[int]()

    async def open(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer
        self._consumer = await reading(self._place, self._topics, f"{self._place.prefix}services")

    async def run(self, count: int) -> None:
        left = 2 * count
        while left:
            polled = await self._consumer.getmany(timeout_ms=1_000, max_records=AT_ONCE)
            now, answers, offsets = time.monotonic(), Batches(), dict[TopicPartition, int]()
            for at, found in polled.items():
                offsets[at] = found[-1].offset + 1
                left -= len(found)
                for record in found:
                    self._answer(at.topic == self._topics[0], record.key or b"", answers, now)
            await asyncio.gather(*await produce(self._producer, answers))
            if offsets:
                await self._consumer.commit(offsets)

    async def close(self) -> None:
        await self._consumer.stop()

    def _answer(self, first: bool, key: bytes, answers: Batches, now: float) -> None:
        id = key.decode()
        if first:
            self._answered[key] = now
            topic, value = payments.name, f'{{"order_id":"{id}","receipt":"r-{id}"}}'
        else:
            self.took_us.append(int((now - self._answered.pop(key)) * 1e6))
            topic, value = shipments.name, f'{{"order_id":"{id}","parcel":"p-{id}"}}'
        at = TopicPartition(self._place.prefix + topic, partition_for(key))
        answers.setdefault(at, []).append(Item(key, value.encode(), []))


def inputs(start: int, stop: int) -> list[Order]:
    return [Order(f"o-{number:07}", number) for number in range(start, stop)]


def submitting(job: Job, engine: Dagger, producer: AIOKafkaProducer) -> Submit:
    """To the engine, or as a plain producer does it."""
    if job.replay is None:

        async def start(first: int, last: int) -> None:
            await engine.start_all(orders, inputs(job.first + first, job.first + last))

        return start
    known = Script(Path(job.replay), job.place).submissions()

    async def send(first: int, last: int) -> None:
        some = Batches()
        for id, value in known[first:last]:
            at = TopicPartition(job.place.log, partition_for(id.encode()))
            some.setdefault(at, []).append(Item(None, value, []))
        await asyncio.gather(*await produce(producer, some))

    return send


async def wake(job: Job, producer: AIOKafkaProducer) -> None:
    """The first message for each of a crowd."""
    for start in range(0, job.crowd, 5_000):
        some = Batches()
        for number in range(start, min(start + 5_000, job.crowd)):
            id = f"w-{number:07}"
            at = TopicPartition(job.place.prefix + payments.name, partition_for(id.encode()))
            value = f'{{"order_id":"{id}","receipt":"r-{id}"}}'
            some.setdefault(at, []).append(Item(id.encode(), value.encode(), []))
        await asyncio.gather(*await produce(producer, some))


async def load(job: Job) -> Sequence[int]:
    producer = AIOKafkaProducer(
        bootstrap_servers=job.place.bootstrap, enable_idempotence=True, acks="all", max_batch_size=1 << 30
    )
    await producer.start()
    services, engine = Services(job.place), Dagger(job.place.broker, job.place.store)
    await services.open(producer)
    await engine.count()  # which connects
    submit = submitting(job, engine, producer)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print("begun", time.monotonic(), flush=True)
    if job.crowd:
        await wake(job, producer)
    else:
        await asyncio.gather(services.run(job.count), submit_all(submit, job.count, job.rate))
    await services.close()
    await producer.stop()
    await engine.aclose()
    return services.took_us


if __name__ == "__main__":
    print("took", msgspec.json.encode(asyncio.run(load(job_of(sys.argv)))).decode(), flush=True)
