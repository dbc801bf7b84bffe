"""Kafka keeps the contract, beside each store."""

from pathlib import Path

import pytest
from typing_extensions import override

from dagger.testing.contract import BackendContract, Storage
from tests.kafka.stage import beside_aerospike, beside_sqlite
from tests.servers.aerospike import Aerospike, Running
from tests.servers.kafka import KafkaCluster

pytestmark = [pytest.mark.slow, pytest.mark.kafka]


class TestKafkaBesideSqlite(BackendContract):
    """All of it, with a fault at every 12th place."""

    every_nth_call = 12

    @pytest.fixture
    @override
    def storage(self, kafka: KafkaCluster, tmp_path: Path) -> Storage:
        return beside_sqlite(kafka.bootstrap, tmp_path)


class TestKafkaBesideAerospike(BackendContract):
    """The same, with a fault at every 20th place."""

    every_nth_call = 20

    @pytest.fixture
    @override
    def storage(self, kafka: KafkaCluster, aerospike_server: Aerospike | Running) -> Storage:
        return beside_aerospike(kafka.bootstrap, aerospike_server.url)
