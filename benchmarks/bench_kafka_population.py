"""Kafka and Aerospike: what a crowd costs that waits."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from benchmarks.kafka_crowd import gather, waiting
from benchmarks.kafka_plain import Job, Place
from benchmarks.kafka_rounds import Servers, play, running
from benchmarks.measure import at_least, at_most, note

CROWD: Final = int(os.environ.get("BENCH_CROWD", "1000000"))
FEW: Final = 10_000
COUNT: Final = 10_000
ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "7"))
WOKEN: Final = min(150_000, CROWD)
"""How many get a message, so that the worker has as many rows in memory as it ever has."""
MEGABYTES_MAX: Final = 400


class Crowds(msgspec.Struct):
    """Two places on the same servers."""

    servers: Servers
    many: Place
    few: Place
    done: int = 0

    def round(self, *places: Place) -> list[float]:
        """A round of new orders at each; the microseconds of an order."""
        first, self.done = self.done, self.done + COUNT
        rounds = [play(self.servers, Job(place=place, count=COUNT, first=first)) for place in places]
        return [round.seconds / COUNT * 1e6 for round in rounds]

    def pair(self) -> tuple[float, float]:
        """A round at each, in alternating order: what comes later finds the servers with more to do."""
        if self.done // COUNT % 2:
            many, few = self.round(self.many, self.few)
        else:
            few, many = self.round(self.few, self.many)
        return many, few


@pytest.fixture(scope="module")
def crowds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowds]:
    """Both, in which so many wait by now."""
    folder = tmp_path_factory.mktemp("crowds")
    with running(folder) as servers:
        file = folder / "steps"
        play(servers, Job(place=servers.place(), count=500, record=str(file)))
        found = Crowds(servers, servers.place(), servers.place())
        for place, count in ((found.many, CROWD), (found.few, FEW)):
            took = asyncio.run(gather(place, waiting(Path(file)), count))
            print(f"{count:,} that wait were written in {took:.0f} s")
        found.round(found.many, found.few)
        yield found


def test_throughput_with_a_crowd(benchmark: Any, crowds: Crowds) -> None:
    costs = list[tuple[float, float]]()

    benchmark.pedantic(lambda: costs.append(crowds.pair()), rounds=ROUNDS)
    name = f"Kafka: orders beside {CROWD:,} waiting, to {FEW:,}"
    note(benchmark, name, costs, at_least(0.90), speed=True)


def test_memory_with_a_crowd(benchmark: Any, crowds: Crowds) -> None:
    """With as many rows in memory as there may be."""
    job = Job(place=crowds.many, count=WOKEN, crowd=WOKEN)
    megabytes = benchmark.pedantic(lambda: play(crowds.servers, job).memory_mb, rounds=1)
    name = f"Kafka: MB of a full worker, to {MEGABYTES_MAX}"
    note(benchmark, name, [(megabytes, MEGABYTES_MAX)], at_most(1.0), speed=False)
