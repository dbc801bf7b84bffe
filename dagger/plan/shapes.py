"""How values on the edges of a workflow are stored: every value that crosses a wait is kept as bytes.

A shape says how the bytes of one edge become a value again. `Typed` holds what a function made, by its declared
type. The others are made of bytes that are stored already: a tag and a branch's bytes, a row of them, a failure.
`Mapped` stores nothing of its own: it is a pure function to be applied again at every load.

A shape is `frozen` when nothing can change its values in place; only then is a loaded value kept and shared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from dagger.codecs import TypeCodec
from dagger.dsl.values import Failure
from dagger.errors import DecodeError

_PACK: Final = msgspec.msgpack.Encoder()
_TAGGED: Final = msgspec.msgpack.Decoder(tuple[int, msgspec.Raw])
_ROW: Final = msgspec.msgpack.Decoder(list[msgspec.Raw])
_FAILED: Final = msgspec.msgpack.Decoder(tuple[msgspec.Raw, str, str])


class Shape:
    """How the values of one edge are stored and loaded.

    `name` is the type as people read it. `stored` says what the bytes are made of: shapes that store alike have the
    same. `frozen` says that no function can change a value in place. `guarded` says that a function may, and that its
    bytes would tell. `revive` gives the value that bytes stand for; it raises Unreadable, or what a `.then` function
    raises.
    """

    __slots__ = ("frozen", "guarded", "name", "revive", "stored")

    def __init__(
        self, name: str, stored: str, frozen: bool, revive: Callable[[bytes], Any], *, guarded: bool = False
    ) -> None:
        self.name = name
        self.stored = stored
        self.frozen = frozen
        self.revive = revive
        self.guarded = guarded


class Unreadable(DecodeError):
    """What is stored is no value of its type here: a release with another type has stored it."""


class Typed(Shape):
    """A value that a function made, stored by its declared type."""

    __slots__ = ("codec",)

    def __init__(self, codec: TypeCodec[Any]) -> None:
        super().__init__(codec.name, codec.name, codec.frozen, self._revive, guarded=not codec.frozen)
        self.codec = codec

    def _revive(self, raw: bytes) -> Any:
        try:
            return self.codec.decode(raw)
        except DecodeError as error:
            raise Unreadable(str(error)) from error


class Mapped(Shape):
    """A stored value seen through a pure function."""

    __slots__ = ("fn", "inner")

    def __init__(self, inner: Shape, fn: Callable[[Any], Any], name: str, frozen: bool) -> None:
        super().__init__(name, inner.stored, frozen, self._revive)
        self.inner = inner
        self.fn = fn

    def _revive(self, raw: bytes) -> Any:
        return self.fn(self.inner.revive(raw))


class Tagged(Shape):
    """The value of one of several branches, with the number of the branch."""

    __slots__ = ("options",)

    def __init__(self, options: Iterable[Shape]) -> None:
        self.options = tuple(options)
        name = " | ".join(dict.fromkeys(option.name for option in self.options))
        stored = f"({' | '.join(option.stored for option in self.options)})"
        super().__init__(name, stored, all(option.frozen for option in self.options), self._revive)

    def _revive(self, raw: bytes) -> Any:
        tag, inner = _TAGGED.decode(raw)
        return self.options[tag].revive(bytes(inner))


class Together(Shape):
    """The values of all branches, in the order written."""

    __slots__ = ("items",)

    def __init__(self, items: Iterable[Shape]) -> None:
        self.items = tuple(items)
        name = f"tuple[{', '.join(item.name for item in self.items)}]"
        stored = f"({' & '.join(item.stored for item in self.items)})"
        super().__init__(name, stored, all(item.frozen for item in self.items), self._revive)

    def _revive(self, raw: bytes) -> Any:
        return tuple(shape.revive(bytes(part)) for shape, part in zip(self.items, _ROW.decode(raw), strict=True))


class Many(Shape):
    """A list of values of one shape."""

    __slots__ = ("item",)

    def __init__(self, item: Shape) -> None:
        super().__init__(f"list[{item.name}]", f"[{item.stored}]", False, self._revive)
        self.item = item

    def _revive(self, raw: bytes) -> Any:
        return [self.item.revive(bytes(part)) for part in _ROW.decode(raw)]


class FailureShape(Shape):
    """A `Failure`: the input of what failed, the error's text and the path."""

    __slots__ = ("inner",)

    def __init__(self, inner: Shape) -> None:
        super().__init__(f"Failure[{inner.name}]", f"failure({inner.stored})", inner.frozen, self._revive)
        self.inner = inner

    def _revive(self, raw: bytes) -> Any:
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
