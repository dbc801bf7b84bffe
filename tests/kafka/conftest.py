"""What the traps are tested with."""

from pathlib import Path

import pytest

from tests.kafka.stage import OnKafka, beside_sqlite
from tests.servers.kafka import KafkaCluster


@pytest.fixture
def storage(kafka: KafkaCluster, tmp_path: Path) -> OnKafka:
    """An application of its own, with a file of records."""
    return beside_sqlite(kafka.bootstrap, tmp_path)
