"""One run of a scenario with one fault, and what is different from the run without any."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from itertools import zip_longest
from random import Random
from traceback import walk_tb
from typing import Final, TypeAlias
from unittest.mock import patch

from dagger.core.invariants import broken
from dagger.engine.records import decode_stored
from dagger.errors import DaggerError, RequestError
from dagger.testing.fault_points import Fault, FaultInjector, FaultPoint, Trace, Written
from dagger.testing.faults import FaultyMemory
from dagger.testing.kit import TestEngine
from dagger.testing.outcome import Outcome, changes, outcome_of
from dagger.testing.releases import RELEASES, Release
from dagger.testing.trace import FindPlan, TraceFormatter

Scenario: TypeAlias = Callable[[TestEngine], Awaitable[object]]
Compare: TypeAlias = Callable[[Outcome], object]
MakeEngine: TypeAlias = Callable[[FaultyMemory], TestEngine]
RunTrial: TypeAlias = Callable[["Trial"], Awaitable[None]]
"""Runs a scenario once, in a trial."""

_ADVICE: Final = """
if what comes first may decide, say what must stay as it is: explore(..., compare=lambda outcome: outcome.statuses)"""
ENDLESS: Final = 1_000_000
"""How often an undisturbed run is polled at most."""


class ExplorationFailed(DaggerError, AssertionError):
    """A fault has changed what a scenario leads to.

    The message names the fault, what has changed, the `seed` that replays it, and what happened around it.
    """

    def __init__(self, message: str, seed: str, fault: str, changed: Sequence[str]) -> None:
        super().__init__(message)
        self.seed = seed
        self.fault = fault
        self.changed = tuple(changed)


class NotRepeatable(DaggerError, AssertionError):
    """Two runs of a scenario without any fault differ, so that nothing can be compared."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One run of the scenario, and how far it came."""

    injector: FaultInjector
    formatter: Callable[[], TraceFormatter]
    polls: int
    time: int
    outcome: Outcome | None
    error: Exception | None
    void: bool
    """Whether the scenario raised while something was held back, and so does not allow that."""


class Trial:
    """One run that is being made: the memory in which its fault strikes, its engine, and what came of it."""

    def __init__(self, place: FaultPoint | None, polls_max: int, releases: Sequence[Release]) -> None:
        self.injector = FaultInjector(place)
        self.memory = FaultyMemory(self.injector, polls_max, releases)
        self.engine: TestEngine | None = None
        self.error: Exception | None = None
        self._outcome: Outcome | None = None
        self._held = False
        self._time = 0

    def take(self, engine: TestEngine) -> None:
        """Let the fault strike this engine, whose backend is the memory of this trial."""
        self.engine = engine
        self.injector.now, self.injector.take_over = engine.clock.now, engine.crash

    async def play(self, scenario: Callable[[], Awaitable[object]]) -> None:
        """Run a scenario to its end, let arrive what was kept from it, and see what it has led to."""
        try:
            self.error = await _played(scenario)
            engine = self.engine
            if engine is None:
                raise NotRepeatable("its engine has a backend of its own; let TestEngine make it")
            self._held, self._time = self.memory.log.holds_back, engine.clock.now()
            self.memory.log.finish()
            await engine.run_until_idle()
            self._outcome = await outcome_of(engine)
            check_states(self.injector.trace, engine.plan)
        except Exception as raised:
            self.error = raised

    def attempt(self) -> Attempt:
        """What came of it."""
        injector, engine, error = self.injector, self.engine, self.error
        void = self._held and _is_own(error)
        polls = self.memory.log.polls
        find: FindPlan = _no_plan if engine is None else engine.plan
        return Attempt(
            injector, lambda: TraceFormatter(injector.trace, find), polls, self._time, self._outcome, error, void
        )


def check_states(trace: Trace, find: FindPlan) -> None:
    """Raises AssertionError where an invariant does not hold of a state that was stored."""
    for _, item in trace:
        for write in item.writes if isinstance(item, Written) else ():
            state = None if write.data is None else decode_stored(write.data).entity.state
            plan = None if state is None else find(state.template, state.version)
            if state is not None and plan is not None and plan.signature == state.signature:
                found = broken(plan, state)
                assert not found, f"what is stored for '{write.key}' breaks an invariant: {'; '.join(found)}"


def _no_plan(name: str, version: int) -> None:
    """Where no engine was created, no plan is known."""


async def _played(scenario: Callable[[], Awaitable[object]]) -> Exception | None:
    """Run a scenario; gives what it raised because it did not find what it looked for."""
    try:
        await scenario()
    except Exception as error:
        if not _is_own(error):
            raise
        return error
    return None


def runner_of(scenario: Scenario, make: MakeEngine) -> RunTrial:
    """How a scenario of an engine is run: with an engine that is made for it."""

    async def perform(trial: Trial) -> None:
        engine = make(trial.memory)
        trial.take(engine)

        async def repeatable() -> None:
            with fixed_random():
                await scenario(engine)

        async with engine:
            await trial.play(repeatable)

    return perform


def fixed_random() -> AbstractContextManager[object]:
    """Within it, `uuid4()` gives the same in every run."""
    return patch("os.urandom", Random(0).randbytes)


@contextmanager
def _quiet() -> Generator[None]:
    """Within it, the engine logs nothing: that records are parked is what is meant to happen."""
    logger = logging.getLogger("dagger")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before


class Explorer:
    """Performs a scenario with one fault at a time.

    `strict` is whether what the scenario asserts must hold with a fault too, or only what it leads to must.
    """

    def __init__(
        self,
        name: str,
        perform: RunTrial,
        compare: Compare | None,
        *,
        strict: bool = True,
        releases: Sequence[Release] = RELEASES,
    ) -> None:
        self._name = name
        self._releases = releases
        self._perform = perform
        self._compare = compare
        self._strict = strict
        self._polls_max = ENDLESS
        self.places: list[FaultPoint] = []

    async def begin(self) -> None:
        """Run undisturbed, twice. Raises NotRepeatable, and what the scenario raises."""
        self._first = await self._undisturbed()
        again = await self._undisturbed()
        self.places = self._first.injector.places
        different = self._changed(again) or _parting(self._first, again)
        if different:
            raise NotRepeatable(
                f"{self._name} does not repeat: without any fault its second run differs from the first; make fakes "
                f"and counters inside of it, and ids and values the same in each run\n{_indented(different)}"
            )
        self._polls_max = 1_000 + 20 * self._first.polls

    async def _undisturbed(self) -> Attempt:
        found = await self._attempt(None)
        if found.error is None:
            return found
        if self._strict or isinstance(found.error, NotRepeatable):
            raise found.error
        raise NotRepeatable(f"it raised {_first_line(found.error)}") from found.error

    def named(self, faults: Sequence[Fault]) -> list[tuple[str, FaultPoint]]:
        """The places of these faults in the order of the run, each with its seed."""
        counts = Counter[Fault]()
        found = list[tuple[str, FaultPoint]]()
        for place in self.places:
            counts[place.fault] += 1
            found.append((f"{place.fault}:{counts[place.fault]}", place))
        return [one for one in found if one[1].fault in faults]

    async def survives(self, seed: str, place: FaultPoint) -> bool:
        """Whether the scenario could be compared with the fault at this place. Raises ExplorationFailed."""
        found = await self._attempt(place)
        if found.void or not (self._strict or found.error is None or self._is_whole(found)):
            return False
        changed = self._changed(found)
        if changed:
            raise self._failure(seed, place, found, changed) from found.error
        return True

    def _is_whole(self, found: Attempt) -> bool:
        """Whether a scenario that raised had done all that it does undisturbed, or cannot be at fault itself."""
        first = self._first
        done = (found.injector.arrivals, found.time) == (first.injector.arrivals, first.time)
        return done or not _is_own(found.error)

    async def _attempt(self, place: FaultPoint | None) -> Attempt:
        trial = Trial(place, self._polls_max, self._releases)
        with _quiet() if place is not None and place.fault == "release" else nullcontext():
            await self._perform(trial)
        return trial.attempt()

    # What is different.

    def _changed(self, found: Attempt) -> list[str]:
        if found.error is None and found.injector.place is not None and not found.injector.struck:
            return ["the place was not reached: the scenario does not repeat"]
        changed = list(self._different(found))
        if found.error is not None and (self._strict or found.outcome is None):
            changed.append(f"the scenario raised {_first_line(found.error)}")
        return changed

    def _different(self, found: Attempt) -> Iterator[str]:
        expected, got = self._first.outcome, found.outcome
        if expected is None or got is None:
            return
        if self._compare is None:
            yield from changes(expected, got)
            return
        before, after = self._compare(expected), self._compare(got)
        if before != after:
            yield from (f"expected {before!r}", f"got {after!r}")
        yield from got.broken

    def _failure(self, seed: str, place: FaultPoint, found: Attempt, changed: list[str]) -> ExplorationFailed:
        fault = self._first.formatter().fault(place)
        text = (
            f"a fault changes what {self._name} leads to\n"
            f"the fault: {fault}\n"
            f"what has changed:\n{_indented(changed)}\n"
            f"to replay it: explore(..., seed={seed!r}){_ADVICE if place.fault in ('reordering', 'release') else ''}\n"
            f"what happened:\n{_indented(found.formatter().lines(fault))}"
        )
        return ExplorationFailed(text, seed, fault, changed)


def _parting(one: Attempt, other: Attempt) -> list[str]:
    """Where two runs part: the first place that only one of them passes."""
    for number, (ours, theirs) in enumerate(zip_longest(one.injector.places, other.injector.places), start=1):
        if ours != theirs:
            return [f"place {number} is: {_description(one, ours)}", f"and then: {_description(other, theirs)}"]
    return []


def _description(found: Attempt, place: FaultPoint | None) -> str:
    return "the end" if place is None else found.formatter().fault(place)


def _is_own(error: Exception | None) -> bool:
    """Whether the scenario raised because it did not find what it looked for: it did so itself, or asked in vain."""
    if error is None or isinstance(error, AssertionError | RequestError):
        return error is not None
    *_, (frame, _) = walk_tb(error.__traceback__)
    return not str(frame.f_globals.get("__name__")).startswith("dagger.")


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".partition("\n")[0].removesuffix(": ")


def _indented(lines: Sequence[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)
