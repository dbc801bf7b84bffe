"""Run a scenario again and again, each time with one fault at another place, and see that nothing changes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Final, ParamSpec, TypeAlias, TypeVar, get_args

import anyio

from dagger.dsl.template import Template
from dagger.errors import DaggerError, RequestError
from dagger.testing.faults import FaultyMemory
from dagger.testing.kit import TestEngine
from dagger.testing.outcome import Outcome, changes, outcome_of
from dagger.testing.places import Fate, Fault, Place, Trace
from dagger.testing.trace import FindPlan, Narrator

P = ParamSpec("P")
R = TypeVar("R")

Scenario: TypeAlias = Callable[[TestEngine], Awaitable[object]]
Compare: TypeAlias = Callable[[Outcome], object]
MakeEngine: TypeAlias = Callable[[FaultyMemory], TestEngine]

FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)


class ExplorationFailed(DaggerError, AssertionError):
    """A fault has changed what a scenario leads to.

    The message names the fault, what has changed, the `seed` that replays it, and what happened around it.
    """

    def __init__(self, message: str, seed: str = "", fault: str = "", changed: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.seed = seed
        self.fault = fault
        self.changed = tuple(changed)


@dataclass(frozen=True, slots=True)
class Exploration:
    """What was tried without a change: runs by the kind of their fault, of how many `places` in all.

    `void` counts reorderings that the scenario does not allow: it raised while something was held back.
    """

    runs: Mapping[Fault, int]
    places: int
    void: int = 0

    def __str__(self) -> str:
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.runs.items())
        return f"{sum(self.runs.values())} runs ({kinds}) of {self.places} places: nothing has changed"


async def explore(
    template: Template[Any, Any],
    scenario: Scenario,
    *,
    seed: int | str = 0,
    runs: int = 500,
    faults: Sequence[Fault] = FAULTS,
    compare: Compare | None = None,
    engine: MakeEngine | None = None,
) -> Exploration:
    """Run a scenario undisturbed, then once for each place where a fault may strike; nothing may change.

    `scenario` is an async function of a `TestEngine`. It does the same whenever it runs: what it counts or fakes
    is made inside it. The faults:

    * crash: the worker dies after a poll, within or after a write, after a commit, while a task runs, or as a
      timer fires; another goes on from what is stored
    * redelivery: a commit is refused, and the same worker polls the batch again
    * duplicate: a message, a start, the result of a task or a timer arrives twice: at once, when all is idle, and
      at the end. Messages that `deliver` brings without an id are given one
    * reordering: what the scenario does at one time arrives in another order where nothing promises it (messages
      of two topics or keys, a message and the start of its instance); partitions stand still

    The status, result, error and waits of every instance, and the set of published messages must stay as they
    were. Where a workflow rightly depends on what comes first, `compare` says what must stay, for example
    `compare=lambda outcome: outcome.statuses`, or `faults=` leaves the reordering out.

    Of more places than `runs`, so many are drawn by `seed`, a number; the seed of a failure, a text such as
    'crash:17', replays that failure alone. `engine` makes the engine, where it needs more than its backend:
    `lambda memory: TestEngine(backend=memory, lifespan=...)`.

    Raises ExplorationFailed for the first fault that changes anything, and what the scenario raises undisturbed.
    """
    explorer = _Explorer(template, scenario, compare or _all_of_it, engine or _plain)
    await explorer.begin()
    void = 0
    counts = Counter[Fault]({fault: 0 for fault in faults})
    for name, place in _chosen(explorer.named(faults), seed, runs):
        void += not await explorer.survives(name, place)
        counts[place.fault] += 1
    return Exploration(dict(counts), len(explorer.places), void)


def _blocking(fn: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return anyio.run(lambda: fn(*args, **kwargs))

    run.__doc__ = "The same as `explore`, for a test that is not async.\n\n" + (fn.__doc__ or "")
    return run


explore_sync = _blocking(explore)


def _plain(memory: FaultyMemory) -> TestEngine:
    return TestEngine(backend=memory)


def _all_of_it(outcome: Outcome) -> object:
    return outcome


def _chosen(
    named: Sequence[tuple[str, Place]], seed: int | str, runs: int
) -> Sequence[tuple[str, Place]]:
    """The place that a seed names, or so many places, each kind with its share, in the order of the run."""
    if isinstance(seed, str):
        found = [one for one in named if one[0] == seed]
        if not found:
            raise RequestError(f"explore: this scenario has no place '{seed}'; it has {len(named)} places")
        return found
    dice = random.Random(seed)
    by_kind = dict[str, list[tuple[str, Place]]]()
    for one in named:
        by_kind.setdefault(one[1].fault, []).append(one)
    drawn = set[str]()
    for number, group in enumerate(sorted(by_kind.values(), key=len)):
        share = (runs - len(drawn)) // (len(by_kind) - number)
        drawn |= {name for name, _ in dice.sample(group, min(share, len(group)))}
    return [one for one in named if one[0] in drawn]


@dataclass(frozen=True, slots=True)
class _Run:
    """One run of the scenario."""

    fate: Fate
    polls: int
    find: FindPlan
    outcome: Outcome | None
    error: Exception | None = None
    void: bool = False


class _Explorer:
    def __init__(
        self, template: Template[Any, Any], scenario: Scenario, compare: Compare, engine: MakeEngine
    ) -> None:
        self._template = template
        self._scenario = scenario
        self._compare = compare
        self._engine = engine
        self._polls_max = 1_000_000

    async def begin(self) -> None:
        """Run undisturbed, twice: what is not the same by itself cannot be compared."""
        self._first = await self._undisturbed()
        again = await self._undisturbed()
        self._polls_max = 1_000 + 20 * self._first.polls
        self.places = self._first.fate.places
        assert self._first.outcome is not None and again.outcome is not None
        differences = self._differences(again.outcome) or _first_difference(self._first, again)
        if differences:
            raise ExplorationFailed(
                f"the scenario for '{self._template.name}' does not repeat: without any fault the second run differs "
                "from the first; make fakes and counters inside the scenario, and ids and values the same in each "
                f"run\n{_indented(differences)}",
                changed=differences,
            )

    async def _undisturbed(self) -> _Run:
        run = await self._run(None)
        if run.error is not None:
            raise run.error
        return run

    def named(self, faults: Sequence[Fault]) -> list[tuple[str, Place]]:
        """The places of these faults, each with its seed."""
        counts = Counter[Fault]()
        found = list[tuple[str, Place]]()
        for place in self.places:
            counts[place.fault] += 1
            found.append((f"{place.fault}:{counts[place.fault]}", place))
        return [one for one in found if one[1].fault in faults]

    async def survives(self, seed: str, place: Place) -> bool:
        """Whether the scenario allows the fault; raises where it changes something."""
        run = await self._run(place)
        if run.void:
            return False
        if run.error is not None:
            changed = [f"the scenario raised {type(run.error).__name__}: {run.error}"]
        elif run.fate.struck:
            assert run.outcome is not None
            changed = self._differences(run.outcome)
        else:
            changed = ["the fault's place was not reached: the scenario does not repeat"]
        if changed:
            raise self._failure(seed, place, run, changed) from run.error
        return True

    async def _run(self, place: Place | None) -> _Run:
        fate = Fate(place)
        memory = FaultyMemory(fate, self._polls_max)
        engine = self._engine(memory)
        fate.now = engine.clock.now
        outcome, error, held = None, None, False
        async with engine:
            try:
                engine.register(self._template)
                await self._scenario(engine)
                memory.log.finish()
                await engine.settle()
                outcome = await outcome_of(engine)
            except Exception as raised:
                error, held = raised, memory.log.holds_back
        void = held and isinstance(error, AssertionError | RequestError)
        return _Run(fate, memory.log.polls, engine.plan, outcome, error, void)

    def _differences(self, got: Outcome) -> list[str]:
        expected = self._first.outcome
        assert expected is not None
        if self._compare is _all_of_it:
            return list(changes(expected, got))
        before, after = self._compare(expected), self._compare(got)
        told = [] if before == after else [f"expected {before!r}", f"got {after!r}"]
        return [*told, *got.broken]

    def _failure(self, seed: str, place: Place, run: _Run, changed: list[str]) -> ExplorationFailed:
        fault = Narrator(self._first.fate.trace, self._first.find).fault(place)
        lines = Narrator(run.fate.trace, run.find).lines(fault)
        text = (
            f"a fault changes what the scenario for '{self._template.name}' leads to\n"
            f"the fault: {fault}\n"
            f"what has changed:\n{_indented(changed)}\n"
            f"replay it: explore(..., seed={seed!r})\n"
            f"what happened:\n{_indented(lines)}"
        )
        return ExplorationFailed(text, seed, fault, changed)


def _first_difference(one: _Run, other: _Run) -> list[str]:
    """Where two runs pass different places."""
    ours, theirs = one.fate.places, other.fate.places
    for number, (here, there) in enumerate(zip_longest(ours, theirs)):
        if here != there:
            told = [Narrator(run.fate.trace, run.find).fault(place) if place else 'its end' for run, place in ((one, here), (other, there))]
            return [f"place {number + 1} is: {told[0]}", f"and then: {told[1]}"]
    return []


def _indented(lines: Sequence[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)
