"""The outcome table of an instance: a row for each step of its template, up to the last that was reached.

A row is four numbers: status, times begun, begun at, ended at. The last rows are open: tuples in a tuple, which cost
least to change. Those before them are packed, in one piece of bytes that costs next to nothing to keep and to write.
So a step of the machine copies a few rows, however long the template is; and as some rows always stay open, it seldom
has to change one that is packed.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import chain
from typing import Final, TypeAlias

Row: TypeAlias = tuple[int, int, int, int]

CHUNK: Final = 24
"""How many rows are packed at a time."""
OPEN_MAX: Final = 32
"""With so many open rows, the first of them are packed."""
NEVER: Final[Row] = (0, 0, 0, 0)
"""The row of a step that was not reached."""

_ROW: Final = struct.Struct("<BIqq")
_CHUNK: Final = struct.Struct("<" + "BIqq" * CHUNK)


def packed_rows(past: bytes) -> int:
    """How many rows are packed."""
    return len(past) // _ROW.size


def row_of(past: bytes, rows: Sequence[Row], slot: int) -> Row:
    """The row of a step."""
    at = slot - len(past) // _ROW.size
    if at < 0:
        status, begun, began, ended = _ROW.unpack_from(past, slot * _ROW.size)
        return status, begun, began, ended
    return rows[at] if at < len(rows) else NEVER


def with_row(past: bytes, slot: int, row: Row) -> bytes:
    """The packed rows with another one of a step that is among them."""
    changed = bytearray(past)
    _ROW.pack_into(changed, slot * _ROW.size, *row)
    return bytes(changed)


def packed(past: bytes, rows: list[Row]) -> tuple[bytes, list[Row]]:
    """The packed rows and the open ones, once these are few enough."""
    while len(rows) >= OPEN_MAX:
        past, rows = past + _CHUNK.pack(*chain.from_iterable(rows[:CHUNK])), rows[CHUNK:]
    return past, rows
