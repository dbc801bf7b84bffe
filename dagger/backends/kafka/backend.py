"""A log on Kafka, beside a store of another kind."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from contextlib import asynccontextmanager
from typing import Final

from dagger.backends.kafka.cluster import Cluster
from dagger.backends.kafka.log import KafkaLog
from dagger.backends.kafka.options import KafkaOptions, options_of
from dagger.backends.standalone import StandaloneStore, store_for
from dagger.errors import BackendError

MESSAGE_MAX: Final = 1_000_000
"""How large a message may be, in bytes: what a broker takes unless it is told otherwise, less the headers."""


def connect(broker: str, store: str | None) -> KafkaBackend:
    """The backend for `kafka://host:9092/orders`. Raises BackendError for a URL that says something odd."""
    options = options_of(broker)
    if store is None:
        raise BackendError(
            f"'{options.place}' is a log only; say where the records are kept, as "
            'store="aerospike://localhost:3000/test", or store="sqlite:///records.db" on one machine'
        )
    return KafkaBackend(options, store_for(store, options.group))


class KafkaBackend:
    """A log and a store that are two systems: what a step ordered is in its record until the log has it."""

    atomic = False
    shared = True
    noisy_loggers = ("aiokafka",)
    """aiokafka logs each attempt of each request."""

    def __init__(self, options: KafkaOptions, store: StandaloneStore) -> None:
        self.options = options
        self.store = store
        self.log = KafkaLog(Cluster(options), store)

    @property
    def size_max(self) -> int:
        return min(self.store.size_max, MESSAGE_MAX)

    def announce_ended(self, ids: Collection[str]) -> None:
        self.store.announce_ended(ids)
        if not self.store.reports_ends:
            self.log.ends.announce(ids)

    async def changed(self) -> Collection[str] | None:
        if self.store.reports_ends or not self.log.ends.is_heard:
            return await self.store.changed()
        return await self.log.ends.changed()

    async def caught_up(self) -> bool:
        """Whether all that was accepted so far has been polled."""
        return await self.log.caught_up()

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[None]:
        with self.log.loop.held():
            async with self.store.open(), self.log.open():
                yield
