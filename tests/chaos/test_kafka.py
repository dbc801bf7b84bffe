"""Nothing is lost, repeated or put out of order on Kafka, whoever dies: workers, brokers, the store, the network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.chaos import Chaos, play
from tests.chaos.kafka import KafkaSite
from tests.chaos.report import check
from tests.chaos.schedule import Fault, schedule_of
from tests.chaos.site import WORKERS
from tests.servers.jars import Missing
from tests.servers.kafka import KafkaCluster

pytestmark = pytest.mark.kafka


@pytest.fixture
def site(tmp_path: Path) -> Iterator[KafkaSite]:
    try:
        cluster = KafkaCluster(3, directory=tmp_path / "kafka", detour=True)
    except Missing as missing:
        pytest.skip(str(missing))
    with cluster:
        yield KafkaSite(cluster, f"sqlite:///{tmp_path}/records.db")


def chaos_of(site: KafkaSite, folder: Path, total: int, seed: int, **counts: int) -> Chaos:
    return Chaos(site, folder, total, schedule_of(seed, total, counts, site.targets), seed)


@pytest.mark.slow
def test_orders_outlive_workers_brokers_and_network(site: KafkaSite, tmp_path: Path) -> None:
    """A small chaos; `make chaos` runs the whole one."""
    check(play(chaos_of(site, tmp_path, 150, seed=1, kill=4, stop=1, broker=1, network=1)))


@pytest.mark.slow
def test_no_client_sees_a_rolling_restart(site: KafkaSite, tmp_path: Path) -> None:
    summary = play(Chaos(site, tmp_path, 150, [Fault("roll", worker, 40 * worker + 20) for worker in range(WORKERS)]))
    check(summary)
    assert summary.refused == []
