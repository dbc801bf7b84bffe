"""A store that comes back without its last writes: the log is read again from before, and everything is done.

What is done twice has the same id; a message may so be seen twice, and nothing else.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest

from dagger import Status, command, listener, template
from dagger.backends.kafka.ownership import Ownership
from dagger.dsl import Topic
from dagger.engine.headers import text_of, texts_of
from dagger.testing.clock import VirtualClock
from dagger.testing.contract import shop
from dagger.testing.contract.driver import Driver, messages_of
from dagger.testing.contract.harness import in_loop
from tests.kafka.stage import OnKafka, beside_sqlite, fails, kafka_of
from tests.servers.kafka import KafkaCluster

pytestmark = [pytest.mark.slow, pytest.mark.kafka]

ORDERS = [shop.Order(f"o-{number}") for number in range(15)]
IDS = {order.id for order in ORDERS}


@command(shop.CHARGES)
def charge(order: shop.Order) -> shop.Charge:
    return shop.Charge(order.id, 1)


@listener(shop.PAYMENTS)
def paid(order: shop.Order, message: shop.Paid) -> shop.Paid:
    return message


@command(shop.SHIPMENTS)
def ship(paid: shop.Paid) -> shop.Shipped:
    return shop.Shipped(paid.id, 1)


paying = template("Paying", charge >> paid >> ship, key=shop.by_id)


@pytest.fixture
def storage(kafka: KafkaCluster, tmp_path: Path) -> OnKafka:
    return beside_sqlite(kafka.bootstrap, tmp_path, "&lookback=600s")


class Forgetting:
    """A store that can be taken back to what it was, and then is of another incarnation."""

    def __init__(self, engine: Driver, file: Path) -> None:
        self._file, self._copy = file, file.with_name("copy.db")
        self._log = kafka_of(engine.backend).log
        self._life = 1
        store: Any = engine.backend.store
        store.incarnation = self._incarnation

    async def _incarnation(self) -> str:
        return f"life {self._life}"

    def keep(self) -> None:
        _copied(self._file, self._copy)

    def forget(self) -> None:
        _copied(self._copy, self._file)
        self._life += 1
        self._log._looked_at_store = float("-inf")  # it looks now and then


def _copied(one: Path, other: Path) -> None:
    source, target = sqlite3.connect(one), sqlite3.connect(other)
    try:
        source.backup(target)
    finally:
        source.close()
        target.close()


async def lost_and_done_again(storage: OnKafka) -> None:
    engine = Driver(storage.backend(), VirtualClock())
    store = Forgetting(engine, storage.folder / "records.db")
    async with engine.working():
        await engine.start_all(paying, ORDERS[:10])
        await engine.run_until_idle()
        store.keep()
        await engine.start_all(paying, ORDERS[10:])
        await engine.publish_all(shop.PAYMENTS, [shop.Paid(order.id, "r") for order in ORDERS[:5]])
        await engine.run_until_idle()
        assert await engine.count(status=Status.COMPLETED) == 5
        store.forget()
        assert await engine.count() == 10, "something was lost"
        await engine.run_until_idle()
        assert await engine.count() == len(ORDERS)
        await engine.publish_all(shop.PAYMENTS, [shop.Paid(order.id, "r") for order in ORDERS[5:]])
        await engine.run_until_idle()
        assert await engine.count(status=Status.COMPLETED) == len(ORDERS)
        for topic in (shop.CHARGES, shop.SHIPMENTS):
            assert await seen_once_by_id(engine, topic) == IDS
        await engine.backend.log.rewind()
        await engine.run_until_idle()
        assert await engine.count(status=Status.COMPLETED) == len(ORDERS)


async def seen_once_by_id(engine: Driver, topic: Topic[Any]) -> set[str]:
    """The keys of a topic, each with one id only."""
    found = await messages_of(engine.backend, topic.name, IDS)
    ids = {texts_of(message.headers)["dagger-id"]: text_of(message.key or b"") for message in found}
    assert len(ids) == len(set(ids.values())), "an order has messages of two ids"
    return set(ids.values())


class TestLostSecond:
    @in_loop
    async def test_everything_is_done_again_under_the_same_ids(self, storage: OnKafka) -> None:
        await lost_and_done_again(storage)

    @in_loop
    async def test_would_be_lost_if_the_log_was_not_read_again(
        self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def nothing(*_: Any) -> dict[Any, int]:
            return {}

        monkeypatch.setattr(Ownership, "_looked_back", nothing)
        await fails(lost_and_done_again(storage), "assert 10 == 15")
