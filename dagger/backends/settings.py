"""What URLs of backends say behind their question mark, read with clear errors. No secret is ever in one of these."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl

from dagger.errors import BackendError

_SPAN: Final = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_DAYS_MAX: Final = 36_500

Read = Callable[[str, str, str], Any]
"""Reads one setting: the URL as errors show it, the name, and the text."""


def settings_of(shown: str, query: str, known: Mapping[str, Read]) -> dict[str, Any]:
    """The settings in the query of a URL, each read as `known` says. Raises BackendError, which tells what to write."""
    given: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise BackendError(f"'{shown}': there is no option '{name}'; there are: {', '.join(known)}")
        if name in given:
            raise BackendError(f"'{shown}': {name} is given twice; give it once")
        given[name] = known[name](shown, name, text)
    return given


def span(shown: str, name: str, text: str) -> float:
    """A time in seconds, as `500ms`, `4s` or `7d`."""
    found = _SPAN.fullmatch(text)
    if found is None:
        raise BackendError(
            f"'{shown}': {name}={text} is no time; write a number and its unit, as 500ms, 4s, 10m, 12h or 7d"
        )
    seconds = float(found[1]) * _UNITS[found[2]]
    if not 0 < seconds <= timedelta(days=_DAYS_MAX).total_seconds():
        raise BackendError(f"'{shown}': {name}={text}; give a time of more than 0s and at most {_DAYS_MAX}d")
    return seconds


def whole(most: int) -> Read:
    """A whole number from 1 to `most`."""

    def read(shown: str, name: str, text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most:
            return int(text)
        raise BackendError(f"'{shown}': {name}={text}; give a whole number from 1 to {most}")

    return read


def one_of(*words: str) -> Read:
    """One of a few words, whatever its case."""

    def read(shown: str, name: str, text: str) -> str:
        if text.lower() in words:
            return text.lower()
        raise BackendError(f"'{shown}': {name}={text}; give one of {', '.join(words)}")

    return read


def switch(shown: str, name: str, text: str) -> bool:
    """`yes` or `no`."""
    return bool(one_of("no", "yes")(shown, name, text) == "yes")


def words(shown: str, name: str, text: str) -> str:
    """Any text, but not none."""
    if text:
        return text
    raise BackendError(f"'{shown}': {name} is empty; leave it out, or give it a value")
