"""A transaction that a worker leaves open when it is killed holds readers up only until its lanes are taken over.

Who takes over knows the worker's transactional id by the notes of the lanes, and initialises it.

Else it would be for as long as `transaction` says: here ten minutes, of which no test waits one.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from dagger.backends.kafka import ownership as ownership_module
from dagger.backends.kafka.cluster import Cluster
from dagger.engine.ports import Append
from dagger.testing.contract.harness import Harness, in_loop, note
from tests.kafka.programs import OPEN
from tests.kafka.stage import OnKafka, beside_sqlite, fails, program, says
from tests.servers.kafka import KafkaCluster

pytestmark = [pytest.mark.slow, pytest.mark.kafka]


@pytest.fixture
def storage(kafka: KafkaCluster, tmp_path: Path) -> OnKafka:
    return beside_sqlite(kafka.bootstrap, tmp_path, "&transaction=600s&lease=2s")


async def readable(kafka: KafkaCluster, topic: str) -> tuple[int, int]:
    """How many records the partitions of a topic have, as all see them, and as who waits for commits does."""
    ends = list[int]()
    for level in ("read_uncommitted", "read_committed"):
        consumer = AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap, isolation_level=level)
        await consumer.start()
        try:
            found = await consumer.end_offsets([TopicPartition(topic, partition) for partition in range(4)])
            ends.append(sum(found.values()))
        finally:
            await consumer.stop()
    return ends[0], ends[1]


async def killed_amid_a_transaction(kafka: KafkaCluster, storage: OnKafka, worker: str = "open") -> None:
    backend = storage.backend()
    topic = storage.prefix + OPEN
    async with backend.open():
        await backend.log.append([Append(0, b"record")])
        with program(worker, storage) as process:
            await says(process, "open")
            process.kill()
        await backend.log.append([note(OPEN, "k", b"behind it")])
        everything, committed = await readable(kafka, topic)
        assert everything - committed >= 2, "readers are held up"
        async with backend.log.join():
            harness = Harness(backend)
            records = await harness.records(1)
            assert len(harness.owned) == 4
            everything, committed = await readable(kafka, topic)
            assert everything == committed, "readers go on"
            await harness.commit(records, [note(OPEN, "k", b"once")])
            found = list[bytes | None]()
            async with backend.log.reader(OPEN, "somebody") as reader:
                while len(found) < 2:
                    found += [message.payload for message in await reader.read(10)]
            assert found == [b"behind it", b"once"]


class TestSigkill:
    @in_loop
    async def test_readers_go_on_once_the_lane_is_taken_over(self, kafka: KafkaCluster, storage: OnKafka) -> None:
        await killed_amid_a_transaction(kafka, storage)

    @in_loop
    async def test_readers_would_wait_for_the_timeout(
        self, kafka: KafkaCluster, storage: OnKafka, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def nobody(*_: object) -> None:
            pass

        monkeypatch.setattr(Cluster, "fence", nobody)
        monkeypatch.setattr(ownership_module, "REQUEST_S", 1.0)
        await fails(killed_amid_a_transaction(kafka, storage), "a transaction is open")

    @in_loop
    async def test_would_not_be_known_if_lanes_were_not_claimed_first(
        self, kafka: KafkaCluster, storage: OnKafka, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ownership_module, "REQUEST_S", 1.0)
        await fails(killed_amid_a_transaction(kafka, storage, "unclaimed"), "a transaction is open")
