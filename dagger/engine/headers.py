"""Headers of messages: text if this library writes them; those of others may be bytes, null or repeated."""

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
"""How many bytes of headers, names and values together, are kept with a message or an instance."""
OWN: Final = "dagger-"
"""The prefix of this library's own headers."""
ID: Final = "dagger-id"
"""The id of a message, by which a duplicate is recognised. Null or empty is no id."""


def headers_of(texts: Mapping[str, str]) -> Headers:
    """Headers in the form in which they are sent."""
    return tuple([(name, text.encode()) for name, text in texts.items()])


def carried(headers: Headers) -> dict[str, str]:
    """The headers that are kept with a message, and with the instance that it starts: as text.

    The trace context comes first, then the others in order, as long as they fit into `CARRIED_MAX`. The last header of
    a repeated name counts. This library's own headers are left out, and so are values that are null or not text.
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
    """The key and the headers of a message, packed for records."""
    return _PACK((key, headers))


def unpacked(original: bytes) -> tuple[bytes | None, Headers]:
    """The key and the headers that were packed."""
    return _UNPACK(original)


def header(headers: Headers, name: str) -> bytes | None:
    """The value of a header, the last one if it is repeated; None if it is absent or null."""
    for found, value in reversed(headers):
        if found == name:
            return value
    return None


def header_text(headers: Headers, name: str) -> str | None:
    """The same, as people read it."""
    value = header(headers, name)
    return None if value is None else text_of(value)


def texts_of(headers: Headers) -> dict[str, str]:
    """Headers as text: the last of a repeated name, null as empty text."""
    return {name: text_of(value or b"") for name, value in headers}


def text_of(value: bytes) -> str:
    """Bytes as people read them."""
    return value.decode(errors="backslashreplace")
