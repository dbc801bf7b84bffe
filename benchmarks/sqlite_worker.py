"""A worker on a SQLite file, as `dagger worker` runs one: `python -m benchmarks.sqlite_worker URL [FILE]`.

It leaves in FILE what it has changed, once it is told to end; a run that is timed has no FILE.
"""

from __future__ import annotations

import sys
from pathlib import Path

from benchmarks.sqlite_load import Statement, keep, recording
from benchmarks.workflow import orders
from dagger import Dagger
from dagger.backends.sqlite import SqliteBackend
from dagger.backends.sqlite.options import options_of


def work(url: str, target: Path | None = None) -> None:
    statements = list[Statement]()
    backend = SqliteBackend(options_of(url))
    if target is not None:
        recording(backend, statements)
    engine = Dagger(backend=backend)
    engine.register(orders)
    engine.main()
    if target is not None:
        keep(statements, target)


if __name__ == "__main__":
    work(sys.argv[1], *map(Path, sys.argv[2:]))
