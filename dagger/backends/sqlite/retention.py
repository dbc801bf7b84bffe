"""Deleting old messages, and instances that ended long ago, so that the file stops growing."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Collection, Iterable
from typing import Final

PURGE_S: Final = 60.0
"""The longest interval between two purges, in seconds."""
CHUNK: Final = 500
"""How many rows one transaction deletes at most, so that work continues in between."""


def purge(connection: sqlite3.Connection, ended_before: int, published_before: int, consumed: Collection[str]) -> bool:
    """Delete a chunk, inside a transaction; whether there may be more. Times are in microseconds.

    Messages of topics that workers consume (`consumed`), or did, are kept until the workers have read them.
    """
    gone = purge_records(connection, ended_before)
    return _purge_topics(connection, published_before, consumed) or len(gone) == CHUNK


def purge_records(connection: sqlite3.Connection, ended_before: int) -> list[tuple[str, int]]:
    """Delete a chunk of ended records, inside a transaction; returns their keys and last versions."""
    return connection.execute(
        "DELETE FROM record WHERE id IN (SELECT id FROM record WHERE ended < ? LIMIT ?) RETURNING key, version",
        (ended_before, CHUNK),
    ).fetchall()


def add_tombstones(connection: sqlite3.Connection, deleted: Iterable[tuple[str, int]]) -> None:
    """Remember the last versions of deleted records; inside a transaction."""
    now = time.time_ns() // 1_000
    connection.executemany(
        "INSERT INTO tombstone VALUES (?, ?, ?) ON CONFLICT DO UPDATE "
        "SET version = max(version, excluded.version), time = excluded.time",
        [(key, version, now) for key, version in deleted],
    )


def has_expired(connection: sqlite3.Connection, ended_before: int, buried_before: int) -> bool:
    """Whether `purge_with_tombstones` would delete something."""
    (found,) = connection.execute(
        "SELECT EXISTS (SELECT 1 FROM record WHERE ended < ?) OR EXISTS (SELECT 1 FROM tombstone WHERE time < ?)",
        (ended_before, buried_before),
    ).fetchone()
    return bool(found)


def purge_with_tombstones(connection: sqlite3.Connection, ended_before: int, buried_before: int) -> bool:
    """Delete a chunk of ended records, leaving tombstones, and a chunk of old tombstones; whether there may be more.
    Times are in microseconds."""
    gone = purge_records(connection, ended_before)
    add_tombstones(connection, gone)
    forgotten = connection.execute(
        "DELETE FROM tombstone WHERE key IN (SELECT key FROM tombstone WHERE time < ? LIMIT ?)", (buried_before, CHUNK)
    ).rowcount
    return CHUNK in (len(gone), forgotten)


def _purge_topics(connection: sqlite3.Connection, before: int, consumed: Collection[str]) -> bool:
    read = {
        (topic, partition): offset
        for topic, partition, offset in connection.execute(
            "SELECT topic, partition, offset FROM position WHERE team = ''"
        )
    }
    kept = {*consumed, *(topic for topic, _ in read)}
    more = False
    for topic, partition, after in connection.execute("SELECT * FROM head WHERE topic <> ''").fetchall():
        until = read.get((topic, partition), -1) if topic in kept else after - 1
        more = _purge_one(connection, topic, partition, until, before) == CHUNK or more
    return more


def _purge_one(connection: sqlite3.Connection, topic: str, partition: int, until: int, before: int) -> int:
    """Delete the oldest messages of a partition; returns how many."""
    oldest = connection.execute(
        "SELECT offset, time FROM message WHERE topic = ? AND partition = ? AND offset <= ? ORDER BY offset LIMIT ?",
        (topic, partition, until, CHUNK),
    )
    last, count = -1, 0
    for offset, published in oldest:
        if published >= before:
            break
        last, count = offset, count + 1
    if count:
        connection.execute(
            "DELETE FROM message WHERE topic = ? AND partition = ? AND offset <= ?", (topic, partition, last)
        )
    return count
