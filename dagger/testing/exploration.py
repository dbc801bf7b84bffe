"""Run a scenario again and again, each time with one fault at another place, and see that nothing changes."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, ParamSpec, TypeVar, get_args

import anyio
from typing_extensions import override

from dagger.dsl.template import Template
from dagger.errors import RequestError
from dagger.testing.explorer import Compare, Explorer, MakeEngine, Scenario, runner_of
from dagger.testing.fault_points import Fault, FaultPoint
from dagger.testing.faults import FaultyMemory
from dagger.testing.kit import TestEngine
from dagger.testing.releases import RELEASES, releases_of

P = ParamSpec("P")
R = TypeVar("R")

FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)
RUNS: Final = 500


@dataclass(frozen=True, slots=True)
class Exploration:
    """What was tried and has changed nothing: how many runs by the kind of their fault, of how many places in all.

    `void` of the runs say nothing: the scenario raised while something was held back, and so does not allow that.
    """

    runs: Mapping[Fault, int]
    places: int
    void: int = 0

    @override
    def __str__(self) -> str:
        kinds = ", ".join(f"{fault} {count}" for fault, count in self.runs.items())
        void = f", {self.void} void" if self.void else ""
        return f"{sum(self.runs.values())} runs of {self.places} places ({kinds}{void}): nothing has changed"


async def explore(
    template: Template[Any, Any],
    scenario: Scenario,
    *,
    seed: int | str = 0,
    runs: int = RUNS,
    faults: Sequence[Fault] = FAULTS,
    compare: Compare | None = None,
    engine: MakeEngine | None = None,
    releases: Sequence[Sequence[Template[Any, Any]]] = (),
) -> Exploration:
    """Run a scenario undisturbed, then once for each place where a fault may strike; nothing may change.

    `scenario` is an async function of a `TestEngine`, in which the template is registered. It does the same whenever
    it runs: what it fakes or counts is made inside of it. (`uuid4()` gives the same in every run.) The faults:

    * crash: the worker dies after a poll, within or after a write, after a commit, while a task runs, or as a timer
      fires; another goes on from what is stored
    * redelivery: a commit is refused, and the same worker polls the batch again; or another worker is given the
      batch while the first is still at it, whose write or commit then comes too late
    * duplicate: a message, a start, the result of a task or a timer arrives twice: at once, when all is idle, after
      what the scenario does next, or at the end. A message without an id is given one by `deliver`
    * reordering: what the scenario does at one time arrives in another order where nothing promises it (messages
      of two topics or keys, a message and the start of its instance), a partition stands still for a while, or
      records come one at a time
    * release: the worker is replaced by one of another release, which lacks the templates, has only their next
      versions, or has other steps in them under the same versions; it works until nothing is left to do, or until
      time goes on, and then one of the first release takes over again. What the other could not apply is parked

    The status, result, error and waits of every instance must stay as they were, and so must the set of messages
    that were published. Where a workflow rightly depends on what comes first, `compare` says what must stay, for
    example `compare=lambda outcome: outcome.statuses`; or `faults=` leaves reordering and release out.

    Of more places than `runs`, so many are drawn by `seed`, a number. The seed of a failure, a text such as
    'crash:17', replays that failure alone. `engine` makes the engine where it needs more than its backend:
    `engine=lambda memory: TestEngine(backend=memory, lifespan=...)`. `releases` are sets of templates, each of which
    another release has; it is tried beside those above, at places where it would begin no instance of its own.

    Raises ExplorationFailed for the first fault that changes anything, NotRepeatable for a scenario of which two
    runs differ without any, and whatever the scenario raises.
    """

    async def registered(engine: TestEngine) -> None:
        engine.register(template)
        await scenario(engine)

    explorer = Explorer(
        f"the scenario for '{template.name}'",
        runner_of(registered, engine or plain),
        compare,
        releases=(*RELEASES, *releases_of(releases)),
    )
    return await run_all(explorer, seed, runs, faults)


async def run_all(
    explorer: Explorer, seed: int | str = 0, runs: int = RUNS, faults: Sequence[Fault] = FAULTS
) -> Exploration:
    """Explore the places that the seed draws, or names."""
    await explorer.begin()
    counts = Counter[Fault](dict.fromkeys(faults, 0))
    void = 0
    # What goes wrong at the same place with one release alone is easier to understand.
    for name, place in sorted(_chosen(explorer.named(faults), seed, runs), key=lambda one: one[1].fault == "release"):
        void += not await explorer.survives(name, place)
        counts[place.fault] += 1
    return Exploration(dict(counts), len(explorer.places), void)


def plain(memory: FaultyMemory) -> TestEngine:
    """An engine with nothing but its backend."""
    return TestEngine(backend=memory)


def _chosen(named: Sequence[tuple[str, FaultPoint]], seed: int | str, runs: int) -> Sequence[tuple[str, FaultPoint]]:
    """The place of a seed; or so many places, each kind with its share, in the order of the run."""
    if isinstance(seed, str):
        found = [one for one in named if one[0] == seed]
        if not found:
            raise RequestError(f"explore: no place has the seed {seed!r}; there are {len(named)} places")
        return found
    dice = random.Random(seed)
    by_kind = dict[Fault, list[tuple[str, FaultPoint]]]()
    for one in named:
        by_kind.setdefault(one[1].fault, []).append(one)
    drawn = set[str]()
    for number, group in enumerate(sorted(by_kind.values(), key=len)):
        share = max(0, runs - len(drawn)) // (len(by_kind) - number)
        drawn |= {name for name, _ in dice.sample(group, min(share, len(group)))}
    return [one for one in named if one[0] in drawn]


def _blocking(fn: Callable[P, Coroutine[Any, Any, R]]) -> Callable[P, R]:
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        return anyio.run(lambda: fn(*args, **kwargs))

    run.__doc__ = "The same as `explore`, for a test that is not async."
    return run


explore_sync = _blocking(explore)
