"""What an instance under way means by the numbers of operations and rows that are in its state."""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from dagger.plan import ops


def layout_of(table: Sequence[ops.Op]) -> int:
    """A checksum of what stands where. What can change under an instance is not in it: functions, types, times."""
    return crc32("\n".join(map(_line, table)).encode()) or 1


def _line(op: ops.Op) -> str:
    channel = op.channel if isinstance(op, ops.Listen) else ""
    return f"{type(op).__name__} {op.path} {op.slot} {op.next} {op.owner} {channel}"
