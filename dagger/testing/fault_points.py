"""The places of a run at which a fault may strike, and the trace that says what happened around it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from dagger.engine.ports import Batch, Entry, Write

Fault: TypeAlias = Literal["crash", "redelivery", "duplicate", "reordering", "release"]
"""The kinds of faults."""

How: TypeAlias = Literal[
    "poll",
    "torn write",
    "write",
    "commit",
    "timer",
    "result lost",
    "result kept",
    "refused",
    "overtaken write",
    "overtaken commit",
    "again",
    "again when idle",
    "again after the next",
    "again at the end",
    "held back",
    "stalled",
    "one at a time",
    "replaced",
]
"""What goes wrong, and where."""

FAULTS: Final[Mapping[How, Fault]] = {
    "poll": "crash",
    "torn write": "crash",
    "write": "crash",
    "commit": "crash",
    "timer": "crash",
    "result lost": "crash",
    "result kept": "crash",
    "refused": "redelivery",
    "overtaken write": "redelivery",
    "overtaken commit": "redelivery",
    "again": "duplicate",
    "again when idle": "duplicate",
    "again after the next": "duplicate",
    "again at the end": "duplicate",
    "held back": "reordering",
    "stalled": "reordering",
    "one at a time": "reordering",
    "replaced": "release",
}


@dataclass(frozen=True, slots=True)
class FaultPoint:
    """The place with this number, of those where the same can go wrong."""

    how: How
    number: int
    part: tuple[str | int, ...] = ()
    """Which rows of a write, which entry of several, which partition, until which arrival, or which release."""
    at: int = field(default=0, compare=False)
    """Where in the trace of the undisturbed run it is."""

    @property
    def fault(self) -> Fault:
        return FAULTS[self.how]


# The trace.


@dataclass(frozen=True, slots=True)
class Polled:
    """The worker got this to do."""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Written:
    """The worker wrote these rows."""

    writes: Sequence[Write]


@dataclass(frozen=True, slots=True)
class Committed:
    """The worker published this, and committed."""

    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Accepted:
    """The log took this in: from a caller, a task, a timer, or from outside."""

    entry: Entry
    late: bool = False
    """Whether it comes again, or after it was held back."""


@dataclass(frozen=True, slots=True)
class FaultInjected:
    """The fault."""

    place: FaultPoint


@dataclass(frozen=True, slots=True)
class WorkRestarted:
    """The work begins again with what was not committed."""

    release: str = ""
    """Of which release the worker is, where another than before takes over."""


TraceItem: TypeAlias = Polled | Written | Committed | Accepted | FaultInjected | WorkRestarted
Trace: TypeAlias = list[tuple[int, TraceItem]]
"""What happened, in order, each with its time in microseconds."""


# Reordering.


@dataclass(frozen=True, slots=True)
class Arrival:
    """What the scenario did: `sort` is "start", "message", "signal" or "stop", `key` what its order is kept by."""

    sort: str
    key: tuple[str, ...]
    time: int
    at: int


def reorderings(arrivals: Sequence[Arrival]) -> Iterator[FaultPoint]:
    """Each arrival after the next one, and after the last one of its time, where nothing promises their order."""
    for number, one in enumerate(arrivals):
        last = number
        while last + 1 < len(arrivals) and _may_swap(one, arrivals[last + 1]):
            last += 1
        for until in sorted({min(number + 1, last), last} - {number}):
            yield FaultPoint("held back", number, (until, arrivals[until].at), one.at)


def _may_swap(one: Arrival, other: Arrival) -> bool:
    """Time parts, a stop parts, and what goes to one key or instance keeps its order; a signal needs its start."""
    if one.time != other.time or "stop" in (one.sort, other.sort):
        return False
    if one.sort == other.sort == "start" or {one.sort, other.sort} == {"start", "signal"}:
        return False
    return (one.sort, one.key) != (other.sort, other.key)


async def _nobody() -> None:
    pass


class FaultInjector:
    """Counts the places of a run and notes its trace; strikes at one place, or nowhere."""

    def __init__(self, place: FaultPoint | None = None) -> None:
        self.place = place
        self.struck = False
        self.now: Callable[[], int] = lambda: 0
        self.take_over: Callable[[], Awaitable[None]] = _nobody
        """Lets another worker have the work of the one that is at it."""
        self.trace: Trace = []
        self._places: list[FaultPoint] = []
        self._arrivals: list[Arrival] = []
        self._counts = Counter[How]()

    @property
    def arrivals(self) -> int:
        """How much the scenario did so far."""
        return self._counts["held back"]

    @property
    def places(self) -> list[FaultPoint]:
        """Every place of an undisturbed run, in the order of the run."""
        return sorted([*self._places, *reorderings(self._arrivals)], key=lambda place: place.at)

    def note(self, item: TraceItem) -> None:
        """Add to the trace."""
        self.trace.append((self.now(), item))

    def strikes(self, how: How, part: tuple[str | int, ...] = ()) -> bool:
        """Pass a place; whether the fault is here."""
        number = self._counts[how]
        self._counts[how] += 1
        if self.place is None:
            self._places.append(FaultPoint(how, number, part, len(self.trace)))
            return False
        return self._is_at(how, number)

    def holds_back(self, sort: str, key: tuple[str, ...]) -> bool:
        """Something arrives, or the fault is that it does not yet."""
        number = self._counts["held back"]
        self._counts["held back"] += 1
        if self.place is None:
            self._arrivals.append(Arrival(sort, key, self.now(), len(self.trace)))
            return False
        return self._is_at("held back", number)

    def lets_go(self) -> bool:
        """Whether what was held back may arrive now."""
        place = self.place
        return place is not None and place.how == "held back" and self._counts["held back"] > int(place.part[0])

    def _is_at(self, how: How, number: int) -> bool:
        place = self.place
        if place is None or self.struck or (how, number) != (place.how, place.number):
            return False
        self.struck = True
        self.note(FaultInjected(place))
        return True
