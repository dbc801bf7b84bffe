"""The records between parent and child, in any order, any of them twice: no orphan is left, and no parent waits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger import Retry, Status, Template, any_of, for_each, process, signal, sleep, template
from dagger.core import receive
from dagger.core.effects import Effect, Publish, RunTask, Send
from dagger.core.entity import EMPTY, Entity
from dagger.core.events import CallGivenUp, ChildEnded, Event, SignalReceived, StopRequested, Submitted, TimerDue
from dagger.core.state import STATUSES, Calling, State
from dagger.engine.records import Record, StoredEntity, decode_record, decode_stored, encode_record, encode_stored
from dagger.engine.registry import children_of
from dagger.plan import Limits, Plan, compile
from tests.core.invariants import check

LIMITS = Limits()
SECOND = 1_000_000
BETWEEN = (Submitted, ChildEnded, CallGivenUp)
"""The records of the protocol."""


def text(value: str) -> str:
    return value


def two(value: str) -> list[str]:
    return [f"{value}1", f"{value}2"]


def ask(name: str) -> Any:
    return signal(name, str)


leaf = template("Leaf", process("L", ask("go")), key=text, takes=str)
middle = template("Middle", process("M", leaf), key=text, takes=str)
SHAPES: dict[str, Template[Any, Any]] = {
    "one": template("One", leaf, key=text, takes=str),
    "three levels": template("Top", process("T", middle), key=text, takes=str),
    "items": template("Items", for_each(two, leaf), key=text, takes=str),
    "a bound": template("Bound", middle.timeout(timedelta(seconds=3)), key=text, takes=str),
    "tries": template(
        "Tries",
        middle.timeout(timedelta(seconds=3)).retry(Retry(attempts=3, first=timedelta(0))),
        key=text,
        takes=str,
    ),
    "either": template("Either", any_of(middle, sleep(timedelta(seconds=2))), key=text, takes=str),
}


@dataclass
class World:
    """Entities, and the records that are on their way between them, which come in whatever order is chosen."""

    root: Template[Any, Any]
    entities: dict[str, Entity] = field(default_factory=dict[str, Entity])
    waiting: list[tuple[str, Event]] = field(default_factory=list[tuple[str, Event]])
    now: int = SECOND

    def __post_init__(self) -> None:
        plans = [compile(one, LIMITS) for one in (*children_of(self.root), self.root)]
        self.plans = {(plan.template, plan.version): plan for plan in plans}
        self.waiting.append(("p", Submitted(self.root.name, 1, "p", "p", plans[-1].takes.encode("p"))))

    def find(self, name: str, version: int) -> Plan | None:
        return self.plans.get((name, version))

    def apply(self, to: str, event: Event) -> None:
        """Apply an event as it is read from the log, and keep what the entity is as it is stored."""
        read = decode_record(encode_record(Record(to, event)))
        entity, effects = receive(self.find, LIMITS, self.entities.get(to, EMPTY), read.event, self.now)
        if entity.state is not None:
            plan = self.find(entity.state.template, entity.state.version)
            assert plan is not None
            check(plan, entity.state)
        self.entities[to] = decode_stored(encode_stored(StoredEntity(0, (), entity))).entity
        for effect in effects:
            self.follow(effect)

    def follow(self, effect: Effect) -> None:
        assert not isinstance(effect, Publish | RunTask)
        if isinstance(effect, Send):
            self.waiting.append((effect.to, effect.event))

    def ring(self) -> None:
        """Time goes on to the first timer, and it rings."""
        due = [(at, id) for id, one in self.entities.items() if (at := one.wakeup()[0]) is not None]
        if due:
            at, id = min(due)
            if at < self.now + 60 * SECOND:  # what is only remembered is not waited for
                self.now = max(self.now, at)
                self.apply(id, TimerDue())

    @property
    def live(self) -> dict[str, State]:
        states = {id: one.state for id, one in self.entities.items()}
        return {id: state for id, state in states.items() if state is not None and state.is_live}

    @property
    def status(self) -> Status:
        state = self.entities["p"].state
        assert state is not None
        return STATUSES[state.status]

    def called(self) -> set[str]:
        """The children that a step of a live instance waits for."""
        frames = [frame for state in self.live.values() for frame in state.frames.values()]
        return {frame.child for frame in frames if isinstance(frame, Calling)}


Choose = Callable[[int], int]


def drive(world: World, choose: Choose, steps: int) -> None:
    """Deliver records in any order, some twice; stop, go and ring now and then."""
    again = list[tuple[str, Event]]()
    for _ in range(steps):
        what = choose(12)
        if what < 7 and world.waiting:
            record = world.waiting.pop(choose(len(world.waiting)))
            again.append(record)
            world.apply(*record)
        elif what == 7 and again:
            record = again[choose(len(again))]
            if isinstance(record[1], BETWEEN):
                world.apply(*record)
        elif what == 8:
            world.ring()
        elif what == 9:
            world.apply("p", StopRequested())
        elif world.live:
            id = sorted(world.live)[choose(len(world.live))]
            world.apply(id, SignalReceived("go", b"\xa3yes") if what == 10 else StopRequested())


def settle(world: World) -> None:
    """All that is on its way comes, in order, and children end, until nothing goes on."""
    for _ in range(200):
        while world.waiting:
            world.apply(*world.waiting.pop(0))
        assert world.called() == set(world.live) - {"p"}, "each live child is one that its parent waits for"
        leaves = [id for id, state in world.live.items() if state.template == "Leaf"]
        if leaves:
            world.apply(leaves[0], SignalReceived("go", b"\xa3yes"))
        elif world.live:
            world.ring()
        else:
            return
    raise AssertionError(f"it does not end: {world.live}")


@given(st.sampled_from(sorted(SHAPES)), st.data())
def test_no_orphan_is_left_and_no_parent_waits_for_ever(shape: str, data: st.DataObject) -> None:
    world = World(SHAPES[shape])
    world.apply(*world.waiting.pop())
    drive(world, lambda count: data.draw(st.integers(0, count - 1)), data.draw(st.integers(0, 60)))
    settle(world)
    assert world.status.is_end
    assert not world.live


@pytest.mark.parametrize("order", ["start first", "stop first"])
@pytest.mark.parametrize("twice", [False, True])
def test_a_stop_that_overtakes_the_start_leaves_no_orphan(order: str, twice: bool) -> None:
    world = World(SHAPES["one"])
    world.apply(*world.waiting.pop())
    world.apply("p", StopRequested())
    start, stop = world.waiting
    world.waiting.clear()
    assert isinstance(start[1], Submitted)
    assert isinstance(stop[1], CallGivenUp)
    records = [start, stop] if order == "start first" else [stop, start]
    for record in records:
        for _ in range(1 + twice):
            world.apply(*record)
    settle(world)
    assert world.status is Status.STOPPED
    child = world.entities["p/Leaf"]
    assert child.state is not None
    assert STATUSES[child.state.status] is Status.STOPPED
    assert not child.revoked


def test_what_is_remembered_of_a_start_that_never_comes_is_forgotten_in_time() -> None:
    world = World(SHAPES["one"])
    world.apply(*world.waiting.pop())
    world.apply("p", StopRequested())
    world.apply(*world.waiting[1])
    assert world.entities["p/Leaf"].revoked
    due, _ = world.entities["p/Leaf"].wakeup()
    assert due is not None
    world.now = due
    world.apply("p/Leaf", TimerDue())
    assert world.entities["p/Leaf"].is_empty


def test_a_child_that_is_called_and_given_up_in_one_step_is_never_started() -> None:
    none_waits = template("T", any_of(leaf, process("Q", sleep(timedelta(0)))), key=text, takes=str)
    world = World(none_waits)
    world.apply(*world.waiting.pop())
    assert world.status is Status.COMPLETED
    assert world.waiting == []


def test_the_end_of_an_earlier_run_is_no_end_of_a_later_one() -> None:
    world = World(SHAPES["tries"])
    world.apply(*world.waiting.pop())
    while world.waiting:
        world.apply(*world.waiting.pop(0))
    world.now += 3 * SECOND
    world.apply("p", TimerDue())
    ends = list[tuple[str, Event]]()
    while world.waiting:
        record = world.waiting.pop(0)
        ends += [record] if record[0] == "p" else []
        world.apply(*record)
    (end,) = ends
    assert world.called() == {"p/Middle", "p/Middle/M/Leaf"}
    before = world.entities["p"]
    world.apply(*end)
    assert world.entities["p"] == before
    run = world.entities["p/Middle"].state
    assert run is not None
    assert run.head.run == 2
    settle(world)
    assert world.status is Status.COMPLETED
