"""One lane that cannot publish does not stop the others, which share its transactions otherwise."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import errors

from dagger.backends.kafka import batches as batches_module
from dagger.backends.kafka.client import TopicPartition
from dagger.backends.kafka.isolation import PAUSE_S, Isolation
from dagger.engine.ports import Append, Entry, Position
from dagger.errors import BackendUnavailable, Fenced
from dagger.testing.contract.driver import messages_of
from dagger.testing.contract.harness import Harness, alone, in_loop, note, offsets_of
from tests.kafka.stage import OnKafka, kafka_of

PARTITIONS = 4
BROKEN, LANE = "BROKEN", 1
KEYS = {str(partition) for partition in range(PARTITIONS)}


class Clock:
    s = 0.0

    def __call__(self) -> float:
        return self.s


class TestGroups:
    def test_all_commit_together(self) -> None:
        assert Isolation().groups([2, 0, 1]) == [[0, 1, 2]]
        assert Isolation().groups([]) == []

    def test_after_a_failure_they_commit_one_by_one_and_who_fails_comes_last(self) -> None:
        isolation = Isolation(Clock())
        isolation.failed([0, 1, 2])
        assert isolation.groups([0, 1, 2]) == [[0], [1], [2]]
        assert not isolation.held
        isolation.done([0])
        isolation.failed([1])
        assert isolation.groups([0, 1, 2, 3]) == [[0, 3], [2], [1]]

    def test_nobody_is_held_back_while_no_other_commits(self) -> None:
        isolation = Isolation(Clock())
        for _ in range(3):
            isolation.failed([1])
            assert not isolation.held

    def test_who_fails_alone_is_held_back_for_longer_each_time(self) -> None:
        clock = Clock()
        isolation = Isolation(clock)
        for pause_s in (PAUSE_S, 2 * PAUSE_S, 4 * PAUSE_S):
            isolation.failed([1])
            isolation.done([0])
            isolation.failed([1])
            clock.s += 0.9 * pause_s
            assert isolation.held == {1}
            assert not isolation.is_over
            clock.s += 0.2 * pause_s
            assert isolation.is_over
            isolation.resume()
            assert not isolation.is_over
        isolation.done([1])
        assert isolation.groups([0, 1]) == [[0, 1]]


async def work(harness: Harness) -> None:
    """Publish a message for each record; those of one lane to a topic of their own."""
    try:
        batch = await harness.poll()
        orders = defaultdict[Position, list[Entry]](list)
        for record in batch.records:
            topic = BROKEN if record.partition == LANE else "WHOLE"
            orders["", record.partition].append(note(topic, str(record.partition), record.data))
        if batch:
            await harness.log.commit(orders, offsets_of(batch.records))
        else:
            await harness.rest()
    except (BackendUnavailable, Fenced):
        await harness.log.rewind()


@pytest.mark.slow
@pytest.mark.kafka
class TestLanes:
    @in_loop
    async def test_others_go_on(self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
        send = batches_module._send

        async def sends(cluster: Any, producer: Any, place: TopicPartition, items: Sequence[Any]) -> None:
            if place.topic.endswith(BROKEN):
                raise errors.NotEnoughReplicasError
            await send(cluster, producer, place, items)

        async with alone(storage) as harness:
            with monkeypatch.context() as patched:
                patched.setattr(batches_module, "_send", sends)
                for number in range(3):
                    await harness.log.append([Append(partition, b"%d" % number) for partition in range(PARTITIONS)])
                    while len(await messages_of(harness.backend, "WHOLE", KEYS)) < (number + 1) * (PARTITIONS - 1):
                        await work(harness)
            while not await messages_of(harness.backend, BROKEN, KEYS):
                await work(harness)
            while not await kafka_of(harness.backend).caught_up():
                await work(harness)
            found = list[bytes | None]()
            while len(found) < 3:
                await work(harness)
                found = [message.payload for message in await messages_of(harness.backend, BROKEN, KEYS)]
            assert found == [b"0", b"1", b"2"]
