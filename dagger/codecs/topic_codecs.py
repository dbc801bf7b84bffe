"""The codecs of topics: the form in which messages travel between systems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

from dagger.codecs.codec import TypeCodec, codec_of
from dagger.codecs.json_codec import BoundJson
from dagger.codecs.names import erased, type_name
from dagger.errors import EncodeError, UnsupportedType


class BoundCodec(Protocol):
    """A codec bound to the type of a topic.

    * `encode(value)` returns the bytes to publish; it raises `EncodeError` if the type does not allow the
      value
    * `decode(data)` returns the value; for anything but bytes of a value of the type it raises only
      `DecodeError`, which says what is wrong and where (`$.total`)
    """

    def encode(self, value: Any, /) -> bytes:
        """The bytes of a value."""
        ...

    def decode(self, data: bytes, /) -> Any:
        """The value of the bytes."""
        ...


class Codec(Protocol):
    """The format of the messages of a topic: any hashable object with these members, the same for every type.

    * `name` is its name for people
    * `bind(type)` returns the codec of one type; it raises `UnsupportedType`
    """

    @property
    def name(self) -> str:
        """Its name for people."""
        ...

    def bind(self, declared: Any, /) -> BoundCodec:
        """The codec of one type."""
        ...


@dataclass(frozen=True, slots=True)
class _Json:
    """JSON text; NaN and infinity are refused. Binding refuses dict keys that JSON can't tell apart."""

    name: str = "json"

    def bind(self, declared: Any, /) -> BoundCodec:
        return BoundJson(declared)


@dataclass(frozen=True, slots=True)
class _Msgpack:
    """MessagePack, in the form in which values are stored."""

    name: str = "msgpack"

    def bind(self, declared: Any, /) -> BoundCodec:
        return _BoundMsgpack(codec_of(declared))


@dataclass(frozen=True, slots=True)
class _Raw:
    """Unchanged bytes; the type is bytes."""

    name: str = "raw"

    def bind(self, declared: Any, /) -> BoundCodec:
        if erased(declared) is not bytes:
            raise UnsupportedType(f"{type_name(declared)}: the raw codec takes bytes; declare bytes")
        return _BoundRaw()


class _BoundMsgpack:
    """Publishes a value in its stored form."""

    __slots__ = ("_codec",)

    def __init__(self, codec: TypeCodec[Any]) -> None:
        self._codec = codec

    def encode(self, value: Any, /) -> bytes:
        return self._codec.round_trip(value)[0]

    def decode(self, data: bytes, /) -> Any:
        return self._codec.decode(data)


class _BoundRaw:
    """Bytes as they are."""

    __slots__ = ()

    def encode(self, value: Any, /) -> bytes:
        if not isinstance(value, bytes):
            raise EncodeError(f"declared bytes, got {type_name(type(value))}")
        return bytes(value)

    def decode(self, data: bytes, /) -> Any:
        return bytes(data)


json: Final[Codec] = _Json()
msgpack: Final[Codec] = _Msgpack()
raw: Final[Codec] = _Raw()
