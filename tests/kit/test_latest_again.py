"""What answers a bound of a step that waits again gets its latest value, where the bound is of nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import pytest

from dagger import Again, Status, Step, Topic, command, listener, process, signal, sleep, template
from dagger.testing import TestEngine

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Return:
    id: str
    missing: int


@dataclass(frozen=True)
class Parcel:
    id: str


parcels = Topic("PARCELS", Parcel, key=lambda m: m.id)
reminders = Topic("REMINDERS", str, key=lambda m: m)


def by_id(order: Return) -> str:
    return order.id


@listener(parcels)
def parcel(order: Return, message: Parcel) -> str | Again[Return]:
    return "all" if order.missing == 1 else Again(Return(order.id, order.missing - 1))


@signal("left", int)
def left(order: Return, missing: int) -> str | Again[Return]:
    return "none" if missing == 0 else Again(Return(order.id, missing))


def missing(order: Return) -> str:
    return f"{order.missing} missing"


def noted(text: str) -> str:
    return text


@command(reminders)
def remind(order: Return) -> str:
    return f"{order.missing} missing"


async def come(engine: TestEngine, count: int) -> None:
    for _ in range(count):
        await engine.deliver(parcels, Parcel("r"))


BODIES: dict[str, Step[Return, str]] = {
    "timeout": parcel.timeout(DAY, otherwise=missing),
    "named": parcel.named("more").timeout(DAY, otherwise=missing),
    "process": process("P", parcel, timeout=DAY, otherwise=missing),
    "in a process": process("P", process("Q", parcel)).timeout(DAY, otherwise=missing),
    "in a process with a bound": process("P", parcel, timeout=7 * DAY).timeout(DAY, otherwise=missing),
}
CHAINS: dict[str, Step[Return, str]] = {
    "then": parcel.then(noted).timeout(DAY, otherwise=missing),
    "chain": (sleep(timedelta(0)) >> parcel).timeout(DAY, otherwise=missing),
    "group": (parcel | left).timeout(DAY, otherwise=missing),
    "answered inside": parcel.timeout(7 * DAY, otherwise=missing).timeout(DAY, otherwise=missing),
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
async def test_the_latest_value_answers(dagger_engine: TestEngine, body: Step[Return, str]) -> None:
    run = await dagger_engine.start(template("W", body, key=by_id), Return("r", 3))
    await come(dagger_engine, 2)
    await dagger_engine.advance(DAY)
    assert run.result == "1 missing"


@pytest.mark.parametrize("body", CHAINS.values(), ids=CHAINS.keys())
async def test_of_more_than_one_step_the_input_answers(dagger_engine: TestEngine, body: Step[Return, str]) -> None:
    run = await dagger_engine.start(template("W", body, key=by_id), Return("r", 3))
    await dagger_engine.deliver(parcels, Parcel("r"))
    await dagger_engine.advance(DAY)
    assert run.result == "3 missing"


async def test_without_any_message_the_input_answers(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", BODIES["timeout"], key=by_id), Return("r", 3))
    await dagger_engine.advance(DAY)
    assert run.result == "3 missing"


async def test_early_messages_count(dagger_engine: TestEngine) -> None:
    await come(dagger_engine, 2)
    run = await dagger_engine.start(template("W", BODIES["timeout"], key=by_id), Return("r", 3))
    await dagger_engine.advance(DAY)
    assert run.result == "1 missing"


async def test_the_value_of_a_signal_answers(dagger_engine: TestEngine) -> None:
    body = left.timeout(DAY, otherwise=missing)
    run = await dagger_engine.start(template("W", body, key=by_id), Return("r", 3))
    await dagger_engine.signal(run, left, 2)
    await dagger_engine.advance(DAY)
    assert run.result == "2 missing"


async def test_what_comes_by_another_way_is_stored_as_what_comes_again(dagger_engine: TestEngine) -> None:
    """Before the bound the value is one of a group, seen through a function."""

    def first(given: str | Return) -> Return:
        return Return("r", 5)

    body = (left | sleep(DAY)).then(first) >> BODIES["timeout"]
    workflow = template("W", body, key=by_id)
    for count, result in ((0, "5 missing"), (2, "3 missing")):
        run = await dagger_engine.start(workflow, Return("r", 9), id=f"r-{count}")
        await dagger_engine.advance(DAY)
        await come(dagger_engine, count)
        await dagger_engine.advance(DAY)
        assert run.result == result


async def test_a_reminder_of_what_is_missing(dagger_engine: TestEngine) -> None:
    body = parcel.timeout(3 * DAY, otherwise=remind >> parcel.named("late"))
    run = await dagger_engine.start(template("W", body, key=by_id), Return("r", 3))
    await come(dagger_engine, 2)
    await dagger_engine.advance(3 * DAY)
    assert dagger_engine.sent(reminders) == ["1 missing"]
    await dagger_engine.deliver(parcels, Parcel("r"))
    assert (run.status, run.result) == (Status.COMPLETED, "all")
    assert run.step("parcel").status is Status.STOPPED
