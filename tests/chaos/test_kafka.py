"""Nothing is lost, repeated or put out of order on Kafka, whoever dies: workers, brokers, the store, the network.

The store is Aerospike where there is a server for it, and else a file of SQLite, which cannot be restarted.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.chaos import Chaos, play
from tests.chaos.kafka import KafkaSite
from tests.chaos.report import check
from tests.chaos.schedule import Fault, schedule_of
from tests.chaos.site import WORKERS
from tests.servers.aerospike import Aerospike, found_asd
from tests.servers.jars import Missing
from tests.servers.kafka import KafkaCluster

pytestmark = pytest.mark.kafka


@pytest.fixture
def site(tmp_path: Path) -> Iterator[KafkaSite]:
    try:
        cluster = KafkaCluster(3, directory=tmp_path / "kafka", detour=True)
    except Missing as missing:
        pytest.skip(str(missing))
    if found_asd() is None or importlib.util.find_spec("aerospike") is None:
        with cluster:
            yield KafkaSite(cluster, f"sqlite:///{tmp_path}/records.db")
    else:
        with cluster, Aerospike() as store:
            yield KafkaSite(cluster, store.url, lambda: restart(store))


def restart(store: Aerospike) -> None:
    store.kill()
    store.restart()


def chaos_of(site: KafkaSite, folder: Path, total: int, seed: int, **counts: int) -> Chaos:
    known = {sort: count for sort, count in counts.items() if sort in site.targets}
    return Chaos(site, folder, total, schedule_of(seed, total, known, site.targets), seed)


@pytest.mark.slow
def test_orders_outlive_workers_brokers_and_network(site: KafkaSite, tmp_path: Path) -> None:
    """A small chaos; `make chaos` runs the whole one."""
    check(play(chaos_of(site, tmp_path, 150, seed=1, kill=4, stop=1, broker=1, store=1, network=1)))


@pytest.mark.chaos
def test_orders_outlive_everything_again_and_again(
    site: KafkaSite, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = {"kill": 100, "stop": 20, "broker": 6, "store": 3, "network": 3}
    with capsys.disabled():
        check(play(chaos_of(site, tmp_path, 20_000, 1, **counts)))


@pytest.mark.slow
def test_no_client_sees_a_rolling_restart(site: KafkaSite, tmp_path: Path) -> None:
    rolls = [Fault("roll", worker, 30 * worker + 10) for worker in range(WORKERS)]
    summary = play(Chaos(site, tmp_path, 100, rolls))
    check(summary)
    assert summary.refused == []
    assert summary.ended == []
    assert summary.gap_s < site.session_s + GAP_S_MAX


GAP_S_MAX = 120.0
"""By how much longer than a session nothing may be done, in seconds: a failure limit, which no busy machine reaches."""
