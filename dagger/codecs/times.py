"""Times and their zones, where msgspec alone would change them.

msgspec stores an aware datetime as an instant in UTC, and reads RFC 3339. So times in UTC or without a zone are left to
it, and any other time is a text:

* `2030-03-30T09:00:00+02:00`: a fixed offset, with seconds where it has some
* `2030-03-30T09:00:00[Europe/Berlin]`: the clock of a zone, by its name. The offset is left out: the clock is what was
  meant, also after the rules of the zone have changed
* `2030-10-27T02:30:00[Europe/Berlin][fold=1]`: the second of two moments that the clock shows

A JSON message is for other systems, which know RFC 3339: it has the offset and no name, as msgspec writes it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast
from zoneinfo import ZoneInfo

import msgspec

from dagger.codecs.forms import Form, Misread
from dagger.codecs.names import type_name
from dagger.codecs.time_zones import Moment, name_of, offset_text

MomentForm: TypeAlias = Callable[[type[Any]], Form]

_MARKED: Final = re.compile(r"([^\[]+)(?:\[([^\]=]+)\])?(\[fold=1\])?")
_IS_ZONED: Final = re.compile(rb"\d\d:\d\d:\d\d(\.\d+)?[\[+-]")
_FINE_OFFSET: Final = re.compile(r"(.*)([+-])(\d\d):(\d\d):(\d\d)(?:\.(\d{6}))?", re.ASCII)


def stored(cls: type[Any]) -> Form:
    """The stored form of a time, which keeps its zone."""
    read = _read_datetime if cls is dt.datetime else _read_time
    return Form(Any, _dump, read)


def has_zones(data: bytes) -> bool:
    """Whether the bytes seem to contain a time with a zone."""
    return _IS_ZONED.search(data) is not None


def _dump(value: Moment) -> Any:
    zone = value.tzinfo
    if zone is dt.UTC or (zone is None and not value.fold):
        return value
    fold = "[fold=1]" if value.fold else ""
    if zone is None:
        return f"{_clock(value)}{fold}"
    name = name_of(zone)
    if name is not None:
        return f"{_clock(value)}[{name}]{fold}"
    return _clock(value) + offset_text(value.utcoffset())


def _clock(value: Moment) -> str:
    """The clock of a time, formatted by the plain class: a subclass may format itself differently."""
    plain = value.replace(tzinfo=None)
    return dt.datetime.isoformat(plain) if isinstance(plain, dt.datetime) else dt.time.isoformat(plain)


def _read_datetime(read: Any) -> dt.datetime:
    if isinstance(read, dt.datetime):
        return read
    clock, zone, fold = _parts(read, dt.datetime)
    if zone is None and not fold and not _FINE_OFFSET.fullmatch(clock):
        return msgspec.convert(clock, dt.datetime)
    return cast("dt.datetime", _marked(_read_clock(dt.datetime, clock), zone, fold))


def _read_time(read: Any) -> dt.time:
    clock, zone, fold = _parts(read, dt.time)
    if zone is None and not fold and not _FINE_OFFSET.fullmatch(clock):
        return msgspec.convert(clock, dt.time)
    return cast("dt.time", _marked(_read_clock(dt.time, clock), zone, fold))


def _read_clock(cls: type[Any], clock: str) -> Any:
    """A clock with its offset. Python reads an offset of less than a second as UTC, so fine offsets are read here."""
    found = _FINE_OFFSET.fullmatch(clock)
    if found is None:
        return cls.fromisoformat(clock)
    plain, sign, hours, minutes, seconds, micros = found.groups()
    offset = dt.timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds), microseconds=int(micros or 0))
    return cls.fromisoformat(plain).replace(tzinfo=dt.timezone(-offset if sign == "-" else offset))


def _parts(read: Any, cls: type[Any]) -> tuple[str, ZoneInfo | None, int]:
    """The clock of a text, its zone, and its fold."""
    found = _MARKED.fullmatch(read) if isinstance(read, str) else None
    if found is None:
        raise Misread(f"Expected a {cls.__name__}, got {type_name(type(read))}")
    clock, name, fold = found.groups()
    return clock, None if name is None else zone_of(name), 1 if fold else 0


def _marked(clock: Any, zone: ZoneInfo | None, fold: int) -> Any:
    if zone is not None and clock.tzinfo is not None:
        raise Misread("Expected a time with an offset or a zone, got one with both")
    return clock.replace(fold=fold) if zone is None else clock.replace(tzinfo=zone, fold=fold)


def zone_of(name: str) -> ZoneInfo:
    """The zone with a name; raises `Misread` if this machine does not know it."""
    try:
        return ZoneInfo(name)
    except Exception:  # ZoneInfoNotFoundError, or other errors for invalid names
        raise Misread(
            f"the time zone '{name}' is not known on this machine; install its tzdata, or run `pip install tzdata`"
        ) from None
