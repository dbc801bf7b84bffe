"""The outcome table of an instance: a row for each step of its template, up to the last that was reached.

A row is four numbers: status, times begun, begun at, ended at, packed into 21 bytes. The last rows, up to one and a
half chunks, are one `bytes` value, and each chunk before them is another. So a step of the machine copies some
hundred bytes, however long the template is, and the table is kept as it is written.
"""

from __future__ import annotations

import struct
from typing import Final, TypeAlias

Row: TypeAlias = tuple[int, int, int, int]

CHUNK: Final = 16
"""How many rows a chunk has."""
WIDTH: Final = 21
"""How many bytes a row has."""
SIZE: Final = CHUNK * WIDTH
"""How many bytes a chunk has."""
FULL: Final = SIZE + SIZE // 2
"""How many bytes of rows are too many. A step that waits has its row among the last ones when it ends: these are the
cheaper ones to change, so that half a chunk of them is left. Below 512 bytes CPython allocates fastest."""
ENDED: Final = 13
"""Where in a row the time is at which the step ended."""
NEVER: Final = bytes(WIDTH)
"""The row of a step that was not reached."""

_ROW: Final = struct.Struct("<BIqq")
pack: Final = _ROW.pack
"""A row of its four numbers."""


def row_of(chunks: tuple[bytes, ...], rows: bytes | bytearray, slot: int) -> Row:
    """The row of a step."""
    at = (slot - len(chunks) * CHUNK) * WIDTH
    if at < 0:
        status, begun, began, ended = _ROW.unpack_from(chunks[slot // CHUNK], slot % CHUNK * WIDTH)
    elif at < len(rows):
        status, begun, began, ended = _ROW.unpack_from(rows, at)
    else:
        return 0, 0, 0, 0
    return status, begun, began, ended


def with_row(chunks: tuple[bytes, ...], slot: int, row: bytes) -> tuple[bytes, ...]:
    """The chunks with another row of a step that is in one of them."""
    number, place = divmod(slot, CHUNK)
    chunk, at = chunks[number], place * WIDTH
    return (*chunks[:number], chunk[:at] + row + chunk[at + WIDTH :], *chunks[number + 1 :])


def split(chunks: tuple[bytes, ...], rows: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """The chunks and the rows, once those that are too many are chunks."""
    while len(rows) >= FULL:
        chunks, rows = (*chunks, rows[:SIZE]), rows[SIZE:]
    return chunks, rows
