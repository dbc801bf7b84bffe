"""Topics: a name, the type of the messages, their key, and their codec."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeAlias, overload

from typing_extensions import TypeVar, override

from dagger import codecs
from dagger.dsl.functions import Fn, fn_of
from dagger.errors import TemplateError, UnsupportedType

M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)
M_contra = TypeVar("M_contra", contravariant=True)
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")

Class: TypeAlias = type[M]
"""`type[M]`, under a name that the attribute `type` of a topic does not hide."""

__all__ = ["Accepts", "Carries", "Topic"]


class Carries(Protocol[M_co]):
    """A topic as a listener sees it: it may give a narrower type than `M_co`."""

    def _carries(self) -> M_co: ...


class Accepts(Protocol[M_contra]):
    """A topic as a command sees it: it may accept a wider type than `M_contra`."""

    def _accepts(self, message: M_contra, /) -> None: ...


def checked_topic_name(name: object) -> str:
    """The name of a topic. Raises TemplateError."""
    if not isinstance(name, str) or not name.strip():
        raise TemplateError(f"topic: its name is {name!r}; give it the broker's name of the topic")
    if "/" in name or not name.isprintable():
        raise TemplateError(f"topic {name!r}: a topic's name holds no '/' and no control character; use another")
    return name


class Topic(Generic[M]):
    """A stream of messages of one type.

    `name` is the topic's name at the broker. `type` is the class of its messages, or a tuple of classes for a topic
    that carries several. `key` computes the key (or keys) of a message, by which it is matched to listeners. The first
    key is also the partition key, unless `partition_key` computes another one. `codec` encodes and decodes payloads
    (JSON by default). Keys are text; `encode_key` turns a key of another type into text.

    Raises TemplateError (UnsupportedType) if no codec can write the type.
    """

    __slots__ = ("_hash", "codec", "encode_key", "key", "name", "partition_key", "type", "wire")

    name: str
    type: Any
    key: Fn
    partition_key: Fn | None
    encode_key: Callable[[Any], str] | None
    codec: codecs.Codec
    wire: codecs.BoundCodec
    _hash: int

    @overload
    def __init__(
        self,
        name: str,
        type: Class[M],
        key: Callable[[M], object],
        *,
        codec: codecs.Codec = ...,
        partition_key: Callable[[M], object] | None = ...,
        encode_key: Callable[[Any], str] | None = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: Topic[T1 | T2],
        name: str,
        type: tuple[Class[T1], Class[T2]],
        key: Callable[[T1 | T2], object],
        *,
        codec: codecs.Codec = ...,
        partition_key: Callable[[T1 | T2], object] | None = ...,
        encode_key: Callable[[Any], str] | None = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: Topic[T1 | T2 | T3],
        name: str,
        type: tuple[Class[T1], Class[T2], Class[T3]],
        key: Callable[[T1 | T2 | T3], object],
        *,
        codec: codecs.Codec = ...,
        partition_key: Callable[[T1 | T2 | T3], object] | None = ...,
        encode_key: Callable[[Any], str] | None = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: Topic[T1 | T2 | T3 | T4],
        name: str,
        type: tuple[Class[T1], Class[T2], Class[T3], Class[T4]],
        key: Callable[[T1 | T2 | T3 | T4], object],
        *,
        codec: codecs.Codec = ...,
        partition_key: Callable[[T1 | T2 | T3 | T4], object] | None = ...,
        encode_key: Callable[[Any], str] | None = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: Topic[T1 | T2 | T3 | T4 | T5],
        name: str,
        type: tuple[Class[T1], Class[T2], Class[T3], Class[T4], Class[T5]],
        key: Callable[[T1 | T2 | T3 | T4 | T5], object],
        *,
        codec: codecs.Codec = ...,
        partition_key: Callable[[T1 | T2 | T3 | T4 | T5], object] | None = ...,
        encode_key: Callable[[Any], str] | None = ...,
    ) -> None: ...
    def __init__(
        self,
        name: Any,
        type: Any,
        key: Callable[[Any], object],
        *,
        codec: codecs.Codec = codecs.json,
        partition_key: Callable[[Any], object] | None = None,
        encode_key: Callable[[Any], str] | None = None,
    ) -> None:
        put = object.__setattr__
        put(self, "name", checked_topic_name(name))
        put(self, "type", _union(type) if isinstance(type, tuple) else type)
        put(self, "key", fn_of(key, f"key of topic {name!r}"))
        put(self, "partition_key", None if partition_key is None else fn_of(partition_key, f"topic {name!r}"))
        put(self, "encode_key", encode_key)
        put(self, "codec", codec)
        put(self, "wire", self._bind())
        put(self, "_hash", hash((name, self.key)))

    def _carries(self) -> M:
        """For checkers, and never called: see `Carries`."""
        raise NotImplementedError

    def _accepts(self, message: M, /) -> None:
        """For checkers, and never called: see `Accepts`."""
        raise NotImplementedError

    def _bind(self) -> codecs.BoundCodec:
        try:
            return self.codec.bind(self.type)
        except UnsupportedType as error:
            raise UnsupportedType(f"topic '{self.name}': {error}") from None

    @override
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"topic '{self.name}' is a value and cannot be changed; make another")

    @override
    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"topic '{self.name}' is a value and cannot be changed; make another")

    @override
    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return isinstance(other, Topic) and self._parts() == other._parts()

    @override
    def __hash__(self) -> int:
        return self._hash

    @override
    def __repr__(self) -> str:
        return f"Topic({self.name!r}, {codecs.type_name(self.type)})"

    def _parts(self) -> tuple[object, ...]:
        return (self.name, self.type, self.key, self.partition_key, self.encode_key, self.codec)


def _union(members: Any) -> Any:
    union = members[0]
    for member in members[1:]:
        union = union | member
    return union
