"""Requests of Kafka's clients, in the hands of a test: held back, changed, or robbed of their answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import pytest
from aiokafka.client import AIOKafkaClient

from dagger.backends.kafka.ownership import Ownership
from dagger.engine.ports import Backend
from tests.kafka.stage import kafka_of

Send = Callable[[], Awaitable[Any]]
Act = Callable[[Send, Any], Awaitable[Any]]
"""What takes the place of a request; it is given what sends it, and the request."""


def instead(patch: pytest.MonkeyPatch, kind: str, act: Act) -> None:
    """Let an act take the place of all requests of a kind, of every client of this process."""
    plain = AIOKafkaClient.send

    async def send(self: AIOKafkaClient, node: int, request: Any, **more: Any) -> Any:
        sends = partial(plain, self, node, request, **more)
        return await (act(sends, request) if type(request).__name__ == kind else sends())

    patch.setattr(AIOKafkaClient, "send", send)


class Held:
    """Keeps the first request of one transactional id until it may go on."""

    def __init__(self, id: str) -> None:
        self._id = id
        self.reached = anyio.Event()
        self.goes_on = anyio.Event()

    async def __call__(self, send: Send, request: Any) -> Any:
        if request._transactional_id == self._id and not self.reached.is_set():
            self.reached.set()
            await self.goes_on.wait()
        return await send()


def ownership(backend: Backend) -> Ownership:
    """What a backend owns."""
    own = kafka_of(backend).log._own
    assert own is not None
    return own
