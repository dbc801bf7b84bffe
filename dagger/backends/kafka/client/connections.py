"""A client of aiokafka that does not wait for a broker that hangs while another could answer.

It is put into producers, consumers and admin clients in the place of their own, whose ways of connecting cannot be set
from outside. It differs in four: several servers are tried at once to begin with; one connection that takes its time
holds up no other; brokers that owe an answer are asked last; and a broker that was given up by the others is left at
once. It raises nothing else than aiokafka's own does; whatever goes wrong with one connection ends none of the tasks in
the background that use it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient, ConnectionGroup
from aiokafka.cluster import ClusterMetadata
from aiokafka.conn import AIOKafkaConnection, CloseReason, create_conn
from aiokafka.errors import KafkaConnectionError, NodeNotReadyError, ProducerClosed, RequestTimedOutError
from aiokafka.protocol.api import Request
from aiokafka.protocol.metadata import MetadataRequest
from typing_extensions import override

from dagger.backends.kafka.client.brokers import Brokers, Server

logger: Final = logging.getLogger("dagger")

CONNECT_S: Final = 8.0
"""How long a broker is given to take a connection, to greet, and to let in, in seconds."""
LOOK_S: Final = 3.0
"""How long one broker is given to tell who leads what, before another is asked, in seconds."""
REST_S: Final = 0.1
"""How long is waited after no broker could be asked, in seconds."""


class KafkaClient(AIOKafkaClient):
    """One client; of `brokers` all clients of a process know together."""

    brokers: Brokers
    _connecting: dict[tuple[int, ConnectionGroup], asyncio.Task[AIOKafkaConnection | None]]
    _ended: bool

    @classmethod
    def put_into(cls, client: AIOKafkaClient, brokers: Brokers) -> KafkaClient:
        """Let a client that was not used yet be one of these."""
        client.__class__ = cls
        assert isinstance(client, cls)
        client.brokers, client._connecting, client._ended = brokers, {}, False
        brokers.clients.add(client)
        return client

    @override
    async def close(self) -> None:
        self._ended = True
        self.brokers.clients.discard(self)
        for task in list(self._connecting.values()):
            task.cancel()
        if self._connecting:
            await asyncio.wait(list(self._connecting.values()))
        await super().close()

    # Connecting.

    @override
    async def bootstrap(self) -> None:
        """Learn of the cluster, from whoever tells first."""
        metadata = await self.brokers.reach(self._introduced)
        self.cluster.update_metadata(metadata)
        self.brokers.learn((broker.host, broker.port) for broker in self.cluster.brokers())
        if self._sync_task is None:
            self._sync_task = asyncio.ensure_future(self._md_synchronizer())

    async def _introduced(self, server: Server) -> Any:
        connection = await self._open(*server)
        try:
            metadata = await connection.send(MetadataRequest([]))
        finally:
            connection.close()
        if not metadata.brokers:
            raise KafkaConnectionError("it is starting, and knows of no broker that serves yet")
        return metadata

    async def _open(self, host: str, port: int, **more: Any) -> AIOKafkaConnection:
        return await create_conn(
            host,
            port,
            client_id=self._client_id,
            request_timeout_ms=self._request_timeout_ms,
            ssl_context=self._ssl_context,
            security_protocol=self._security_protocol,
            max_idle_ms=self._connections_max_idle_ms,
            sasl_mechanism=self._sasl_mechanism,
            sasl_plain_username=self._sasl_plain_username,
            sasl_plain_password=self._sasl_plain_password,
            **more,
        )

    @override
    async def _get_conn(
        self, node_id: int, *, group: ConnectionGroup = ConnectionGroup.DEFAULT, no_hint: bool = False
    ) -> AIOKafkaConnection | None:
        at = node_id, group
        if (found := self._conns.get(at)) is not None:
            if found.connected():
                return found
            del self._conns[at]
        if self._ended:  # nothing that lasts: what goes on in the background is to end
            raise ProducerClosed(f"the client of broker {node_id} is closed")
        task = self._connecting.get(at)
        if task is None:
            task = self._connecting[at] = asyncio.ensure_future(self._connected(node_id, group))
            task.add_done_callback(lambda _: self._connecting.pop(at, None))
        # Not awaited itself: others may wait for it too.
        await asyncio.wait([task])
        return None if task.cancelled() else task.result()

    async def _connected(self, node_id: int, group: ConnectionGroup) -> AIOKafkaConnection | None:
        broker = self.cluster.broker_metadata(node_id)
        number = self.brokers.asked(node_id)
        try:
            if broker is None:
                raise NodeNotReadyError(f"broker {node_id} is not known now")
            async with asyncio.timeout(CONNECT_S):
                made = await self._open(broker.host, broker.port, on_close=self._on_connection_closed)
        except Exception as error:  # it may be no broker at all
            logger.debug("no connection to broker %s: %s: %s", node_id, type(error).__name__, error)
            self.brokers.refused = error
            _ = self.force_metadata_update()
            return None
        finally:
            self.brokers.answered(number)
        self.brokers.refused = None
        self._conns[node_id, group] = made
        return made

    # Asking.

    @override
    async def send(
        self, node_id: int, request: Request[Any], *, group: ConnectionGroup = ConnectionGroup.DEFAULT
    ) -> Any:
        """The answer to a request. Raises KafkaError."""
        number = self.brokers.asked(node_id)
        try:
            return await super().send(node_id, request, group=group)
        except KeyError as error:  # aiokafka closes the connection that has timed out, and another has done so before
            raise RequestTimedOutError() from error
        finally:
            self.brokers.answered(number)

    def drop(self, broker: int) -> None:
        """Give up all that was asked of a broker, and find out who has taken over."""
        _ = self.force_metadata_update()
        for (node_id, _), task in list(self._connecting.items()):
            if node_id == broker:
                task.cancel()
        for (node_id, _), connection in list(self._conns.items()):
            if node_id == broker:
                connection.close(reason=CloseReason.CONNECTION_TIMEOUT)

    @override
    def get_random_node(self) -> int | None:
        """A broker that may be asked anything."""
        found = self.brokers.sorted(broker.nodeId for broker in self.cluster.brokers())
        return found[0] if found else None

    async def living(self) -> Sequence[int]:
        """The brokers that the cluster counts among the living; none if nobody says."""
        found = await self._metadata([])
        return () if found is None else [broker[0] for broker in found.brokers]

    @override
    async def _metadata_update(self, cluster_metadata: ClusterMetadata, topics: set[str] | None) -> bool:
        metadata = await self._metadata(list(topics) if topics else None)
        if self._ended:
            return False
        if metadata is None:  # all that are known may be gone, and others in their place
            try:
                metadata = await self.brokers.reach(self._introduced)
            except KafkaConnectionError:
                cluster_metadata.failed_update(None)
                await asyncio.sleep(REST_S)
                return False
        if not metadata.brokers:
            return False
        cluster_metadata.update_metadata(metadata)
        self.brokers.learn((broker.host, broker.port) for broker in self.cluster.brokers())
        return True

    async def _metadata(self, topics: list[str] | None) -> Any:
        """What the first broker tells that answers in time; None if none does."""
        for node_id in self.brokers.sorted(broker.nodeId for broker in self.cluster.brokers()):
            try:
                async with asyncio.timeout(LOOK_S):
                    return await self.send(node_id, MetadataRequest(topics))
            except Exception as error:  # another is asked
                logger.debug("broker %s tells nothing: %s: %s", node_id, type(error).__name__, error)
        return None


def adopt(one: AIOKafkaConsumer | AIOKafkaProducer | AIOKafkaAdminClient, brokers: Brokers) -> None:
    """Let what was just made connect as `Client` does."""
    KafkaClient.put_into(one.client if isinstance(one, AIOKafkaProducer) else one._client, brokers)


def end_connections(consumer: AIOKafkaConsumer) -> Sequence[Callable[[], Awaitable[object]]]:
    """What ends a consumer's fetches and connections where it cannot be stopped in order."""
    parts = [getattr(consumer, name, None) for name in ("_fetcher", "_client")]
    return [part.close for part in parts if part is not None]


async def refresh(consumer: AIOKafkaConsumer, topics: Mapping[str, int]) -> None:
    """Let a consumer know at once how many partitions topics have; by itself it asks only once in a while."""
    if any(len(consumer.partitions_for_topic(name) or ()) != count for name, count in topics.items()):
        await consumer._client.force_metadata_update()  # there is no other way
