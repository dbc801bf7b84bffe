"""Ending clients in order, whatever else is being cancelled, and never for long."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
from aiokafka import AIOKafkaProducer

END_S: Final = 5.0
"""How long a client is given to end, in seconds."""


async def end(*stops: Callable[[], Awaitable[object]]) -> None:
    """Call each, one after the other, for a time; what they raise does not matter any more."""
    for stop in stops:
        with anyio.move_on_after(END_S, shield=True), contextlib.suppress(Exception):
            await stop()


async def end_producer(producer: AIOKafkaProducer) -> None:
    """End a producer, of which batches may be left that nobody takes: then at least its connections."""
    await end(producer.stop, producer.client.close)
