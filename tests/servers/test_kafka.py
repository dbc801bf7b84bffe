"""The Kafka brokers of the tests: they start, keep what they took, and end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from tests.servers import jars
from tests.servers.kafka import KafkaCluster
from tests.servers.ports import free_ports
from tests.servers.processes import Process

PATIENCE_S = 120.0
"""A failure limit."""

needs_kafka = [pytest.mark.slow, pytest.mark.kafka]


async def make_topic(cluster: KafkaCluster, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=cluster.bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=cluster.replicas)])
    finally:
        await admin.close()


async def publish(cluster: KafkaCluster, topic: str, *values: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=cluster.bootstrap, acks="all")
    await producer.start()
    try:
        batch = producer.create_batch()
        for value in values:
            batch.append(key=None, value=value, timestamp=None)
        await (await producer.send_batch(batch, topic, partition=0))
    finally:
        await producer.stop()


async def read(cluster: KafkaCluster, topic: str, count: int) -> list[bytes | None]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=cluster.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        found = list[bytes | None]()
        while len(found) < count:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                found += [record.value for record in records]
        return found
    finally:
        await consumer.stop()


class TestCluster:
    pytestmark = needs_kafka

    def test_a_message_goes_there_and_back(self, kafka: KafkaCluster) -> None:
        async def there_and_back() -> None:
            with anyio.fail_after(PATIENCE_S):
                await make_topic(kafka, "SERVERS_BACK")
                await publish(kafka, "SERVERS_BACK", b"one", b"two")
                assert await read(kafka, "SERVERS_BACK", 2) == [b"one", b"two"]

        anyio.run(there_and_back)

    def test_a_broker_that_is_killed_keeps_what_it_took(self, tmp_path: Path, kafka: KafkaCluster) -> None:
        async def killed(own: KafkaCluster) -> None:
            with anyio.fail_after(PATIENCE_S):
                await make_topic(own, "SERVERS_KEPT")
                await publish(own, "SERVERS_KEPT", b"before")
                before = own.bootstrap
                own.kill(0)
                await anyio.to_thread.run_sync(own.restart, 0)
                assert own.bootstrap == before
                await publish(own, "SERVERS_KEPT", b"after")
                assert await read(own, "SERVERS_KEPT", 2) == [b"before", b"after"]

        with KafkaCluster(directory=tmp_path) as own:
            assert own.id != kafka.id
            anyio.run(killed, own)

    @pytest.mark.parametrize("broker", [0, 1, 2])
    def test_three_brokers_go_on_without_one(self, kafka_cluster: KafkaCluster, broker: int) -> None:
        async def without_one() -> None:
            topic = f"SERVERS_THREE_{broker}"
            with anyio.fail_after(PATIENCE_S):
                await make_topic(kafka_cluster, topic)
                await publish(kafka_cluster, topic, b"by three")
                kafka_cluster.kill(broker)
                try:
                    await publish(kafka_cluster, topic, b"by two")
                    assert await read(kafka_cluster, topic, 2) == [b"by three", b"by two"]
                finally:
                    await anyio.to_thread.run_sync(kafka_cluster.restart, broker)
                assert await read(kafka_cluster, topic, 2) == [b"by three", b"by two"]

        anyio.run(without_one)

    def test_a_broker_that_ends_at_its_start_says_why(self, tmp_path: Path, kafka: KafkaCluster) -> None:
        wrong = KafkaCluster(directory=tmp_path, settings={"num.partitions": "none"})
        with pytest.raises(RuntimeError, match=r"(?s)could be made.*num\.partitions"), wrong:
            pass
        (port,) = free_ports(1)
        cluster = KafkaCluster(directory=tmp_path)
        with cluster:
            cluster.kill(0)
            properties = tmp_path / "broker-0.properties"
            properties.write_text(properties.read_text() + f"listeners=PLAINTEXT://127.0.0.1:{port}\n")
            with pytest.raises(RuntimeError, match=r"(?s)broker 0 has ended with 1; .*listeners"):
                cluster.restart(0)


class TestProcesses:
    """By a process that does nothing for a long time."""

    @pytest.fixture
    def process(self, tmp_path: Path) -> Iterator[Process]:
        process = Process([sys.executable, "-c", "print('hello', flush=True); input()"], tmp_path / "log")
        yield process
        if process.exit is None:
            process.kill()

    def test_what_it_prints_is_in_its_log(self, process: Process) -> None:
        assert process.wait() == 1
        assert process.last_lines().startswith("hello")
        assert "EOFError" in process.last_lines()

    def test_it_ends_with_whoever_started_it(self, tmp_path: Path) -> None:
        """The end of a pipe tells: its only writer is gone."""
        os.mkfifo(tmp_path / "log")
        sleeper = "import time; print('up', flush=True); time.sleep(60); print('outlived')"
        starter = (
            "import pathlib, sys, time; from tests.servers.processes import Process\n"
            "Process([sys.executable, '-c', sys.argv[1]], pathlib.Path(sys.argv[2]))\n"
            "print('started', flush=True); time.sleep(60)"
        )
        command = [sys.executable, "-c", starter, sleeper, str(tmp_path / "log")]
        with (
            subprocess.Popen(command, cwd=jars.ROOT, stdout=subprocess.PIPE, text=True) as process,
            (tmp_path / "log").open() as log,
        ):
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"
            assert log.readline() == "up\n"
            process.kill()
            assert log.read() == ""


def test_ports_are_free_and_different() -> None:
    assert len(set(free_ports(20))) == 20


class TestMissing:
    """What a machine lacks is told as it is."""

    @pytest.fixture(autouse=True)
    def nothing_there(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(jars, "CACHE", tmp_path / ".cache")
        monkeypatch.setenv("PATH", str(tmp_path))

    @staticmethod
    def program(directory: Path, name: str, script: str) -> None:
        (directory / name).write_text(f"#!/bin/sh\n{script}\n")
        (directory / name).chmod(0o755)

    def test_no_java(self) -> None:
        with pytest.raises(jars.Missing, match="`java` is not on PATH"):
            jars.java()

    def test_an_old_java(self, tmp_path: Path) -> None:
        self.program(tmp_path, "java", """echo 'openjdk version "11.0.2" 2019-01-15' >&2""")
        with pytest.raises(jars.Missing, match=r'needs Java 17 or newer, and .* says: openjdk version "11\.0\.2"'):
            jars.java()

    def test_no_maven(self) -> None:
        with pytest.raises(jars.Missing, match=r"jars are not in \.cache/, and `mvn` is not on PATH"):
            jars.kafka_jars()

    def test_a_fetch_that_fails_leaves_nothing(self, tmp_path: Path) -> None:
        self.program(tmp_path, "mvn", "echo '[ERROR] Could not transfer artifact'; exit 1")
        with pytest.raises(jars.Missing, match=r"could not fetch its jars \(exit 1\): \[ERROR\] Could not transfer"):
            jars.kafka_jars()
        assert os.listdir(jars.CACHE) == []

    def test_what_is_fetched_is_fetched_once(self, tmp_path: Path) -> None:
        # The last argument of mvn is where to put them.
        self.program(tmp_path, "mvn", 'for last; do :; done; to=${last#*=}; /bin/mkdir "$to"; : >"$to/kafka_2.13.jar"')
        fetched = jars.kafka_jars()
        (tmp_path / "mvn").unlink()
        assert jars.kafka_jars() == fetched
        assert os.listdir(fetched) == ["kafka_2.13.jar"]
        assert os.listdir(jars.CACHE) == [fetched.name]
