"""JSON of one type: checked as a stored value is, and for what JSON in particular can't say."""

from __future__ import annotations

import enum
import math
import types
from typing import Any

from dagger.errors import EncodeError, UnsupportedType

from ._codec import codec_of, decoder, encoder
from ._composer import form_of
from ._exact import compile_exact
from ._formats import JSON
from ._misfits import inside
from ._reading import shape_of
from ._shapes import Atom, Bounded, Choice, Shape, Table, is_evident, reachable

# How msgspec writes a float that is not finite: as a value, and as a key.
_INFINITE_MARKS = (b"null", b'nan"', b'inf"')


class JsonWire:
    """Writes and reads JSON."""

    __slots__ = ("_decode", "_encode", "_evident", "_has_floats", "_is_exact", "_settle", "_shape")

    def __init__(self, declared: Any) -> None:
        shape = self._shape = shape_of(declared)
        _refuse_keys(shape)
        form = form_of(shape, JSON)
        self._encode, self._decode = encoder(shape, form, JSON), decoder(shape, form, JSON)
        self._is_exact, self._settle = compile_exact(shape), codec_of(declared).settle
        self._evident = is_evident(shape)
        self._has_floats = any(isinstance(s, Atom) and s.cls is float for s in reachable(shape))

    def encode(self, value: Any, /) -> bytes:
        """The JSON of a value, which is first made what a reload of it gives."""
        certain = self._evident and self._is_exact(value)
        data = self._encode(value if certain else self._settle(value)[1])
        if self._has_floats and any(mark in data for mark in _INFINITE_MARKS):
            self._refuse_infinite(value)
        if not self._evident:
            self._read_back(data)
        return data

    def decode(self, data: bytes, /) -> Any:
        """The value; raises `DecodeError`."""
        return self._decode(data)

    def _refuse_infinite(self, value: Any) -> None:
        if (where := _infinite_at(self._shape, value, self._shape.name)) is not None:
            raise EncodeError(f"{where}: JSON has no NaN or infinity; use None, or the msgpack codec")

    def _read_back(self, data: bytes) -> None:
        """What a model writes for others it may not read itself, by its aliases for instance."""
        try:
            self._decode(data)
        except Exception as error:
            raise EncodeError(f"it can't be read back from JSON: {error}") from error


def _infinite_at(shape: Shape, value: Any, where: str) -> str | None:
    if isinstance(value, float) and not math.isfinite(value):
        return where
    found = (_infinite_at(*part) for part in inside(shape, value, where))
    return next((place for place in found if place is not None), None)


def _refuse_keys(shape: Shape) -> None:
    for table in reachable(shape):
        if isinstance(table, Table) and not _is_key(table.key):
            raise UnsupportedType(
                f"{table.name}: JSON has no keys of type {table.key.name}; use str keys, or the msgpack codec"
            )


def _key_value(value: object) -> object:
    return value.value if isinstance(value, enum.Enum) else value


def _is_key(shape: Shape) -> bool:
    """Whether the text of a key says which value it is; in `int | str`, `"1"` may be either."""
    match shape:
        case Atom():
            return shape.cls not in (bool, types.NoneType)
        case Choice():
            return {type(_key_value(value)) for value in shape.values} in ({str}, {int})
        case Bounded():
            return _is_key(shape.inner)
        case _:
            return False
