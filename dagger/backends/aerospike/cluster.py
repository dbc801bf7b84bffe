"""The port of this store to a cluster: implemented with the official client, and by a fake in tests.

Its calls block, so they are made in threads. They raise BackendError and BackendUnavailable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final, Protocol, TypeAlias

import msgspec

Bin: TypeAlias = int | bytes | list[int]
Bins: TypeAlias = Mapping[str, Any]

NEVER: Final = -1
"""The time to live of records that never expire."""
KEEP: Final = -2
"""Leave the time to live unchanged."""


class VersionIs(msgspec.Struct, frozen=True, gc=False):
    """There is a record with this version, which is not a tombstone."""

    version: int

    def holds(self, kept: Bins | None) -> bool:
        return kept is not None and "d" in kept and kept["v"] == self.version


class AbsentOrTombstone(msgspec.Struct, frozen=True, gc=False):
    """There is no record, or a tombstone with a lower version than the one to be written."""

    next: int

    def holds(self, kept: Bins | None) -> bool:
        return kept is None or ("d" not in kept and kept["v"] < self.next)


class Absent(msgspec.Struct, frozen=True, gc=False):
    """There is neither a record nor a tombstone."""

    def holds(self, kept: Bins | None) -> bool:
        return kept is None


class DataIs(msgspec.Struct, frozen=True, gc=False):
    """There is a record with this data."""

    data: bytes

    def holds(self, kept: Bins | None) -> bool:
        return kept is not None and kept.get("d") == self.data


Condition: TypeAlias = VersionIs | AbsentOrTombstone | Absent | DataIs


class ConditionalWrite(msgspec.Struct, frozen=True, gc=False):
    """An atomic write of one record, if the condition holds."""

    key: str
    condition: Condition
    bins: Mapping[str, Bin]
    whole: bool = True
    """Whether all other bins are removed."""
    ttl: int = NEVER
    """Its time to live, in seconds."""


class WriteOutcome(Enum):
    """The outcome of a conditional write."""

    DONE = auto()
    CONDITION_FAILED = auto()
    """The condition does not hold. Nothing was changed."""
    BUSY = auto()
    """Nothing was changed; it may be retried at once."""
    UNAVAILABLE = auto()
    """Nothing was changed; a retry is useless for a while."""
    INVALID = auto()
    """Nothing was changed; no retry can succeed."""
    IN_DOUBT = auto()
    """It may have been made, or may still be."""


class WriteResult(msgspec.Struct, frozen=True, gc=False):
    """The outcome of a conditional write, with the reason."""

    outcome: WriteOutcome
    why: str = ""


class Range(msgspec.Struct, frozen=True, gc=False):
    """Records in whose bin there is a number from `low` to `high`."""

    bin: str
    low: int
    high: int


class Contains(msgspec.Struct, frozen=True, gc=False):
    """Records in whose bin there is a list with this number."""

    bin: str
    number: int


Where: TypeAlias = Range | Contains


class AerospikeCluster(Protocol):
    """The servers."""

    def open(self) -> None:
        """Connect."""
        ...

    def close(self) -> None:
        """Disconnect. No other call is made during this one or after it."""
        ...

    def info(self, command: str) -> Mapping[str, str]:
        """The answer of each server, by its name, to a command of the info protocol."""
        ...

    def make_index(self, set_name: str, bin: str, name: str, *, lists: bool) -> None:
        """Start building a secondary index over a set, unless it exists."""
        ...

    def get(self, set_name: str, keys: Sequence[str], bins: Sequence[str]) -> Sequence[Bins | None]:
        """These bins of records of a set, as read from their masters; None for records that do not exist."""
        ...

    def put(self, set_name: str, changes: Sequence[ConditionalWrite]) -> Sequence[WriteResult]:
        """Try each write once, in any order. No key occurs twice."""
        ...

    def query(
        self, set_name: str, where: Where, bins: Sequence[str], visit: Callable[[Bins], None], limit: int | None = None
    ) -> bool:
        """Visit records that a secondary index finds, at most about `limit`; whether these were all."""
        ...
