"""Writes whose outcome is verified. Nothing is inferred from a timeout: a write in doubt is resolved by reading."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from dagger.backends.aerospike.cluster import Absent, AerospikeCluster, Bins, ConditionalWrite, DataIs, WriteOutcome
from dagger.errors import BackendError, BackendUnavailable

PAUSES_S: Final = (0.005, 0.02, 0.08, 0.2, 0.4)
"""The pauses between attempts, in seconds, for records that were busy or in doubt."""
COMPARED: Final = ("v", "d", "n")
"""The bins by which a record is compared with a write."""


def verified_write(
    cluster: AerospikeCluster,
    set_name: str,
    changes: Sequence[ConditionalWrite],
    sleep: Callable[[float], None] = time.sleep,
) -> list[bool]:
    """Write; for each change whether it was made. No key may occur twice.

    Raises BackendUnavailable if something can't be written now, or if an outcome is unknown. Then some of the changes
    may have been made.
    """
    attempt = _Attempt(cluster, set_name, changes)
    for pause in (*PAUSES_S, None):
        attempt.write()
        attempt.look()
        if attempt.wrong:
            raise BackendError(attempt.wrong)
        if not attempt.open:
            return [attempt.made[at] for at in range(len(changes))]
        if attempt.stuck or pause is None:
            break
        sleep(pause)
    raise BackendUnavailable(f"{len(attempt.open)} of {len(changes)} records were not written: {attempt.why}")


class _Attempt:
    """Writes, and what is known about their outcomes."""

    def __init__(self, cluster: AerospikeCluster, set_name: str, changes: Sequence[ConditionalWrite]) -> None:
        self._cluster = cluster
        self._set = set_name
        self._changes = changes
        self.open = list(range(len(changes)))
        """The writes whose outcome is not known yet."""
        self._doubted = set[int]()
        """The writes that were in doubt once. Such a write may still arrive, so a later refusal may be due to the write
        itself."""
        self.made: dict[int, bool] = {}
        self.stuck = False
        self.wrong = ""
        self.why = ""

    def write(self) -> None:
        """Try the open writes once."""
        answers = self._cluster.put(self._set, [self._changes[at] for at in self.open])
        for at, answer in zip(self.open, answers, strict=True):
            self.why = answer.why or self.why
            match answer.outcome:
                case WriteOutcome.DONE:
                    self.made[at] = True
                case WriteOutcome.CONDITION_FAILED:
                    if at not in self._doubted:
                        self.made[at] = False
                case WriteOutcome.IN_DOUBT:
                    self._doubted.add(at)
                case WriteOutcome.BUSY:
                    pass
                case WriteOutcome.UNAVAILABLE:
                    self.stuck = True
                case WriteOutcome.INVALID:
                    self.wrong = answer.why
        self._close()

    def look(self) -> None:
        """Read the records in doubt. If they can't be read, there is no use in writing again."""
        asked = [at for at in self.open if at in self._doubted]
        if not asked:
            return
        try:
            found = self._cluster.get(self._set, [self._changes[at].key for at in asked], COMPARED)
        except BackendUnavailable as error:
            self.why = str(error)
            self.stuck = True
            return
        for at, kept in zip(asked, found, strict=True):
            change = self._changes[at]
            if is_made(change, kept):
                self.made[at] = True
            elif not change.condition.holds(kept):
                self.made[at] = False
        self._close()

    def _close(self) -> None:
        self.open = [at for at in self.open if at not in self.made]


def is_made(change: ConditionalWrite, kept: Bins | None) -> bool:
    """Whether a stored record is what a write would have made of it."""
    if kept is None:
        return False
    names = ("d", "n") if isinstance(change.condition, Absent | DataIs) else ("v", "d")
    return all(kept.get(name) == change.bins.get(name) for name in names)
