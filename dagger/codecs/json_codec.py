"""JSON of one type: validated like a stored value, and for what JSON can't represent."""

from __future__ import annotations

import datetime as dt
import enum
import math
import types
from collections.abc import Callable
from typing import Any, TypeAlias

from dagger.codecs.codec import codec_of, decoder, encoder
from dagger.codecs.composer import forms_of
from dagger.codecs.exact import compile_exact, compile_kept
from dagger.codecs.formats import JSON
from dagger.codecs.introspection import shape_of
from dagger.codecs.mismatches import inside
from dagger.codecs.shapes import (
    AtomShape,
    ChoiceShape,
    ConstrainedShape,
    MappingShape,
    TypeShape,
    has_moments,
    is_evident,
    reachable,
)
from dagger.codecs.time_zones import wire_fault
from dagger.errors import EncodeError, UnsupportedType

Fault: TypeAlias = Callable[[Any], str | None]

# How msgspec writes a float that is not finite: as a value, and as a key.
_INFINITE_MARKS = (b"null", b'nan"', b'inf"')


class BoundJson:
    """Writes and reads JSON."""

    __slots__ = (
        "_decode",
        "_encode",
        "_evident",
        "_has_floats",
        "_has_moments",
        "_is_exact",
        "_is_kept",
        "_round_trip",
        "_shape",
    )

    def __init__(self, declared: Any) -> None:
        shape = self._shape = shape_of(declared)
        _refuse_keys(shape)
        forms = forms_of(shape, JSON)
        self._encode, self._decode = encoder(shape, forms, JSON), decoder(shape, forms, JSON)
        self._is_exact, self._round_trip = compile_exact(shape), codec_of(declared).round_trip
        self._evident, self._has_moments = is_evident(shape), has_moments(shape)
        self._is_kept = compile_kept(shape) if self._evident and self._has_moments else _never
        self._has_floats = any(isinstance(s, AtomShape) and s.cls is float for s in reachable(shape))

    def encode(self, value: Any, /) -> bytes:
        """The JSON of a value, which first goes through a round trip."""
        certain = self._evident and self._is_exact(value)
        reloaded = value if certain or self._is_kept(value) else self._round_trip(value)[1]
        if self._has_moments and not certain:
            self._refuse(reloaded, _moment_fault)
        data = self._encode(reloaded)
        if self._has_floats and any(mark in data for mark in _INFINITE_MARKS):
            self._refuse(value, _infinite)
        if not self._evident:
            self._read_back(data)
        return data

    def decode(self, data: bytes, /) -> Any:
        """The value; raises `DecodeError`."""
        return self._decode(data)

    def _refuse(self, value: Any, fault: Fault) -> None:
        if (found := _fault_at(self._shape, value, self._shape.name, fault)) is not None:
            raise EncodeError(found)

    def _read_back(self, data: bytes) -> None:
        """Check that a model can read what it writes: it may not, for example because of its aliases."""
        try:
            self._decode(data)
        except Exception as error:
            raise EncodeError(f"it can't be read back from JSON: {error}") from error


def _never(_: Any) -> bool:
    return False


def _fault_at(shape: TypeShape, value: Any, where: str, fault: Fault) -> str | None:
    """The part of a value that JSON can't represent, with its path."""
    if (why := fault(value)) is not None:
        return f"{where}: {why}"
    found = (_fault_at(*part, fault) for part in inside(shape, value, where))
    return next((why for why in found if why is not None), None)


def _infinite(value: Any) -> str | None:
    is_finite = not isinstance(value, float) or math.isfinite(value)
    return None if is_finite else "JSON has no NaN or infinity; use None, or the msgpack codec"


def _moment_fault(value: Any) -> str | None:
    why = wire_fault(value) if isinstance(value, dt.datetime | dt.time) else None
    return None if why is None else f"{value!r} {why}"


def _refuse_keys(shape: TypeShape) -> None:
    for table in reachable(shape):
        if isinstance(table, MappingShape) and not _is_key(table.key):
            raise UnsupportedType(
                f"{table.name}: JSON has no keys of type {table.key.name}; use str keys, or the msgpack codec"
            )


def _key_value(value: object) -> object:
    return value.value if isinstance(value, enum.Enum) else value


def _is_key(shape: TypeShape) -> bool:
    """Whether the text of a key determines its value; in `int | str`, `"1"` may be either."""
    match shape:
        case AtomShape():
            return shape.cls not in (bool, types.NoneType)
        case ChoiceShape():
            return {type(_key_value(value)) for value in shape.values} in ({str}, {int})
        case ConstrainedShape():
            return _is_key(shape.inner)
        case _:
            return False
