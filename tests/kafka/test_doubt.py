"""A commit that was aborted, or of which nobody knows what has become: it is settled, and everything is done once.

Each case is run a second time with the product broken, and must fail then.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection
from typing import Any

import anyio
import pytest
from aiokafka.errors import KafkaConnectionError

from dagger import command, signal, template
from dagger.backends.kafka import transactions as transactions_module
from dagger.backends.kafka.batches import Batches
from dagger.backends.kafka.client import OffsetAndMetadata, TopicPartition
from dagger.backends.kafka.cluster import Cluster
from dagger.backends.kafka.log import KafkaLog
from dagger.backends.kafka.transactions import Marks, Transactions
from dagger.engine.ports import Append, Entry, Outgoing, Position
from dagger.engine.worker.worker import Worker
from dagger.errors import BackendUnavailable, Fenced
from dagger.testing.clock import VirtualClock
from dagger.testing.contract import shop
from dagger.testing.contract.driver import Driver, messages_of
from dagger.testing.contract.harness import Harness, alone, in_loop, note, offsets_of
from tests.kafka.requests import Act, Send, instead
from tests.kafka.stage import OnKafka, fails, kafka_of

pytestmark = [pytest.mark.slow, pytest.mark.kafka]

TOPIC = "CONTRACT"
PARTITIONS = 4
EACH = 6


class Once:
    """Strikes one commit."""

    def __init__(self, fault: Act) -> None:
        self._fault = fault
        self.struck = False

    async def __call__(self, send: Send, request: Any) -> Any:
        if not self.struck:
            self.struck = True
            return await self._fault(send, request)
        return await send()


async def not_sent(send: Send, request: Any) -> None:
    """The network is gone just before."""
    await anyio.sleep_forever()


async def not_answered(send: Send, request: Any) -> None:
    """The network is gone just after."""
    await send()
    await anyio.sleep_forever()


async def cut(send: Send, request: Any) -> None:
    """The connection ends in between, and the client connects again."""
    await send()
    raise KafkaConnectionError("cut")


async def aborted(send: Send, request: Any) -> Any:
    """The coordinator has given up the transaction."""
    request._transaction_result = False
    await send()
    request._transaction_result = True
    return await send()


async def done_once(storage: OnKafka, patch: pytest.MonkeyPatch, fault: Act) -> None:
    """A message for each record, in their order, though a commit goes wrong."""
    once = Once(fault)
    with patch.context() as patched:
        async with alone(storage) as harness:
            patched.setattr(transactions_module, "REQUEST_S", 1.0)
            instead(patched, "EndTxnRequest", once)
            places = [(number, partition) for number in range(EACH) for partition in range(PARTITIONS)]
            await harness.log.append([Append(partition, b"%d" % number) for number, partition in places])
            while not (once.struck and await kafka_of(harness.backend).caught_up()):
                await work(harness)
            keys = {str(partition) for partition in range(PARTITIONS)}
            found = defaultdict[bytes | None, list[bytes | None]](list)
            for message in await messages_of(harness.backend, TOPIC, keys):
                found[message.key].append(message.payload)
            assert found == {key.encode(): [b"%d" % number for number in range(EACH)] for key in keys}


async def work(harness: Harness) -> None:
    """Publish a message for each record of a poll that leaves some behind."""
    try:
        batch = await harness.poll(PARTITIONS * EACH // 2)
        if not batch:
            await harness.rest()
            return
        orders = defaultdict[Position, list[Entry]](list)
        for record in batch.records:
            orders["", record.partition].append(note(TOPIC, str(record.partition), record.data))
        await harness.log.commit(orders, offsets_of(batch.records))
    except (BackendUnavailable, Fenced):
        await harness.log.rewind()


def not_sought(patch: pytest.MonkeyPatch) -> None:
    """After a failure it is gone on from what was polled, not from what is committed."""

    async def rewind(self: KafkaLog) -> None:
        self._is_behind = False
        own = self._own
        if own is not None and not own.transactions.is_resolved:
            await own.transactions.resolve()

    patch.setattr(KafkaLog, "rewind", rewind)


def not_asked(patch: pytest.MonkeyPatch) -> None:
    """After a failure it is believed that nothing was committed."""
    commit, stable = Transactions.commit, Cluster.stable
    before = dict[TopicPartition, OffsetAndMetadata]()

    async def commits(self: Transactions, batches: Batches, marks: Marks, member: Any) -> None:
        found, _ = await stable(self._cluster, member.group, marks)
        before.update(found)
        await commit(self, batches, marks, member)

    async def told(self: Cluster, group: str, places: Collection[TopicPartition]) -> Any:
        found, pending = await stable(self, group, places)
        return {place: before.get(place, mark) for place, mark in found.items()}, pending

    patch.setattr(Transactions, "commit", commits)
    patch.setattr(Cluster, "stable", told)


@command(shop.CHARGES)
def charge(order: shop.Order) -> shop.Charge:
    return shop.Charge(order.id, 1)


@command(shop.SHIPMENTS)
def ship(order: shop.Order) -> shop.Shipped:
    return shop.Shipped(order.id, 1)


two = template("TwoCommands", charge >> signal("go", shop.Order) >> ship, key=shop.by_id)


async def published_though_commits_are_lost(storage: OnKafka, patch: pytest.MonkeyPatch) -> None:
    """The last lost commit has the next record of the same instance in it, whose write could drop what is owed."""
    ordered, struck = list[str](), set[str]()
    attempt = Transactions._attempt

    async def attempted(self: Transactions, producer: Any, batches: Batches, *more: Any) -> None:
        entries = [item.entry for items in batches.values() for item in items]
        ordered[:] = [entry.topic for entry in entries if isinstance(entry, Outgoing)]
        await attempt(self, producer, batches, *more)

    async def strike(send: Send, request: Any) -> Any:
        if shop.SHIPMENTS.name in struck or not ordered:
            return await send()
        struck.update(ordered)
        return await aborted(send, request)

    order = shop.Order("o-1")
    with patch.context() as patched:
        async with Driver(storage.backend(), VirtualClock()).working() as engine:
            await engine.run_until_idle()
            patched.setattr(Transactions, "_attempt", attempted)
            instead(patched, "EndTxnRequest", strike)
            run = await engine.start(two, order)
            while not struck:
                await engine.step()
                await engine.rest()
            await engine.signal(run, "go", order)
            await engine.run_until_idle()
            assert struck == {shop.CHARGES.name, shop.SHIPMENTS.name}
            assert len(await messages_of(engine.backend, shop.SHIPMENTS.name, {"o-1"})) == 1
            assert len(await messages_of(engine.backend, shop.CHARGES.name, {"o-1"})) == 1


class TestOutbox:
    @in_loop
    async def test_is_kept_until_a_commit_is_known(self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
        await published_though_commits_are_lost(storage, monkeypatch)

    @in_loop
    async def test_would_lose_what_is_dropped_earlier(self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Worker, "_uncommitted", lambda *_: ())
        await fails(published_though_commits_are_lost(storage, monkeypatch), "assert 0 == 1")


class TestDoubt:
    @pytest.mark.parametrize("fault", [not_sent, not_answered, cut, aborted])
    @in_loop
    async def test_everything_is_done_once(self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch, fault: Act) -> None:
        await done_once(storage, monkeypatch, fault)

    @pytest.mark.parametrize(("fault", "broken"), [(aborted, not_sought), (not_answered, not_asked)])
    @in_loop
    async def test_would_not_be_done_once(
        self,
        storage: OnKafka,
        monkeypatch: pytest.MonkeyPatch,
        fault: Act,
        broken: Callable[[pytest.MonkeyPatch], None],
    ) -> None:
        broken(monkeypatch)
        await fails(done_once(storage, monkeypatch, fault), "assert defaultdict")
