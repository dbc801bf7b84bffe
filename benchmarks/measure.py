"""Ratios inside one run: two things alternately, many times, and the median of what they cost against each other."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import pytest


@dataclass(frozen=True)
class Ratio:
    """What one benchmark found. `bound` says in words what the ratio should be, and `holds` whether it is."""

    name: str
    values: list[float]
    bound: str
    holds: Callable[[float], bool] = field(repr=False)
    ours_us: float
    theirs_us: float

    @property
    def median(self) -> float:
        """The figure to quote."""
        return statistics.median(self.values)

    def row(self) -> str:
        """A line of the table."""
        spread = f"{min(self.values):5.2f} {self.median:7.2f} {max(self.values):6.2f}"
        verdict = "yes" if self.holds(self.median) else "NO"
        return f"{self.name:44} {self.ours_us:9.2f} {self.theirs_us:9.2f}   {spread}   {self.bound:10} {verdict}"


HEAD = f"{'':44} {'ours us':>9} {'other us':>9}   {'min':>5} {'median':>7} {'max':>6}   {'bound':10} holds"
FOUND: list[Ratio] = []
"""What the benchmarks of this run have found; the terminal summary prints it."""


def at_least(bound: float) -> tuple[str, Callable[[float], bool]]:
    """A ratio that must not be smaller."""
    return f">= {bound:.2f}", lambda median: median >= bound


def at_most(bound: float) -> tuple[str, Callable[[float], bool]]:
    """A ratio that must not be larger."""
    return f"<= {bound:.2f}", lambda median: median <= bound


NO_BOUND: Final = ("-", lambda median: median > 0)
"""Of what is shown and has none."""


def compare(
    benchmark: Any,
    name: str,
    ours: Callable[[], float],
    theirs: Callable[[], float],
    bound: tuple[str, Callable[[float], bool]],
    *,
    rounds: int,
    speed: bool,
) -> None:
    """Run both alternately; each gives its cost in microseconds. `speed` compares speeds (theirs/ours), else costs."""
    costs: list[tuple[float, float]] = []
    for side in (ours, theirs):  # warm both up
        side()

    def after_collection(side: Callable[[], float]) -> float:
        """Each side begins alike: without garbage, and with caches that the collection has been through."""
        gc.collect()
        return side()

    def pair() -> None:
        costs.append((after_collection(ours), after_collection(theirs)))

    benchmark.pedantic(pair, rounds=rounds, iterations=1)
    note(benchmark, name, costs, bound, speed=speed)


def note(
    benchmark: Any,
    name: str,
    costs: list[tuple[float, float]],
    bound: tuple[str, Callable[[float], bool]],
    *,
    speed: bool,
) -> None:
    """Keep what was found, pairs of ours and theirs in microseconds, and fail where the bound does not hold."""
    values = [b / a if speed else a / b for a, b in costs]
    text, holds = bound
    medians = [statistics.median(side) for side in zip(*costs, strict=True)]
    found = Ratio(name, values, text, holds, *medians)
    benchmark.extra_info["ratio"] = found.median
    FOUND.append(found)
    if not holds(found.median):
        pytest.fail(f"{name}: the ratio is {found.median:.2f}, it should be {text}", pytrace=False)


def timed(run: Callable[[], object], count: int) -> float:
    """The processor time of a call, in microseconds, divided by `count`."""
    begun = time.process_time()
    run()
    return (time.process_time() - begun) / count * 1e6
