"""No step of the machine costs more than a constant for each thing that it begins, ends, fires or gives up."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from dagger import (
    Retry,
    Status,
    Step,
    Topic,
    all_of,
    any_of,
    command,
    for_each,
    listener,
    process,
    sleep,
    task,
    template,
    wait_until,
)
from dagger.codecs import codec_of
from dagger.core import State, begin, step
from dagger.core.effects import Send
from dagger.core.envelope import Envelope
from dagger.core.events import (
    ChildEnded,
    MessageForwarded,
    StopRequested,
    Submitted,
    TaskFailed,
    TaskSucceeded,
    TimerDue,
)
from dagger.core.frames import ManyFrames
from dagger.core.state import STATUSES, Running
from dagger.plan import compile
from dagger.plan.kernel import Fork, Kernel
from tests.core import machine
from tests.core.counting import operations
from tests.core.machine import chain, hooked, job, rest, undone_by

FEW, MANY = 500, 2_000
HOUR = timedelta(hours=1)
HOUR_US = 3_600_000_000


@dataclass(frozen=True)
class Batch:
    id: str
    count: int


@dataclass(frozen=True)
class Note:
    id: str


notes = Topic("NOTES", Note, key=lambda note: note.id)
out = Topic("OUT", Batch, key=lambda batch: batch.id)


def numbers(batch: Batch) -> list[int]:
    return list(range(batch.count))


def own_key(number: int) -> str:
    return str(number)


def as_text(number: int) -> str:
    return str(number)


@task
async def work(number: int) -> int:
    return number


@listener(notes, on=own_key)
def heard(number: int, note: Note) -> int:
    return number


@command(out)
def refused(batch: Batch) -> Batch:
    raise ValueError("no")


child = template("Child", work, key=own_key)

retried = Retry(attempts=2, first=HOUR, factor=1, longest=HOUR, jitter=0)

Run = Callable[[int], Callable[[], Any]]
"""Brings an instance with so many items to where the step can be made that costs."""


def plan_of(body: Step[Batch, Any]) -> Any:
    return compile(template("T", body, key=lambda batch: batch.id))


def submitted(count: int) -> Submitted:
    return Submitted("T", 1, "a", "a", codec_of(Batch).encode(Batch("a", count)))


def beginning(body: Step[Batch, Any]) -> Run:
    plan = plan_of(body)
    return lambda count: lambda: begin(plan, submitted(count), 1)


def after_it(body: Step[Batch, Any], event: Any, now: int) -> Run:
    plan = plan_of(body)

    def prepared(count: int) -> Callable[[], Any]:
        state, _ = begin(plan, submitted(count), 1)
        happens = event(state)
        return lambda: step(plan, state, happens, now)

    return prepared


def stopping(body: Step[Batch, Any]) -> Run:
    return after_it(body, lambda _: StopRequested(), 2)


def firing(body: Step[Batch, Any]) -> Run:
    return after_it(body, lambda _: TimerDue(), 2 * HOUR_US)


def the_first_fails(state: State) -> TaskFailed:
    number = next(number for number, frame in state.frames.items() if isinstance(frame, Running))
    return TaskFailed(number, "ValueError", "no", ("builtins.ValueError",))


def tried_again() -> Run:
    """Every item waits for its next try, and all are due at once."""
    plan = plan_of(for_each(numbers, work.retry(retried)))

    def prepared(count: int) -> Callable[[], Any]:
        state, _ = begin(plan, submitted(count), 1)
        for number in [number for number, frame in state.frames.items() if isinstance(frame, Running)]:
            state, _ = step(plan, state, TaskFailed(number, "E", "", ("builtins.Exception",)), 2)
        return lambda: step(plan, state, TimerDue(), 2 * HOUR_US)

    return prepared


COSTS: dict[str, Run] = {
    "tasks begin": beginning(for_each(numbers, work)),
    "children are called": beginning(for_each(numbers, child)),
    "children are called, a few at a time": beginning(for_each(numbers, child, limit=200)),
    "items end at once": beginning(for_each(numbers, sleep(timedelta(0)))),
    "items end at once, a few at a time": beginning(for_each(numbers, sleep(timedelta(0)), limit=7)),
    "items end at once, many at a time": beginning(for_each(numbers, sleep(timedelta(0)), limit=200)),
    "each item ends a group": beginning(for_each(numbers, any_of(work, sleep(timedelta(0))))),
    "tasks are begun and given up": beginning(all_of(for_each(numbers, work), refused)),
    "waits are begun and given up": beginning(all_of(for_each(numbers, heard), refused)),
    "tasks are stopped": stopping(for_each(numbers, work)),
    "waits by computed keys are stopped": stopping(for_each(numbers, heard)),
    "children are stopped": stopping(for_each(numbers, child)),
    "groups in items are stopped": stopping(for_each(numbers, all_of(work, heard, sleep(HOUR)))),
    "a failure gives tasks up": after_it(for_each(numbers, work), the_first_fails, 2),
    "sleeps end": firing(for_each(numbers, sleep(HOUR))),
    "bounds run out": firing(for_each(numbers, work.timeout(HOUR, otherwise=sleep(HOUR).then(as_text)))),
    "groups end by a timer": firing(for_each(numbers, any_of(work, sleep(HOUR)))),
    "next tries begin": tried_again(),
}


@pytest.mark.parametrize("what", COSTS)
def test_a_thing_costs_the_same_among_many(what: str) -> None:
    few, many = (operations(COSTS[what](count)) / count for count in (FEW, MANY))
    assert few > 10
    assert many < few * 1.2


def test_ten_thousand_tasks_are_given_up_in_one_step() -> None:
    """What C code does is in no count of operations, so this takes the time; the bound is 20 times what it takes."""
    plan = plan_of(all_of(for_each(numbers, work), refused))
    start = time.process_time()
    state, effects = begin(plan, submitted(10_000), 1)
    assert time.process_time() - start < 4
    assert state.error is not None
    assert not state.frames
    assert len(effects) < 10


SOME, THOUSANDS = 400, 8_000


def one_of(kind: type[Any], event: Callable[[int], Any]) -> Callable[[State], Any]:
    """The event of one frame of a kind, amid the others."""

    def chosen(state: State) -> Any:
        numbers = [number for number, frame in state.frames.items() if isinstance(frame, kind)]
        return event(numbers[len(numbers) // 2])

    return chosen


def third(state: State) -> MessageForwarded:
    return MessageForwarded(Envelope("NOTES", "3", b'{"id":"3"}'), 9)


def later(number: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=number)


succeeds = one_of(Running, lambda number: TaskSucceeded(number, b"\x01"))
fails = one_of(Running, lambda number: TaskFailed(number, "ValueError", "no", ("builtins.Exception",)))


def a_child_ends(body: Step[Batch, Any]) -> Run:
    """The end of one child amid the others, as the child would report it."""
    plan = plan_of(body)

    def prepared(count: int) -> Callable[[], Any]:
        state, effects = begin(plan, submitted(count), 1)
        starts = [effect.event for effect in effects if isinstance(effect, Send)]
        start = starts[len(starts) // 2]
        assert isinstance(start, Submitted)
        assert start.parent is not None
        event = ChildEnded(start.parent, start.id, STATUSES.index(Status.COMPLETED), codec_of(int).encode(1))
        return lambda: step(plan, state, event, 2)

    return prepared


def warmed(call: Callable[[], Any]) -> Callable[[], Any]:
    """A step that is made again: what is known of parts of the frames that do not change is known already."""
    call()
    return call


EVENTS: dict[str, Run] = {
    "a task succeeds": after_it(for_each(numbers, work), succeeds, 2),
    "a task succeeds, and the next begins": after_it(for_each(numbers, work >> work.named("next")), succeeds, 2),
    "a task fails, which is collected": after_it(for_each(numbers, work, collect=True), fails, 2),
    "a task fails, which is handled": after_it(for_each(numbers, work.recover(sleep(HOUR))), fails, 2),
    "a task fails, and is tried again": after_it(for_each(numbers, work.retry(Retry(attempts=2))), fails, 2),
    "a child ends": a_child_ends(for_each(numbers, child)),
    "a child ends, and the next is called": a_child_ends(for_each(numbers, child >> process("next", child))),
    "a branch wins": after_it(for_each(numbers, any_of(work, sleep(HOUR))), succeeds, 2),
    "a message comes": after_it(for_each(numbers, heard), third, 2),
    "a timer fires": after_it(for_each(numbers, wait_until(later)), lambda _: TimerDue(), 2_000_000),
}
"""What happens to one item of many."""


@pytest.mark.parametrize("what", EVENTS)
def test_an_event_of_an_item_costs_the_same_among_thousands(what: str) -> None:
    """But for a few questions that each part of the frames is asked, with 64 items or so: less than one operation an
    item."""
    some, thousands = (operations(warmed(EVENTS[what](count))) for count in (SOME, THOUSANDS))
    assert some > 10
    assert thousands < some * 2 + THOUSANDS


@pytest.mark.parametrize("what", EVENTS)
def test_an_event_of_an_item_leaves_most_bytes_as_they_were(what: str) -> None:
    made = EVENTS[what](THOUSANDS)
    one, other = (made()[0].frames for _ in range(2))
    assert isinstance(one, ManyFrames)
    assert isinstance(other, ManyFrames)
    changed = [number for number, part in one.parts.items() if part is not other.parts[number]]
    assert 0 < len(changed) <= 3


def at_once(number: int) -> Kernel:
    return rest(f"rest{number}", 0)


def with_a_loser(number: int) -> Kernel:
    return machine.any_of(hooked(job(f"job{number}"), rest(f"hook{number}", 0)), at_once(number))


def undone(count: int) -> Kernel:
    return chain(machine.for_each("each", count, undone_by(rest("a", 0), rest("u", 0))), job("b"))


def group_of(branch: Callable[[int], Kernel]) -> Callable[[int], Kernel]:
    return lambda count: Fork("all", "all", tuple(map(branch, range(count))), count, 0)


@pytest.mark.parametrize(
    ("body", "count"), [(group_of(at_once), 40_000), (group_of(with_a_loser), 12_000), (undone, 40_000)]
)
def test_what_many_branches_give_is_not_copied_for_each(body: Callable[[int], Kernel], count: int) -> None:
    """Copying is C code, too; the bound is 5 to 20 times what it takes, and less than it takes with a copy for each."""
    plan = machine.plan_of(body(count))
    start = time.process_time()
    state, _ = begin(plan, Submitted("T", 1, "a", "a", machine.INT.encode(1)), 1)
    if state.is_live:
        state, _ = step(plan, state, StopRequested(), 2)
    assert time.process_time() - start < 2
    assert not state.frames
