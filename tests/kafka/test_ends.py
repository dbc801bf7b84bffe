"""Ends are reported to other processes by a topic, where the store cannot report them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager

import pytest

from dagger.backends.kafka import KafkaBackend
from dagger.backends.kafka.ends import Ends
from dagger.backends.kafka.options import options_of
from dagger.backends.sqlite import SqliteRecordStore
from dagger.backends.sqlite import store as sqlite_store
from dagger.testing.contract.harness import in_loop
from tests.kafka.stage import OnKafka

pytestmark = [pytest.mark.slow, pytest.mark.kafka]


@pytest.fixture(autouse=True)
def mute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The store reports nothing, as Aerospike."""
    monkeypatch.setattr(SqliteRecordStore, "reports_ends", property(lambda self: False))
    monkeypatch.setattr(SqliteRecordStore, "announce_ended", lambda self, ids: None)


@asynccontextmanager
async def two(storage: OnKafka) -> AsyncGenerator[tuple[KafkaBackend, KafkaBackend]]:
    one, other = storage.backend(), storage.backend()
    async with one.open(), other.open():
        yield one, other


async def heard(backend: KafkaBackend, count: int) -> set[str]:
    """What is reported, until it is so much."""
    found = set[str]()
    while len(found) < count:
        reported: Collection[str] | None = await backend.changed()
        assert reported is not None, "something was missed"
        found.update(reported)
    return found


class TestEnds:
    @in_loop
    async def test_are_heard_in_another_process(self, storage: OnKafka) -> None:
        async with two(storage) as (worker, client):
            assert await client.changed() is None, "nobody knows what was before"
            while await client.changed() is None:
                pass
            worker.announce_ended(["o-1", "o-2"])
            assert await heard(client, 2) == {"o-1", "o-2"}
            worker.announce_ended(["o-3"])
            assert await heard(client, 1) == {"o-3"}

    @in_loop
    async def test_would_not_be_heard_if_nobody_announced_them(
        self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Ends, "announce", lambda self, ids: None)
        async with two(storage) as (worker, client):
            while await client.changed() is None:
                pass
            worker.announce_ended(["o-1"])
            assert await client.changed() == ()

    @in_loop
    async def test_the_store_is_asked_where_the_topic_is_not_there(
        self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = list[str]()

        async def changed(self: SqliteRecordStore) -> None:
            asked.append("store")

        monkeypatch.setattr(SqliteRecordStore, "changed", changed)
        async with storage.backend().open():
            pass
        monkeypatch.setattr(Ends, "_topic", property(lambda self: f"{storage.prefix}nowhere"))
        url = storage.url.replace("/contract?", "/contract?create=no&")
        backend = KafkaBackend(options_of(url), sqlite_store(storage.store_url or "", f"{storage.prefix}contract"))
        async with backend.open():
            backend.announce_ended(["o-1"])
            assert await backend.changed() is None
            assert asked == ["store"]
