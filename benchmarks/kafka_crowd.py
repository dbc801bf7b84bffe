"""A crowd of instances that wait for a message, written straight through the store.

The row of one order that waits for its first message is taken from a worker's run. Each other instance has the same
row, with an id and a key of its own that are as long.
"""

from __future__ import annotations

import pickle
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import anyio
import msgspec

from benchmarks.kafka_plain import Place, partition_for
from benchmarks.kafka_record import Step
from dagger.backends.aerospike import store as store_of
from dagger.engine.ports import Write

AT_ONCE: Final = 5_000
"""How many rows go into one call of the store."""
CALLERS: Final = 2


def waiting(file: Path) -> Write:
    """The first row that a worker has written."""
    steps: list[Step] = pickle.loads(file.read_bytes())
    return next(write for step in steps for writes in step.writes for write in writes)


def rows(model: Write, count: int) -> Iterator[Write]:
    """So many rows like one."""
    assert model.data is not None
    assert model.listing is not None
    for number in range(count):
        key = f"w-{number:07}"
        yield msgspec.structs.replace(
            model,
            key=key,
            partition=partition_for(key.encode()),
            data=model.data.replace(model.key.encode(), key.encode()),
            listing=msgspec.structs.replace(model.listing, key=key),
        )


async def gather(place: Place, model: Write, count: int) -> float:
    """Write the rows; the seconds that it took."""
    begun = time.monotonic()
    left = rows(model, count)
    store = store_of(place.store, place.group)

    async def call() -> None:
        while some := [write for _, write in zip(range(AT_ONCE), left, strict=False)]:
            assert all(await store.write(some))

    async with store.open(), anyio.create_task_group() as group:
        for _ in range(CALLERS):
            group.start_soon(call)
    return time.monotonic() - begun
