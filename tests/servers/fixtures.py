"""The fixtures of the servers. A machine that lacks what one needs skips its tests, with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.servers.aerospike import Aerospike, Running, servers
from tests.servers.jars import Missing
from tests.servers.kafka import KafkaCluster


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """The broker that all tests share, started for the first that asks: each names its own topics and groups."""
    with _running(1, tmp_path_factory) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def kafka_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """Three brokers for a module's tests, to be killed and started again; a test leaves them all up."""
    with _running(3, tmp_path_factory) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def aerospike_server() -> Iterator[Aerospike | Running]:
    """The server that all tests share, of ours or of the environment: each test has names of its own there."""
    yield from servers()


@contextmanager
def _running(brokers: int, directories: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    try:
        cluster = KafkaCluster(brokers, directory=directories.mktemp("kafka"))
    except Missing as missing:
        pytest.skip(str(missing))
    with cluster:
        yield cluster
