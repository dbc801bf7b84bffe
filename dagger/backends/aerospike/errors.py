"""Translates Aerospike's result codes: what is wrong, and what to do. No text of the client is used."""

from __future__ import annotations

from typing import Final

from dagger.backends.aerospike.cluster import WriteOutcome, WriteResult
from dagger.errors import BackendError, BackendUnavailable

OK: Final = 0
NOT_FOUND: Final = 2
FILTERED_OUT: Final = 27

_NOW_BUSY: Final = {
    14: "too many clients write one record at once (key busy)",
    18: "its devices can't keep up with the writes (device overload); use faster or more devices",
    152: "its batch queues are full; reduce the load, or increase batch-index-threads",
}
_STUCK: Final = {
    -9: "the TLS handshake failed; check ca, cert, key and tls_name, and that this is its TLS port",
    7: "its nodes are changing",
    8: "it has no room left (out of space, or stop-writes); add space, or keep less with finished=",
    11: "the node with this record is not available (partition unavailable); bring it back",
    22: (
        "it refuses writes for now (forbidden): stop-writes, a wrong clock, a limit of the set, "
        "or a time to live while nsup-period is 0; see its log"
    ),
    150: "its batches are disabled",
    203: "a secondary index is still being built",
}
_WRONG: Final = {
    -2: "the client refuses a call (parameter error); check its version",
    4: "it does not understand a call (parameter error); check its version, which must be 6.0 or newer",
    12: "a bin does not have the type that this store writes; check whether another program writes to these sets",
    13: "a record is larger than its max-record-size; set that to its value at the start of this worker",
    16: "it does not support a call (unsupported feature); check its version, which must be 6.0 or newer",
    20: "it has no such namespace",
    206: "the namespace has its maximum of 256 secondary indexes; drop those of applications that no longer exist",
    25: "only the Enterprise Edition supports that",
    60: "it does not know this user",
    62: "it does not accept this password",
    63: "this password has expired",
    65: "it does not accept this user or password",
    51: "it has no security; remove the user",
    52: "its security is disabled; remove the user",
    80: "it requires a user and a password",
    81: "this user may not do that; it needs the roles read-write and sindex-admin",
}
_UNSURE: Final = frozenset({9})
"""The timeout of the server."""


def result_of(code: int, *, in_doubt: bool) -> WriteResult:
    """The outcome of a conditional write, by its result code."""
    if code == OK:
        return WriteResult(WriteOutcome.DONE)
    if (code < 0 and code not in _WRONG) or code in _UNSURE or in_doubt:
        return WriteResult(WriteOutcome.IN_DOUBT, describe(code))
    if code in (NOT_FOUND, FILTERED_OUT, 5):
        return WriteResult(WriteOutcome.CONDITION_FAILED)
    if code in _NOW_BUSY:
        return WriteResult(WriteOutcome.BUSY, describe(code))
    return WriteResult(WriteOutcome.INVALID if code in _WRONG else WriteOutcome.UNAVAILABLE, describe(code))


def translate(code: int, place: str) -> BackendError:
    """The DaggerError for the result code of a call: BackendUnavailable if it is temporary."""
    kind = BackendError if code in _WRONG else BackendUnavailable
    return kind(f"Aerospike at {place}: {describe(code)}")


def describe(code: int) -> str:
    """The meaning of a result code of the client or of a server."""
    for table in (_NOW_BUSY, _STUCK, _WRONG):
        if code in table:
            return f"{table[code]} (code {code})"
    if code in _UNSURE:
        return f"it did not answer in time (code {code})"
    if code < 0:
        return f"it can't be reached, or did not answer (code {code}); check that it is up, and its address"
    return f"the call failed (code {code})"
