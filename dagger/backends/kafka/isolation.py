"""Which lanes commit in a transaction of their own, since something of theirs may not be published now.

A partition without a leader fails the transaction of everybody who publishes to it. So after a transaction that failed,
its lanes commit one by one, those last that have failed last; a lane that fails by itself, while others commit, is held
back for a time that grows, and the others go on in one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Final

PAUSE_S: Final = 1.0
"""How long a lane is held back that has failed by itself, in seconds; then twice as long, and so on."""
PAUSE_S_MAX: Final = 60.0


class Isolation:
    """The lanes of one worker, as to whether they commit together."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._apart = list[int]()
        """Those that commit one by one, in this order."""
        self._proof = set[int]()
        """Those of them that have failed before the last transaction of others was committed."""
        self._pauses = dict[int, float]()
        self._until = dict[int, float]()

    @property
    def held(self) -> set[int]:
        """The lanes that are held back now."""
        now = self._now()
        return {lane for lane, until in self._until.items() if now < until}

    @property
    def is_holding(self) -> bool:
        """Whether some lane is held back, or not tried again yet."""
        return bool(self._until)

    @property
    def is_over(self) -> bool:
        """Whether a lane that was held back may be tried again."""
        return len(self.held) < len(self._until)

    def groups(self, lanes: Collection[int]) -> list[list[int]]:
        """Which of these lanes share a transaction, one transaction after the other."""
        together = sorted(lane for lane in lanes if lane not in self._apart)
        return [*([together] if together else []), *([lane] for lane in self._apart if lane in lanes)]

    def resume(self) -> None:
        """Lanes whose time is over are tried again."""
        held = self.held
        self._until = {lane: until for lane, until in self._until.items() if lane in held}

    def failed(self, group: Collection[int]) -> None:
        """The transaction of these lanes has failed, for a cause that may be a single lane's."""
        self._apart = [lane for lane in self._apart if lane not in group] + sorted(group)
        if len(group) == 1 and self._proof.issuperset(group):  # else everything may be away
            (lane,) = group
            self._proof.discard(lane)
            self._pauses[lane] = min(2 * self._pauses.get(lane, PAUSE_S / 2), PAUSE_S_MAX)
            self._until[lane] = self._now() + self._pauses[lane]

    def done(self, group: Collection[int]) -> None:
        """The transaction of these lanes is committed."""
        self._apart = [lane for lane in self._apart if lane not in group]
        self._proof = set(self._apart)
        for lane in group:
            self._pauses.pop(lane, None)
            self._until.pop(lane, None)
