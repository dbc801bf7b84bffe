"""Compares values by their meaning, whatever bytes they were stored as.

Bytes are too strict. Sets and mappings have no order; `Decimal("1.0")` equals `Decimal("1.00")`; a moment is the same
in every zone; and a value that was stored before a field with a default was added lacks that field. So stored values
are loaded first. A value of another type is another value, and NaN is the same as NaN.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
from collections.abc import Callable, Hashable, Mapping
from decimal import Decimal
from typing import Any, Final

from dagger.codecs.shapes import RecordShape, TypeShape, reachable

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_NAN: Final = "nan"


def sameness(shape: TypeShape, decode: Callable[[bytes], Any]) -> Callable[[bytes, bytes], bool]:
    """Whether two stored values of a type mean the same; bytes that can't be read must be equal."""
    records = [part for part in reachable(shape) if isinstance(part, RecordShape) and part.cls is not dict]
    fields = {part.cls: tuple(field.name for field in part.fields) for part in records}

    def means_same(one: bytes, other: bytes) -> bool:
        if one == other:
            return True
        try:
            return _meaning(fields, decode(one)) == _meaning(fields, decode(other))
        except Exception:  # a DecodeError, an error of a user's class, or a value that is nested too deeply
            return False

    return means_same


def _meaning(fields: Mapping[type[Any], tuple[str, ...]], value: Any) -> Hashable:
    kind: type[Any] = type(value)  # pyright: ignore[reportUnknownVariableType]  # whatever users store
    names = fields.get(kind)
    if names is not None:
        return kind, *[_meaning(fields, getattr(value, name)) for name in names]
    if kind in _PLAIN:
        return kind, _PLAIN[kind](value)
    if kind is list or kind is tuple:
        return kind, *[_meaning(fields, item) for item in value]
    if kind is set or kind is frozenset:
        return kind, frozenset([_meaning(fields, item) for item in value])
    if kind is dict:
        return kind, frozenset([(_meaning(fields, key), _meaning(fields, item)) for key, item in value.items()])
    if isinstance(value, enum.Enum):
        return kind, value.name or value.value
    if hasattr(kind, "__pydantic_validator__"):
        extra: dict[str, Any] = getattr(value, "__pydantic_extra__", None) or {}
        return kind, _meaning(fields, {**vars(value), **extra})
    if dataclasses.is_dataclass(kind):  # inside a value that only pydantic knows
        return kind, *[_meaning(fields, getattr(value, field.name)) for field in dataclasses.fields(kind)]
    return kind, value


def _number(value: Any) -> Hashable:
    return value if value == value else _NAN


def _decimal(value: Decimal) -> Hashable:
    return _NAN if value.is_nan() else value


def _moment(value: dt.datetime) -> Hashable:
    return value.replace(fold=0) if value.utcoffset() is None else (value - _EPOCH,)


def _clock_time(value: dt.time) -> Hashable:
    passed = dt.timedelta(hours=value.hour, minutes=value.minute, seconds=value.second, microseconds=value.microsecond)
    offset = value.utcoffset()
    return passed if offset is None else (passed - offset,)


_PLAIN: Final[dict[type[Any], Callable[[Any], Hashable]]] = {
    float: _number,
    Decimal: _decimal,
    dt.datetime: _moment,
    dt.time: _clock_time,
}
