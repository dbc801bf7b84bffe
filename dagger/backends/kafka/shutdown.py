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
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from dagger.backends.kafka.liveness import watch_sender

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
    # What became of its last transaction, and of what it had not sent, is told to futures that nobody else can ask,
    # and that would complain of it.
    unsent: dict[object, list[object]] = getattr(getattr(producer, "_message_accumulator", None), "_batches", {})
    for last in (
        getattr(getattr(producer, "_txn_manager", None), "_transaction_waiter", None),
        *(getattr(batch, "_drain_waiter", None) for batches in unsent.values() for batch in batches),
    ):
        if isinstance(last, asyncio.Future) and last.done() and not last.cancelled():
            last.exception()


async def end_consumer(consumer: AIOKafkaConsumer, within_s: float = END_S) -> None:
    """End a consumer, whose group may not answer when it is left: then at least its connections."""
    parts = [getattr(consumer, name, None) for name in ("_fetcher", "_client")]
    await end(consumer.stop, *(part.close for part in parts if part is not None), within_s=within_s)


async def _end_after(starting: asyncio.Task[None], *stops: Stop) -> None:
    starting.cancel()
    await asyncio.wait([starting], timeout=SOON_S)
    if starting.done() and not starting.cancelled():
        starting.exception()
    await end(*stops, within_s=SOON_S)
