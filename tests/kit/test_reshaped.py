"""A template that was changed under its name and version, between one start of a worker and the next."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dagger import (
    Dagger,
    Retry,
    Status,
    Step,
    TemplateConflict,
    all_of,
    any_of,
    process,
    signal,
    sleep,
    task,
    template,
)
from dagger.backends.memory import MemoryBackend
from dagger.testing import TestEngine

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Order:
    id: str


def by_id(order: Order) -> str:
    return order.id


done: list[str] = []
"""What the tasks have done."""


@pytest.fixture(autouse=True)
def nothing_is_done() -> None:
    done.clear()


@task
async def check(order: Order) -> Order:
    done.append("check")
    return order


@task
async def charge(order: Order) -> Order:
    await asyncio.sleep(0)
    done.append("charge")
    return order


@task
async def ship(order: Order) -> Order:
    done.append("ship")
    return order


go = signal("go", str)


@task
async def shout(id: str) -> str:
    return id.upper()


def of(body: Step[Order, Any], version: int = 1) -> Any:
    return template("Shop", body, key=by_id, takes=Order, version=version)


@pytest.fixture
def before(memory: MemoryBackend) -> TestEngine:
    """The worker before the change."""
    return TestEngine(backend=memory)


def engine_of(memory: MemoryBackend, *templates: Any) -> TestEngine:
    engine = TestEngine(backend=memory)
    for one in templates:
        engine.register(one)
    return engine


BEGUN = of(check >> go)
CHANGED = [
    of(check >> check.named("again") >> go),
    of(go),
    of(check >> sleep(HOUR) >> go),
    of(check >> process("P", go)),
    of(check >> go.named("start")),
    of(check >> (go & sleep(HOUR))),
    of(check >> go >> go.named("twice")),
]


@pytest.mark.parametrize("changed", CHANGED, ids=str)
async def test_what_has_begun_waits_for_a_worker_with_its_steps(
    memory: MemoryBackend, before: TestEngine, changed: Any
) -> None:
    await before.start(BEGUN, Order("o-1"))
    after = engine_of(memory, changed)
    await after.crash()
    with pytest.raises(
        TemplateConflict, match="'o-1' began when template 'Shop' version 1 had other steps than it has"
    ):
        await after.signal("o-1", "go", "now")
    client = Dagger(backend=memory)  # a program that was not changed
    client.register(BEGUN)
    await client.signal("o-1", "go", "now")
    await after.run_until_idle()
    assert after.counts == {"plan_missing": 1}
    assert done == ["check"]
    again = engine_of(memory, BEGUN)
    await again.crash()
    found = await again.get_instance("o-1")
    assert (found.status, found.result) == (Status.COMPLETED, "now")


async def test_no_step_is_left_out_for_a_task_that_was_cut_off(memory: MemoryBackend, before: TestEngine) -> None:
    begun, changed = of(check >> charge >> ship), of(charge >> ship)
    client = Dagger(backend=memory)
    await client.start(begun, Order("o-1"))
    before.register(begun)
    async with asyncio.timeout(30):  # a failure limit
        settling = asyncio.create_task(before.run_until_idle())
        while "check" not in done:  # noqa: ASYNC110  # no event tells it
            await asyncio.sleep(0)
        settling.cancel()
    after = engine_of(memory, changed)
    await after.crash()
    assert "ship" not in done
    again = engine_of(memory, begun)
    await again.crash()
    assert (await again.get_instance("o-1")).status is Status.COMPLETED
    assert done[-2:] == ["charge", "ship"]


async def test_a_timer_of_what_has_begun_waits(memory: MemoryBackend, before: TestEngine) -> None:
    begun, changed = of(sleep(HOUR)), of(check >> sleep(HOUR))
    await before.start(begun, Order("o-1"))
    after = engine_of(memory, changed)
    await after.crash()
    await after.advance(2 * HOUR)
    assert after.counts == {"plan_missing": 1}
    again = engine_of(memory, begun)
    again.clock.move_to(after.clock.now())
    await again.crash()
    assert (await again.get_instance("o-1")).status is Status.COMPLETED


@pytest.mark.parametrize(
    ("begun", "changed"),
    [
        (process("P", go, timeout=HOUR), process("P", go, timeout=2 * HOUR)),
        (sleep(HOUR).named("rest") >> go, sleep(2 * HOUR).named("rest") >> go),
    ],
)
async def test_times_may_change_under_what_has_begun(
    memory: MemoryBackend, before: TestEngine, begun: Any, changed: Any
) -> None:
    await before.start(of(begun), Order("o-1"))
    after = engine_of(memory, of(changed))
    await after.crash()
    await after.signal("o-1", "go", "now")
    await after.advance(3 * HOUR)
    assert (await after.get_instance("o-1")).result == "now"


async def test_what_has_ended_is_shown_and_what_is_new_begins(memory: MemoryBackend, before: TestEngine) -> None:
    await before.start(of(check), Order("o-1"))
    after = engine_of(memory, of(check >> ship))
    await after.crash()
    assert (await after.get_instance("o-1")).status is Status.COMPLETED
    run = await after.start(of(check >> ship), Order("o-2"))
    assert run.status is Status.COMPLETED


async def test_old_and_new_go_on_side_by_side_by_their_versions(memory: MemoryBackend, before: TestEngine) -> None:
    await before.start(BEGUN, Order("o-1"))
    after = engine_of(memory, BEGUN, of(check >> ship >> go, version=2))
    await after.crash()
    new = await after.start(of(check >> ship >> go, version=2), Order("o-2"))
    for id in ("o-1", "o-2"):
        await after.signal(id, "go", "now")
    assert (await after.get_instance("o-1")).result == "now"
    assert new.status is Status.COMPLETED


def test_it_is_noticed_in_a_file_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = f"sqlite:///{tmp_path / 'shop.db'}"

    async def run() -> None:
        engine = Dagger(url)
        async with engine:
            await engine.start(BEGUN, Order("o-1"))
            while not await engine.count(status=Status.EXECUTING):  # noqa: ASYNC110  # no event tells it
                await asyncio.sleep(0.01)
        changed = Dagger(url)
        changed.register(CHANGED[0])
        async with changed, asyncio.timeout(30):  # a failure limit
            with pytest.raises(TemplateConflict):
                await changed.get_instance("o-1")
            assert await changed.instances() == []

    asyncio.run(run())
    assert "template 'Shop'" in caplog.text


@pytest.mark.parametrize(
    ("begun", "changed"),
    [
        pytest.param(any_of(check, charge), all_of(check, charge), id="any became all"),
        pytest.param(check >> charge >> ship, ship, id="it was shortened"),
        pytest.param(check >> ship, check >> ship.then(by_id) >> shout, id="its result has another type"),
    ],
)
async def test_what_has_ended_is_shown_without_what_it_would_mean_now(
    memory: MemoryBackend, before: TestEngine, begun: Any, changed: Any
) -> None:
    ended = await before.start(of(begun), Order("o-1"))
    assert ended.status is Status.COMPLETED
    after = engine_of(memory, of(changed))
    await after.crash()
    found = await after.get_instance("o-1")
    assert (found.id, found.template, found.status, found.steps) == ("o-1", "Shop", Status.COMPLETED, ())
    assert "o-1" in found.tree()
    assert "other steps" in found.tree()
    assert [one.id for one in await after.instances()] == ["o-1"]
    again = await after.start(of(changed), Order("o-1"))
    for read in (lambda: found.result, lambda: found.input, lambda: found.step("ship"), lambda: again.result):
        with pytest.raises(TemplateConflict, match="next version="):
            read()


async def test_a_bound_that_became_another_one_does_not_begin_its_body_again(
    memory: MemoryBackend, before: TestEngine
) -> None:
    body = check >> go
    await before.start(of(body.timeout(HOUR)), Order("o-1"))
    after = engine_of(memory, of(body.retry(Retry(attempts=5))))
    await after.crash()
    await after.advance(2 * HOUR)
    assert done == ["check"]
    back = engine_of(memory, of(body.timeout(HOUR)))
    back.clock.move_to(after.clock.now())
    await back.crash()
    await back.advance(HOUR)
    assert str((await back.get_instance("o-1")).error).startswith("check..go: TimeoutError")
