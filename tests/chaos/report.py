"""What came of a chaos: the ledger of all that was published, and how long each recovery took."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from typing_extensions import override

from dagger import Instance, Status
from tests.chaos.schedule import TITLES, Fault
from tests.chaos.workflow import PUBLISHED, Order, diary, expected


class Message(NamedTuple):
    """A message as it lies on its topic, where everybody sees it."""

    topic: str
    id: str
    """Its header `dagger-id`."""
    payload: bytes


@dataclass
class Summary:
    """What came of it."""

    servers: str
    """On what it was."""
    seed: int
    faults: list[Fault]
    total: int = 0
    """How many orders there were."""
    completed: int = 0
    wrong: list[str] = field(default_factory=list[str])
    """Orders that did not end as they must."""
    twice: list[str] = field(default_factory=list[str])
    """Ids under which more than one message was published by the workflows."""
    missing: list[str] = field(default_factory=list[str])
    """Where there are too few messages."""
    disorder: list[str] = field(default_factory=list[str])
    """Orders whose diary is not in order."""
    left_over: list[str] = field(default_factory=list[str])
    """What is unfinished, or still owned by somebody who is gone."""
    refused: list[str] = field(default_factory=list[str])
    """What clients were told that could not do what they wanted, and tried again."""
    ended: list[str] = field(default_factory=list[str])
    """Workers that have ended by themselves, and what they said last; they were started again."""
    exits: list[int] = field(default_factory=list[int])
    """With what the programs ended that were asked to."""
    seconds: float = 0.0
    gap_s: float = 0.0
    """The longest time without any order done."""

    def weigh(self, orders: Sequence[Order], found: Mapping[str, Instance], messages: Iterable[Message]) -> None:
        """Compare what was found with what must be."""
        self.total = len(orders)
        for order in orders:
            instance = found.get(order.id)
            if instance is None or instance.status is not Status.COMPLETED or instance.result != expected(order):
                self.wrong.append(f"{order.id}: {instance and instance.tree()}")
        self.completed = self.total - len(self.wrong)
        self.wrong += sorted(found.keys() - {order.id for order in orders})
        ids = Counter[tuple[str, str]]()
        diaries = defaultdict[str, list[int]](list)
        for message in messages:
            if message.topic in PUBLISHED:
                ids[message.topic, message.id] += 1
            if message.topic == diary.name and ids[message.topic, message.id] == 1:  # as a consumer drops the others
                note = diary.wire.decode(message.payload)
                diaries[note.order].append(note.number)
        self.twice = [f"{topic}: {id}, {count} times" for (topic, id), count in ids.items() if count > 1]
        there = Counter(topic for topic, _ in ids)
        self.missing = [
            f"{topic}: {there[topic]} instead of {each * self.total}"
            for topic, each in PUBLISHED.items()
            if there[topic] != each * self.total
        ]
        self.disorder = [f"{id}: {numbers}" for id, numbers in diaries.items() if numbers != [1, 2, 3]]

    @override
    def __str__(self) -> str:
        sorts = [_told(sort, [fault for fault in self.faults if fault.sort == sort]) for sort in TITLES]
        what = (
            f"chaos on {self.servers}, seed {self.seed}: {self.completed:,} of {self.total:,} completed as they must, "
            f"{len(self.wrong)} not; {len(self.twice)} published twice, {len(self.missing)} topics with too few, "
            f"{len(self.disorder)} out of order, {len(self.left_over)} left over; clients were refused "
            f"{len(self.refused)} times; {len(self.ended)} workers ended by themselves"
        )
        how = (
            f"  {self.total / self.seconds:,.1f} orders a second in {self.seconds:.0f} s; the longest time without an "
            f"order done: {self.gap_s:.2f} s"
        )
        return "\n".join([what, how, *(line for line in sorts if line)])


def _told(sort: str, faults: Sequence[Fault]) -> str:
    if not faults:
        return ""
    count, faults = len(faults), [fault for fault in faults if not fault.is_hasty]
    held = sum(fault.held_lock for fault in faults)
    begun = [fault.begun_s for fault in faults if fault.begun_s is not None]
    return (
        f"  {count} × {TITLES[sort]}{f' ({held} more with the lock of a file held)' if held else ''}: "
        f"until all lanes went on {_median(begun)}; until new orders were done {_median([f.done_s for f in faults])}; "
        f"without an order done {_median([f.gap_s for f in faults])}; "
        f"from its end until all workers had a share {_median([f.whole_s for f in faults])}"
    )


def _median(times: Sequence[float]) -> str:
    return f"median {sorted(times)[len(times) // 2]:.2f} s, longest {max(times):.2f} s" if times else "never"


def check(summary: Summary) -> None:
    """What must hold after any chaos."""
    assert summary.wrong == []
    assert summary.completed == summary.total
    assert summary.twice == []
    assert summary.missing == []
    assert summary.disorder == []
    assert summary.left_over == []
    assert set(summary.exits) == {0}
