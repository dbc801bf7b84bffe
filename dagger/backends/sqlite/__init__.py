"""The embedded backend: log, records and indexes are tables of one SQLite file, and a batch is one transaction.

Several processes may share the file. Each owns a share of the partitions by leases; a commit checks inside its
transaction that the leases are still its own, so a worker whose partitions were taken over changes nothing. All changes
of a process go through its `Database`, which puts concurrent requests into one transaction.

`store` opens a file with records only, for a log of another kind.
"""

from dagger.backends.sqlite.backend import SqliteBackend as SqliteBackend
from dagger.backends.sqlite.backend import connect as connect
from dagger.backends.sqlite.backup import backup as backup
from dagger.backends.sqlite.options import absolute_url, url_of_path
from dagger.backends.sqlite.standalone import SqliteRecordStore as SqliteRecordStore
from dagger.backends.sqlite.standalone import store as store
from dagger.engine.ports import Scheme

BACKEND = Scheme(
    connect=connect, example="sqlite:///orders.db", resolve=absolute_url, suggest=url_of_path, backup=backup
)
STORE = Scheme(connect=store, example="sqlite:///records.db", resolve=absolute_url, suggest=url_of_path)

__all__ = ["BACKEND", "STORE", "SqliteBackend", "SqliteRecordStore", "backup", "connect", "store"]
