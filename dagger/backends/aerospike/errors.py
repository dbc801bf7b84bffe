"""What Aerospike says, in our words: what is wrong, and what to do. No word is taken from the client, so none leaks."""

from __future__ import annotations

from typing import Final

from dagger.backends.aerospike.cluster import WriteOutcome, WriteResult
from dagger.errors import BackendError, BackendUnavailable

OK: Final = 0
NOT_FOUND: Final = 2
FILTERED_OUT: Final = 27

_NOW_BUSY: Final = {
    14: "too many write one record at once (key busy)",
    18: "its devices can't keep up with what is written (device overload); give it faster or more of them",
    152: "its queues of batches are full; send it less, or set more batch-index-threads",
}
_STUCK: Final = {
    -9: "there is no TLS with it; are ca, cert, key and tls_name right, and is that its port for TLS?",
    7: "it is changing its nodes",
    8: "it has no room left (out of space, or stop-writes); give it more, or let less be kept by finished=",
    11: "the node that has this record is not there (partition unavailable); bring it back",
    22: (
        "it refuses writes for now (forbidden): stop-writes, a clock that is off, a limit of the set, "
        "or a time to live while nsup-period is 0; its log tells which"
    ),
    150: "its batches are disabled",
    203: "a secondary index is still being built",
}
_WRONG: Final = {
    -2: "the client does not take a call (parameter error); which version does it have?",
    4: "it does not understand a call (parameter error); which version does it have? It must be 6.0 or newer",
    12: "a bin has another type than this store gives it: is another program writing to these sets?",
    13: "a record is larger than its max-record-size; set that to as much as it was when this worker began",
    16: "it does not know a call (unsupported feature); which version does it have? It must be 6.0 or newer",
    20: "it has no such namespace",
    206: "the namespace has as many secondary indexes as it may (256); drop those of applications that are gone",
    25: "it does not do that: only the Enterprise Edition does",
    60: "it does not know this user",
    62: "it does not take this password",
    63: "this password has expired",
    65: "it does not take this user or password",
    51: "it has no security, and was given a user; leave the user out",
    52: "it has security switched off, and was given a user; leave the user out",
    80: "it wants a user and a password",
    81: "this user may not do that; it needs the roles read-write and sindex-admin",
}
_UNSURE: Final = frozenset({9})
"""The server's own timeout."""


def result_of(code: int, *, in_doubt: bool) -> WriteResult:
    """What became of a change, by the code of its result."""
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
    """The error of a call, as one of ours: BackendUnavailable for what may pass."""
    kind = BackendError if code in _WRONG else BackendUnavailable
    return kind(f"Aerospike at {place}: {describe(code)}")


def describe(code: int) -> str:
    """What a code of the client or of a server means."""
    for table in (_NOW_BUSY, _STUCK, _WRONG):
        if code in table:
            return f"{table[code]} (code {code})"
    if code in _UNSURE:
        return f"it did not answer in time (code {code})"
    if code < 0:
        return f"it can't be reached, or did not answer (code {code}); is it up, and is that its address?"
    return f"it could not do it (code {code})"
