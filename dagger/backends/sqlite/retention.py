"""What is deleted after a time: instances that have ended, and messages. So the file stops growing."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from typing import Final

CHUNK: Final = 500
"""How much is deleted in one transaction, so that work goes on in between."""


def purge(connection: sqlite3.Connection, ended_before: int, published_before: int, heard: Collection[str]) -> bool:
    """Delete a chunk, inside a transaction; whether there may be more. Times are in microseconds.

    Messages of topics that are `heard` by workers, or were, are kept until the workers have read them.
    """
    gone = connection.execute(
        "DELETE FROM record WHERE id IN (SELECT id FROM record WHERE ended < ? LIMIT ?)", (ended_before, CHUNK)
    ).rowcount
    return _purge_topics(connection, published_before, heard) or gone == CHUNK


def _purge_topics(connection: sqlite3.Connection, before: int, heard: Collection[str]) -> bool:
    read = {
        (topic, partition): offset
        for topic, partition, offset in connection.execute(
            "SELECT topic, partition, offset FROM position WHERE team = ''"
        )
    }
    kept = {*heard, *(topic for topic, _ in read)}
    more = False
    for topic, partition, after in connection.execute("SELECT * FROM head WHERE topic <> ''").fetchall():
        until = read.get((topic, partition), -1) if topic in kept else after - 1
        more = _purge_one(connection, topic, partition, until, before) == CHUNK or more
    return more


def _purge_one(connection: sqlite3.Connection, topic: str, partition: int, until: int, before: int) -> int:
    """Delete the oldest messages of a partition; gives how many."""
    oldest = connection.execute(
        "SELECT offset, time FROM message WHERE topic = ? AND partition = ? AND offset <= ? ORDER BY offset LIMIT ?",
        (topic, partition, until, CHUNK),
    )
    last, count = -1, 0
    for offset, time in oldest:
        if time >= before:
            break
        last, count = offset, count + 1
    if count:
        connection.execute(
            "DELETE FROM message WHERE topic = ? AND partition = ? AND offset <= ?", (topic, partition, last)
        )
    return count
