"""The tables of the internal log and of the topics: appending, and reading from a position."""

from __future__ import annotations

import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeAlias
from zlib import crc32

import msgspec

from dagger.engine.ports import Append, Backlog, Entry, Headers, LogRecord, Outgoing, TopicRecord

_Text: TypeAlias = str | dict[str, str] | None
"""Bytes as text if they are UTF-8, and otherwise as `{"hex": ...}`."""
_ENCODE: Final = msgspec.json.Encoder().encode
_DECODE: Final = msgspec.json.Decoder(list[tuple[str, _Text]]).decode


def append(connection: sqlite3.Connection, entries: Iterable[Entry], partitions: int) -> None:
    """Put records on the internal log, and messages on their topics; inside a transaction."""
    records = defaultdict[int, list[bytes]](list)
    messages = defaultdict[tuple[str, int], list[Outgoing]](list)
    for entry in entries:
        if type(entry) is Append:
            records[entry.partition].append(entry.data)
        else:
            messages[entry.topic, crc32(entry.key or b"") % partitions].append(entry)
    for partition, datas in records.items():
        first = _allocate(connection, "", partition, len(datas))
        connection.executemany(
            "INSERT INTO log VALUES (?, ?, ?)",
            [(partition, offset, data) for offset, data in enumerate(datas, first)],
        )
    now = time.time_ns() // 1_000 if messages else 0
    for (topic, partition), found in messages.items():
        first = _allocate(connection, topic, partition, len(found))
        connection.executemany(
            "INSERT INTO message VALUES (?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    topic,
                    partition,
                    offset,
                    now,
                    _as_text(one.key),
                    _packed(one.headers) if one.headers else None,
                    one.payload,
                )
                for offset, one in enumerate(found, first)
            ],
        )


def _allocate(connection: sqlite3.Connection, topic: str, partition: int, count: int) -> int:
    """Allocate new offsets of a partition, which continue after the last one; returns the first."""
    (after,) = connection.execute(
        "INSERT INTO head VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next = next + excluded.next RETURNING next",
        (topic, partition, count),
    ).fetchone()
    return int(after) - count


def records_after(connection: sqlite3.Connection, partition: int, offset: int, limit: int) -> list[LogRecord]:
    """The records of a partition of the internal log after an offset."""
    rows = connection.execute(
        "SELECT offset, data FROM log WHERE partition = ? AND offset > ? ORDER BY offset LIMIT ?",
        (partition, offset, limit),
    )
    return [LogRecord(partition, at, data) for at, data in rows]


def backlog(connection: sqlite3.Connection, after: Mapping[int, int], limit: int) -> Backlog:
    """Records of the internal log after the given offsets; committed records are no longer in the table."""
    records, settled, committed = list[LogRecord](), dict[int, int](), dict[int, int]()
    ends = heads(connection, [""])
    for partition, offset in after.items():
        last = ends.get(("", partition), -1)
        (first,) = connection.execute("SELECT min(offset) FROM log WHERE partition = ?", (partition,)).fetchone()
        committed[partition] = last if first is None else first - 1
        start = max(offset, committed[partition])
        found = records_after(connection, partition, start, limit - len(records))
        records += found
        settled[partition] = found[-1].offset if found else start
    return Backlog(records, settled, committed, len(records) == limit)


def messages_after(
    connection: sqlite3.Connection, topic: str, partition: int, offset: int, limit: int
) -> list[TopicRecord]:
    """The messages of a partition of a topic after an offset."""
    rows = connection.execute(
        "SELECT offset, key, payload, headers FROM message "
        "WHERE topic = ? AND partition = ? AND offset > ? ORDER BY offset LIMIT ?",
        (topic, partition, offset, limit),
    )
    return [
        TopicRecord(
            topic,
            partition,
            at,
            key.encode() if isinstance(key, str) else key,
            payload,
            _unpacked(headers) if headers else (),
        )
        for at, key, payload, headers in rows
    ]


def _as_text(value: bytes | None) -> str | bytes | None:
    """A key as its column stores it: as text if it is UTF-8, so that people can read it and query by it."""
    try:
        return None if value is None else value.decode()
    except UnicodeDecodeError:
        return value


def _packed(headers: Headers) -> str:
    """Headers as their column stores them."""
    try:  # nearly all headers are text, and this is done for each message
        pairs: list[tuple[str, _Text]] = [(name, None if value is None else value.decode()) for name, value in headers]
    except UnicodeDecodeError:
        pairs = [(name, _hexed(_as_text(value))) for name, value in headers]
    return _ENCODE(pairs).decode()


def _hexed(value: str | bytes | None) -> _Text:
    return {"hex": value.hex()} if isinstance(value, bytes) else value


def _unpacked(text: str) -> Headers:
    return tuple(
        [(name, value.encode() if isinstance(value, str) else _unhexed(value)) for name, value in _DECODE(text)]
    )


def _unhexed(value: dict[str, str] | None) -> bytes | None:
    return None if value is None else bytes.fromhex(value["hex"])


def heads(connection: sqlite3.Connection, topics: Sequence[str]) -> dict[tuple[str, int], int]:
    """The last offset of each partition of these topics."""
    marks = ", ".join("?" * len(topics))
    rows = connection.execute(f"SELECT topic, partition, next FROM head WHERE topic IN ({marks})", topics)
    return {(topic, partition): after - 1 for topic, partition, after in rows}


def positions(connection: sqlite3.Connection, team: str) -> dict[tuple[str, int], int]:
    """How far a group has read."""
    rows = connection.execute("SELECT topic, partition, offset FROM position WHERE team = ?", (team,))
    return {(topic, partition): offset for topic, partition, offset in rows}


def set_positions(connection: sqlite3.Connection, team: str, offsets: Mapping[tuple[str, int], int]) -> None:
    """Note how far a group has read; inside a transaction."""
    connection.executemany(
        "INSERT INTO position VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET offset = excluded.offset",
        [(team, topic, partition, offset) for (topic, partition), offset in offsets.items()],
    )
