"""The log of production: Kafka, beside a store of another kind (Aerospike, or SQLite on one machine).

One internal topic holds the entities of all instances, a partition each; whose they are is told by a consumer group.
"""

from dagger.backends.kafka.backend import KafkaBackend as KafkaBackend
from dagger.backends.kafka.backend import connect as connect
from dagger.engine.ports import Scheme

BACKEND = Scheme(connect=connect, example="kafka://localhost:9092/orders", store_beside="sqlite:///records.db")

__all__ = ["BACKEND", "KafkaBackend", "connect"]
