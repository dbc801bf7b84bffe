"""Requests of Kafka's clients, in the hands of a test: held back, changed, or robbed of their answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import pytest
from aiokafka.client import AIOKafkaClient

from dagger.backends.kafka.lane import Lane
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


def lane_of(request: Any) -> int:
    """The lane whose transactional id is in a request."""
    return int(request._transactional_id.rpartition(".")[2])


class Held:
    """Keeps the first request of a lane until it may go on."""

    def __init__(self, lane: int) -> None:
        self._lane = lane
        self.reached = anyio.Event()
        self.goes_on = anyio.Event()

    async def __call__(self, send: Send, request: Any) -> Any:
        if lane_of(request) == self._lane and not self.reached.is_set():
            self.reached.set()
            await self.goes_on.wait()
        return await send()


def ownership(backend: Backend) -> Ownership:
    """What a backend owns."""
    own = kafka_of(backend).log._own
    assert own is not None
    return own


def lanes(backend: Backend) -> dict[int, Lane]:
    """The lanes that a backend owns."""
    return ownership(backend).lanes
