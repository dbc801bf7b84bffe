"""How values on the edges of a workflow are stored: every value that crosses a wait is kept as bytes.

A shape says how the bytes of one edge become a value again. `Typed` holds what a function made, by its declared
type. The others are made of bytes that are stored already: a tag and a branch's bytes, a row of them, a failure.
`Mapped` stores nothing of its own: it is a pure function to be applied again at every load.

A shape is `frozen` when nothing can change its values in place; only then is a loaded value kept and shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

import msgspec

from dagger.codecs import TypeCodec
from dagger.dsl.values import Failure

_PACK: Final = msgspec.msgpack.Encoder()
_TAGGED: Final = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw])
_ROW: Final = msgspec.msgpack.Decoder(list[msgspec.Raw])
_FAILED: Final = msgspec.msgpack.Decoder(tuple[msgspec.Raw, str, str])


class Shape(Protocol):
    """How the values of one edge are stored and loaded."""

    @property
    def name(self) -> str:
        """The type as people read it."""
        ...

    @property
    def frozen(self) -> bool:
        """Whether no function can change a value in place."""
        ...

    def revive(self, raw: bytes) -> Any:
        """The value that the bytes stand for. Raises DecodeError, or what a `.then` function raises."""
        ...


class Typed:
    """A value that a function made, stored by its declared type."""

    __slots__ = ("codec", "frozen", "name", "revive")

    def __init__(self, codec: TypeCodec[Any]) -> None:
        self.codec = codec
        self.name = codec.name
        self.frozen = codec.frozen
        self.revive: Callable[[bytes], Any] = codec.decode


class Mapped:
    """A stored value seen through a pure function."""

    __slots__ = ("fn", "frozen", "inner", "name")

    def __init__(self, inner: Shape, fn: Callable[[Any], Any], name: str, frozen: bool) -> None:
        self.inner = inner
        self.fn = fn
        self.name = name
        self.frozen = frozen

    def revive(self, raw: bytes) -> Any:
        return self.fn(self.inner.revive(raw))


class Tagged:
    """The value of one of several branches, with the number of the branch."""

    __slots__ = ("frozen", "name", "options")

    def __init__(self, options: Iterable[Shape]) -> None:
        self.options = tuple(options)
        self.frozen = all(option.frozen for option in self.options)
        self.name = " | ".join(dict.fromkeys(option.name for option in self.options))

    def revive(self, raw: bytes) -> Any:
        tag, inner = _TAGGED.decode(raw)
        return self.options[tag].revive(bytes(inner))


class Together:
    """The values of all branches, in the order written."""

    __slots__ = ("frozen", "items", "name")

    def __init__(self, items: Iterable[Shape]) -> None:
        self.items = tuple(items)
        self.frozen = all(item.frozen for item in self.items)
        self.name = f"tuple[{', '.join(item.name for item in self.items)}]"

    def revive(self, raw: bytes) -> Any:
        return tuple(shape.revive(bytes(part)) for shape, part in zip(self.items, _ROW.decode(raw), strict=True))


class Many:
    """A list of values of one shape."""

    __slots__ = ("item", "name")

    frozen: Final = False

    def __init__(self, item: Shape) -> None:
        self.item = item
        self.name = f"list[{item.name}]"

    def revive(self, raw: bytes) -> Any:
        return [self.item.revive(bytes(part)) for part in _ROW.decode(raw)]


class Failed:
    """A `Failure`: the input of what failed, the error's text and the path."""

    __slots__ = ("frozen", "inner", "name")

    def __init__(self, inner: Shape) -> None:
        self.inner = inner
        self.frozen = inner.frozen
        self.name = f"Failure[{inner.name}]"

    def revive(self, raw: bytes) -> Any:
        inner, error, path = _FAILED.decode(raw)
        return Failure(self.inner.revive(bytes(inner)), error, path)


def tagged(tag: int, raw: bytes) -> bytes:
    """The bytes of a `Tagged` value."""
    return _PACK.encode((tag, msgspec.Raw(raw)))


def row(raws: Iterable[bytes]) -> bytes:
    """The bytes of a `Together` or `Many` value."""
    return _PACK.encode([msgspec.Raw(raw) for raw in raws])


def failed(raw: bytes, error: str, path: str) -> bytes:
    """The bytes of a `Failed` value."""
    return _PACK.encode((msgspec.Raw(raw), error, path))
