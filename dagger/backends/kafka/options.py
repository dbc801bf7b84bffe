"""What the URL of a cluster says: `kafka://host:9092,other:9092/orders?partitions=24&replication=3`."""

from __future__ import annotations

import logging
import re
import ssl
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from typing_extensions import override

from dagger.backends.settings import (
    Address,
    OptionParser,
    Secret,
    integer_up_to,
    one_of,
    parse_address,
    parse_bool,
    parse_duration,
    parse_options,
    parse_text,
)
from dagger.errors import BackendError

PORT: Final = 9092
"""Where brokers listen, unless the URL says another."""
PARTITIONS_MAX: Final = 1024
USER, PASSWORD = "DAGGER_KAFKA_USER", "DAGGER_KAFKA_PASSWORD"
"""Environment variables for what should stand in no URL."""
_APPLICATION: Final = re.compile(r"[A-Za-z0-9._-]{1,200}")


class KafkaOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where the cluster is, and how it is used. Times are in seconds."""

    servers: str
    """`host:port,...` of some of its brokers; the others are learned from them."""
    application: str = "dagger"
    """Whose log it is: the consumer group, and the beginning of the names of its topics and transactions."""
    partitions: int | None = None
    """Into how many partitions a new log is divided: at most so many workers share the work."""
    replication: int | None = None
    """How many copies a topic that is created has; None for what the cluster is set to."""
    lease: float = 10.0
    """After how long without a heartbeat a worker's partitions go to others."""
    transaction: float = 60.0
    """After how long the cluster gives up a transaction of a worker that is gone, where nobody takes over."""
    retention: float = 7 * 86_400.0
    """How long a record is kept on the log that is created."""
    create: bool = True
    """Whether topics that do not exist are created; else they must be there."""
    prefix: str = ""
    """What stands before the name of every topic: for several stages on one cluster."""
    skew: float = 5.0
    """By how much this machine's clock may be ahead of the brokers'; beyond, no timer fires here."""
    lookback: float = 30.0
    """From how long before the last commit the log is read again, once the store may have lost what it had accepted."""
    security: str = "plaintext"
    sasl: str = "plain"
    ca: str | None = None
    """A file with the certificates to trust; None for those of the system."""
    cert: str | None = None
    """A file with this client's certificate, and its key unless `key` names another."""
    key: str | None = None
    user: str | None = None
    password: Secret | None = None

    @override
    def __repr__(self) -> str:
        return f"KafkaOptions({self.place!r})"

    @property
    def place(self) -> str:
        """The URL as errors show it: without what is secret."""
        return f"kafka://{self.servers}/{self.application}"

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """The brokers, each as a host and a port."""
        apart = [server.rpartition(":") for server in self.servers.split(",")]
        return [(host.strip("[]"), int(port)) for host, _, port in apart]

    def prefixed(self, name: str) -> str:
        """The name that a topic, a group or an application has in the cluster."""
        return self.prefix + name

    def unprefixed(self, name: str) -> str:
        """The name of which `prefixed` returns this one. Raises ValueError for a name without the prefix."""
        if not name.startswith(self.prefix):
            raise ValueError(f"'{name}' does not begin with '{self.prefix}'")
        return name[len(self.prefix) :]

    @property
    def group(self) -> str:
        """The name of the workers' group, and of the application where several share a cluster or a store."""
        return self.prefixed(self.application)

    @property
    def log(self) -> str:
        """The name of the internal log's topic."""
        return f"{self.group}.log"

    @property
    def dead_letters(self) -> str:
        """The name of the topic for what cannot be sent where it should go."""
        return f"{self.group}.dead-letter"

    def connection(self) -> dict[str, Any]:
        """How every client of the cluster connects. Raises BackendError for certificates that cannot be read."""
        secured: dict[str, Any] = {"security_protocol": self.security.upper(), "bootstrap_servers": self.servers}
        if self.security.endswith("ssl"):
            secured["ssl_context"] = self._context()
        if self.security.startswith("sasl"):
            logging.getLogger("aiokafka.conn").addFilter(_tells_no_password)
            secured |= {
                "sasl_mechanism": self.sasl.upper(),
                "sasl_plain_username": self.user,
                "sasl_plain_password": str(self.password or ""),
            }
        return secured

    def _context(self) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cafile=self.ca)
            if self.cert is not None:
                context.load_cert_chain(self.cert, self.key)
        except (OSError, ssl.SSLError) as error:
            files = ", ".join(f"'{path}'" for path in (self.ca, self.cert, self.key) if path)
            raise BackendError(f"'{self.place}': the certificates {files} cannot be used: {error}") from None
        return context


def _tells_no_password(record: logging.LogRecord) -> bool:
    """aiokafka logs each request on the level DEBUG, also the one that has the password in it."""
    arguments = record.args if isinstance(record.args, tuple) else ()
    return not any("SaslAuthenticateRequest" in type(argument).__name__ for argument in arguments)


_READ: Final[Mapping[str, OptionParser]] = {
    "partitions": integer_up_to(PARTITIONS_MAX),
    "replication": integer_up_to(32),
    "lease": parse_duration,
    "session": parse_duration,
    "transaction": parse_duration,
    "retention": parse_duration,
    "create": parse_bool,
    "prefix": parse_text,
    "skew": parse_duration,
    "lookback": parse_duration,
    "security": one_of("plaintext", "ssl", "sasl_plaintext", "sasl_ssl"),
    "sasl": one_of("plain", "scram-sha-256", "scram-sha-512"),
    "ca": parse_text,
    "cert": parse_text,
    "key": parse_text,
}


def options_of(url: str) -> KafkaOptions:
    """What a URL says. Raises BackendError, which says what is wrong with it and what to write; no secret is in it."""
    at = parse_address(url, "kafka", PORT, "kafka://host:9092[,host:9092]/application")
    if at.name and not _APPLICATION.fullmatch(at.name):
        raise BackendError(
            f"'{at.shown}': an application's name has letters, digits, dots, dashes and underscores only"
        )
    given = parse_options(at.shown, at.query, _READ)
    if "session" in given:
        if "lease" in given:
            raise BackendError(f"'{at.shown}': session is Kafka's name for lease; give one of them")
        given["lease"] = given.pop("session")
    if at.name:
        given["application"] = at.name
    options = KafkaOptions(servers=at.place, user=at.user, password=at.password, **given)
    _checked(at, options, "@" in url.partition("?")[0])
    return options


def _checked(at: Address, options: KafkaOptions, named: bool) -> None:
    """Refuse what does not go together; `named` tells whether the URL itself names a user."""
    has_name = options.user is not None and options.password is not None
    if options.security.startswith("sasl") and not has_name:
        raise BackendError(f"'{at.shown}': security={options.security} needs {USER} and {PASSWORD} to be set")
    if named and not has_name:
        raise BackendError(f"'{at.shown}': write user:password@ before the servers, or set {USER} and {PASSWORD}")
    if named and not options.security.startswith("sasl"):
        raise BackendError(f"'{at.shown}': a password is sent only with security=sasl_ssl or sasl_plaintext; add one")
    if not options.security.endswith("ssl") and (options.ca or options.cert or options.key):
        raise BackendError(f"'{at.shown}': ca, cert and key are for security=ssl and sasl_ssl; add one of them")
    if options.transaction < options.lease:
        raise BackendError(f"'{at.shown}': transaction must not be shorter than lease ({options.lease:g} s)")
