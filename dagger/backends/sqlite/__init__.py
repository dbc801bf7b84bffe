"""The embedded backend: log, records and indexes are tables of one SQLite file, and a batch is one transaction.

Several processes may share the file. Each owns a share of the partitions by leases; a commit checks inside its
transaction that the leases are still its own, so a worker whose partitions were taken over changes nothing. All changes
of a process go through its `Database`, which puts concurrent requests into one transaction.

`store` opens a file with records only, for a log of another kind.
"""

from dagger.backends.sqlite.backend import SqliteBackend as SqliteBackend
from dagger.backends.sqlite.backend import connect as connect
from dagger.backends.sqlite.backup import backup as backup
from dagger.backends.sqlite.standalone import SqliteRecordStore as SqliteRecordStore
from dagger.backends.sqlite.standalone import store as store

__all__ = ["SqliteBackend", "SqliteRecordStore", "backup", "connect", "store"]
