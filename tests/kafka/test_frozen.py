"""One broker of three is frozen: it keeps its connections, takes more, and answers nobody."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest

from dagger import Dagger, Status, task, template
from dagger.engine.client.run import Run
from tests.kafka.stage import OnKafka, beside_sqlite
from tests.servers.kafka import KafkaCluster

pytestmark = [pytest.mark.slow, pytest.mark.kafka]

ORDERS = 16
"""As many as every lane has some."""
FAIL_OVER_S_MAX = 40.0
"""A failure limit: the brokers need 3 s to give up one of them, and 10 s are granted beyond. On two busy processors it
takes 7 to 9 s; when each client waited by itself, it took 75 s and more."""


@task
async def pack(order: str) -> str:
    return order


packing = template("Packing", pack, key=str)


@pytest.fixture
def storage(kafka_cluster: KafkaCluster, tmp_path: Path) -> OnKafka:
    return beside_sqlite(kafka_cluster.bootstrap, tmp_path, "&replication=3")


def engine_of(storage: OnKafka) -> Dagger:
    assert storage.store_url is not None
    engine = Dagger(storage.url, storage.store_url)
    engine.register(packing)
    return engine


@pytest.mark.parametrize("broker", range(3))
def test_clients_start_and_a_worker_goes_on(broker: int, storage: OnKafka, kafka_cluster: KafkaCluster) -> None:
    worker, client = engine_of(storage), engine_of(storage)

    async def orders(name: str) -> list[Run[str]]:
        runs = await client.start_all(packing, [f"{name}-{number}" for number in range(ORDERS)])
        for run in runs:
            assert (await client.wait(run)).status is Status.COMPLETED
        return runs

    async def comes() -> None:
        another = engine_of(storage)
        async with another.client():
            await another.start(packing, "from another")

    async def run() -> None:
        async with worker, client.client():
            await orders("before")
            kafka_cluster.freeze(broker)
            try:
                begun = time.monotonic()
                with anyio.fail_after(FAIL_OVER_S_MAX):
                    async with anyio.create_task_group() as group:
                        group.start_soon(orders, "amid")
                        for _ in range(3):
                            group.start_soon(comes)
                print(f"broker {broker}: {time.monotonic() - begun:.1f} s")  # noqa: T201  # the figure of the docs
            finally:
                kafka_cluster.thaw(broker)
            await orders("after")

    anyio.run(run)
