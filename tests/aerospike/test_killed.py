"""A server that is killed, hangs, and comes back: what the store says is what there is."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import anyio
import pytest

from dagger.backends.aerospike import AerospikeStore, store
from dagger.engine.ports import Listing, Query, Row, Write
from dagger.errors import BackendUnavailable
from tests.servers.aerospike import Aerospike, own_server

pytestmark = pytest.mark.slow

PREFIX = "killed"
KEYS = [f"k-{number}" for number in range(50)]
LIMIT_S = 60.0
"""After so many seconds a test has failed. Nothing else depends on it."""


@pytest.fixture
def server() -> Iterator[Aerospike]:
    with own_server() as one:
        yield one


def write(key: str, version: int) -> Write:
    data = b"%s/%d" % (key.encode(), version + 1)
    return Write(key, 3, version, version + 1, data, version + 1, True, Listing("T", "EXECUTING", key, 1))


async def rows(one: AerospikeStore) -> list[Row | None]:
    """All of them, as soon as the server answers again."""
    with anyio.fail_after(LIMIT_S):
        while True:
            try:
                found = list(await one.read(KEYS))
                await one.due([3], 1, 1)  # its indexes are there again, too
            except BackendUnavailable:
                await anyio.sleep(0.05)
            else:
                return found


async def until_it_fails(one: AerospikeStore, versions: dict[str, int], *, strike: int, server: Aerospike) -> None:
    """Write all again and again, and kill the server after some rounds; `versions` are those acknowledged."""
    for turn in range(10_000):
        if turn == strike:
            server.kill()
        try:
            answers = await one.write([write(key, versions[key]) for key in KEYS])
        except BackendUnavailable:
            return
        assert all(answers)
        for key in KEYS:
            versions[key] += 1
    raise AssertionError("it was not killed")


def test_what_is_there_after_a_restart_is_what_was_written(server: Aerospike) -> None:
    async def run() -> None:
        one = store(f"{server.url}?timeout=1s", PREFIX)
        async with one.open():
            versions = dict.fromkeys(KEYS, 0)
            assert all(await one.write([write(key, 0) for key in KEYS]))
            await anyio.to_thread.run_sync(server.restart)  # by SIGTERM: all is flushed
            assert await rows(one) == [Row(1, b"%s/1" % key.encode()) for key in KEYS]

            versions = dict.fromkeys(KEYS, 1)
            await until_it_fails(one, versions, strike=30, server=server)
            await anyio.to_thread.run_sync(server.restart)
            found = await rows(one)
            for key, row in zip(KEYS, found, strict=True):
                assert row is not None, "a record that was flushed is gone"
                assert row.data == b"%s/%d" % (key.encode(), row.version)
                assert 1 <= row.version <= versions[key] + 1
            await check_found(one, found)

            lost = [write(key, row.version + 1) for key, row in zip(KEYS, found, strict=True) if row]
            assert not any(await one.write(lost)), "a write on a version that was lost is refused"
            again = [write(key, row.version) for key, row in zip(KEYS, found, strict=True) if row]
            assert all(await one.write(again))

    anyio.run(run)


async def check_found(one: AerospikeStore, found: list[Row | None]) -> None:
    """The indexes say what the records say."""
    versions = {key: row.version for key, row in zip(KEYS, found, strict=True) if row}
    assert dict(await one.due([3], 1_000_000, 1_000)) == versions
    assert await one.next_due([3], -1) == min(versions.values())
    assert sorted(await one.busy([3])) == sorted(KEYS)
    assert await one.count(Query(template="T", status="EXECUTING")) == len(KEYS)


def test_a_server_that_hangs_is_unavailable_and_then_tells_what_it_did(server: Aerospike) -> None:
    async def run() -> None:
        one = store(f"{server.url}?timeout=300ms", PREFIX)
        async with one.open():
            assert all(await one.write([write(key, 0) for key in KEYS]))
            server.signal(signal.SIGSTOP)
            try:
                with pytest.raises(BackendUnavailable):
                    await one.write([write(key, 1) for key in KEYS])
                with pytest.raises(BackendUnavailable):
                    await one.read(KEYS)
                with pytest.raises(BackendUnavailable):
                    await one.next_due([3], -1)
            finally:
                server.signal(signal.SIGCONT)
            await rows(one)
            answers = await one.write([write(key, 1) for key in KEYS])  # made now, or were made late
            assert await rows(one) == [Row(2, b"%s/2" % key.encode()) for key in KEYS]
            assert len(answers) == len(KEYS)

    anyio.run(run)
