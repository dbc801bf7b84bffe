"""How values of one static type are checked, stored and loaded."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Generic, TypeVar, overload

import msgspec
from typing_extensions import override

from dagger.codecs.composer import Forms, forms_of
from dagger.codecs.equality import sameness
from dagger.codecs.exact import RoundTrip, compile_encode, compile_exact, compile_kept, compile_round_trip
from dagger.codecs.formats import MSGPACK, Format
from dagger.codecs.forms import Form, Misread, misread
from dagger.codecs.introspection import shape_of
from dagger.codecs.mismatches import mismatch
from dagger.codecs.shapes import TypeShape, has_sets, is_evident, is_frozen
from dagger.codecs.times import has_zones
from dagger.errors import DecodeError, EncodeError

T = TypeVar("T")


class TypeCodec(Generic[T]):
    """The codec of one static type, as MessagePack.

    * `type`: the type as it was declared
    * `name`: its readable name, `Order` or `int | str`, the same however a union was written
    * `frozen`: whether its values are immutable all the way down
    * `encode(value)`: its bytes, the same for the same unchanged value. The value is not checked;
      raises `EncodeError` for a value that can't be encoded
    * `decode(data)`: the value; raises `DecodeError` for anything but bytes of a value of the type
    * `means_same(one, other)`: whether the bytes of two values mean the same, for example if a set was written in
      another order; bytes that can't be read must be equal
    * `round_trip(value)`: the bytes and the value that a reload would give, not aliased to the given one if
      that can change. `encode` of that value gives those bytes. Raises `EncodeError` if the type does
      not allow the value

    A subclass of a plain class (str, int, dict...) becomes that class, and a zone that is not a `ZoneInfo` becomes its
    offset.
    """

    __slots__ = ("decode", "encode", "frozen", "means_same", "name", "round_trip", "type")

    type: Any
    name: str
    frozen: bool
    encode: Callable[[T], bytes]
    decode: Callable[[bytes], T]
    means_same: Callable[[bytes, bytes], bool]
    round_trip: Callable[[T], tuple[bytes, T]]

    def __init__(self, declared: Any) -> None:
        shape = shape_of(declared)
        forms = forms_of(shape, MSGPACK)
        self.type, self.name, self.frozen = declared, shape.name, is_frozen(shape)
        self.encode = encoder(shape, forms, MSGPACK)
        self.decode = decoder(shape, forms, MSGPACK)
        self.means_same = sameness(shape, self.decode)
        self.round_trip = _round_tripper(shape, forms)

    @override
    def __repr__(self) -> str:
        return f"<codec of {self.name}>"


@overload
def codec_of(declared: type[T], /) -> TypeCodec[T]: ...
@overload
def codec_of(declared: Any, /) -> TypeCodec[Any]: ...
def codec_of(declared: Any, /) -> TypeCodec[Any]:
    """The codec of a static type, created once.

    Raises `UnsupportedType` for a type whose values can't be stored; the message names the member.
    """
    try:
        return _cached(declared)
    except TypeError:
        # Annotated with something unhashable.
        return TypeCodec(declared)


@cache
def _cached(declared: Any) -> TypeCodec[Any]:
    return TypeCodec(declared)


def encoder(shape: TypeShape, forms: Forms, fmt: Format) -> Callable[[Any], bytes]:
    """A function that writes a value; raises `EncodeError`."""
    write = _writer(shape, forms, fmt)

    def encode(value: Any) -> bytes:
        try:
            return write(value)
        except Exception as error:
            raise refused(shape, value, error) from error

    return encode


def decoder(shape: TypeShape, forms: Forms, fmt: Format) -> Callable[[bytes], Any]:
    """A function that reads a value; raises `DecodeError`."""
    load, name = _loader(forms, fmt), shape.name

    def decode(data: bytes) -> Any:
        try:
            return load(data)
        except Exception as error:
            raise DecodeError(f"{name}: {misread(error)}") from error

    return decode


def refused(shape: TypeShape, value: Any, error: Exception) -> EncodeError:
    """The error for a value that could not be written, with the best reason known."""
    if isinstance(error, EncodeError):
        return error
    try:
        why = None if isinstance(error, RecursionError) else mismatch(shape, value)
    except Exception as worse:
        error, why = worse, None
    return EncodeError(why or f"{shape.name}: {_reason(error)}")


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "the value is nested too deeply, or contains itself"
    return str(misread(error))


def _writer(shape: TypeShape, forms: Forms, fmt: Format) -> Callable[[Any], bytes]:
    """A function that writes any value: with msgspec if that changes nothing, else with the zones of its times."""
    plain = _writer_of(forms.plain, fmt)
    if forms.zoned is None:
        return plain
    return compile_encode(shape, plain, _writer_of(forms.zoned, fmt))


def _writer_of(form: Form, fmt: Format) -> Callable[[Any], bytes]:
    write, dump = fmt.encode, form.dump
    return write if form.native else lambda value: write(dump(value))


def _loader(forms: Forms, fmt: Format) -> Callable[[Any], Any]:
    """A function that reads any value: msgspec refuses a value with zones, which is then read again with them."""
    plain = _loader_of(forms.plain, fmt)
    if forms.zoned is None:
        return plain
    zoned = _loader_of(forms.zoned, fmt)

    def load(data: Any) -> Any:
        try:
            return plain(data)
        except (msgspec.ValidationError, Misread) as error:
            try:
                return zoned(data)
            except Exception as other:  # the reader that got as far as the fault has the better message
                raise (other if has_zones(data) else error) from None

    return load


def _loader_of(form: Form, fmt: Format) -> Callable[[Any], Any]:
    read, revive = fmt.decoder(form.wire), form.revive
    return read if form.native else lambda data: revive(read(data))


def _round_tripper(shape: TypeShape, forms: Forms) -> RoundTrip:
    """A frozen value that is exact is its own reload; any other is checked, written and read."""
    reload = _reloader(shape, forms)

    def fail(value: Any, error: Exception) -> EncodeError:
        return refused(shape, value, error)

    def convert(value: Any) -> tuple[bytes, Any]:
        check(shape, value)
        return reload(value)

    frozen = is_frozen(shape)
    if not is_evident(shape) or (has_sets(shape) and not frozen):
        is_exact = compile_exact(shape)
        return lambda value: reload(value) if is_exact(value) else convert(value)
    used: dict[str, Callable[..., Any]] = {
        "encode": _writer_of(forms.plain, MSGPACK),
        "otherwise": _zoned_round_tripper(shape, forms.zoned, convert)
        if frozen and forms.zoned is not None
        else convert,
        "refused": fail,
    }
    if not frozen:
        used["load"] = _loader_of(forms.plain, MSGPACK)
    return compile_round_trip(shape, **used)


def _zoned_round_tripper(shape: TypeShape, form: Form, otherwise: RoundTrip) -> RoundTrip:
    """A frozen value is its own reload, too, if its zones can be found again by their names."""
    write, is_kept = _writer_of(form, MSGPACK), compile_kept(shape)

    def round_trip(value: Any) -> tuple[bytes, Any]:
        return (write(value), value) if is_kept(value) else otherwise(value)

    return round_trip


def check(shape: TypeShape, value: Any) -> None:
    """Raises `EncodeError` with the path to the part of a value that its type does not allow."""
    try:
        why = mismatch(shape, value)
    except Exception as error:
        raise EncodeError(f"{shape.name}: {_reason(error)}") from error
    if why is not None:
        raise EncodeError(why)


def _reloader(shape: TypeShape, forms: Forms) -> RoundTrip:
    """Writes a value, reads it, and writes what was read, which then has exactly those bytes."""
    write, load, unordered = _writer(shape, forms, MSGPACK), _loader(forms, MSGPACK), has_sets(shape)

    def reload(value: Any) -> tuple[bytes, Any]:
        try:
            data = write(value)
            loaded = load(data)
            again = write(loaded)
            steady = again == data or unordered or write(load(again)) == again
        except Exception as error:
            raise refused(shape, value, error) from error
        if not steady:
            raise EncodeError(f"{shape.name}: each load would change it; its __post_init__ must not")
        return again, loaded

    return reload
