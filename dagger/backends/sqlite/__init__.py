"""The embedded backend: log, records and indexes are tables of one SQLite file, and a batch is one transaction.

Several processes may share the file. Each takes a share of the partitions by leases; a commit checks inside its
transaction that the leases are still its own, so a worker that was overtaken changes nothing. All that a process
changes goes through its `database`, which puts what is asked for at the same time into one transaction.

`store` gives the records alone, for a log of another kind.
"""

from dagger.backends.sqlite.backend import SqliteBackend as SqliteBackend
from dagger.backends.sqlite.backend import connect as connect
from dagger.backends.sqlite.backup import backup as backup
from dagger.backends.sqlite.standalone import SqliteRecordStore as SqliteRecordStore
from dagger.backends.sqlite.standalone import store as store

__all__ = ["SqliteBackend", "SqliteRecordStore", "backup", "connect", "store"]
