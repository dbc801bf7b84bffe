"""The two formats, MessagePack and JSON, as msgspec writes and reads them."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from dagger.codecs.times import MomentForm, stored

Load = Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Format:
    """A format: `decoder` makes a function that reads bytes of one type, strictly.

    JSON that others write is read as a `text`: `embed` makes that of JSON, and `extract` JSON of that.
    `by_alias` says whether pydantic's fields go by their aliases, as other systems know them. `moments` makes the form
    of times; None leaves them to msgspec, which keeps only those in UTC and those without a zone. `zoned` is the same
    format for all times: what is not exact is written in it, and what msgspec alone can't read is read in it.
    """

    encode: Callable[[Any], bytes]
    decoder: Callable[[Any], Load]
    text: Any
    embed: Callable[[bytes], Any]
    extract: Callable[[Any], bytes]
    by_alias: bool
    moments: MomentForm | None = None
    zoned: Format | None = None


def plain(value: Any) -> Any:
    """A value of a subclass as one of the class, since msgspec writes only that."""
    for cls, make in PLAIN.items():
        if isinstance(value, cls):
            return make(value)
    raise TypeError(f"values of type {type(value).__qualname__} can't be stored")


def _plain_datetime(value: dt.datetime) -> dt.datetime:
    day = value.year, value.month, value.day
    time = value.hour, value.minute, value.second, value.microsecond
    return dt.datetime(*day, *time, tzinfo=value.tzinfo, fold=value.fold)


def _plain_time(value: dt.time) -> dt.time:
    return dt.time(value.hour, value.minute, value.second, value.microsecond, value.tzinfo, fold=value.fold)


# A datetime is a date too, and so comes first.
PLAIN: dict[type, Callable[[Any], Any]] = {
    str: lambda value: str.__str__(value),
    int: lambda value: int.__int__(value),
    float: lambda value: float.__float__(value),
    bytes: lambda value: bytes.__getitem__(value, slice(None)),
    dt.datetime: _plain_datetime,
    dt.date: lambda value: dt.date(value.year, value.month, value.day),
    dt.time: _plain_time,
    dt.timedelta: lambda value: dt.timedelta(value.days, value.seconds, value.microseconds),
    decimal.Decimal: decimal.Decimal,
}

_MSGPACK = Format(
    encode=msgspec.msgpack.Encoder(enc_hook=plain).encode,
    decoder=lambda declared: msgspec.msgpack.Decoder(declared).decode,
    text=str,
    embed=bytes.decode,
    extract=str.encode,
    by_alias=False,
)
JSON = Format(
    encode=msgspec.json.Encoder(enc_hook=plain).encode,
    decoder=lambda declared: msgspec.json.Decoder(declared).decode,
    text=msgspec.Raw,
    embed=msgspec.Raw,
    extract=bytes,
    by_alias=True,
)
MSGPACK: Final = replace(_MSGPACK, zoned=replace(_MSGPACK, moments=stored))
