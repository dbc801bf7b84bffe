"""The machine against a naive reading of the rules: hooks, undos and what waits for them, in random trees."""

from __future__ import annotations

from itertools import count
from typing import Any, assert_never

from hypothesis import given, note
from hypothesis import strategies as st
from typing_extensions import override

from dagger.core import step
from dagger.core.effects import Effect, RunTask, StopTask
from dagger.core.events import TaskFailed, TaskSucceeded
from dagger.core.functions import Stored, load
from dagger.core.state import STATUSES
from dagger.core.step_rows import step_rows
from dagger.errors import kinds_of
from dagger.plan.kernel import Chain, Each, Fork, Kernel, Named
from tests.core.machine import INT, Machine, hooked, job, recovered, rest, retried, undone_by, within
from tests.core.undo_reference import (
    Bound,
    Group,
    Handled,
    Hooked,
    Items,
    Job,
    Rest,
    Row,
    Rules,
    Term,
    Tries,
    Undone,
    Within,
)
from tests.model import MARKS

pytestmark = MARKS


def kernel(term: Term) -> Kernel:
    """A term as the machine gets it."""
    match term:
        case Job(path):
            return job(path)
        case Rest(path, seconds):
            return rest(path, seconds)
        case Row(parts):
            return Chain(tuple(map(kernel, parts)))
        case Within(path, body):
            return Named(path, "process", kernel(body))
        case Group(kind, branches, needed):
            return Fork(kind, kind, tuple(map(kernel, branches)), needed, len(branches) - needed)
        case Items(path, length, limit, body):
            return Each(path, "for_each", lambda _: list(range(length)), INT, limit, kernel(body))
        case Bound(body, seconds, otherwise):
            return within(kernel(body), seconds, None if otherwise is None else kernel(otherwise))
        case Tries(body, attempts, pause):
            return retried(kernel(body), attempts, pause)
        case Handled(body, handler):
            return recovered(kernel(body), kernel(handler))
        case Undone(body, undo):
            return undone_by(kernel(body), kernel(undo))
        case Hooked(body, hook):
            return hooked(kernel(body), kernel(hook))
        case _:
            assert_never(term)


class Grower:
    """Grows a term whose steps have names that say what they are: `a` of the flow, `u` of undos, `h` of hooks."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.numbers = count(1)
        self.has_items = False

    def term(self, depth: int, letter: str = "a") -> Term:
        kinds = [self.row, self.row, self.group, self.within, self.bound, self.tries, self.handled, self.items]
        if not depth or not self.draw(st.integers(0, 7)):
            return self.step(depth, letter)
        return self.draw(st.sampled_from(kinds))(depth - 1, letter)

    def path(self, letter: str) -> str:
        return f"{letter}{next(self.numbers)}"

    def aside(self, depth: int, letter: str) -> Term:
        return self.term(min(depth, self.draw(st.sampled_from([0, 0, 0, 1, 2]))), letter)

    def wrapped(self, term: Term, depth: int) -> Term:
        for _ in range(self.draw(st.integers(0, 2))):
            if self.draw(st.booleans()):
                term = Undone(term, self.aside(depth, "u"))
            else:
                term = Hooked(term, self.aside(depth, "h"))
        return term

    def step(self, depth: int, letter: str) -> Term:
        rests = self.draw(st.integers(0, 4)) == 0
        term = Rest(self.path(letter), self.draw(st.integers(0, 2))) if rests else Job(self.path(letter))
        return self.wrapped(term, max(depth - 1, 0)) if letter == "a" or depth else term

    def row(self, depth: int, letter: str) -> Term:
        return Row(tuple(self.term(depth, letter) for _ in range(self.draw(st.integers(2, 3)))))

    def group(self, depth: int, letter: str) -> Term:
        branches = tuple(self.term(depth, letter) for _ in range(self.draw(st.integers(2, 3))))
        kind = self.draw(st.sampled_from(["all", "any", "at_least"]))
        needed = {"all": len(branches), "any": 1, "at_least": len(branches) - 1}[kind]
        return self.maybe_wrapped(Group(kind, branches, needed), depth)

    def within(self, depth: int, letter: str) -> Term:
        return self.maybe_wrapped(Within(self.path("p"), self.term(depth, letter)), depth)

    def bound(self, depth: int, letter: str) -> Term:
        body = self.term(depth, letter)
        otherwise = self.aside(depth, letter) if self.draw(st.booleans()) else None
        return self.maybe_wrapped(Bound(body, self.draw(st.integers(1, 3)), otherwise), depth)

    def tries(self, depth: int, letter: str) -> Term:
        return Tries(self.term(depth, letter), self.draw(st.integers(2, 3)), self.draw(st.integers(0, 2)))

    def handled(self, depth: int, letter: str) -> Term:
        return Handled(self.term(depth, letter), self.aside(depth, letter))

    def items(self, depth: int, letter: str) -> Term:
        self.has_items = True
        limit = self.draw(st.sampled_from([None, 1, 2]))
        path = self.path("each")
        return self.maybe_wrapped(Items(path, self.draw(st.integers(1, 3)), limit, self.term(depth, letter)), depth)

    def maybe_wrapped(self, term: Term, depth: int) -> Term:
        return self.wrapped(term, depth) if self.draw(st.integers(0, 2)) == 0 else term


@st.composite
def terms(draw: st.DrawFn) -> tuple[Term, bool]:
    grower = Grower(draw)
    return grower.term(draw(st.integers(2, 4))), grower.has_items


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["succeeds"] * 8 + ["fails"] * 5 + ["exceeds"] + ["passes"] * 5 + ["stops", "late"]),
        st.integers(0, 9),
    ),
    min_size=8,
    max_size=40,
)


class Both(Machine):
    """The machine and the rules, side by side."""

    def __init__(self, term: Term, has_items: bool) -> None:
        self.orders: list[tuple[str, Any]] = []
        self.cancels: list[str] = []
        self.gone: list[int] = []
        self.result = 100
        self.has_items = has_items
        super().__init__(kernel(term))
        self.rules = Rules(term, 1, self.now)
        self.compare()

    @override
    def _after(self, result: tuple[Any, tuple[Effect, ...]]) -> Any:
        ordered = [one for one in result[1] if isinstance(one, RunTask)]
        stopped = [one.frame for one in result[1] if isinstance(one, StopTask)]
        self.orders = [(one.key.removeprefix("a/"), load(self.plan.ops[one.op], Stored(one.value))) for one in ordered]
        self.cancels = [self.name_of(frame) for frame in stopped]
        self.gone += stopped
        return super()._after(result)

    def act(self, what: str, which: int) -> None:
        names = self.running
        note(f"{what} {which} of {names}")
        match what:
            case "passes":
                self.rules.passes(1 + which // 5)
                self.waits(1 + which // 5)
            case "stops":
                self.rules.stops()
                self.stops()
            case "late":
                self.nothing_comes_of(which)
                return
            case _ if names:
                self.ends_a_job(what, names[which % len(names)])
            case _:
                return
        self.compare()

    def ends_a_job(self, what: str, name: str) -> None:
        frame = self.frame_of(name)
        self.gone.append(frame)
        if what == "succeeds":
            self.result += 1
            self.rules.succeeds(name, self.result)
            self.apply(TaskSucceeded(frame, INT.encode(self.result)))
        elif what == "fails":
            self.rules.fails(name, "ValueError: no")
            self.apply(TaskFailed(frame, "ValueError", "no", kinds_of(ValueError)))
        else:
            self.rules.fails(name, "TimeoutError: slow", stopped=True)
            self.apply(TaskFailed(frame, "TimeoutError", "slow", kinds_of(TimeoutError), timed_out=True))

    def nothing_comes_of(self, which: int) -> None:
        """What has ended, or was called off, reports once more."""
        if self.gone:
            frame = self.gone[which % len(self.gone)]
            for event in (TaskSucceeded(frame, INT.encode(3)), TaskFailed(frame, "E", "", ())):
                assert step(self.plan, self.state, event, self.now)[0] is self.state

    def compare(self) -> None:
        rules = self.rules
        assert self.orders == rules.orders
        assert self.cancels == rules.cancels
        assert STATUSES[self.state.status] == rules.status
        assert str(self.state.error or "") == rules.error
        if self.state.result is not None:
            assert self.plan.gives.revive(self.state.result) == rules.result
        if not self.has_items:
            assert self.timeline == rules.rows

    @property
    def timeline(self) -> dict[str, tuple[str, int, int, int]]:
        rows = zip(self.plan.paths, step_rows(self.plan, self.state), strict=True)
        return {path: (str(STATUSES[row[0]]), *row[1:]) for path, row in rows if row[0]}

    @property
    def is_over(self) -> bool:
        return self.rules.status != "EXECUTING"

    def comes_to_an_end(self) -> None:
        for turn in range(1_000):
            if self.is_over:
                return
            self.act("succeeds" if self.running else "passes", turn)
        raise AssertionError("it does not come to an end")


@given(terms(), ACTIONS)
def test_the_machine_gives_up_and_undoes_as_the_rules_say(
    grown: tuple[Term, bool], actions: list[tuple[str, int]]
) -> None:
    note(str(grown[0]))
    both = Both(*grown)
    for what, which in actions:
        if not both.is_over:
            both.act(what, which)
    both.comes_to_an_end()
    assert not both.state.frames
