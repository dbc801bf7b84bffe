"""A store on an Aerospike cluster, for a separate log: `aerospike://host:3000/namespace`.

Each record is one Aerospike record, written by compare-and-swap in the server. A write in doubt is resolved by
reading. Timers, running tasks and listings are found by secondary indexes. The official client is synchronous, and is
called in threads.
"""

from dagger.backends.aerospike.client import OfficialCluster
from dagger.backends.aerospike.options import options_of
from dagger.backends.aerospike.store import AerospikeStore as AerospikeStore
from dagger.engine.ports import Scheme

__all__ = ["STORE", "AerospikeStore", "store"]


def store(url: str, prefix: str) -> AerospikeStore:
    """The store of the application with the name `prefix`. It does not connect yet."""
    options = options_of(url)
    return AerospikeStore(options, prefix, OfficialCluster(options))


STORE = Scheme(connect=store, example="aerospike://localhost:3000/test", requires="aerospike")
