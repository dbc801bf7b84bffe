"""A lane: a home partition, with its share of the external topics, and how far both are committed.

Partition p of every external topic belongs to lane p modulo the number of lanes. The owner of a lane commits its
offsets, with those of its other lanes, in the transactions of `transactions.py`.
"""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Mapping
from typing import Final

import msgspec
from typing_extensions import override

from dagger.backends.kafka.binding import Binding
from dagger.backends.kafka.client import OffsetAndMetadata, TopicPartition
from dagger.backends.kafka.cluster import Cluster
from dagger.backends.kafka.poison import PoisonDetector
from dagger.backends.kafka.transactions import Marks

STEPS: Final = 20
"""Into how many steps the time is divided for which it is known how far the log was committed."""


class OffsetNote(msgspec.Struct, frozen=True):
    """What stands beside a committed offset, as its metadata."""

    binding: str
    """The id of the binding in which it is counted; empty if somebody has set the offset by hand."""
    safe: int | None = None
    """How far the log was committed some time before."""

    @override
    def __str__(self) -> str:
        return self.binding if self.safe is None else f"{self.binding} {self.safe}"

    @classmethod
    def of(cls, mark: OffsetAndMetadata) -> OffsetNote:
        """The inverse of `str`."""
        binding, _, safe = mark.metadata.partition(" ")
        return cls(binding, int(safe) if safe.isdecimal() else None)


class Lane:
    """How far a lane is committed."""

    def __init__(self, cluster: Cluster, number: int, detector: PoisonDetector) -> None:
        self.number = number
        self.detector = detector
        self.positions: dict[TopicPartition, int] = {}
        """What is committed."""
        self._trail = deque[tuple[float, int]]()
        """How far the log was committed, and when at the latest."""
        self._log = TopicPartition(cluster.options.log, number)
        self._lookback_s = cluster.options.lookback

    def begin(self, place: TopicPartition, offset: int, safe: int) -> None:
        """A partition goes on there; of the log, all before `safe` was committed long before the last owner's end."""
        self.positions[place] = offset
        if place == self._log:
            self._trail = deque([(-math.inf, min(safe, offset)), (time.monotonic(), offset)])

    def safe(self) -> int:
        """How far the log was committed `lookback` before the last commit: of that, no store has lost anything.

        Not before now: while a store is away, nothing is committed.
        """
        trail, before = self._trail, self._trail[-1][0] - self._lookback_s
        while len(trail) > 1 and trail[1][0] <= before:
            trail.popleft()
        return trail[0][1]

    def marks(self, offsets: Mapping[TopicPartition, int], binding: Binding) -> Marks:
        """What is to be committed: never less than before, also where something is read again.

        Where nothing of the lane was polled, the log's offset is committed once more, so that the group's coordinator
        refuses what a worker orders that was overtaken.
        """
        note, least = str(OffsetNote(binding.id, self.safe())), self.positions
        asked = offsets or {self._log: least[self._log]}
        return {place: OffsetAndMetadata(max(offset, least.get(place, 0)), note) for place, offset in asked.items()}

    def went_on(self, marks: Marks) -> None:
        """These offsets are committed, of this lane or of others too."""
        self.positions.update({place: mark.offset for place, mark in marks.items() if place in self.positions})
        mark, now = marks.get(self._log), time.monotonic()
        if mark is not None and now - self._trail[-1][0] > self._lookback_s / STEPS:
            self._trail.append((now, mark.offset))
