"""The background tasks that a client of aiokafka needs.

aiokafka does not notice when one of them ends: a consumer without its fetcher returns nothing for ever, and whoever
waits for a producer whose sender was cancelled waits for ever. Here the end of such a task is reported to the waiters.
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
    """Raise BackendUnavailable if a background task of a consumer has ended: the consumer must be replaced then."""
    for part, name in _OF_CONSUMERS:
        task: asyncio.Task[Any] | None = getattr(getattr(consumer, part, None), name, None)
        if task is not None and task.done():
            raise BackendUnavailable(f"{place}: the consumer's {name.strip('_')} has ended ({_why(task)})")


def watch_sender(producer: AIOKafkaProducer) -> None:
    """Report the end of a producer's sender to all that wait for it, also if it ends without an error."""
    sending: asyncio.Task[Any] | None = getattr(getattr(producer, "_sender", None), "sender_task", None)
    if sending is not None:
        sending.add_done_callback(partial(_fail_all, producer))


def _fail_all(producer: Any, task: asyncio.Task[Any]) -> None:
    if task.cancelled() or task.exception() is None:  # aiokafka itself reports an error
        error = KafkaConnectionError("the producer's sender has ended")
        batches = producer._message_accumulator
        batches.fail_all(error)
        # Futures that nobody awaits any more must not be reported as never retrieved.
        _retrieve(
            *(batch.future for batch in _batches(producer)), *(batch._drain_waiter for batch in _batches(producer))
        )
        transactions = producer._txn_manager
        if transactions is not None and transactions._transaction_waiter is not None:
            offsets = [future for _, _, future in transactions._pending_txn_offsets]
            transactions.fatal_error(error)
            _retrieve(*offsets, transactions._transaction_waiter)


def silence(producer: Any) -> None:
    """Retrieve what became of the last transaction and the unsent batches of a producer that has ended.

    Their futures belong to nobody any more, and asyncio would report that their exceptions were never retrieved.
    """
    waiter = getattr(getattr(producer, "_txn_manager", None), "_transaction_waiter", None)
    _retrieve(waiter, *(getattr(batch, "_drain_waiter", None) for batch in _batches(producer)))


def _batches(producer: Any) -> list[Any]:
    """The batches of a producer that were not answered."""
    accumulator = producer._message_accumulator
    return [*(one for some in accumulator._batches.values() for one in some), *accumulator._pending_batches]


def _retrieve(*futures: object) -> None:
    for future in futures:
        if isinstance(future, asyncio.Future) and future.done() and not future.cancelled():
            future.exception()


def _why(task: asyncio.Task[Any]) -> str:
    if task.cancelled():
        return "it was cancelled"
    error = task.exception()
    return "without an error" if error is None else f"{type(error).__name__}: {error}"
