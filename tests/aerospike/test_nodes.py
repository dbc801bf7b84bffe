"""A cluster of three nodes with two copies: found exactly, and nothing is lost when one is killed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress

import anyio
import pytest

from dagger.backends.aerospike import AerospikeStore, store
from dagger.engine.ports import Listing, Query, Write
from dagger.errors import BackendUnavailable
from tests.servers.aerospike import Aerospike, own_server, wait_for_nodes

pytestmark = pytest.mark.slow

MANY = 8_000
PARTITIONS = range(4)
DUE = {f"k-{number}": 10**9 + at for number, at in enumerate(random.Random(3).sample(range(10**12), MANY))}
SORTED = sorted(DUE.values())
LIMIT_S = 60.0
"""After so many seconds a test has failed. Nothing else depends on it."""


@pytest.fixture
def nodes() -> Iterator[list[Aerospike]]:
    with ExitStack() as stack:
        found = list[Aerospike]()
        while len(found) < 3:
            found.append(stack.enter_context(own_server(copies=2, others=found)))
        wait_for_nodes(found)
        yield found


def write(key: str, version: int) -> Write:
    listing = Listing("T", "EXECUTING", key, 1)
    return Write(key, len(key) % 4, version, version + 1, b"%d" % (version + 1), DUE[key], listing=listing)


async def check(one: AerospikeStore) -> None:
    """All is found, and the earliest first, whichever nodes they are on."""
    assert await one.count(Query(template="T")) == MANY
    for limit in (1, 100, 2_048, MANY + 1):
        assert [at for _, at in await one.due(PARTITIONS, SORTED[-1], limit)] == SORTED[:limit]
    for place in (0, 700, MANY - 2):
        assert await one.next_due(PARTITIONS, SORTED[place]) == SORTED[place + 1]
    assert await one.next_due(PARTITIONS, SORTED[-1]) is None
    ids = sorted(DUE)
    page = await one.find(Query(status="EXECUTING", limit=50, after=ids[4_000]))
    assert page == await one.read(ids[4_001:4_051])


def test_nothing_is_lost_when_a_node_is_killed(nodes: list[Aerospike]) -> None:
    async def run() -> None:
        one = store(f"{nodes[0].url}?timeout=2s", "nodes")
        async with one.open():
            for start in range(0, MANY, 2_000):
                assert all(await one.write([write(key, 0) for key in list(DUE)[start : start + 2_000]]))
            await check(one)
            versions = dict.fromkeys(list(DUE)[:500], 1)
            for turn in range(40):
                if turn == 10:
                    nodes[2].kill()
                await next_of_all(one, versions)
            rows = await one.read(list(versions))
            assert [row and (row.version, row.data) for row in rows] == [(v, b"%d" % v) for v in versions.values()]
            await check(one)

    anyio.run(run)


async def next_of_all(one: AerospikeStore, versions: dict[str, int]) -> None:
    """Write each once more, as a worker does: what was in doubt is read before it goes on."""
    answers = await as_soon_as_it_can(one, [write(key, version) for key, version in versions.items()])
    if all(answers):
        for key in versions:
            versions[key] += 1
        return
    for key, row in zip(versions, await one.read(list(versions)), strict=True):
        assert row is not None, "a record is gone"
        assert row.version >= versions[key], "an acknowledged write is gone"
        versions[key] = row.version


async def as_soon_as_it_can(one: AerospikeStore, writes: Sequence[Write]) -> Sequence[bool]:
    """Write, again and again while the cluster mends itself."""
    with anyio.fail_after(LIMIT_S):
        while True:
            with suppress(BackendUnavailable):
                return await one.write(writes)
            await anyio.sleep(0.05)
