"""Which faults strike, and when: a seed gives them, and the number of orders that are done, never the clock."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from typing_extensions import override

TITLES: Final = {
    "kill": "a worker killed (SIGKILL)",
    "stop": "a worker stopped past its session (SIGSTOP), and continued",
    "broker": "a broker killed, and started again",
    "store": "the store restarted",
    "network": "the network to one worker cut past its session, and mended",
    "roll": "a worker ended (SIGTERM), and started again",
}
"""The sorts of faults."""
HASTY: Final = 0.25
"""How many kills are followed by the next fault at once."""


@dataclass
class Fault:
    """What strikes whom, and how long it took until all was well again, in seconds since it struck."""

    sort: str
    target: int
    """Which of those that it can strike."""
    at: int
    """When so many orders are done."""
    is_hasty: bool = False
    """Whether the next strikes at once, without waiting until all is well again: then no time is measured."""
    begun_s: float | None = None
    """Until every lane had begun an order that was submitted after it; None if that did not come in time."""
    done_s: float = 0.0
    """Until all of these orders were done."""
    whole_s: float = 0.0
    """Until every worker had its share, since the fault was over."""
    gap_s: float = 0.0
    """The longest time without any order done meanwhile."""
    held_lock: int = 0
    """How often a worker was stopped while it held the lock of a file, so that nobody could go on."""

    @override
    def __str__(self) -> str:
        if self.is_hasty:
            return f"{self.sort} {self.target} at {self.at:,}: and the next at once"
        begun = "never begun" if self.begun_s is None else f"all lanes begun after {self.begun_s:.2f} s"
        held = f"{self.held_lock} times with a lock held, " if self.held_lock else ""
        return (
            f"{self.sort} {self.target} at {self.at:,}: {held}{begun}, done after {self.done_s:.2f} s, "
            f"nothing done for {self.gap_s:.2f} s, whole again after {self.whole_s:.2f} s"
        )


def schedule_of(seed: int, total: int, counts: Mapping[str, int], targets: Mapping[str, int]) -> list[Fault]:
    """The faults of a seed: so many of each sort, in any order. Servers are struck in turn, and workers by chance.

    After every fourth kill, more or less, the next fault strikes at once.
    """
    chance = random.Random(seed)
    sorts = [sort for sort, count in counts.items() for _ in range(count)]
    chance.shuffle(sorts)
    share = total / (len(sorts) + 1)
    turns = dict.fromkeys(counts, 0)
    faults = list[Fault]()
    for number, sort in enumerate(sorts):
        many = targets[sort]
        target = chance.randrange(many) if sort in ("kill", "stop") else turns[sort] % many
        turns[sort] += 1
        is_hasty = sort == "kill" and number + 1 < len(sorts) and chance.random() < HASTY
        at = faults[-1].at if faults and faults[-1].is_hasty else int(share * (number + 0.25))
        faults.append(Fault(sort, target, at, is_hasty))
    return faults
