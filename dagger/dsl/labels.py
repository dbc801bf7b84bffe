"""How values and durations are written in paths and drawings."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from typing import Any

from dagger.codecs import type_name


def case_label(value: object) -> str:
    """The segment of a path for a case of a switch."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return str(value)


def member_label(member: Any) -> str:
    """The segment of a path for a case of a match: the name of a type."""
    return type_name(member)


def short(pause: timedelta) -> str:
    """A duration in short form: `2h30m`, `3d`, `1.5s`."""
    micros = round(pause / timedelta(microseconds=1))
    parts = list[str]()
    for unit, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000)):
        count, micros = divmod(micros, size)
        if count:
            parts.append(f"{count}{unit}")
    if micros or not parts:
        parts.append(f"{micros // 1_000_000}.{micros % 1_000_000:06d}".rstrip("0").rstrip(".") + "s")
    return "".join(parts)
