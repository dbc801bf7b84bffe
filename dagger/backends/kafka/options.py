"""What the URL of a cluster says: `kafka://host:9092,other:9092/orders?partitions=24&replication=3`."""

from __future__ import annotations

import logging
import os
import re
import ssl
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote

import msgspec
from typing_extensions import override

from dagger.backends.settings import Read, one_of, settings_of, span, switch, whole, words
from dagger.errors import BackendError

PORT: Final = 9092
"""Where brokers listen, unless the URL says another."""
PARTITIONS_MAX: Final = 1024
USER, PASSWORD = "DAGGER_KAFKA_USER", "DAGGER_KAFKA_PASSWORD"
"""Environment variables for what should stand in no URL."""
_SERVER: Final = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?")
_APPLICATION: Final = re.compile(r"[A-Za-z0-9._-]{1,200}")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Where the cluster is, and how it is used. Times are in seconds."""

    servers: str
    """`host:port,...` of some of its brokers; the others are learned from them."""
    application: str = "dagger"
    """Whose log it is: the consumer group, and the beginning of the names of its topics and transactions."""
    partitions: int | None = None
    """Into how many partitions a new log is divided: at most so many workers share the work."""
    replication: int | None = None
    """How many copies a topic that is created has; None for what the cluster is set to."""
    session: float = 10.0
    """After how long without a sign of life a worker's partitions go to others."""
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
    password: str | None = None

    @override
    def __repr__(self) -> str:
        return f"Options({self.place!r})"

    @property
    def place(self) -> str:
        """The URL as errors show it: without what is secret."""
        return f"kafka://{self.servers}/{self.application}"

    @property
    def log(self) -> str:
        """The name of the internal log's topic."""
        return f"{self.prefix}{self.application}.log"

    @property
    def dead_letters(self) -> str:
        """The name of the topic for what cannot be sent where it should go."""
        return f"{self.prefix}{self.application}.dead-letter"

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
                "sasl_plain_password": self.password,
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


_READ: Final[Mapping[str, Read]] = {
    "partitions": whole(PARTITIONS_MAX),
    "replication": whole(32),
    "session": span,
    "transaction": span,
    "retention": span,
    "create": switch,
    "prefix": words,
    "skew": span,
    "lookback": span,
    "security": one_of("plaintext", "ssl", "sasl_plaintext", "sasl_ssl"),
    "sasl": one_of("plain", "scram-sha-256", "scram-sha-512"),
    "ca": words,
    "cert": words,
    "key": words,
}


def options_of(url: str) -> Options:
    """What a URL says. Raises BackendError, which says what is wrong with it and what to write; no secret is in it."""
    rest = url.removeprefix("kafka://")
    before, _, query = rest.partition("?")
    who, at, where = before.rpartition("@")
    servers, _, application = where.partition("/")
    shown = f"kafka://{servers}" + (f"/{application}" if application else "")
    if rest == url or "#" in url or min(url, default="") < " ":
        raise BackendError("write a broker's URL as kafka://host:9092[,host:9092]/application, without # and the like")
    if application and not _APPLICATION.fullmatch(application):
        raise BackendError(f"'{shown}': an application's name has letters, digits, dots, dashes and underscores only")
    given = settings_of(shown, query, _READ)
    if application:
        given["application"] = application
    given |= _secrets(shown, who if at else "")
    options = Options(servers=_servers(shown, servers), **given)
    _checked(shown, options)
    return options


def _servers(shown: str, text: str) -> str:
    """The brokers, each with its port."""
    found = list[str]()
    for server in text.split(",") if text else ["localhost"]:
        match = _SERVER.fullmatch(server)
        port = int(match[2] or PORT) if match else 0
        if match is None or not 0 < port < 65_536:
            raise BackendError(f"'{shown}': '{server}' is no broker; write host:port, as localhost:{PORT}")
        found.append(f"{match[1]}:{port}")
    return ",".join(found)


def _secrets(shown: str, who: str) -> dict[str, str]:
    """The user and the password, of the URL or of the environment."""
    user, colon, password = who.partition(":")
    if who and not (user and colon and password):
        raise BackendError(f"'{shown}': write user:password@ before the brokers, or set {USER} and {PASSWORD}")
    found = {
        "user": unquote(user) or os.environ.get(USER, ""),
        "password": unquote(password) or os.environ.get(PASSWORD, ""),
    }
    return {name: text for name, text in found.items() if text}


def _checked(shown: str, options: Options) -> None:
    """Refuse what does not go together."""
    has_name = options.user is not None and options.password is not None
    if options.security.startswith("sasl") and not has_name:
        raise BackendError(f"'{shown}': security={options.security} needs {USER} and {PASSWORD} to be set")
    if not options.security.startswith("sasl") and "@" not in shown and has_name and USER not in os.environ:
        raise BackendError(f"'{shown}': a password is sent only with security=sasl_ssl or sasl_plaintext; add one")
    if not options.security.endswith("ssl") and (options.ca or options.cert or options.key):
        raise BackendError(f"'{shown}': ca, cert and key are for security=ssl and sasl_ssl; add one of them")
    if options.transaction < options.session:
        raise BackendError(f"'{shown}': transaction must not be shorter than session ({options.session:g} s)")
