"""The URLs of backends: servers, credentials and options, parsed in one way and with clear errors.

An option that means the same on several backends has the same name and takes the same values on all of them. Neither
options nor error messages ever contain a secret.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

import msgspec
from typing_extensions import override

from dagger.errors import BackendError

DAYS_MAX: Final = 36_500
"""The longest duration that an option accepts unless it has a limit of its own, in days."""
_DURATION: Final = re.compile(r"(-?[0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_SERVER: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_BOOLEANS: Final = {
    "yes": True,
    "true": True,
    "on": True,
    "1": True,
    "no": False,
    "false": False,
    "off": False,
    "0": False,
}

OptionParser = Callable[[str, str, str], Any]
"""Parses one option from the URL as errors show it, the name of the option, and its text."""


class Secret(str):
    """Text that its `repr` hides."""

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        return "'***'"


class Server(msgspec.Struct, frozen=True):
    """The address of a server."""

    name: str
    """A host name or an IP address; IPv6 addresses have no brackets."""
    port: int

    @override
    def __str__(self) -> str:
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


class Address(msgspec.Struct, frozen=True):
    """The parts of `scheme://user:password@host:port,host:port/name?options`."""

    shown: str
    """The URL as errors show it, without credentials and options."""
    servers: tuple[Server, ...]
    name: str
    """The path behind the servers; may be empty."""
    query: str
    user: str | None
    password: Secret | None

    @property
    def place(self) -> str:
        """The servers, each with its port."""
        return ",".join(str(server) for server in self.servers)


def parse_address(url: str, scheme: str, port: int, example: str) -> Address:
    """Parse a URL that names servers. User and password come from the URL, or else from the environment.

    Raises BackendError, which says what is wrong and what to write, and contains no secret.
    """
    begin, variable = f"{scheme}://", f"DAGGER_{scheme.upper()}"
    rest = url.removeprefix(begin)
    if rest == url or "#" in url or min(url, default="") < " ":
        raise BackendError(f"write a URL as {example}, with %23 for a # and without control characters")
    before, _, query = rest.partition("?")
    who, _, where = before.rpartition("@")
    if "@" in query.partition("=")[0]:  # what is before it may be a part of a password
        raise BackendError(f"{begin}: in a user's name and password write %3F for a ?, and %40 for an @")
    servers, _, name = where.partition("/")
    shown = f"{begin}{servers}" + (f"/{name}" if name else "")
    user, colon, password = who.partition(":")
    if who and not (user and (password or not colon)):
        raise BackendError(f"'{shown}': write user:password@ before the servers, or set {variable}_USER and _PASSWORD")
    return Address(
        shown=shown,
        servers=_servers(shown, servers or f"localhost:{port}", port),
        name=name,
        query=query,
        user=unquote(user) or os.environ.get(f"{variable}_USER") or None,
        password=Secret(unquote(password) or os.environ.get(f"{variable}_PASSWORD", "")) or None,
    )


def _servers(shown: str, text: str, default: int) -> tuple[Server, ...]:
    found = list[Server]()
    for part in text.split(","):
        match = _SERVER.fullmatch(part)
        port = int(match[2] or default) if match else 0
        if match is None or not 0 < port < 65_536:
            raise BackendError(f"'{shown}': '{part}' is not a server; write host:port, as localhost:{default}")
        found.append(Server(match[1].strip("[]"), port))
    return tuple(found)


def parse_options(shown: str, query: str, known: Mapping[str, OptionParser]) -> dict[str, Any]:
    """The options in the query of a URL, parsed by the functions in `known`. Raises BackendError."""
    given: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            raise BackendError(f"'{shown}': there is no option '{name}'{_meant(name, known)}")
        if name in given:
            raise BackendError(f"'{shown}': {name} is given twice; give it once")
        given[name] = known[name](shown, name, text)
    return given


def _meant(name: str, known: Iterable[str]) -> str:
    """A hint for an unknown option: the nearest name, and all names."""
    if name in ("user", "password"):
        return "; a user stands before the servers, as user:password@host, or in the environment"
    names = list(known)
    if not names:
        return "; there are none"
    near = difflib.get_close_matches(name.lower(), names, 1)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    return f"{hint} There are: {', '.join(names)}"


def parse_duration(shown: str, name: str, text: str, days_max: int = DAYS_MAX) -> float:
    """A duration such as `500ms`, `4s` or `7d`, in seconds."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise BackendError(
            f"'{shown}': {name}={text} is not a duration; write a number and its unit, as 500ms, 4s, 10m, 12h or 7d"
        )
    seconds = float(found[1]) * _UNITS[found[2]]
    if not 0 < seconds <= timedelta(days=days_max).total_seconds():
        raise BackendError(f"'{shown}': {name}={text}; give a time of more than 0s and at most {days_max}d")
    return seconds


def integer_up_to(most: int) -> OptionParser:
    """A whole number from 1 to `most`."""

    def read(shown: str, name: str, text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= most:
            return int(text)
        raise BackendError(f"'{shown}': {name}={text}; give a whole number from 1 to {most}")

    return read


def one_of(*choices: str) -> OptionParser:
    """One of several words, in any case."""

    def read(shown: str, name: str, text: str) -> str:
        if text.lower() in choices:
            return text.lower()
        raise BackendError(f"'{shown}': {name}={text}; give one of {', '.join(choices)}")

    return read


def parse_bool(shown: str, name: str, text: str) -> bool:
    """`yes` or `no`; also true or false, on or off, 1 or 0."""
    found = _BOOLEANS.get(text.lower())
    if found is None:
        raise BackendError(f"'{shown}': {name}={text}; give yes or no")
    return found


def parse_text(shown: str, name: str, text: str) -> str:
    """Any text that is not empty."""
    if text:
        return text
    raise BackendError(f"'{shown}': {name} is empty; leave it out, or give it a value")
