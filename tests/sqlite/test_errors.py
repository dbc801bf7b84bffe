"""What can be wrong with a file: the error names the file and the remedy, and nothing is lost."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from dagger import BackendError, Dagger
from dagger.backends.sqlite.connections import ReadConnection, open_connection
from dagger.backends.sqlite.options import SqliteOptions, options_of
from dagger.backends.sqlite.schema import LOG_AND_RECORDS
from dagger.errors import BackendUnavailable
from tests.sqlite.faults import Fault, damage
from tests.sqlite.shop import Gate, Order, Shop, ended, fails, file_of, in_loop, orders, pay, until

IDS = [f"o-{number}" for number in range(30)]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another program holds the file's lock, as one that was stopped in the middle does."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


def altered(engine: Dagger, shop: Shop, pragma: Callable[[], str]) -> None:
    """Let each connection that the engine opens from now on begin with a pragma."""

    file = file_of(engine)
    plain, look = file.connect, file.connect_for_reading

    def connect(*, make: bool) -> sqlite3.Connection:
        connection = plain(make=make)
        connection.execute(pragma())
        return connection

    def looking() -> ReadConnection:
        found = look()
        found.connection.execute(pragma())
        return found

    file.connect, file.connect_for_reading = connect, looking


# Locked.


@in_loop
async def test_a_locked_file(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    engine = shop.engine("&busy_timeout=200ms")
    async with engine.client():
        await engine.count()
        with locked(shop.path):
            async with fails(BackendUnavailable) as said:
                await engine.start(orders, Order("o-new"))
            assert (await engine.get_instance(IDS[0])).id == IDS[0], "questions need no lock"
        assert said[0].startswith(f"the file '{shop.path}' is locked by another process; if that process is suspended")
        await engine.start(orders, Order("o-new"))
    await shop.finish(*IDS, "o-new")


@in_loop
async def test_a_file_that_is_locked_when_it_is_opened(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    engine = shop.engine("&busy_timeout=200ms")
    with locked(shop.path):
        assert await engine.count() == len(IDS), "questions need no lock"
        async with fails(BackendUnavailable) as said:
            await engine.start(orders, Order("o-new"))
        async with fails(BackendUnavailable), engine:
            raise AssertionError("it is not open")
    assert "continue or end it" in said[0]
    async with engine:
        await pay(engine, *IDS)
        await ended(engine, *IDS)
    await engine.aclose()


@in_loop
async def test_a_file_that_another_has_for_itself(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    engine = shop.engine("&busy_timeout=200ms")
    other = sqlite3.connect(shop.path, isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    async with fails(BackendUnavailable) as said:
        await engine.count()
    assert "is locked by another process" in said[0]
    other.close()
    assert await engine.count() == len(IDS)
    await engine.aclose()


@in_loop
async def test_a_new_file_that_is_locked(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    engine = shop.engine("&busy_timeout=200ms")
    with locked(shop.path):
        async with fails(BackendUnavailable) as said:
            await engine.start(orders, Order("o-new"))
    assert "is locked by another process" in said[0]
    async with engine:
        assert await engine.count() == 0
    await engine.aclose()


@in_loop
async def test_a_worker_goes_on_once_the_lock_is_free(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    async with shop.engine("&busy_timeout=200ms") as engine:
        gate = Gate(engine)
        await pay(engine, *IDS)
        await gate.reached()
        with locked(shop.path):
            gate.open()
            await told(caplog, "is locked by another process")
        await ended(engine, *IDS)


@in_loop
async def test_a_question_that_fails_is_no_harm_to_a_change_that_waits_for_the_lock(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    engine = shop.engine()

    def disk_fails(connection: sqlite3.Connection) -> None:
        Fault("I/O error before", 0).run(connection, "SELECT 1", lambda: None)

    async with engine.client(), anyio.create_task_group() as group:
        await engine.count()
        with locked(shop.path):
            group.start_soon(engine.start, orders, Order("o-new"))
            await anyio.wait_all_tasks_blocked()
            async with fails(BackendUnavailable) as said:
                await file_of(engine).database.query(disk_fails)
        assert "the disk reports an error; look at it" in said[0]
    await shop.finish(*IDS, "o-new")


async def told(caplog: pytest.LogCaptureFixture, text: str) -> None:
    """Wait until a worker has said so."""

    async def said() -> bool:
        return any(text in record.getMessage() for record in caplog.records)

    await until(said)


# Read-only, full, damaged.


@in_loop
async def test_a_read_only_file(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    engine = shop.engine()
    altered(engine, shop, lambda: "PRAGMA query_only = ON")
    async with fails(BackendError) as said:
        await engine.start(orders, Order("o-new"))
    assert said[0].startswith(f"the file '{shop.path}' is read-only; let this user write to it and to its directory")
    altered(engine, shop, lambda: "PRAGMA query_only = OFF")
    await engine.start(orders, Order("o-new"))
    await engine.aclose()
    await shop.finish(*IDS, "o-new")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any file")
@in_loop
async def test_a_file_that_this_user_may_not_write_to(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    shop.path.chmod(0o444)
    engine = shop.engine()
    async with fails(BackendError) as said:
        await engine.start(orders, Order("o-new"))
    assert said[0].startswith(f"the file '{shop.path}' is read-only; let this user write to it and to its directory")
    shop.path.chmod(0o644)
    await engine.start(orders, Order("o-new"))
    await engine.aclose()
    await shop.finish(*IDS, "o-new")


@in_loop
async def test_a_file_that_becomes_read_only_ends_a_worker(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    engine, client = shop.engine(), shop.engine()
    async with fails(BackendError) as said, engine:
        await read_only(engine)
        await pay(client, *IDS)
        await anyio.sleep_forever()
    assert f"the file '{shop.path}' is read-only" in said[0]
    await client.aclose()
    await shop.finish(*IDS)


async def read_only(engine: Dagger) -> None:
    """Forbid changes by the connection that is open."""
    await file_of(engine).database.query(lambda connection: connection.execute("PRAGMA query_only = ON").fetchall())


def full(shop: Shop, pages: int) -> Callable[[], str]:
    """The disk has room for so many pages more than the file has now."""
    connection = sqlite3.connect(shop.path)
    (has,) = connection.execute("PRAGMA page_count").fetchone()
    connection.close()
    return lambda: f"PRAGMA max_page_count = {has + pages}"


@in_loop
async def test_what_there_is_no_room_for_is_refused(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    engine = shop.engine()
    altered(engine, shop, full(shop, 20))
    many = [Order(f"n-{number}") for number in range(5_000)]
    async with engine.client():
        async with fails(BackendUnavailable) as said:
            await engine.start_all(orders, many)
        assert said[0].startswith(f"the file '{shop.path}' has no room left: the disk is full; nothing was changed")
        await engine.start(orders, Order("o-new"))
    await shop.finish(*IDS, "o-new")
    async with shop.engine().client() as client:
        assert await client.count() == len(IDS) + 1


@in_loop
async def test_a_worker_goes_on_once_there_is_room(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shop = Shop(tmp_path)
    large = [Order(id, 100_000) for id in IDS]
    async with shop.engine() as engine:
        await engine.start_all(orders, large)
    engine = shop.engine()
    pragma: list[Callable[[], str]] = [full(shop, 100), lambda: "PRAGMA max_page_count = 1073741823"]
    altered(engine, shop, lambda: pragma[0]())
    async with engine, shop.engine().client() as client:
        await pay(client, *IDS)
        await told(caplog, "has no room left: the disk is full")
        assert await client.count(status="COMPLETED") < len(IDS)
        del pragma[0]
        await ended(client, *IDS)
        assert {(await client.get_instance(id)).result.text for id in IDS} == {"x" * 100_000}


@in_loop
async def test_a_damaged_file(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    good = shop.path.read_bytes()
    damage(shop.path, 2, len(good) // 4096)
    damaged = shop.path.read_bytes()
    engine = shop.engine()
    for _ in range(2):
        async with fails(BackendError) as said:
            await engine.start(orders, Order("o-new"))
        assert said[0].startswith(f"the file '{shop.path}' is damaged; nothing was changed; restore a backup")
    async with fails(BackendError), engine:
        raise AssertionError("it cannot be worked on")
    assert shop.path.read_bytes() == damaged
    shop.path.write_bytes(good)
    await shop.finish(*IDS)


@in_loop
async def test_a_worker_ends_at_a_damaged_page(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill(*IDS)
    good = shop.path.read_bytes()
    connection = sqlite3.connect(shop.path)
    (page,) = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'record'").fetchone()
    connection.close()
    damage(shop.path, page, page)
    engine = shop.engine()
    async with fails(BackendError) as said, engine:
        await pay(engine, *IDS)
        await anyio.sleep_forever()
    assert said[0].startswith(f"the file '{shop.path}' is damaged; nothing was changed; restore a backup")
    shop.path.write_bytes(good)
    for suffix in ("-wal", "-shm"):
        shop.path.with_name(shop.path.name + suffix).unlink(missing_ok=True)
    await shop.finish(*IDS)


# Another file.


def sqlite_of(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: path.write_text("a letter\n" * 200), "is not an SQLite file; give another path"),
        (lambda path: path.write_bytes(b"no"), "is not an SQLite file; give another path"),
        (lambda path: sqlite_of(path, "CREATE TABLE t (x)"), "is a database of something else; give another path"),
        (
            lambda path: sqlite_of(path, "CREATE TABLE t (x)", "PRAGMA user_version = 7"),
            "is a database of something else; give another path",
        ),
        (
            lambda path: newer(path),
            f"has version {LOG_AND_RECORDS.version + 1}, written by a newer release of dagger",
        ),
        (lambda path: path.mkdir(), "is a directory; give the path of a file, as sqlite:////"),
    ],
    ids=["text", "two bytes", "another database", "another database with versions", "newer", "a directory"],
)
@in_loop
async def test_what_is_no_file_of_ours_stays_as_it_is(
    tmp_path: Path, make: Callable[[Path], object], told: str
) -> None:
    path = tmp_path / "other.db"
    make(path)
    before = contents(tmp_path)
    engine = Dagger(f"sqlite:///{path}")
    for _ in range(2):
        async with fails(BackendError) as said:
            await engine.count()
        assert said[0].startswith(f"the file '{path}' {told}")
    assert contents(tmp_path) == before


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a folder."""
    return {found.name: found.read_bytes() if found.is_file() else b"" for found in folder.iterdir()}


def newer(path: Path) -> None:
    """A file of a release that does not exist yet."""
    open_connection(SqliteOptions(path=path)).close()
    sqlite_of(path, f"PRAGMA user_version = {LOG_AND_RECORDS.version + 1}")


@in_loop
async def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "nowhere")
    engine = shop.engine()
    async with fails(BackendError) as said:
        await engine.count()
    assert said[0].startswith(f"the file '{shop.path}' cannot be opened; its directory must exist and be writable")
    shop.path.parent.mkdir()
    assert await engine.count() == 0
    await engine.aclose()


# URLs.


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///orders.db", "orders.db"),
        ("sqlite:////var/lib/orders.db", "/var/lib/orders.db"),
        ("sqlite:///data/./../orders.db", "data/../orders.db"),
        ("sqlite:///a%20b%23c%3Fd%25.db?lease=2s", "a b#c?d%.db"),
        ("sqlite:///[a]:b@c;d.db", "[a]:b@c;d.db"),
        ("sqlite:///größe.db", "größe.db"),
    ],
)
def test_the_path_of_a_url(url: str, path: str) -> None:
    assert str(options_of(url).path) == path


def test_the_options_of_a_url() -> None:
    found = options_of("sqlite:///o.db?lease=1.5s&busy_timeout=200ms&finished=2h&retention=3d&partitions=1024")
    assert (found.lease, found.busy_timeout, found.finished, found.retention) == (1.5, 0.2, 7_200, 259_200)
    assert (found.partitions, found.tick) == (1024, 0.375)
    plain = options_of("sqlite:///o.db")
    assert (plain.lease, plain.busy_timeout, plain.partitions) == (4, 30, 16)
    assert (plain.finished, plain.retention) == (30 * 86_400, 7 * 86_400)


NO_FILE = "names no file; write sqlite:///orders.db"
NO_TIME = "is not a duration; write a number and its unit, as 500ms"
RANGE = "give a time of more than 0s and at most 36500d"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("sqlite://", NO_FILE),
        ("sqlite:///", NO_FILE),
        ("sqlite://orders.db", NO_FILE),
        ("sqlite://[orders/x.db", NO_FILE),
        ("sqlite:///orders/", NO_FILE),
        ("sqlite:///?lease=4s", NO_FILE),
        ("sqlite:///a%00.db", NO_FILE),
        ("sqlite:///:memory:", "write memory:// instead"),
        ("sqlite:///a#b.db", "write a # of a path as %23"),
        ("sqlite:///orders.db\n", "leave out line breaks"),
        (
            "sqlite:///o.db?leese=4s",
            "no option 'leese'; did you mean 'lease'? There are: lease, busy_timeout, finished, retention, partitions",
        ),
        ("sqlite:///o.db?path=x", "no option 'path'"),
        ("sqlite:///o.db?lease=4s&lease=5s", "lease is given twice; give it once"),
        ("sqlite:///o.db?lease", NO_TIME),
        ("sqlite:///o.db?lease=4", NO_TIME),
        ("sqlite:///o.db?lease=0s", RANGE),
        ("sqlite:///o.db?lease=-1s", RANGE),
        ("sqlite:///o.db?lease=1e3s", NO_TIME),
        ("sqlite:///o.db?lease=nans", NO_TIME),
        ("sqlite:///o.db?lease=\u0663s", NO_TIME),
        ("sqlite:///o.db?finished=100000d", RANGE),
        ("sqlite:///o.db?partitions=0", "give a whole number from 1 to 1024"),
        ("sqlite:///o.db?partitions=1025", "give a whole number from 1 to 1024"),
        ("sqlite:///o.db?partitions=2.5", "give a whole number from 1 to 1024"),
    ],
)
def test_a_url_that_cannot_be_meant(url: str, text: str) -> None:
    with pytest.raises(BackendError) as found:
        Dagger(url)
    assert repr(url)[1:-1] in str(found.value)
    assert text in str(found.value)


def test_a_store_beside_the_file_is_refused() -> None:
    with pytest.raises(BackendError, match="keeps its records itself; leave store= out"):
        Dagger("sqlite:///o.db", "sqlite:///o.db")
