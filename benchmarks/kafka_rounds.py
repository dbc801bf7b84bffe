"""Rounds of orders on Kafka: servers, a worker or the raw loop as a process, and those who submit and answer."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count as numbers
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.kafka_plain import PARTITIONS, Job, Place
from benchmarks.workflow import charges, parcels, payments, shipments
from dagger.backends.aerospike import store as store_of
from tests.servers.aerospike import Aerospike, Running
from tests.servers.aerospike import servers as stores
from tests.servers.jars import Missing
from tests.servers.kafka import KafkaCluster

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_NUMBERS: Final = numbers()


class Servers(msgspec.Struct):
    """What both sides work on."""

    kafka: KafkaCluster
    aerospike: Aerospike | Running

    def place(self) -> Place:
        """A place for a round: topics of its own, and a set with the indexes that a store has."""
        prefix = f"b{next(_NUMBERS)}."
        place = Place(self.kafka.bootstrap, prefix, self.aerospike.hosts, self.aerospike.namespace)
        asyncio.run(_prepare(place))
        return place

    def pids(self) -> dict[str, int]:
        return {"broker": _pid(self.kafka._running[0]), "store": _pid(getattr(self.aerospike, "_process", None))}


def _pid(process: Any) -> int:
    return 0 if process is None else int(process.pid)


async def _prepare(place: Place) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=place.bootstrap)
    await admin.start()
    topics = [place.prefix + topic.name for topic in (charges, payments, parcels, shipments)]
    new = [NewTopic(topic, PARTITIONS, 1) for topic in topics]
    new.append(NewTopic(place.log, PARTITIONS, 1, topic_configs={"message.timestamp.type": "LogAppendTime"}))
    await admin.create_topics(new)
    await admin.close()
    async with store_of(place.store, place.group).open():
        pass


@contextmanager
def running(folder: Path) -> Iterator[Servers]:
    """A broker of its own, and a store; skips where this machine lacks one."""
    try:
        cluster = KafkaCluster(1, directory=folder / "broker", settings={"log.segment.bytes": str(256 << 20)})
    except Missing as missing:
        pytest.skip(str(missing))
    with contextmanager(stores)() as store, cluster:
        yield Servers(cluster, store)


class Round(msgspec.Struct, frozen=True):
    """What came of a round."""

    seconds: float
    took_us: Sequence[int]
    """From each first message to the second command."""
    cpu_us: Mapping[str, float]
    """Processor time for an order, by process."""
    memory_mb: float
    """The largest that the worker was."""

    def quantile(self, part: float) -> float:
        """Of the times from message to command, in milliseconds; but for the first ones, when all is cold."""
        several = sorted(self.took_us[len(self.took_us) // 4 :])
        return several[min(len(several) - 1, int(len(several) * part))] / 1000


def play(servers: Servers, job: Job) -> Round:
    """A round of the worker, or of the raw loop."""
    working_by = "benchmarks.kafka_worker" if job.replay is None else "benchmarks.kafka_raw"
    with _process(working_by, job) as working, _process("benchmarks.kafka_load", job) as loading:
        _expect(working, "ready")
        _expect(loading, "ready")
        pids = {"worker": working.pid, "client": loading.pid, **servers.pids()}
        before = {name: _cpu_s(pid) for name, pid in pids.items()}
        _say(loading)
        begun = float(_expect(loading, "begun"))
        ended = float(_expect(working, "done"))
        after = {name: _cpu_s(pid) for name, pid in pids.items()}
        memory = float(_expect(working, "memory")) / 1024
        took = msgspec.json.decode(_expect(loading, "took"), type=list[int])
        _say(working)
    cpu = {name: (after[name] - before[name]) / job.count * 1e6 for name in pids}
    return Round(ended - begun, took, cpu, memory)


@contextmanager
def _process(module: str, job: Job) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", module, msgspec.json.encode(job).decode()]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def _expect(process: subprocess.Popen[str], word: str) -> str:
    assert process.stdout is not None
    line = process.stdout.readline()
    found, _, rest = line.strip().partition(" ")
    assert found == word, f"wanted {word!r}, got {line!r}"
    return rest


def _say(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def _cpu_s(pid: int) -> float:
    """The processor time of a process, in seconds."""
    if not pid:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
