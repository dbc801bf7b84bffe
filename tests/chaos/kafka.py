"""A chaos on Kafka, beside a store of another kind: brokers die, and the network to one worker is cut."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from typing import Final

import anyio
import anyio.to_thread

from dagger import Dagger
from tests.chaos.ledger import Ledger
from tests.chaos.proxy import Proxy
from tests.chaos.report import Message
from tests.chaos.site import WORKERS
from tests.chaos.workflow import PUBLISHED, Note, charges, diary, parcels, receipts, requests
from tests.servers.kafka import KafkaCluster

APPLICATION: Final = "chaos"
LOG: Final = f"{APPLICATION}.log"
READ: Final = (
    (charges.name, "payment"),
    (requests.name, "shipping"),
    (receipts.name, APPLICATION),
    (parcels.name, APPLICATION),
)
"""Who reads what."""
UNREAD: Final = 30
"""How many records are shown when nothing goes on."""
DETOURED: Final = 0
"""The worker whose network is cut."""
SYNC_S_MAX: Final = 120.0
"""A failure limit: how long a broker may take until it has all that it has missed."""


class KafkaSite:
    """A cluster of brokers, and a store."""

    lanes = 8
    session_s = 2.0

    def __init__(self, cluster: KafkaCluster, store: str, restart_store: Callable[[], None] | None = None) -> None:
        """`restart_store` ends the store and starts it again; it blocks."""
        self.title = f"{cluster.replicas} Kafka brokers and {store.partition(':')[0]}"
        self.has_lock = store.startswith("sqlite")
        workers = {"kill": WORKERS, "stop": WORKERS, "roll": WORKERS}
        self.targets = {**workers, "broker": cluster.replicas, "network": 1}
        if restart_store is not None:
            self.targets["store"] = 1
        self._cluster = cluster
        self._store = store
        self._restart_store = restart_store
        self._proxy = Proxy(cluster.detours)
        self._ledger = Ledger(cluster.bootstrap)

    def urls(self, worker: int | None = None) -> list[str]:
        servers = self._cluster.detoured_bootstrap if worker == DETOURED else self._cluster.bootstrap
        return [f"kafka://{servers}/{APPLICATION}?partitions={self.lanes}&lease={self.session_s:g}s", self._store]

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        async with self._proxy.open(), self._ledger.open():
            yield

    async def notes(self) -> Sequence[Note]:
        return [diary.wire.decode(record.value or b"") for record in await self._ledger.follow(diary.name)]

    async def is_shared(self) -> bool:
        shares = await self._ledger.shares(APPLICATION, LOG)
        return shares is not None and len(shares) == WORKERS and all(shares) and sum(shares) == self.lanes

    async def is_applied(self) -> bool:
        return not await self._ledger.unread(LOG, APPLICATION)

    async def messages(self) -> Sequence[Message]:
        return [
            Message(topic, (dict(record.headers).get("dagger-id") or b"").decode(), record.value or b"")
            for topic in PUBLISHED
            for record in await self._ledger.read(topic)
        ]

    async def left_over(self, gone: Collection[int]) -> list[str]:
        topics = await self._ledger.topics()
        own = [topic for topic in topics if not topic.startswith("__")]
        found = [f"open transaction on {place}" for place in await self._ledger.open_transactions(own)]
        found += [
            f"dead letter: {record.headers} {record.value!r}"
            for topic in own
            if "dead-letter" in topic
            for record in await self._ledger.read(topic)
        ]
        found += [
            f"unapplied record {record.partition}/{record.offset}"
            for record in await self._ledger.unread(LOG, APPLICATION)
        ]
        found += [f"member with {share} partitions" for share in await self._ledger.shares(APPLICATION, LOG) or ()]
        return found + await self._unfinished()

    async def _unfinished(self) -> list[str]:
        engine, lanes = Dagger(*self.urls()), range(self.lanes)
        async with engine.client():
            store = engine.backend.store
            found = [f"running: {key}" for key in await store.busy(lanes)]
            return found + [f"waiting until {due}" for due in [await store.next_due(lanes, -1)] if due is not None]

    async def hurt(self, sort: str, target: int) -> None:
        match sort:
            case "broker":
                await anyio.to_thread.run_sync(self._cluster.kill, target)
            case "store":
                assert self._restart_store is not None, "there is nothing to be restarted"
                await anyio.to_thread.run_sync(self._restart_store)
            case "network":
                self._proxy.cut()
            case _:
                raise ValueError(sort)

    async def heal(self, sort: str, target: int) -> None:
        match sort:
            case "broker":
                await anyio.to_thread.run_sync(self._cluster.restart, target)
                await self._in_sync()
            case "network":
                self._proxy.mend()
            case _:  # whatever was restarted is there
                pass

    async def standing(self) -> list[str]:
        unread = [
            f"{group} has not read {topic} {record.partition}/{record.offset}"
            for topic, group in ((LOG, APPLICATION), *READ)
            for record in await self._ledger.unread(topic, group)
        ]
        topics = [LOG, *(topic for topic, _ in READ), *PUBLISHED]
        transactions = [f"open transaction on {place}" for place in await self._ledger.open_transactions(topics)]
        shares = f"shares: {await self._ledger.shares(APPLICATION, LOG)}"
        return [shares, *unread[:UNREAD], *transactions, *await self._ledger.behind()]

    async def _in_sync(self) -> None:
        """Wait until all brokers have everything: else the next to be killed would take the last copy with it."""
        until = time.monotonic() + SYNC_S_MAX
        while behind := await self._ledger.behind():
            assert time.monotonic() < until, behind
            await anyio.sleep(0.1)
