"""A mapping from numbers to very many values: to copy it, change a little and store it costs little.

The entries are kept in parts, by the higher bits of their numbers. Copies share their parts: a part is copied when it
is first changed, and the bytes of one that was not changed are those that were made of it before. It is stored as any
mapping is, and read as a `dict`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import Any, Final, Generic, Self, TypeVar, overload

import msgspec
from typing_extensions import override

V = TypeVar("V")

MANY: Final = 256
"""Above so many values a mapping is kept in parts."""
SHIFT: Final = 7
"""How many low bits of a number say where in its part it is: a part has 128 numbers."""


class Part(Generic[V]):
    """Some entries, and what was made of them."""

    __slots__ = ("children", "data", "entries", "facts")

    def __init__(self, entries: dict[int, V]) -> None:
        self.entries = entries
        self.data: bytes | None = None
        """The entries as they are stored, one after the other."""
        self.facts: Any = None
        """What is asked about the entries with every event."""
        self.children: Any = None
        """Which entries belong to which others."""


class InParts(MutableMapping[int, V]):
    """A mapping in parts. One that a state has is not changed any more: `copy` gives one that may be."""

    __slots__ = ("_count", "_own", "parts")

    def __init__(self, entries: Mapping[int, V]) -> None:
        self.parts = dict[int, Part[V]]()
        self._own = set[int]()
        """The parts that are no other's."""
        self._count = 0
        for number, value in entries.items():
            self[number] = value

    def copy(self) -> Self:
        """One that shares its parts."""
        copy = self.__class__({})
        copy.parts = self.parts.copy()
        copy._count = self._count
        return copy

    @override
    def __getitem__(self, number: int) -> V:
        part = self.parts.get(number >> SHIFT)
        if part is None:
            raise KeyError(number)
        return part.entries[number]

    @override
    def __setitem__(self, number: int, value: V) -> None:
        entries = self._changed(number >> SHIFT).entries
        self._count -= len(entries)
        entries[number] = value
        self._count += len(entries)

    @override
    def __delitem__(self, number: int) -> None:
        place = number >> SHIFT
        if place not in self.parts:
            raise KeyError(number)
        entries = self._changed(place).entries
        del entries[number]
        self._count -= 1
        if not entries:
            del self.parts[place]
            self._own.discard(place)

    @override
    def __iter__(self) -> Iterator[int]:
        for part in self.parts.values():
            yield from part.entries

    @override
    def __len__(self) -> int:
        return self._count

    def _changed(self, place: int) -> Part[V]:
        """A part that is going to be changed."""
        part = self.parts.get(place)
        if place not in self._own:
            part = self.parts[place] = Part({} if part is None else part.entries.copy())
            self._own.add(place)
        assert part is not None
        part.data = part.facts = part.children = None
        return part

    def stored(self) -> bytes:
        """The bytes that a `dict` of the same entries would have."""
        found = [_head_of_map(self._count)]
        for part in self.parts.values():
            if part.data is None:
                part.data = encode(part.entries)[len(_head_of_map(len(part.entries))) :]
            found.append(part.data)
        return b"".join(found)


class ManyTimed(InParts[V]):
    """The same of what may have timers."""

    __slots__ = ()

    def wakeup(self) -> tuple[int | None, bool]:
        """When the next timer is due, in microseconds (None if no timer runs), and whether a task runs."""
        raise NotImplementedError


class Fixed(Sequence[V]):
    """A sequence that never changes, and is stored many times."""

    __slots__ = ("_data", "_values")

    def __init__(self, values: tuple[V, ...]) -> None:
        self._values = values
        self._data: bytes | None = None

    @overload
    def __getitem__(self, index: int) -> V: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[V]: ...
    @override
    def __getitem__(self, index: int | slice) -> V | Sequence[V]:
        return self._values[index]

    @override
    def __len__(self) -> int:
        return len(self._values)

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)  # pyright: ignore[reportUnknownArgumentType]  # narrowed from object

    __hash__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # it is equal to lists

    def stored(self) -> bytes:
        """The bytes that a `tuple` of the same values would have."""
        if self._data is None:
            self._data = encode(self._values)
        return self._data


def _head_of_map(count: int) -> bytes:
    """How a map of so many entries begins (https://github.com/msgpack/msgpack/blob/master/spec.md#map-format-family)."""
    if count < 16:
        return bytes((0x80 | count,))
    return b"\xde" + count.to_bytes(2) if count < 0x1_0000 else b"\xdf" + count.to_bytes(4)


def _stored(value: Any) -> msgspec.Raw:
    if isinstance(value, InParts | Fixed):
        return msgspec.Raw(value.stored())
    raise TypeError(f"a {type(value).__name__} is not stored")


encode: Final = msgspec.msgpack.Encoder(enc_hook=_stored).encode
"""Encodes what is stored."""
