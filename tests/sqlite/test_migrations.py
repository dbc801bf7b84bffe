"""A file of an older version is brought to this one, with all that lives in it: all of it, or nothing."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from threading import Barrier, Thread
from typing import Any

import msgspec
import pytest

from dagger import BackendError, Dagger
from dagger.backends.sqlite import SqliteBackend, connections
from dagger.backends.sqlite.connections import open_connection, open_read_connection
from dagger.backends.sqlite.options import options_of
from dagger.backends.sqlite.schema import LOG_AND_RECORDS, RECORDS_ONLY, FileKind
from dagger.core.format import FORMAT
from tests.sqlite.shop import Order, Shop, ended, fails, in_loop, orders, pay
from tests.stored import UNRELEASED_FILE

IDS = [f"o-{number}" for number in range(30)]

HASHES = {
    LOG_AND_RECORDS: ["84f3d14b6ecfff43", "204cdc449c9c1b28"],
    RECORDS_ONLY: ["5fdb8a2082018f57", "204cdc449c9c1b28"],
}

STEPS = LOG_AND_RECORDS.migrations

FURTHER = """
-- What a later release may add; a comment; with a semicolon.
ALTER TABLE record ADD COLUMN region TEXT NOT NULL DEFAULT 'here';
CREATE INDEX record_region ON record (region, key);
UPDATE record SET region = 'there' WHERE key < 'o-2';
"""
AFTER_THAT = "CREATE TABLE extra (name TEXT PRIMARY KEY) WITHOUT ROWID;"
"""What a release after that may add."""


@pytest.mark.parametrize("kind", HASHES, ids=["whole", "beside"])
def test_a_step_that_was_released_is_never_changed(kind: FileKind) -> None:
    """If this fails, take the change back, and make it a step of its own; if that was done, add its hash here."""
    assert [hashlib.sha256(step.encode()).hexdigest()[:16] for step in kind.migrations] == HASHES[kind]


def whole(*steps: str) -> FileKind:
    """The files of a later release."""
    return msgspec.structs.replace(LOG_AND_RECORDS, migrations=steps)


def later(shop: Shop, steps: Sequence[str]) -> Dagger:
    """An engine of a later release."""
    options = options_of(shop.url)
    backend = SqliteBackend(options)
    backend.file.connect = partial(open_connection, options, whole(*steps))
    backend.file.connect_for_reading = partial(open_read_connection, options, whole(*steps))
    engine = Dagger(backend=backend)
    engine.register(orders)
    return engine


def dump(path: Path) -> list[Any]:
    """Everything that is in a file, and its versions."""
    connection = sqlite3.connect(path)
    found: list[Any] = [connection.execute(f"PRAGMA {name}").fetchone() for name in ("user_version", "application_id")]
    for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
        found += [table, connection.execute(f"SELECT * FROM {table}").fetchall()]
    found += connection.execute("SELECT name, sql FROM sqlite_schema ORDER BY name").fetchall()
    connection.close()
    return found


def versions(path: Path) -> tuple[int, int]:
    connection = sqlite3.connect(path)
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    connection.close()
    return application, version


@in_loop
async def test_a_further_step_on_a_file_with_live_instances(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    assert versions(shop.path) == (LOG_AND_RECORDS.id, LOG_AND_RECORDS.version)
    async with later(shop, [*STEPS, FURTHER]) as engine:
        assert versions(shop.path) == (LOG_AND_RECORDS.id, LOG_AND_RECORDS.version + 1)
        await pay(engine, *IDS)
        await ended(engine, *IDS)
    connection = sqlite3.connect(shop.path)
    rows = connection.execute("SELECT region, count(*) FROM record GROUP BY region")
    assert dict(rows.fetchall()) == {"here": 30 - 12, "there": 12}
    connection.close()


@in_loop
async def test_several_steps_at_once(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    async with later(shop, [*STEPS, FURTHER, AFTER_THAT]) as engine:
        await pay(engine, *IDS)
        await ended(engine, *IDS)
    assert versions(shop.path) == (LOG_AND_RECORDS.id, LOG_AND_RECORDS.version + 2)
    open_connection(options_of(shop.url), whole(*STEPS, FURTHER, AFTER_THAT)).close()


def test_a_new_file_takes_all_steps(tmp_path: Path) -> None:
    options = options_of(f"sqlite:///{tmp_path}/new.db?partitions=3")
    open_connection(options, whole(*STEPS, FURTHER)).close()
    connection = open_connection(options, whole(*STEPS, FURTHER))
    assert connection.execute("SELECT value FROM meta WHERE name = 'partitions'").fetchall() == [(3,)]
    assert connection.execute("SELECT region FROM record").fetchall() == []
    connection.close()


@in_loop
async def test_the_older_release_refuses_the_file_and_leaves_it(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    open_connection(options_of(shop.url), whole(*STEPS, FURTHER)).close()
    before = dump(shop.path)
    async with fails(BackendError) as said:
        await shop.engine().count()
    assert said[0] == (
        f"the file '{shop.path}' has version {LOG_AND_RECORDS.version + 1}, written by a newer release of dagger; this "
        f"one knows versions up to {LOG_AND_RECORDS.version}: upgrade it, or give another path. Nothing was changed"
    )
    assert dump(shop.path) == before


@pytest.mark.parametrize("place", range(3))
@in_loop
async def test_a_step_that_fails_has_changed_nothing(tmp_path: Path, place: int) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    before = dump(shop.path)
    statements = FURTHER.strip().splitlines()[1:]
    statements.insert(place, "INSERT INTO nowhere VALUES (1);")
    with pytest.raises(sqlite3.OperationalError):
        open_connection(options_of(shop.url), whole(*STEPS, AFTER_THAT, "\n".join(statements)))
    assert dump(shop.path) == before
    async with fails(BackendError) as said:
        await later(shop, [*STEPS, "\n".join(statements)]).start(orders, Order("o-late"))
    assert said[0].startswith(f"the file '{shop.path}' cannot be used")
    assert dump(shop.path) == before
    await shop.finish(*IDS)


@pytest.mark.parametrize("makes_it", [True, False], ids=["a new file", "an older file"])
def test_many_open_it_at_once(tmp_path: Path, makes_it: bool) -> None:
    """One of them takes the steps, and the others find them taken."""
    options = options_of(f"sqlite:///{tmp_path}/orders.db")
    if not makes_it:
        open_connection(options).close()
    steps = [*STEPS, FURTHER, AFTER_THAT]
    together, errors = Barrier(8), list[Exception]()

    def run() -> None:
        together.wait()
        try:
            open_connection(options, whole(*steps)).close()
        except Exception as error:
            errors.append(error)

    threads = [Thread(target=run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert versions(options.path) == (LOG_AND_RECORDS.id, LOG_AND_RECORDS.version + 2)
    connection = open_connection(options, whole(*steps))
    assert connection.execute("SELECT count(*) FROM meta").fetchone() == (2,)
    connection.close()


@in_loop
async def test_a_file_with_records_of_a_newer_format_is_refused_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    with monkeypatch.context() as newer:
        newer.setattr(connections, "FORMAT", FORMAT + 1)
        open_connection(options_of(shop.url)).close()
    before = dump(shop.path)
    for ask in (shop.engine().count(), shop.engine().start(orders, Order("o-late"))):
        async with fails(BackendError) as said:
            await ask
        assert said[0] == (
            f"the file '{shop.path}' cannot be used: it is of format {FORMAT + 1}, and this release of dagger reads "
            f"format {FORMAT}; use the release that has written it, or a later one. Nothing was changed"
        )
    assert dump(shop.path) == before
    with monkeypatch.context() as newer:
        newer.setattr(connections, "FORMAT", FORMAT + 1)
        open_connection(options_of(shop.url)).close()


@in_loop
async def test_a_file_of_a_build_before_the_first_release_is_refused_and_left(tmp_path: Path) -> None:
    """Made by commit 0fef791, with live instances, a message that is held, and a submission that is not applied."""
    shop = Shop(tmp_path)
    with closing(sqlite3.connect(shop.path)) as connection:
        connection.executescript(UNRELEASED_FILE.read_text(encoding="utf-8"))
        assert connection.execute("SELECT count(*) FROM record").fetchone() == (7,)
    before = dump(shop.path)
    for ask in (shop.engine().count(), shop.engine().start(orders, Order("o-late"))):
        async with fails(BackendError) as said:
            await ask
        assert said[0] == (
            f"the file '{shop.path}' has version 1, from a build of dagger before its first release, and this release "
            f"knows versions from {LOG_AND_RECORDS.first} on; let its instances end under that build, then give "
            "another path. Nothing was changed"
        )
    assert dump(shop.path) == before
