"""On a real server: how long records live, what a late write finds, and what is reported when something fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import anyio
import pytest

from dagger.backends.aerospike import AerospikeStore, store
from dagger.engine.ports import Listing, Query, Row, Write
from dagger.errors import BackendError, BackendUnavailable
from tests.servers.aerospike import Aerospike, Running, empty, raw_client
from tests.servers.ports import free_ports

pytestmark = pytest.mark.slow

Server = Aerospike | Running

PREFIX: Final = "server"
FOREVER: Final = 0xFFFF_FFFF
DAY: Final = 86_400
SECRET: Final = "hunter2"


def on(server: Server, test: Callable[[AerospikeStore], Awaitable[None]], options: str = "") -> None:
    """Run a test on an open store without records."""

    async def run() -> None:
        one = store(server.url + options, PREFIX)
        async with one.open():
            await test(one)

    empty(server.url, PREFIX)
    anyio.run(run)


def lifetime(server: Server, key: str) -> int:
    """In how many seconds a record expires."""
    client = raw_client(server.url)
    try:
        meta: dict[str, Any] = client.get((server.namespace, PREFIX, bytearray(key.encode())))[1]
    finally:
        client.close()
    return int(meta["ttl"])


def about(seconds: int) -> Any:
    """The server counts down meanwhile."""
    return pytest.approx(seconds, abs=60)


@pytest.mark.parametrize(
    ("options", "ended", "tombstone"),
    [
        ("", 30 * DAY, 14 * DAY),
        ("?finished=90d&deleted=7d", 90 * DAY, 7 * DAY),
        ("?finished=1d&deleted=7d", 7 * DAY, 7 * DAY),
    ],
)
def test_what_lives_never_expires_and_what_ended_does(
    aerospike_server: Server, options: str, ended: int, tombstone: int
) -> None:
    listing = Listing("T", "COMPLETED", "key", 1)

    async def test(one: AerospikeStore) -> None:
        assert await one.write([Write("key", 0, 0, 1, b"1", listing=listing)]) == [True]
        assert lifetime(aerospike_server, "key") == FOREVER
        assert await one.write([Write("key", 0, 1, 2, b"2", listing=listing, ended=5)]) == [True]
        assert lifetime(aerospike_server, "key") == about(ended)
        assert await one.write([Write("key", 0, 2, 3, b"3", listing=listing, ended=5, index_changed=False)]) == [True]
        assert lifetime(aerospike_server, "key") == about(ended)
        assert await one.read(["key"]) == [Row(3, b"3")]
        assert await one.find(Query(status="COMPLETED")) == [Row(3, b"3")]
        assert await one.write([Write("key", 0, 3, 4, b"4", listing=listing)]) == [True]
        assert lifetime(aerospike_server, "key") == FOREVER
        assert await one.write([Write("key", 0, 4, 5, b"5", listing=listing, index_changed=False)]) == [True]
        assert lifetime(aerospike_server, "key") == FOREVER
        assert await one.write([Write("key", 0, 5, 6, None)]) == [True]
        assert lifetime(aerospike_server, "key") == about(tombstone)
        assert await one.read(["key"]) == [None]
        assert await one.find(Query()) == []

    on(aerospike_server, test, options)


def test_a_late_write_makes_nothing_where_something_was_deleted(aerospike_server: Server) -> None:
    async def test(one: AerospikeStore) -> None:
        assert await one.write([Write("key", 0, 0, 5, b"made")]) == [True]
        assert await one.write([Write("key", 0, 5, 9, None)]) == [True]
        late = [Write("key", 0, 0, next, b"late") for next in (1, 5, 9)]
        assert await one.write([*late, Write("key", 0, 5, 6, b"late"), Write("key", 0, 9, 10, b"late")]) == [False] * 5
        assert await one.write([Write("key", 0, 9, 10, None)]) == [False]
        assert await one.write([Write("key", 0, 0, 7, None)]) == [True]  # there is nothing, as it was asked for
        assert await one.write([Write("key", 0, 0, 8, b"late")]) == [False]
        assert await one.read(["key"]) == [None]
        assert await one.write([Write("key", 0, 0, 10, b"new", due=1)]) == [True]
        assert await one.read(["key"]) == [Row(10, b"new")]
        assert lifetime(aerospike_server, "key") == FOREVER

    on(aerospike_server, test)


def test_what_never_was_is_deleted_for_those_who_come_late(aerospike_server: Server) -> None:
    async def test(one: AerospikeStore) -> None:
        assert await one.write([Write("key", 0, 0, 7, None)]) == [True]
        assert await one.write([Write("key", 0, 0, 6, b"late")]) == [False]
        assert await one.write([Write("key", 0, 0, 8, b"new")]) == [True]
        assert await one.write([Write("key", 0, 0, 9, None)]) == [False]

    on(aerospike_server, test)


def test_of_many_who_write_at_once_one_wins(aerospike_server: Server) -> None:
    async def test(one: AerospikeStore) -> None:
        won = list[int]()

        async def write(number: int, version: int) -> None:
            (done,) = await one.write([Write("hot", 0, version, version + 1, b"%d" % number)])
            if done:
                won.append(number)

        for version in range(20):
            async with anyio.create_task_group() as group:
                for number in range(8):
                    group.start_soon(write, number, version)
            assert len(won) == version + 1
            assert await one.read(["hot"]) == [Row(version + 1, b"%d" % won[-1])]

    on(aerospike_server, test)


def test_a_record_of_the_largest_size_is_taken(aerospike_server: Server) -> None:
    async def test(one: AerospikeStore) -> None:
        key, listing = "k" * 4_000, Listing("T", "EXECUTING", "k" * 4_000, 1)
        data = b"\xff" * one.size_max
        assert await one.write([Write(key, 0, 0, 1, data, 1, True, listing)]) == [True]
        assert await one.read([key]) == [Row(1, data)]
        with pytest.raises(BackendError, match="larger than its max-record-size") as raised:
            await one.write([Write("larger", 0, 0, 1, bytes(9 * 1024 * 1024))])
        assert not isinstance(raised.value, BackendUnavailable)
        assert await one.read(["larger"]) == [None]

    on(aerospike_server, test)


def test_pins_are_kept_apart_from_records(aerospike_server: Server) -> None:
    async def test(one: AerospikeStore) -> None:
        assert await one.write([Write("charter", 0, 0, 1, b"record")]) == [True]
        assert await one.pin("charter", b"one") == b"one"
        assert await one.pin("charter", b"two") == b"one"
        assert not await one.repin("charter", b"two", b"three")
        assert await one.repin("charter", b"one", b"")
        assert await one.pin("charter", b"x") == b""
        assert not await one.repin("none", b"", b"x")
        assert await one.pin("none", b"") == b""
        assert await one.read(["charter", "none"]) == [Row(1, b"record"), None]

    on(aerospike_server, test)


def test_another_namespace_is_refused_with_those_that_there_are(aerospike_server: Server) -> None:
    async def run() -> None:
        one = store(f"aerospike://{aerospike_server.hosts}/nowhere", PREFIX)
        with pytest.raises(BackendError, match=rf"no namespace 'nowhere' \(there are: .*{aerospike_server.namespace}"):
            async with one.open():
                pass

    anyio.run(run)


def test_a_user_whom_the_server_does_not_want_is_told_without_the_password(aerospike_server: Server) -> None:
    if isinstance(aerospike_server, Running):
        pytest.skip("only of a server without security is it known what it answers")

    async def run() -> None:
        one = store(aerospike_server.url.replace("//", f"//me:{SECRET}@"), PREFIX)
        with pytest.raises(BackendError, match="has no security; remove the user") as raised:
            async with one.open():
                pass
        assert SECRET not in f"{raised.value!r} {raised.value.__cause__!r}"

    anyio.run(run)


def test_a_file_for_tls_that_is_not_there_is_told() -> None:
    pytest.importorskip("aerospike", reason="no client: pip install aerospike")

    async def run() -> None:
        with pytest.raises(BackendError, match=r"ca=/nowhere/ca\.pem can't be read"):
            async with store("aerospike://127.0.0.1:1/test?tls=yes&ca=/nowhere/ca.pem", PREFIX).open():
                pass

    anyio.run(run)


def test_where_nobody_listens_it_is_unavailable_and_no_secret_is_told() -> None:
    pytest.importorskip("aerospike", reason="no client: pip install aerospike")

    async def run() -> None:
        (port,) = free_ports(1)
        one = store(f"aerospike://me:{SECRET}@127.0.0.1:{port}/test", PREFIX)
        with pytest.raises(BackendUnavailable, match=f"127.0.0.1:{port}: it can't be reached") as raised:
            async with one.open():
                pass
        assert SECRET not in f"{raised.value!r} {raised.value.__cause__!r}"

    anyio.run(run)
