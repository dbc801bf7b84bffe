"""Decodes the records of a poll. A record that cannot be decoded is dead-lettered."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from dagger.core.events import TimerDue
from dagger.engine.dead_letters import dead_letter
from dagger.engine.headers import headers_of
from dagger.engine.ports import Batch, Entry, LogRecord, Outgoing, Position
from dagger.engine.records import Record, decode_record, unread_record

logger: Final = logging.getLogger("dagger")

DEAD_LETTERS: Final = "dagger.dead-letter"
"""The topic for records of the internal log that cannot be applied."""
POISON: Final = "its workers have ended again and again while it was applied"
"""The reason for a record that nobody reads any more."""
_UNREADABLE: Final = Record("", TimerDue())
"""Stands for a record that cannot be read."""

NewEntries = dict[Position, list[Entry]]
"""The entries, by the position of the record that led to them."""


def decode_records(sources: Sequence[LogRecord], orders: NewEntries, counts: Counter[str]) -> list[Record]:
    """Decode records of the log. A record that this release cannot read is parked at its key, or dead-lettered."""
    with suppress(msgspec.MsgspecError):
        return [decode_record(source.data) for source in sources]
    records = list[Record]()
    for source in sources:
        try:
            records.append(decode_record(source.data))
        except msgspec.MsgspecError as error:
            unread = unread_record(source.data, error)
            if isinstance(unread, str):
                counts["poison"] += 1
                where = f"{source.partition}/{source.offset}"
                logger.error("the record %s of the log is dead-lettered: %s", where, unread)
                _dead_letter(source, unread, orders)
                unread = _UNREADABLE
            records.append(unread)
    return records


def dead_letter_batch(
    batch: Batch, offsets: dict[Position, int], counts: Counter[str]
) -> tuple[NewEntries, list[Record]]:
    """Dead-letter a whole batch that nobody can apply; notes the offsets of its messages."""
    orders: NewEntries = {}
    for message in batch.messages:
        at = message.topic, message.partition
        offsets[at] = message.offset
        orders.setdefault(at, []).append(dead_letter(message, POISON))
        logger.error("%s/%d/%d is dead-lettered: %s", *at, message.offset, POISON)
    for source in batch.records:
        _dead_letter(source, POISON, orders)
        logger.error("the record %d/%d of the log is dead-lettered: %s", source.partition, source.offset, POISON)
    counts["crashing"] += len(batch.messages) + len(batch.records)
    return orders, [_UNREADABLE] * len(batch.records)


def _dead_letter(source: LogRecord, reason: str, orders: NewEntries) -> None:
    letter = Outgoing(DEAD_LETTERS, None, source.data, headers_of({"dagger-reason": reason}))
    orders.setdefault(("", source.partition), []).append(letter)
