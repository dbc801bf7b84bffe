"""Sleeps and waits on the virtual clock."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typing_extensions import override

from dagger import (
    RequestError,
    Retry,
    Status,
    Topic,
    all_of,
    any_of,
    command,
    context,
    process,
    sleep,
    task,
    template,
    wait_until,
)
from dagger.testing import TestEngine

START = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Order:
    id: str
    at: datetime = START


@dataclass(frozen=True)
class Tick:
    name: str


ticks = Topic("TICKS", Tick, key=lambda m: m.name)


def by_id(order: Order) -> str:
    return order.id


def ticked(order: Order) -> Tick:
    return Tick(order.id)


@wait_until
def its_time(order: Order) -> datetime:
    return order.at


async def test_the_clock_starts_in_2030_and_stands_still(dagger_engine: TestEngine) -> None:
    assert dagger_engine.now == START
    await dagger_engine.start(template("W", its_time, key=by_id), Order("o-1"))
    assert dagger_engine.now == START


async def test_advance_moves_the_clock_by_so_much(dagger_engine: TestEngine) -> None:
    await dagger_engine.advance(timedelta(days=40, microseconds=1))
    assert dagger_engine.now == START + timedelta(days=40, microseconds=1)


async def test_the_clock_does_not_go_back(dagger_engine: TestEngine) -> None:
    for by in (timedelta(seconds=-1), 60):
        wrong: Any = by
        with pytest.raises(RequestError, match="advance: expects a timedelta of zero or more, got "):
            await dagger_engine.advance(wrong)


async def test_a_sleep_ends_to_the_microsecond(dagger_engine: TestEngine) -> None:
    workflow = template("W", sleep(timedelta(hours=2, minutes=30)), key=by_id, takes=Order)
    run = await dagger_engine.start(workflow, Order("o-1"))
    await dagger_engine.advance(timedelta(hours=2, minutes=30) - timedelta(microseconds=1))
    assert run.step("sleep-2h30m").status is Status.EXECUTING
    await dagger_engine.advance(timedelta(microseconds=1))
    assert run.status is Status.COMPLETED
    assert run.result == Order("o-1")


async def test_a_sleep_of_nothing_is_over_at_once(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", sleep(timedelta(0)), key=by_id, takes=Order), Order("o-1"))
    assert run.status is Status.COMPLETED


async def test_advance_stops_at_each_timer_on_the_way(dagger_engine: TestEngine) -> None:
    body = sleep(timedelta(hours=1)) >> sleep(timedelta(hours=2)) >> sleep(timedelta(hours=4))
    run = await dagger_engine.start(template("W", body, key=by_id, takes=Order), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    assert run.step("sleep-2h").started == START + timedelta(hours=1)
    assert run.step("sleep-4h").ended == START + timedelta(hours=7)
    assert run.instance.ended == START + timedelta(hours=7)
    assert dagger_engine.now == START + timedelta(days=1)


async def test_timers_of_several_instances_fire_in_their_order(dagger_engine: TestEngine) -> None:
    @command(ticks)
    def tell(order: Order) -> Tick:
        return Tick(order.id)

    workflow = template("W", its_time >> tell, key=by_id)
    for hours, name in ((3, "c"), (1, "a"), (2, "b")):
        await dagger_engine.start(workflow, Order(name, START + timedelta(hours=hours)))
    await dagger_engine.advance(timedelta(hours=2))
    assert dagger_engine.sent(ticks) == [Tick("a"), Tick("b")]
    await dagger_engine.advance(timedelta(hours=1))
    assert dagger_engine.sent(ticks) == [Tick("a"), Tick("b"), Tick("c")]


@pytest.mark.unexplored("it is long")
async def test_many_timers_of_one_moment_all_fire(dagger_engine: TestEngine) -> None:
    workflow = template("W", sleep(timedelta(hours=1)), key=by_id, takes=Order)
    runs = [await dagger_engine.start(workflow, Order(f"o-{n}")) for n in range(600)]
    await dagger_engine.advance(timedelta(hours=1))
    assert {run.status for run in runs} == {Status.COMPLETED}


async def test_sleeps_side_by_side_end_each_at_its_time(dagger_engine: TestEngine) -> None:
    body = all_of(sleep(timedelta(hours=1)), sleep(timedelta(hours=2)))
    run = await dagger_engine.start(template("W", body, key=by_id, takes=Order), Order("o-1"))
    await dagger_engine.advance(timedelta(hours=1))
    assert (run.step("sleep-1h").status, run.step("sleep-2h").status) == (Status.COMPLETED, Status.EXECUTING)
    await dagger_engine.advance(timedelta(hours=1))
    assert run.result == (Order("o-1"), Order("o-1"))


async def test_wait_until_ends_at_the_time_of_the_data(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", its_time, key=by_id), Order("o-1", START + timedelta(days=30)))
    await dagger_engine.advance(timedelta(days=30) - timedelta(microseconds=1))
    assert run.status is Status.EXECUTING
    await dagger_engine.advance(timedelta(microseconds=1))
    assert run.status is Status.COMPLETED
    assert run.step("its_time").kind == "wait_until"


async def test_wait_until_minds_the_time_zone(dagger_engine: TestEngine) -> None:
    noon = datetime(2030, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin"))

    @wait_until
    def noon_in_berlin(order: Order) -> datetime:
        return noon

    run = await dagger_engine.start(template("W", noon_in_berlin, key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=365))
    assert run.step("noon_in_berlin").ended == datetime(2030, 7, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("ago", [timedelta(0), timedelta(days=10_000)])
async def test_wait_until_a_time_that_is_over_goes_on_at_once(dagger_engine: TestEngine, ago: timedelta) -> None:
    run = await dagger_engine.start(template("W", its_time, key=by_id), Order("o-1", START - ago))
    assert run.status is Status.COMPLETED


async def test_wait_until_a_time_without_zone_fails_its_step(dagger_engine: TestEngine) -> None:
    naive = START.replace(tzinfo=None)
    run = await dagger_engine.start(template("W", its_time, key=by_id), Order("o-1", naive))
    assert str(run.error) == (
        "its_time: ValueError: datetime.datetime(2030, 1, 1, 0, 0) has no time zone; "
        "use datetime(..., tzinfo=...) or .astimezone()"
    )


async def test_wait_until_what_is_no_time_fails_its_step(dagger_engine: TestEngine) -> None:
    @wait_until
    def someday(order: Order) -> datetime:
        day: Any = date(2030, 1, 2)
        return day  # type: ignore[no-any-return]  # what a user without a checker may write

    run = await dagger_engine.start(template("W", someday, key=by_id), Order("o-1"))
    assert str(run.error) == "someday: TypeError: expects a datetime, got datetime.date(2030, 1, 2)"


class Nowhere(tzinfo):
    @override
    def utcoffset(self, when: datetime | None, /) -> timedelta:
        raise LookupError("no such place")

    @override
    def tzname(self, when: datetime | None, /) -> str:
        return "nowhere"

    @override
    def dst(self, when: datetime | None, /) -> None:
        return None


async def test_a_time_zone_that_raises_fails_its_step(dagger_engine: TestEngine) -> None:
    @wait_until
    def someday(order: Order) -> datetime:
        return datetime(2031, 1, 1, tzinfo=Nowhere())

    run = await dagger_engine.start(template("W", someday, key=by_id), Order("o-1"))
    assert str(run.error) == "someday: LookupError: no such place"


async def test_the_end_of_time_is_a_time(dagger_engine: TestEngine) -> None:
    last = datetime.max.replace(tzinfo=UTC)
    run = await dagger_engine.start(template("W", its_time, key=by_id), Order("o-1", last))
    await dagger_engine.advance(timedelta(days=365))
    assert run.status is Status.EXECUTING


async def test_a_sleep_past_the_end_of_time_is_a_sleep(dagger_engine: TestEngine) -> None:
    workflow = template("W", sleep(timedelta.max), key=by_id, takes=Order)
    run = await dagger_engine.start(workflow, Order("o-1"))
    await dagger_engine.advance(timedelta(days=365))
    assert run.status is Status.EXECUTING


HOUR = timedelta(hours=1)


async def test_of_equal_sleeps_the_one_that_began_first_ends_first(dagger_engine: TestEngine) -> None:
    first, second = sleep(HOUR).named("first"), sleep(HOUR).named("second")
    run = await dagger_engine.start(template("W", any_of(first, second), key=by_id, takes=Order), Order("o-1"))
    await dagger_engine.advance(HOUR)
    assert run.step("first").status is Status.COMPLETED
    assert run.step("second").status is Status.STOPPED


async def test_the_next_try_begins_before_a_bound_of_another_branch_runs_out(dagger_engine: TestEngine) -> None:
    @task
    async def charge(order: Order) -> str:
        if context().attempt == 1:
            raise ValueError("no")
        return "charged"

    retried = charge.retry(Retry(attempts=2, first=HOUR, longest=HOUR))
    bounded = process("SLOW", sleep(2 * HOUR), timeout=HOUR)
    run = await dagger_engine.start(template("W", all_of(retried, bounded), key=by_id), Order("o-1"))
    await dagger_engine.advance(HOUR)
    assert run.status is Status.FAILURE
    assert run.step("charge").attempts == 2


async def test_of_equal_bounds_the_inner_one_runs_out_first(dagger_engine: TestEngine) -> None:
    inner = process("INNER", sleep(2 * HOUR), timeout=HOUR, otherwise=command(ticks)(ticked))
    run = await dagger_engine.start(
        template("W", process("OUTER", inner, timeout=HOUR), key=by_id, takes=Order), Order("o-1")
    )
    await dagger_engine.advance(HOUR)
    assert run.status is Status.COMPLETED
    assert run.step("OUTER/INNER/ticked").status is Status.COMPLETED
