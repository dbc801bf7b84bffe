"""Whatever happens to whatever tree: what is given up is undone, once, and what undoes is not disturbed."""

from __future__ import annotations

from collections import Counter
from itertools import count

from hypothesis import given, note
from hypothesis import strategies as st

from dagger import Status
from dagger.plan.kernel import Kernel
from tests.core.machine import (
    Machine,
    all_of,
    any_of,
    chain,
    for_each,
    hooked,
    job,
    recovered,
    retried,
    undone_by,
    within,
)


class Grower:
    """Grows a tree whose steps have names that say what they are: `a1` is undone by `u1` and has the hook `h1`."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.numbers = count(1)

    def tree(self, depth: int) -> Kernel:
        kinds = [self.step] if not depth else [self.step, self.row, self.row, self.group, self.bound, self.items]
        return self.draw(st.sampled_from(kinds))(depth - 1)

    def step(self, depth: int) -> Kernel:
        number = next(self.numbers)
        has_hook, has_undo = self.draw(st.booleans()), self.draw(st.integers(0, 3))
        part: Kernel = job(f"a{number}")
        if has_hook:
            part = hooked(part, f"h{number}")
        return undone_by(part, f"u{number}") if has_undo else part

    def row(self, depth: int) -> Kernel:
        return chain(*(self.tree(depth) for _ in range(self.draw(st.integers(2, 3)))))

    def group(self, depth: int) -> Kernel:
        kind = self.draw(st.sampled_from([all_of, any_of]))
        return kind(self.tree(depth), self.tree(depth))

    def bound(self, depth: int) -> Kernel:
        kind = self.draw(st.integers(0, 3))
        body = self.tree(depth)
        if kind == 0:
            return retried(body, 2, self.draw(st.integers(0, 1)))
        if kind == 1:
            return recovered(body, self.tree(0))
        return within(body, 2, self.tree(0) if kind == 2 else None)

    def items(self, depth: int) -> Kernel:
        return for_each(f"each{next(self.numbers)}", 2, self.tree(depth))


@st.composite
def trees(draw: st.DrawFn) -> Kernel:
    return Grower(draw).tree(3)


ACTIONS = st.lists(st.tuples(st.sampled_from(["ends"] * 5 + ["fails"] * 2 + ["waits", "stops"]), st.integers(0, 9)))


class Watched(Machine):
    """Counts what has completed."""

    def __init__(self, body: Kernel) -> None:
        self.completed = Counter[str]()
        super().__init__(body)

    def act(self, what: str, which: int) -> None:
        running = self.running
        note(f"{what} {which} of {running}")
        if what == "waits":
            self.waits(1)
        elif what == "stops":
            self.stops()
        elif running:
            name = running[which % len(running)]
            self.completed[name] += what == "ends"
            getattr(self, what)(name)

    def comes_to_an_end(self) -> None:
        for _ in range(500):
            if self.status is not Status.EXECUTING:
                return
            self.act("ends" if self.running else "waits", 0)
        raise AssertionError("it does not come to an end")


@given(trees(), ACTIONS)
def test_what_was_done_is_undone_once_if_it_is_given_up(tree: Kernel, actions: list[tuple[str, int]]) -> None:
    machine = Watched(tree)
    for what, which in actions:
        if machine.status is Status.EXECUTING:
            machine.act(what, which)
    machine.comes_to_an_end()
    assert not machine.state.frames
    begun, called_off = Counter(machine.begun), Counter(machine.called_off)
    undoable = {name: f"u{name[1:]}" for name in machine.completed if name[0] == "a"}
    has_undo = {path[1:] for path in machine.plan.paths if path[0] == "u"}
    for name, undo in undoable.items():
        if name[1:].partition("[")[0] not in has_undo:
            continue
        assert begun[undo] <= machine.completed[name]
        if machine.status is not Status.COMPLETED:
            assert begun[undo] == machine.completed[name], undo
    assert not [name for name in called_off if name[0] in "uh"], "what undoes is not disturbed"
    has_hook = {path[1:] for path in machine.plan.paths if path[0] == "h"}
    for name, times in called_off.items():
        if name[1:].partition("[")[0] in has_hook:
            assert begun[f"h{name[1:]}"] >= times
