"""What a worker does with each batch, noted while it works."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from dagger.backends.kafka import KafkaBackend
from dagger.engine.ports import Batch, Orders, Position, Row, Write


class Step(msgspec.Struct):
    """What a worker did with a batch."""

    batch: Batch
    reads: list[Sequence[str]] = []
    writes: list[Sequence[Write]] = []
    orders: Orders = {}
    offsets: Mapping[Position, int] = {}
    seconds: float = 0.0
    """When it was polled."""


def recording(backend: KafkaBackend, steps: list[Step]) -> None:
    """Note what is done with each batch."""
    log: Any = backend.log
    store: Any = backend.store
    poll, commit, read, write = log.poll, log.commit, store.read, store.write

    async def polled(limit: int) -> Batch:
        batch: Batch = await poll(limit)
        if batch:
            steps.append(Step(batch, seconds=time.monotonic()))
        return batch

    async def committed(entries: Orders, offsets: Mapping[Position, int]) -> None:
        steps[-1].orders, steps[-1].offsets = entries, offsets
        await commit(entries, offsets)

    async def was_read(keys: Sequence[str]) -> Sequence[Row | None]:
        if keys and steps:
            steps[-1].reads.append(keys)
        found: Sequence[Row | None] = await read(keys)
        return found

    async def written(writes: Sequence[Write]) -> Sequence[bool]:
        steps[-1].writes.append(writes)
        answers: Sequence[bool] = await write(writes)
        return answers

    log.poll, log.commit, store.read, store.write = polled, committed, was_read, written
