"""The outcome table of an instance: a row for each step of its template, up to the last that was reached.

A row is four numbers: status, times begun, begun at, ended at. The rows of the last chunk are one flat tuple, which
costs least to change and to write; the full chunks before it are packed. So a step of the machine copies at most one
chunk, however long the template is.
"""

from __future__ import annotations

import struct
from typing import Final, TypeAlias

Row: TypeAlias = tuple[int, int, int, int]

CHUNK: Final = 32
"""How many rows a chunk has."""
WIDTH: Final = 4
"""How many numbers a row has."""
FULL: Final = CHUNK * WIDTH
NEVER: Final[Row] = (0, 0, 0, 0)
"""The row of a step that was not reached."""

_ROW: Final = struct.Struct("<BIqq")
_CHUNK: Final = struct.Struct("<" + "BIqq" * CHUNK)


def row_of(chunks: tuple[bytes, ...], rows: tuple[int, ...] | list[int], slot: int) -> Row:
    """The row of a step."""
    at = (slot - len(chunks) * CHUNK) * WIDTH
    if at < 0:
        status, begun, began, ended = _ROW.unpack_from(chunks[slot // CHUNK], slot % CHUNK * _ROW.size)
    elif at < len(rows):
        status, begun, began, ended = rows[at : at + WIDTH]
    else:
        return NEVER
    return status, begun, began, ended


def with_row(chunks: tuple[bytes, ...], slot: int, row: Row) -> tuple[bytes, ...]:
    """The chunks with another row of a step that is in one of them."""
    number, place = divmod(slot, CHUNK)
    chunk = bytearray(chunks[number])
    _ROW.pack_into(chunk, place * _ROW.size, *row)
    return (*chunks[:number], bytes(chunk), *chunks[number + 1 :])


def packed(chunks: tuple[bytes, ...], rows: list[int]) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
    """The chunks and the rows, once those that make a full chunk are packed."""
    while len(rows) >= FULL:
        chunks, rows = (*chunks, _CHUNK.pack(*rows[:FULL])), rows[FULL:]
    return chunks, tuple(rows)
