"""A worker on a SQLite file, as `dagger worker` runs one: `python -m benchmarks.sqlite_worker URL FILE`.

It leaves in FILE what it has changed, once it is told to end.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

from benchmarks.sqlite_load import Statement, recording
from benchmarks.workflow import orders
from dagger import Dagger
from dagger.backends.sqlite import SqliteBackend
from dagger.backends.sqlite.options import options_of


def work(url: str, target: Path) -> None:
    statements = list[Statement]()
    backend = SqliteBackend(options_of(url))
    recording(backend, statements)
    engine = Dagger(backend=backend)
    engine.register(orders)
    engine.main()
    target.write_bytes(pickle.dumps([tuple(one) for one in statements]))


if __name__ == "__main__":
    work(sys.argv[1], Path(sys.argv[2]))
