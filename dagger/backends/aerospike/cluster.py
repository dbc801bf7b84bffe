"""What this store asks of a cluster: a port, behind which the official client is; and another, in tests.

Its calls take their time: they are made in threads. What they raise are BackendError and BackendUnavailable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Any, Final, Protocol, TypeAlias

import msgspec

Bin: TypeAlias = int | bytes | list[int]
Bins: TypeAlias = Mapping[str, Any]

NEVER: Final = -1
"""The time to live of what never expires."""
KEEP: Final = -2
"""The time to live stays as it is."""


class VersionIs(msgspec.Struct, frozen=True, gc=False):
    """There is a record of this version, which is no tombstone."""

    version: int

    def holds(self, kept: Bins | None) -> bool:
        return kept is not None and "d" in kept and kept["v"] == self.version


class AbsentOrTombstone(msgspec.Struct, frozen=True, gc=False):
    """There is no record, or the tombstone of one whose version was lower than that which is to be written."""

    next: int

    def holds(self, kept: Bins | None) -> bool:
        return kept is None or ("d" not in kept and kept["v"] < self.next)


class Absent(msgspec.Struct, frozen=True, gc=False):
    """There is nothing."""

    def holds(self, kept: Bins | None) -> bool:
        return kept is None


class DataIs(msgspec.Struct, frozen=True, gc=False):
    """There is a record with this data."""

    data: bytes

    def holds(self, kept: Bins | None) -> bool:
        return kept is not None and kept.get("d") == self.data


Condition: TypeAlias = VersionIs | AbsentOrTombstone | Absent | DataIs


class ConditionalWrite(msgspec.Struct, frozen=True, gc=False):
    """One record is to be written, in one piece, if the condition holds there and then."""

    key: str
    condition: Condition
    bins: Mapping[str, Bin]
    whole: bool = True
    """Whether all other bins go."""
    ttl: int = NEVER
    """In how many seconds it expires."""


class WriteOutcome(Enum):
    """What became of a change."""

    DONE = auto()
    CONDITION_FAILED = auto()
    """The condition does not hold. Nothing was changed."""
    BUSY = auto()
    """Nothing was changed, for now: it may be tried again at once."""
    UNAVAILABLE = auto()
    """Nothing was changed, and will not be for a while."""
    INVALID = auto()
    """Nothing was changed, and never will be."""
    IN_DOUBT = auto()
    """Nobody knows, or it may still come."""


class WriteResult(msgspec.Struct, frozen=True, gc=False):
    """What became of a change, and why."""

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
        """Disconnect. Nothing is asked any more, or meanwhile."""
        ...

    def info(self, command: str) -> Mapping[str, str]:
        """What each server, by its name, answers to a command of the info protocol."""
        ...

    def make_index(self, set_name: str, bin: str, name: str, *, lists: bool) -> None:
        """Begin to make a secondary index over a set, if it is not there."""
        ...

    def get(self, set_name: str, keys: Sequence[str], bins: Sequence[str]) -> Sequence[Bins | None]:
        """The records of a set, as their masters have them, by these bins of them; None for those that do not exist."""
        ...

    def put(self, set_name: str, changes: Sequence[ConditionalWrite]) -> Sequence[WriteResult]:
        """Try each change once, in any order. No key comes twice."""
        ...

    def query(
        self, set_name: str, where: Where, bins: Sequence[str], visit: Callable[[Bins], None], limit: int | None = None
    ) -> bool:
        """Visit records that a secondary index finds, at most about `limit`; whether that was all of them."""
        ...
