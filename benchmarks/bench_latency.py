"""Latency of an order at 1, 8 and 50 orders in flight, against a raw loop that commits as much: on each backend.

Each line compares milliseconds: p50 and p99 of five rounds. On SQLite worker, services and client are three processes
on both sides. In memory both sides are one process, and the raw loop stores nothing. On Kafka there is no raw loop:
what is asked of p50 stands for it.

How long after its commit an end is heard of in another process is measured on each backend that processes can share.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

import anyio
import pytest

from benchmarks.by_hand import order_by_hand
from benchmarks.kafka_rounds import Servers, running
from benchmarks.latency import IN_FLIGHT, Latencies, closed_loop, in_processes, measure, measure_alone, until_heard
from benchmarks.sqlite_load import serve
from benchmarks.workflow import Order, orders
from dagger import Dagger

MEMORY_COUNT: Final = 2_000
SQLITE_COUNT: Final = 500
SQLITE_P50_MS_MAX: Final = {50: 25.0}
"""By the number in flight, the p50 that has to hold, in milliseconds."""

KAFKA_COUNT: Final = {1: 100, 8: 400, 50: 1_000}
KAFKA_P50_MS_MAX: Final[dict[str, dict[int, float]]] = {
    "SQLite": {1: 50.0, 8: 60.0, 50: 80.0},
    "Aerospike": {1: 50.0, 8: 70.0, 50: 100.0},
}
HEARD_MS_MAX: Final = 20.0
"""How long after its commit an end is heard of, in milliseconds."""
HEARD_COUNT: Final = 50
PROCESS: Final = "benchmarks.latency_process"

loads = pytest.mark.parametrize("in_flight", IN_FLIGHT)


@pytest.fixture
def folders(tmp_path: Path) -> Iterator[Path]:
    """New folders."""

    def made() -> Iterator[Path]:
        for number in count():
            folder = tmp_path / str(number)
            folder.mkdir()
            yield folder

    return made()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """A broker and an Aerospike server; skips where this machine lacks one."""
    with running(tmp_path_factory.mktemp("kafka")) as found:
        yield found


@pytest.fixture
def on_kafka(servers: Servers, folders: Iterator[Path]) -> Callable[[str], Sequence[str]]:
    """Gives the URLs of another application on the servers, by the name of its store."""

    def urls(store: str) -> Sequence[str]:
        place = servers.place()
        return [place.broker, place.store if store == "Aerospike" else f"sqlite:///{next(folders)}/records.db"]

    return urls


async def in_memory(in_flight: int) -> Latencies:
    latencies: Latencies = ()
    async with Dagger() as engine, anyio.create_task_group() as services:
        engine.register(orders)
        serve(engine, services)

        async def run(number: int) -> None:
            await engine.wait(await engine.start(orders, Order(f"o-{number}", number)))

        latencies = await closed_loop(run, in_flight, MEMORY_COUNT)
        services.cancel_scope.cancel()
    return latencies


async def by_hand(in_flight: int) -> Latencies:
    async with order_by_hand() as run:
        return await closed_loop(lambda number: run(Order(f"o-{number}", number)), in_flight, MEMORY_COUNT)


@loads
def test_latency_in_memory(benchmark: Any, in_flight: int) -> None:
    measure(
        benchmark,
        f"memory: {in_flight} in flight",
        lambda: asyncio.run(in_memory(in_flight)),
        lambda: asyncio.run(by_hand(in_flight)),
        p50_ms_max=None,
    )


@loads
def test_latency_on_sqlite(benchmark: Any, in_flight: int, folders: Iterator[Path]) -> None:
    def ours() -> Latencies:
        url = f"sqlite:///{next(folders)}/orders.db"
        return in_processes(PROCESS, ["worker", "services"], [url], in_flight, SQLITE_COUNT)

    def raw() -> Latencies:
        where = [str(next(folders))]
        return in_processes("benchmarks.sqlite_raw", ["worker", "services"], where, in_flight, SQLITE_COUNT)

    p50_ms_max = SQLITE_P50_MS_MAX.get(in_flight)
    measure(benchmark, f"SQLite: {in_flight} in flight", ours, raw, p50_ms_max=p50_ms_max)


@loads
@pytest.mark.parametrize("store", KAFKA_P50_MS_MAX)
def test_latency_on_kafka(benchmark: Any, store: str, in_flight: int, on_kafka: Callable[[str], Sequence[str]]) -> None:
    def ours() -> Latencies:
        return in_processes(PROCESS, ["worker", "services"], on_kafka(store), in_flight, KAFKA_COUNT[in_flight])

    measure_alone(
        benchmark,
        f"Kafka, {store}: {in_flight} in flight",
        ours,
        p50_ms_max=KAFKA_P50_MS_MAX[store][in_flight],
        is_bound=False,
    )


@pytest.mark.parametrize("store", KAFKA_P50_MS_MAX)
def test_an_end_is_heard_on_kafka(benchmark: Any, store: str, on_kafka: Callable[[str], Sequence[str]]) -> None:
    def ours() -> Latencies:
        return until_heard(PROCESS, on_kafka(store), HEARD_COUNT)

    measure_alone(benchmark, f"Kafka, {store}: an end is heard", ours, p50_ms_max=HEARD_MS_MAX, is_bound=True)


def test_an_end_is_heard_on_sqlite(benchmark: Any, folders: Iterator[Path]) -> None:
    def ours() -> Latencies:
        return until_heard(PROCESS, [f"sqlite:///{next(folders)}/orders.db"], HEARD_COUNT)

    measure_alone(benchmark, "SQLite: an end is heard", ours, p50_ms_max=HEARD_MS_MAX, is_bound=True)
