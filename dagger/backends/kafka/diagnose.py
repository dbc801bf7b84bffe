"""Why no broker lets us in: what each server did, in our words."""

from __future__ import annotations

from typing import Final

from dagger.backends.kafka.client import Unreached
from dagger.backends.kafka.errors import translate
from dagger.backends.kafka.options import KafkaOptions
from dagger.errors import BackendError, BackendUnavailable


def refusal(options: KafkaOptions, unreached: Unreached) -> BackendError:
    """What is wrong with the first server of which that will last, or else with the first of all."""
    found = [_why(options, f"{host}:{port}", error) for (host, port), error in unreached.failures.items()]
    lasting = [error for error in found if not isinstance(error, BackendUnavailable)]
    return next(iter(lasting or found), BackendUnavailable(f"{options.place} cannot be reached"))


def _why(options: KafkaOptions, server: str, error: BaseException) -> BackendError:
    found = translate(error, f"{options.place}: {server}")
    if not isinstance(found, BackendUnavailable):
        return found
    if isinstance(error, OSError) and not isinstance(error, TimeoutError | ConnectionResetError):
        return BackendUnavailable(f"{options.place}: {server} cannot be reached ({error.strerror or error})")
    return BackendUnavailable(f"{options.place}: {server} {_HANGS_UP[options.security]}")


_HANGS_UP: Final = {
    "plaintext": "takes the connection and does not answer; if it wants TLS or a user there, say so by security=",
    "ssl": "takes the connection and does not answer; it may want a certificate (cert=, key=) or a user, or speak no"
    " TLS there: check security=",
    "sasl_plaintext": "takes the connection and does not answer; if it wants TLS there, say so by security=sasl_ssl",
    "sasl_ssl": "takes the connection and does not answer; it may want a certificate too (cert=, key=), or speak no TLS"
    " there: check security=",
}
