"""A namespace that can't do is refused when the store is opened, with what to set."""

from __future__ import annotations

import anyio
import pytest

from dagger.backends.aerospike.provisioning import data_size_max
from dagger.engine.ports import Row, Write
from dagger.errors import BackendError, BackendUnavailable
from tests.aerospike.fake import CONFIG, Servers

MIB = 1024 * 1024


def opened(servers: Servers) -> int:
    """Opens a store; gives how large a record may be."""

    async def run() -> int:
        store = servers.store()
        async with store.open():
            return store.size_max

    return anyio.run(run)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("nsup-period=0;allow-ttl-without-nsup=false", "nsup-period 0"),
        ("nsup-period=120;apply-ttl-reductions=false", "apply-ttl-reductions false"),
        ("nsup-period=120;max-record-size=1024", "max-record-size 1,024"),
    ],
)
def test_what_is_set_wrongly_is_told(config: str, words: str) -> None:
    with pytest.raises(BackendError, match=words):
        opened(Servers(config))


@pytest.mark.parametrize(
    ("config", "size"),
    [
        ("nsup-period=120;max-record-size=8388608", 8 * MIB),
        ("nsup-period=120;max-record-size=0;storage-engine.write-block-size=131072", 131_072),
        ("nsup-period=0;allow-ttl-without-nsup=true", MIB),
    ],
)
def test_how_large_a_record_may_be_is_asked(config: str, size: int) -> None:
    assert opened(Servers(config)) == data_size_max(size) < size


def test_a_namespace_that_is_not_there_is_told_with_those_that_are() -> None:
    servers = Servers()
    servers.namespaces = "orders;cache"
    with pytest.raises(BackendError, match=r"no namespace 'test' \(there are: orders, cache\)"):
        opened(servers)


def test_a_client_that_sends_no_conditions_is_refused() -> None:
    servers = Servers()
    servers.heeds_conditions = False
    with pytest.raises(BackendError, match="the package aerospike is older than 19"):
        opened(servers)
    with pytest.raises(BackendError, match="the package aerospike is older than 19"):
        opened(servers)


def test_indexes_are_made_once() -> None:
    servers = Servers(CONFIG)
    servers.unsure_indexes = 2
    opened(servers)
    assert servers.indexes == {"app.due": "due", "app.busy": "busy", "app.by": "by"}
    before = dict(servers.indexes)
    opened(servers)
    assert servers.indexes == before


def test_a_store_that_is_not_open_says_so() -> None:
    async def run() -> None:
        store = Servers().store()
        with pytest.raises(BackendError, match="not open"):
            await store.read(["key"])
        async with store.open():
            assert await store.write([Write("key", 0, 0, 1, b"1"), Write("key", 0, 1, 2, b"2")]) == [True, True]
            assert await store.read(["key"]) == [Row(2, b"2")]
        with pytest.raises(BackendError, match="not open"):
            await store.busy([0])

    anyio.run(run)


def test_no_answer_is_no_other_cluster() -> None:
    async def run() -> None:
        servers = Servers()
        store = servers.store()
        async with store.open():
            assert await store.incarnation() == "4F60A3"
            servers.key = ""
            with pytest.raises(BackendUnavailable, match="no node answers"):
                await store.incarnation()

    anyio.run(run)
