"""What the URL of a cluster says: `aerospike://host:3000,other:3000/namespace?finished=90d`."""

from __future__ import annotations

import os
import re
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from typing_extensions import override

from dagger.errors import BackendError

PORT: Final = 3000
NAMESPACE: Final = "test"
PREFIX_MAX: Final = 48
"""How long an application's name may be: a set's has at most 63 bytes."""
USER_VARIABLE: Final = "AEROSPIKE_USER"
PASSWORD_VARIABLE: Final = "AEROSPIKE_PASSWORD"

_SCHEME: Final = "aerospike://"
_SPAN: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h|d)")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}
_TTL_S_MAX: Final = 3_650 * 86_400.0
"""The longest that a server lets a record live that expires at all."""
_HOST: Final = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")
_AUTH: Final = ("internal", "external", "pki")


class Secret(str):
    """Text that is not shown."""

    __slots__ = ()

    @override
    def __repr__(self) -> str:
        return "'***'"


class Host(msgspec.Struct, frozen=True):
    """Where a server is."""

    name: str
    port: int

    @override
    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Where the servers are, and how they are used. Times are in seconds."""

    hosts: tuple[Host, ...]
    namespace: str
    finished: float = 30 * 86_400.0
    """How long an instance is kept after its end, at least."""
    retention: float = 14 * 86_400.0
    """How long the version of what was deleted is remembered: longer than the log keeps a record."""
    timeout: float = 5.0
    """How long one call may take."""
    user: str | None = None
    password: Secret | None = None
    auth: str = "internal"
    tls: bool = False
    tls_name: str | None = None
    cafile: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    alternate: bool = False
    """Whether servers are reached by their alternate access addresses, as from outside of a container network."""

    @property
    def place(self) -> str:
        """The servers, in words."""
        return ",".join(str(host) for host in self.hosts)


_SPANS: Final = ("finished", "retention", "timeout")
_FLAGS: Final = ("tls", "alternate")
_GIVEN: Final = tuple(name for name in Options.__struct_fields__ if name not in ("hosts", "namespace"))
"""What a URL can say behind its path."""


def options_of(url: str) -> Options:
    """What a URL says. Raises BackendError, which says what is wrong with it, and repeats no secret."""
    if not url.startswith(_SCHEME):
        raise BackendError("the URL of an Aerospike store begins with aerospike://, as aerospike://localhost:3000/test")
    place, _, query = url.removeprefix(_SCHEME).partition("?")
    if "@" in place or "@" in query.partition("=")[0]:
        raise BackendError(
            "aerospike://: a user is given as ?user=, and the password by the environment "
            f"({PASSWORD_VARIABLE}) or as &password=, not before the host"
        )
    if "#" in url or any(character < " " for character in url):
        raise BackendError("aerospike://: write a # as %23, and leave out line breaks and the like")
    servers, _, namespace = place.partition("/")
    namespace = namespace or NAMESPACE
    if not _NAME.fullmatch(namespace):
        raise BackendError(f"aerospike://: '{namespace}' is no namespace; write aerospike://host:3000/namespace")
    given = _given(query)
    given.setdefault("user", os.environ.get(USER_VARIABLE) or None)
    given.setdefault("password", Secret(found) if (found := os.environ.get(PASSWORD_VARIABLE)) else None)
    _check_user(given)
    return Options(hosts=_hosts(servers), namespace=namespace, **given)


def prefix_of(name: str) -> str:
    """An application's name, as a part of sets' names. Raises BackendError where it can't be one."""
    if len(name) <= PREFIX_MAX and _NAME.fullmatch(name):
        return name
    raise BackendError(
        f"the name '{name}' can't be part of the name of an Aerospike set; write at most {PREFIX_MAX} letters "
        "(a to z), digits, dots, hyphens and underscores"
    )


def _hosts(text: str) -> tuple[Host, ...]:
    found = list[Host]()
    for part in text.split(",") if text else [f"localhost:{PORT}"]:
        match = _HOST.fullmatch(part)
        port = int(match[2] or PORT) if match else 0
        if match is None or not 0 < port < 65_536:
            raise BackendError(f"aerospike://: '{part}' is no server; write host:port[,host:port], as localhost:{PORT}")
        found.append(Host(match[1].strip("[]"), port))
    return tuple(found)


def _given(query: str) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        if name not in _GIVEN:
            told = (
                "what is behind one &" if "password" in query else f"'{name}'"
            )  # which may be a part of a password with an & in it
            raise BackendError(f"aerospike://: {told} is no option; there are: {', '.join(_GIVEN)}")
        if name in given:
            raise BackendError(f"aerospike://: {name} is given twice; give it once")
        given[name] = _value(name, text)
    return given


def _value(name: str, text: str) -> Any:
    if name in _SPANS:
        return _seconds(name, text)
    if name in _FLAGS:
        if text in ("true", "false"):
            return text == "true"
        raise BackendError(f"aerospike://: {name}={text}; write true or false")
    if name == "auth" and text not in _AUTH:
        raise BackendError(f"aerospike://: auth={text}; there are: {', '.join(_AUTH)}")
    if not text:
        raise BackendError(f"aerospike://: {name} is empty; give it a value, or leave it out")
    return Secret(text) if name == "password" else text


def _seconds(name: str, text: str) -> float:
    found = _SPAN.fullmatch(text)
    seconds = float(found[1]) * _UNITS[found[2]] if found else 0.0
    if 0 < seconds <= _TTL_S_MAX:
        return seconds
    raise BackendError(
        f"aerospike://: {name}={text} is no time that can be; write a number and its unit, as 500ms, 4s, 12h or 7d "
        "(at most 3650d)"
    )


def _check_user(given: dict[str, Any]) -> None:
    if given["password"] and not given["user"]:
        raise BackendError(f"aerospike://: there is a password and no user; give user=, or set {USER_VARIABLE}")
    if given["user"] and not given["password"] and given.get("auth") != "pki":
        raise BackendError(f"aerospike://: there is a user and no password; set {PASSWORD_VARIABLE}")
    if not given.get("tls"):
        for name in ("tls_name", "cafile", "certfile", "keyfile"):
            if given.get(name):
                raise BackendError(f"aerospike://: {name} is for TLS; give tls=true too")
