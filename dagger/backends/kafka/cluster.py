"""The cluster: who it is, what topics there are, and what a group has committed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, Collection, Iterable
from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any, Final

from dagger.backends.kafka.client import (
    AIOKafkaAdminClient,
    AIOKafkaClient,
    AIOKafkaConsumer,
    AIOKafkaProducer,
    Brokers,
    GroupMetadata,
    KafkaClient,
    NewTopic,
    OffsetAndMetadata,
    TopicInfo,
    TopicPartition,
    Unreached,
    adopt,
    described,
    errors,
    fence,
    is_current,
    murmur2,
    stable_offsets,
)
from dagger.backends.kafka.clock import BrokerClock
from dagger.backends.kafka.diagnose import refusal
from dagger.backends.kafka.errors import translating
from dagger.backends.kafka.options import KafkaOptions
from dagger.backends.kafka.shutdown import Reaper, end
from dagger.backends.loops import nested_contextmanager
from dagger.errors import BackendError, BackendUnavailable

REQUEST_S: Final = 15.0
"""How long is waited for the answer of a broker, in seconds."""
LOOK_S: Final = 1.0
"""How often is looked whether topics that are read are still the same, in seconds."""
SETTLE_S: Final = 10.0
"""How long is waited until a topic that was created is known to all brokers, in seconds."""
TOPIC_PARTITIONS: Final = 8
"""Into how many partitions a topic of messages is divided that is created, unless the log has more."""


class Cluster:
    """A connection for questions; the answers about topics are kept."""

    def __init__(self, options: KafkaOptions) -> None:
        self.options = options
        self.id = ""
        self.topics: dict[str, TopicInfo] = {}
        """What is known of topics that were asked for."""
        self.counts = Counter[str]()
        """How often something was sent elsewhere than it was to go."""
        self.batch_bytes: dict[str, int] = {}
        """How large a batch for a topic may be that has refused larger ones."""
        self.clock = BrokerClock(options.skew)
        self.reaper = Reaper()
        self.brokers = Brokers(options.addresses)
        self._client: KafkaClient | None = None
        self._admin: AIOKafkaAdminClient | None = None

    @property
    def settings(self) -> dict[str, Any]:
        """What all clients of the cluster are made with."""
        return {
            **self.options.connection(),
            "client_id": f"dagger-{self.options.application}",
            "request_timeout_ms": int(REQUEST_S * 1000),
            "retry_backoff_ms": 20,
        }

    @nested_contextmanager
    async def open(self) -> AsyncGenerator[None]:
        """Connected while the context is. Raises BackendUnavailable where no broker can be reached."""
        self.reaper, self.brokers = Reaper(), Brokers(self.options.addresses)
        client, admin = AIOKafkaClient(**self.settings), AIOKafkaAdminClient(**self.settings)
        mine = KafkaClient.put_into(client, self.brokers)
        adopt(admin, self.brokers)
        watching = asyncio.ensure_future(self.brokers.watch(mine))
        try:
            with self.translating():
                await self._let_in(mine)
                await self.reaper.start(admin.start(), 2 * REQUEST_S, admin.close)
            self._client, self._admin = mine, admin
            yield
        finally:
            self._client = self._admin = None
            self.topics.clear()
            await self.reaper.drained()
            watching.cancel()
            await end(admin.close, client.close)

    async def _let_in(self, client: KafkaClient) -> None:
        try:
            await self.reaper.start(client.bootstrap(), 2 * REQUEST_S, client.close)
        except Unreached as error:
            raise refusal(self.options, error) from error

    def translating(self) -> AbstractContextManager[None]:
        """What a client raises in here comes out as one of our errors."""
        return translating(self.options.place, lambda: self.brokers.refused)

    def adopt(self, one: AIOKafkaConsumer | AIOKafkaProducer) -> None:
        """Let what was just made connect as all clients here do."""
        adopt(one, self.brokers)

    async def look(self, names: Collection[str]) -> dict[str, TopicInfo]:
        """Ask for topics anew; gives those that exist."""
        client = self._connected()
        with self.translating():
            self.id, found = await described(client, list(names))
        for name in names:
            self.topics.pop(name, None)
        self.topics.update(found)
        return found

    async def need(self, names: Collection[str], partitions: int | None = None, **configs: str) -> dict[str, TopicInfo]:
        """Topics that must exist; those that do not are created, unless the URL forbids it."""
        missing = [name for name in names if name not in self.topics]
        if missing:
            found = await self.look(missing)
            absent = [name for name in missing if name not in found]
            if absent:
                await self._create(absent, partitions or self.new_partitions(), configs)
        return {name: self.topics[name] for name in names}

    def new_partitions(self) -> int:
        """How many partitions a new topic of messages has: as many as the log, so that they are shared alike."""
        log = self.topics.get(self.options.log)
        return TOPIC_PARTITIONS if log is None else log.partitions

    async def _create(self, names: list[str], partitions: int, configs: dict[str, str]) -> None:
        place = self.options.place
        if not self.options.create:
            listed = ", ".join(f"'{name}'" for name in names)
            raise BackendError(f"{place} has no topic {listed}; create it, or leave create=no out of the URL")
        assert self._admin is not None
        # -1 is what the cluster is set to (KIP-464), which aiokafka lets pass only beside an assignment: an empty one.
        copies, by_hand = (self.options.replication, None) if self.options.replication else (-1, dict[int, list[int]]())
        with self.translating():
            answer = await self._admin.create_topics(
                [NewTopic(name, partitions, copies, by_hand, configs) for name in names]
            )
            for name, code, *words in answer.topic_errors:
                error = errors.for_code(code)
                if code and error is not errors.TopicAlreadyExistsError:  # another was faster
                    raise error(f"topic '{name}': {words[0] if words else ''}")
        await self._until_known(names)

    async def _until_known(self, names: list[str]) -> None:
        try:
            async with asyncio.timeout(SETTLE_S):
                while True:
                    if len(await self.look(names)) == len(names):
                        return
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise BackendUnavailable(f"{self.options.place}: new topics are not known to all brokers yet") from None

    async def stable(
        self, group: str, places: Collection[TopicPartition]
    ) -> tuple[dict[TopicPartition, OffsetAndMetadata], set[TopicPartition]]:
        """What a group has committed, without partitions for which it has nothing, and the partitions of which an open
        transaction may still change that."""
        if not places:
            return {}, set()
        with self.translating():
            async with asyncio.timeout(REQUEST_S):
                return await stable_offsets(self._connected(), group, places)

    async def is_current(self, member: GroupMetadata) -> bool:
        """Whether a member is in its generation, and no rebalance is under way."""
        with self.translating():
            async with asyncio.timeout(REQUEST_S):
                return await is_current(self._connected(), member)

    async def fence(self, transactional_id: str) -> None:
        """Settle the open transaction of a worker, which can commit nothing more until it begins anew."""
        with self.translating():
            async with asyncio.timeout(REQUEST_S):
                await fence(self._connected(), transactional_id, int(self.options.transaction * 1000))

    def _connected(self) -> KafkaClient:
        if self._client is None:
            raise BackendUnavailable(f"{self.options.place} is not open")
        return self._client

    async def committed(self, group: str, places: Iterable[TopicPartition]) -> dict[TopicPartition, OffsetAndMetadata]:
        """What a group has committed, as far as its transactions have ended; without partitions that have nothing."""
        assert self._admin is not None
        asked = list(places)
        if not asked:
            return {}
        with self.translating():
            found = await self._admin.list_consumer_group_offsets(group, partitions=asked)
        if missing := [place for place in asked if place not in found]:
            # An error of the whole request is dropped by aiokafka, and its answer is empty then.
            raise BackendUnavailable(f"{self.options.place}: the offsets of {missing[0]} cannot be told now")
        return {place: offset for place, offset in found.items() if offset.offset >= 0}

    def partition_for(self, topic: str, key: bytes) -> int:
        """Where messages of a key go, as producers of other languages have it by default."""
        return hash_of(key) % self.topics[topic].partitions


@lru_cache(maxsize=65_536)
def hash_of(key: bytes) -> int:
    """What producers of all languages divide topics by, unless they are configured otherwise."""
    return murmur2(key) & 0x7FFFFFFF
