"""Beginning and ending clients in order, whatever else is being cancelled, and never for long.

Who does not wait any more for a client that begins, or has no use for one, lets it end beside everything else. Whoever
closes the backend waits until all have.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, Final

import anyio

from dagger.backends.kafka.client import AIOKafkaConsumer, AIOKafkaProducer, end_connections, silence, watch_sender

END_S: Final = 0.7
"""How long a client is given to say goodbye to its group, in seconds. A broker that answers needs some milliseconds;
where none does, the group misses the client after the lease."""
SOON_S: Final = 0.5
"""The same of one that has not begun yet, and of steps of which none should take any time."""

Stop = Callable[[], Awaitable[object]]


class Reaper:
    """Clients that nobody needs any more, and that end by themselves."""

    def __init__(self) -> None:
        self._tasks = set[asyncio.Task[None]]()

    async def start_producer(self, producer: AIOKafkaProducer, within_s: float) -> None:
        """Start a producer, as `start` does; what waits for it hears of the end of its sender."""
        await self.start(producer.start(), within_s, partial(end_producer, producer))
        watch_sender(producer)

    async def start(self, start: Coroutine[Any, Any, None], within_s: float, *stops: Stop) -> None:
        """Start a client; where that fails, takes too long or is not waited for, it is stopped.

        Raises TimeoutError, and whatever the client does.
        """
        starting = asyncio.ensure_future(start)
        try:
            async with asyncio.timeout(within_s):
                await asyncio.shield(starting)
        except BaseException:
            self.reap(_end_after(starting, *stops))
            raise

    def reap(self, end: Coroutine[Any, Any, None]) -> None:
        """Let a client end beside everything else."""
        task = asyncio.ensure_future(end)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drained(self) -> None:
        """Return once all have ended."""
        with anyio.CancelScope(shield=True):
            while self._tasks:
                await asyncio.wait(self._tasks)


async def end(*stops: Stop, within_s: float = END_S) -> None:
    """Call each, one after the other, the first for a time; what they raise does not matter any more."""
    for stop in stops:
        with anyio.move_on_after(within_s, shield=True), contextlib.suppress(Exception):
            await stop()
        within_s = SOON_S


async def end_producer(producer: AIOKafkaProducer) -> None:
    """End a producer, of which batches may be left that nobody takes: then at least its connections."""
    await end(producer.stop, producer.client.close, within_s=SOON_S)
    silence(producer)


async def end_consumer(consumer: AIOKafkaConsumer, within_s: float = END_S) -> None:
    """End a consumer, whose group may not answer when it is left: then at least its connections."""
    await end(consumer.stop, *end_connections(consumer), within_s=within_s)


async def _end_after(starting: asyncio.Task[None], *stops: Stop) -> None:
    starting.cancel()
    await asyncio.wait([starting], timeout=SOON_S)
    if starting.done() and not starting.cancelled():
        starting.exception()
    await end(*stops, within_s=SOON_S)
