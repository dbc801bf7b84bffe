"""The tasks in the background that a client of aiokafka cannot go on without.

One that has ended, for whatever reason, is noticed by nobody there: a consumer without its fetcher gives nothing for
ever, and what waits for a producer whose sender was cancelled waits for ever. Here whoever waits is told.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError

from dagger.errors import BackendUnavailable

_OF_CONSUMERS: Final = (("_fetcher", "_fetch_task"), ("_coordinator", "_coordination_task"), ("_client", "_sync_task"))


def check_tasks(consumer: AIOKafkaConsumer, place: str) -> None:
    """Raise BackendUnavailable where a task of a consumer has ended, which must be made anew then."""
    for part, name in _OF_CONSUMERS:
        task: asyncio.Task[Any] | None = getattr(getattr(consumer, part, None), name, None)
        if task is not None and task.done():
            raise BackendUnavailable(f"{place}: the consumer's {name.strip('_')} has ended ({_why(task)})")


def watch_sender(producer: AIOKafkaProducer) -> None:
    """Let all that waits for a producer hear of the end of its sender, also of one that ends without an error."""
    sending: asyncio.Task[Any] | None = getattr(getattr(producer, "_sender", None), "sender_task", None)
    if sending is not None:
        sending.add_done_callback(partial(_fail_all, producer))


def _fail_all(producer: Any, task: asyncio.Task[Any]) -> None:
    if task.cancelled() or task.exception() is None:  # of an error aiokafka itself tells
        error = KafkaConnectionError("the producer's sender has ended")
        batches = producer._message_accumulator
        batches.fail_all(error)
        # Where nobody waits any more, the futures are not to complain of that.
        for batch in [*(one for some in batches._batches.values() for one in some), *batches._pending_batches]:
            for future in (batch.future, batch._drain_waiter):
                if future.done() and not future.cancelled():
                    future.exception()
        transactions = producer._txn_manager
        if transactions is not None and transactions._transaction_waiter is not None:
            offsets = [future for _, _, future in transactions._pending_txn_offsets]
            transactions.fatal_error(error)
            for future in offsets:
                if not future.cancelled():
                    future.exception()
            if transactions._transaction_waiter.done() and not transactions._transaction_waiter.cancelled():
                transactions._transaction_waiter.exception()


def _why(task: asyncio.Task[Any]) -> str:
    if task.cancelled():
        return "it was cancelled"
    error = task.exception()
    return "without an error" if error is None else f"{type(error).__name__}: {error}"
