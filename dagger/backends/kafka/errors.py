"""What a Kafka client says, in our words: what is wrong, with which cluster, and what to do."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from dagger.backends.kafka.client import Unreached, errors
from dagger.errors import BackendError, BackendUnavailable, Fenced

FENCED: Final = (
    errors.ProducerFenced,
    errors.InvalidProducerEpoch,
    errors.IllegalGenerationError,
    errors.UnknownMemberIdError,
)
"""A worker is no member of the generation in which it polled, another has initialised its transactional id, or the
cluster has given up its transaction."""
_LASTING: Final[dict[type[errors.KafkaError], str]] = {
    errors.AuthenticationFailedError: "does not know this user, or not with this password; check both",
    errors.SaslAuthenticationFailed: "does not know this user, or not with this password; check both",
    errors.UnsupportedSaslMechanismError: "does not offer this way to log in; give sasl= another value",
    errors.TopicAuthorizationFailedError: "does not let this user use the topic; grant it what docs/deploy.md lists",
    errors.GroupAuthorizationFailedError: "does not let this user use the group; grant it what docs/deploy.md lists",
    errors.ClusterAuthorizationFailedError: "does not let this user do that; grant it what docs/deploy.md lists",
    errors.TransactionalIdAuthorizationFailed: "does not let this user begin transactions; grant it what docs/deploy.md"
    " lists",
    errors.IncompatibleBrokerVersion: "is too old; Kafka 3.5 or later is needed",
    errors.InvalidTopicError: "does not take that name for a topic",
    errors.PolicyViolationError: "does not allow a topic with these settings; create it by hand, and add create=no",
    errors.InvalidSessionTimeoutError: "does not allow this session= (group.min.session.timeout.ms and .max. there)",
    errors.InvalidTransactionTimeout: "does not allow this transaction= (transaction.max.timeout.ms there)",
    errors.InvalidGroupIdError: "does not take that name for a group; give the application another name",
    errors.InvalidConfigurationError: "does not take these settings of a topic; create it by hand, and add create=no",
    errors.IllegalSaslStateError: "expects no login there, or another; check the port, security= and sasl=",
    errors.UnsupportedVersionError: "does not know a request of this client; Kafka 3.5 or later is needed",
    errors.UnsupportedForMessageFormatError: "keeps messages in a format that has no transactions; leave"
    " log.message.format.version out there",
    errors.InconsistentGroupProtocolError: "has another program in the group; give the application another name",
}


_PASSING: Final[dict[type[errors.KafkaError], str]] = {
    errors.InvalidReplicationFactorError: "has fewer brokers now than replication= asks for; start them, or give it a"
    " lower number",
    errors.NotEnoughReplicasError: "has too few copies in sync (min.insync.replicas); bring the other brokers back",
}
"""What may pass, and what helps."""
_VAGUE: Final = (
    TimeoutError,
    errors.KafkaConnectionError,
    errors.KafkaTimeoutError,
    errors.NodeNotReadyError,
    errors.RequestTimedOutError,
)
"""What is said where nobody answers."""


def translate(error: BaseException, place: str, refused: BaseException | None = None) -> BackendError:
    """An error of a client as one of ours: Fenced, BackendUnavailable for what may pass, or BackendError.

    `refused` is why connections are not made meanwhile, which says more than that nobody answered.
    """
    if isinstance(error, BackendError):
        return error
    if isinstance(error, Unreached):
        for one in error.failures.values():
            if not isinstance(found := translate(one, place), BackendUnavailable):
                return found
    if isinstance(error, ssl.SSLCertVerificationError):
        return BackendError(f"{place} has a certificate that is not trusted ({error.verify_message}); check ca=")
    if isinstance(error, ssl.SSLError):
        return BackendError(f"{place} speaks no TLS, or another; check the port and security= ({error.reason})")
    if type(error) is errors.KafkaError and isinstance(error.__cause__, errors.KafkaError):
        error = error.__cause__  # the sender of a producer tells what has ended it as the cause of something vague
    if isinstance(error, FENCED):
        return Fenced(f"{place}: another worker has taken over: {_said(error)}")
    for kind, words in _LASTING.items():
        if isinstance(error, kind):
            return BackendError(f"{place} {words} ({_said(error)})")
    for kind, words in _PASSING.items():
        if isinstance(error, kind):
            return BackendUnavailable(f"{place} {words} ({_said(error)})")
    if refused is not None and isinstance(error, _VAGUE):
        found = translate(refused, place)
        if isinstance(found, BackendUnavailable):
            return BackendUnavailable(f"{place} cannot be reached ({_said(refused)})")
        return found
    if isinstance(error, errors.KafkaConnectionError):
        return BackendUnavailable(f"{place} cannot be reached ({_said(error)})")
    return BackendUnavailable(f"{place} cannot do it now ({_said(error)})")


@contextmanager
def translating(place: str, refused: Callable[[], BaseException | None] = lambda: None) -> Generator[None]:
    """What a client raises in here comes out as one of ours; `refused` tells why connections are not made."""
    try:
        yield
    except (errors.KafkaError, errors.IllegalOperation, OSError, TimeoutError, AssertionError, ValueError) as error:
        # Some of aiokafka's own states are only asserted.
        raise translate(error, place, refused()) from error


def _said(error: BaseException) -> str:
    text = str(error)
    name = type(error).__name__
    return text if name in text else f"{name}: {text}" if text else name
