"""The URL of a cluster: `aerospike://host:3000,other:3000/namespace?finished=90d`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import partial
from typing import Final

import msgspec

from dagger.backends.settings import (
    OptionParser,
    Secret,
    Server,
    one_of,
    parse_address,
    parse_bool,
    parse_duration,
    parse_options,
    parse_text,
)
from dagger.errors import BackendError

PORT: Final = 3000
NAMESPACE: Final = "test"
PREFIX_MAX: Final = 48
"""The maximum length of an application's name: the name of a set has at most 63 bytes."""
USER, PASSWORD = "DAGGER_AEROSPIKE_USER", "DAGGER_AEROSPIKE_PASSWORD"
"""Environment variables for values that should not be in a URL."""
_TTL_DAYS_MAX: Final = 3_650
"""The maximum time to live of a record, in days."""
_NAME: Final = re.compile(r"[A-Za-z0-9._-]+")


class AerospikeOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where the servers are, and how they are used. Times are in seconds."""

    hosts: tuple[Server, ...]
    namespace: str
    finished: float = 30 * 86_400.0
    """How long an instance is kept after its end, at least."""
    deleted: float = 14 * 86_400.0
    """How long the version of a deleted record is remembered: longer than the log keeps a record."""
    timeout: float = 5.0
    """How long one call may take."""
    user: str | None = None
    password: Secret | None = None
    auth: str = "internal"
    tls: bool = False
    tls_name: str | None = None
    ca: str | None = None
    """A file with the certificates to trust; None for those of the system."""
    cert: str | None = None
    """A file with this client's certificate."""
    key: str | None = None
    """A file with the key of the certificate."""
    alternate: bool = False
    """Whether servers are reached by their alternate access addresses, such as from outside of a container network."""

    @property
    def place(self) -> str:
        """The servers as text."""
        return ",".join(str(host) for host in self.hosts)


_READ: Final[Mapping[str, OptionParser]] = {
    "finished": partial(parse_duration, days_max=_TTL_DAYS_MAX),
    "deleted": partial(parse_duration, days_max=_TTL_DAYS_MAX),
    "timeout": parse_duration,
    "auth": one_of("internal", "external", "pki"),
    "tls": parse_bool,
    "tls_name": parse_text,
    "ca": parse_text,
    "cert": parse_text,
    "key": parse_text,
    "alternate": parse_bool,
}


def options_of(url: str) -> AerospikeOptions:
    """The options in a URL. Raises BackendError for an invalid URL; the message contains no secret."""
    at = parse_address(url, "aerospike", PORT, "aerospike://host:3000[,host:3000]/namespace")
    namespace = at.name or NAMESPACE
    if not _NAME.fullmatch(namespace):
        raise BackendError(f"'{at.shown}': '{namespace}' is not a namespace; write aerospike://host:3000/namespace")
    given = parse_options(at.shown, at.query, _READ)
    options = AerospikeOptions(hosts=at.servers, namespace=namespace, user=at.user, password=at.password, **given)
    _checked(at.shown, options)
    return options


def prefix_of(name: str) -> str:
    """An application's name as a part of set names. Raises BackendError if it is invalid."""
    if len(name) <= PREFIX_MAX and _NAME.fullmatch(name):
        return name
    raise BackendError(
        f"the name '{name}' can't be part of the name of an Aerospike set; write at most {PREFIX_MAX} letters "
        "(a to z), digits, dots, hyphens and underscores"
    )


def _checked(shown: str, options: AerospikeOptions) -> None:
    """Refuse options that contradict each other."""
    if options.password and not options.user:
        raise BackendError(f"'{shown}': there is a password and no user; set {USER} too")
    if options.user and not options.password and options.auth != "pki":
        raise BackendError(f"'{shown}': there is a user and no password; set {PASSWORD} too")
    if not options.tls:
        for name in ("tls_name", "ca", "cert", "key"):
            if getattr(options, name):
                raise BackendError(f"'{shown}': {name} is for TLS; give tls=yes too")
