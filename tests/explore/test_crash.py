"""`TestEngine.crash`: what a worker that dies loses, and what the next one finds."""

from __future__ import annotations

from datetime import timedelta

import anyio
import anyio.lowlevel

from dagger import Status, context, sleep, task, template
from dagger.testing import TestEngine, hang
from tests.explore.trips import FLIGHT, HOTEL, HOUR, TRIP, Trip, asks, by_id, conversation


async def test_a_wait_goes_on(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(conversation, TRIP)
    await dagger_engine.crash()
    assert run.status is Status.EXECUTING
    await dagger_engine.deliver(*HOTEL)
    await dagger_engine.crash()
    await dagger_engine.deliver(*FLIGHT)
    assert run.result.what == ("sea view", "window")
    assert [ask.what for ask in dagger_engine.sent(asks)] == ["hotel", "flight"]


async def test_a_timer_goes_on(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", sleep(HOUR), key=by_id, takes=Trip), TRIP)
    await dagger_engine.advance(timedelta(minutes=30))
    await dagger_engine.crash()
    await dagger_engine.advance(timedelta(minutes=29))
    assert run.status is Status.EXECUTING
    await dagger_engine.advance(timedelta(minutes=1))
    assert run.status is Status.COMPLETED


async def test_a_task_runs_again_as_the_same_attempt(dagger_engine: TestEngine) -> None:
    seen = list[tuple[int, str]]()

    @task
    async def book(trip: Trip) -> str:
        seen.append((context().attempt, context().idempotency_key))
        if len(seen) < 3:
            await hang()
        return trip.id

    run = await dagger_engine.start(template("W", book, key=by_id), TRIP)
    await dagger_engine.crash()
    assert run.status is Status.EXECUTING
    await dagger_engine.crash()
    assert run.result == "t-1"
    assert seen == [(1, "t-1/book")] * 3


async def test_who_waits_for_an_end_is_told(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(conversation, TRIP)
    async with anyio.create_task_group() as group:
        group.start_soon(dagger_engine.wait, run)
        await anyio.lowlevel.checkpoint()
        await dagger_engine.crash()
        await dagger_engine.deliver(*HOTEL)
        await dagger_engine.deliver(*FLIGHT)
