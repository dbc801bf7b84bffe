"""The outcome table of an instance: a row for each step of its template, up to the last that was reached.

A row is four numbers: status, times begun, begun at, ended at. The last rows are open: tuples in a list, which cost
least to change. Those before them are packed, some in each chunk, which costs next to nothing to keep and to write. So
a step of the machine copies a few rows, however long the template is; and as some rows always stay open, it seldom has
to change one that is packed.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

Row: TypeAlias = tuple[int, int, int, int]

CHUNK: Final = 16
"""How many rows are packed at a time."""
OPEN_MAX: Final = 24
"""With so many open rows, the first of them are packed."""
NEVER: Final[Row] = (0, 0, 0, 0)
"""The row of a step that was not reached."""

# MessagePack, as all that is stored: writes many numbers in a quarter of the time that `struct` takes.
_pack: Final = msgspec.msgpack.Encoder().encode
unpacked: Final = msgspec.msgpack.Decoder(list[Row]).decode
"""The rows of a chunk."""


def rows_of(chunks: tuple[bytes, ...], rows: list[Row], count: int) -> list[Row]:
    """The rows of so many steps, the first ones."""
    reached = [row for chunk in chunks for row in unpacked(chunk)] + rows
    return reached + [NEVER] * (count - len(reached))


def with_chunks(chunks: tuple[bytes, ...], changed: dict[int, list[Row]]) -> tuple[bytes, ...]:
    """The chunks, with other rows in some of them, by their number."""
    found = list(chunks)
    for number, rows in changed.items():
        found[number] = _pack(rows)
    return tuple(found)


def packed(chunks: tuple[bytes, ...], rows: list[Row]) -> tuple[tuple[bytes, ...], list[Row]]:
    """The chunks and the open rows, once these are few enough."""
    count = max((len(rows) - OPEN_MAX) // CHUNK + 1, 0) * CHUNK
    return (*chunks, *(_pack(rows[at : at + CHUNK]) for at in range(0, count, CHUNK))), rows[count:]
