"""The order workflow on Kafka and Aerospike, against a loop of plain clients that does the same with as many records.

Each side is a process of its own, beside a process that submits the orders and answers for the services, the broker
and the server of the store. How the raw loop knows what to do: kafka_script.py.
"""

from __future__ import annotations

import os
import pickle
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from benchmarks.kafka_plain import Job
from benchmarks.kafka_record import Step
from benchmarks.kafka_rounds import Round, Servers, play, running
from benchmarks.measure import NO_BOUND, at_least, at_most, note

COUNT: Final = 10_000
ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "7"))
PACED_S: Final = 12
"""For how many seconds orders come, where they come at a rate."""


class Pair(msgspec.Struct):
    """A round of each."""

    ours: Round
    raw: Round
    interval_ms: float
    """From one batch of ours to the next, in the mean."""
    soon: Round | None = None
    """The raw loop that waits for no time between its batches."""


class Found(msgspec.Struct):
    """What all benchmarks here have in common."""

    servers: Servers
    folder: Path
    burst: list[Pair] = []
    """All orders at once."""

    def pair(self, count: int, rate: float, *, live: bool) -> Pair:
        """A round of ours, and then one of the raw loop, which does the same."""
        file = str(self.folder / "steps")
        ours = play(self.servers, Job(place=self.servers.place(), count=count, rate=rate, record=file))
        steps: list[Step] = pickle.loads(Path(file).read_bytes())
        interval_ms = (steps[-1].seconds - steps[0].seconds) / (len(steps) - 1) * 1000
        raw = Job(place=self.servers.place(), count=count, rate=rate, replay=file, live=live, interval_ms=interval_ms)
        soon = msgspec.structs.replace(raw, place=self.servers.place(), interval_ms=0) if live else None
        return Pair(ours, play(self.servers, raw), interval_ms, play(self.servers, soon) if soon else None)

    def bursts(self) -> list[Pair]:
        """Several, after one that warms the servers up."""
        if not self.burst:
            self.pair(COUNT, 0, live=False)
            self.burst = [self.pair(COUNT, 0, live=False) for _ in range(ROUNDS)]
        return self.burst

    def half(self) -> float:
        """Half of how many orders a second are completed."""
        return COUNT / statistics.median(pair.ours.seconds for pair in self.bursts()) / 2


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Found]:
    """The servers; skips where this machine lacks one."""
    folder = tmp_path_factory.mktemp("kafka")
    with running(folder) as servers:
        yield Found(servers, folder)


def test_orders(benchmark: Any, found: Found) -> None:
    benchmark.pedantic(found.bursts, rounds=1)
    costs = [(pair.ours.seconds / COUNT * 1e6, pair.raw.seconds / COUNT * 1e6) for pair in found.bursts()]
    note(benchmark, "Kafka: orders through a worker, to raw", costs, at_least(1 / 2), speed=True)


def test_latency(benchmark: Any, found: Found) -> None:
    """From a message in to the next command out, as the service sees it."""
    rate = found.half()
    pairs = list[Pair]()
    benchmark.pedantic(lambda: pairs.append(found.pair(int(rate * PACED_S), rate, live=True)), rounds=ROUNDS)
    name = "Kafka: message to command"
    for part in (0.5, 0.99):
        of = f"p{part * 100:g}"
        soon = [(pair.ours.quantile(part) * 1000, pair.soon.quantile(part) * 1000) for pair in pairs if pair.soon]
        note(benchmark, f"{name}, {of}, to raw at once", soon, NO_BOUND, speed=False)
        costs = [(pair.ours.quantile(part) * 1000, pair.raw.quantile(part) * 1000) for pair in pairs]
        bound = at_most(3.0) if part > 0.9 else NO_BOUND
        note(benchmark, f"{name}, {of}, to raw", costs, bound, speed=False)
    note(
        benchmark,
        "Kafka: between two batches, to a second",
        [(pair.interval_ms * 1000, 1e6) for pair in pairs],
        NO_BOUND,
        speed=False,
    )


def processor(name: str) -> Callable[[Round], float]:
    """The processor time of a process for an order."""
    return lambda round: round.cpu_us[name] if name else sum(round.cpu_us.values())


@pytest.mark.parametrize("name", ["", "worker", "client", "broker", "store"])
def test_processor_time(benchmark: Any, found: Found, name: str) -> None:
    """Of an order, in all processes, and by process."""
    benchmark.pedantic(found.bursts, rounds=1)
    cost = processor(name)
    costs = [(max(1.0, cost(pair.ours)), max(1.0, cost(pair.raw))) for pair in found.bursts()]
    note(benchmark, f"Kafka: processor time, {name or 'all'}, to raw", costs, NO_BOUND, speed=False)
