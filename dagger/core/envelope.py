"""A message as the machine handles it: where it is for, what it says, and the headers that travel with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

TRACE: Final = ("traceparent", "tracestate")
"""The headers of a trace context (https://www.w3.org/TR/trace-context/)."""


class Envelope(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A message of a channel for a key. `id` is empty where the sender gave none."""

    channel: str
    key: str
    payload: bytes
    id: str = ""
    headers: dict[str, str] = {}
    """Those of its headers that travel with it: its trace context, and others within a bound."""
    original: bytes = b""
    """Its own key and all its headers, packed, where it may have to be published again exactly as it came."""


def trace_of(headers: Mapping[str, str]) -> dict[str, str]:
    """The trace context among headers; empty where there is none."""
    return {name: headers[name] for name in TRACE if name in headers} if "traceparent" in headers else {}


def with_trace(headers: Mapping[str, str], trace: Mapping[str, str]) -> dict[str, str]:
    """Headers with another trace context in place of their own."""
    return {**{name: text for name, text in headers.items() if name not in TRACE}, **trace}
