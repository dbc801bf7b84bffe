"""Headers of messages: text where this library writes them, bytes, null and repeated where others do."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Final

import msgspec

from dagger.core.envelope import TRACE
from dagger.engine.ports import Headers

_PACK: Final = msgspec.msgpack.Encoder().encode
_UNPACK: Final = msgspec.msgpack.Decoder(tuple[bytes | None, Headers]).decode

CARRIED_MAX: Final = 4096
"""How much of its headers travels with a message or an instance, names and values together, in bytes."""
OWN: Final = "dagger-"
"""How the names of this library's own headers begin."""
ID: Final = "dagger-id"
"""Names a message: another with the same value is a repetition of it. Null or empty names nothing."""


def headers_of(texts: Mapping[str, str]) -> Headers:
    """Headers as they are written."""
    return tuple([(name, text.encode()) for name, text in texts.items()])


def carried(headers: Headers) -> dict[str, str]:
    """Those that travel with a message, and with the instance that it starts: as text, the last of a repeated name.

    The trace context comes first, then the others in their order, as long as they fit into `CARRIED_MAX`. Left out are
    this library's own, and values that are null or no text.
    """
    found = dict[str, str]()
    for name, value in headers:
        if value is not None and not name.startswith(OWN):
            with suppress(UnicodeDecodeError):
                found[name] = value.decode()
    return within({**{name: found[name] for name in TRACE if name in found}, **found})


def within(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that fit into `CARRIED_MAX`, one after the other."""
    left, fitting = CARRIED_MAX, dict[str, str]()
    for name, text in headers.items():
        size = len(name.encode()) + len(text.encode())
        if size <= left:
            fitting[name] = text
            left -= size
    return fitting


def check_names(headers: Headers) -> None:
    """Raises UnicodeEncodeError for a name that cannot be written."""
    for name, _ in headers:
        if not name.isascii():
            name.encode()


def packed(key: bytes | None, headers: Headers) -> bytes:
    """The key and the headers of a message as they go through records."""
    return _PACK((key, headers))


def unpacked(original: bytes) -> tuple[bytes | None, Headers]:
    """The key and the headers that were packed."""
    return _UNPACK(original)


def header(headers: Headers, name: str) -> bytes | None:
    """The value of a header, of one that is repeated the last; None where it is absent or null."""
    for found, value in reversed(headers):
        if found == name:
            return value
    return None


def header_text(headers: Headers, name: str) -> str | None:
    """The same, as people read it."""
    value = header(headers, name)
    return None if value is None else text_of(value)


def texts_of(headers: Headers) -> dict[str, str]:
    """Headers as people read them: the last of a name that is repeated, null as empty text."""
    return {name: text_of(value or b"") for name, value in headers}


def text_of(value: bytes) -> str:
    """Bytes as people read them."""
    return value.decode(errors="backslashreplace")
