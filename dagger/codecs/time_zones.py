"""The zones of times: which can be stored, and which JSON can represent."""

from __future__ import annotations

import datetime as dt
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo

from dagger.codecs.names import type_name

Moment: TypeAlias = dt.datetime | dt.time

_MINUTE: Final = dt.timedelta(minutes=1)


def zone_fault(value: Moment) -> str | None:
    """Why the zone of a time can't be stored: only a `ZoneInfo` has a name by which it is found again."""
    zone = value.tzinfo
    if zone is None or isinstance(zone, dt.timezone) or name_of(zone) or _is_fixed(zone):
        return None
    if isinstance(zone, ZoneInfo):
        return "whose zone has no name; give ZoneInfo.from_file(..., key=...) the name of the zone"
    return (
        f"whose zone is a {type(zone).__module__}.{type_name(type(zone))}, which has no name to be found by again; "
        "use zoneinfo.ZoneInfo('Area/City'), or a fixed offset"
    )


def name_of(zone: dt.tzinfo) -> str | None:
    """The name of a zone of the time zone database."""
    return zone.key or None if isinstance(zone, ZoneInfo) else None


def is_found_again(zone: dt.tzinfo | None) -> bool:
    """Whether looking up the name of a zone returns the same zone."""
    return type(zone) is ZoneInfo and bool(zone.key) and ZoneInfo(zone.key) is zone


def _is_fixed(zone: dt.tzinfo) -> bool:
    """Whether a zone has one offset for all times, which it then returns without a time."""
    try:
        return zone.utcoffset(None) is not None
    except Exception:  # a class that does not support this
        return False


def wire_fault(value: Moment) -> str | None:
    """Why JSON can't represent a time: its offsets have whole minutes only."""
    if value.tzinfo is None:
        return "has fold=1; give it a zone" if value.fold else None
    offset = value.utcoffset()
    if offset is None:
        return "is in a zone without a date, and so has no offset; use a fixed offset, or the msgpack codec"
    if offset % _MINUTE:
        return f"has the offset {offset_text(offset)}, and JSON has whole minutes; use .astimezone(UTC)"
    return None


def offset_text(offset: dt.timedelta | None) -> str:
    """An offset as RFC 3339 writes it, with seconds where it has some."""
    if offset is None:
        raise TypeError("its zone gives no offset")
    return dt.time(tzinfo=dt.timezone(offset)).isoformat().removeprefix("00:00:00")
