"""Whoever waits in an engine that is closed, or whose worker ends, is told at once. No timing decides."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from dagger import BackendError, Dagger, EngineClosed, Topic, signal, template
from dagger.engine.backoff import PAUSE_S_MAX
from dagger.engine.client.poller import ChangePoller
from dagger.errors import BackendUnavailable

LIMIT_S = 30


@dataclass(frozen=True)
class Note:
    id: str


notes = Topic("CLOSED_NOTES", Note, key=lambda m: m.id)
waits = template("ClosedWaits", signal("go", str), key=lambda note: note.id, takes=Note)


@pytest.fixture(params=["memory://", "sqlite:///closed.db"])
def url(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    found: str = request.param
    return found


def limited(run: Callable[[], Awaitable[None]]) -> None:
    async def inside() -> None:
        with anyio.fail_after(LIMIT_S):
            await run()

    asyncio.run(inside())


async def begun(task: asyncio.Task[Any]) -> None:
    """Let a task go until it waits."""
    for _ in range(20):
        await anyio.lowlevel.checkpoint()
    assert not task.done()


async def all_of(engine: Dagger) -> list[Any]:
    return [message async for message in engine.subscribe(notes, group="g")]


def test_the_end_of_a_worker_is_told_to_those_who_wait(url: str) -> None:
    async def run() -> None:
        async with Dagger(url) as engine:
            run = await engine.start(waits, Note("o-1"))
            await engine.signal(run, "go", "now")
            await engine.wait(run)
            other = await engine.start(waits, Note("o-2"))
            waiting = [asyncio.create_task(engine.wait(one)) for one in (other, "o-1", "o-2")]
            reading = asyncio.create_task(all_of(engine))
            await waiting[1]
            await begun(reading)
        for task in (waiting[0], waiting[2]):
            with pytest.raises(EngineClosed, match="'o-2' is not known: the engine was closed"):
                await task
        assert await reading == []  # it ends, and does not fail

    limited(run)


def test_aclose_is_told_to_those_who_wait(url: str) -> None:
    async def run() -> None:
        engine = Dagger(url)
        run = await engine.start(waits, Note("o-1"))
        waiting, reading = asyncio.create_task(engine.wait(run)), asyncio.create_task(all_of(engine))
        await begun(waiting)
        await engine.aclose()
        with pytest.raises(EngineClosed):
            await waiting
        assert await reading == []
        async with engine:  # and it may be used again
            await engine.signal(run, "go", "now")
            assert (await engine.wait(run)).result == "now"

    limited(run)


def test_a_client_inside_of_a_worker_goes_on_waiting_when_it_ends(url: str) -> None:
    async def run() -> None:
        engine = Dagger(url)
        async with engine.client():
            async with engine:
                run = await engine.start(waits, Note("o-1"))
            waiting = asyncio.create_task(engine.wait(run))
            async with engine:
                await engine.signal(run, "go", "now")
                assert (await waiting).result == "now"

    limited(run)


class Broken(Exception):
    """A bug."""


@pytest.mark.parametrize("error", [Broken("a bug"), BackendError("it cannot go on")])
def test_what_ends_a_worker_is_told_to_those_who_wait(
    url: str, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(outside: list[asyncio.Task[Any]]) -> None:
        async with Dagger(url) as engine:
            run = await engine.start(waits, Note("o-1"))
            outside += [asyncio.create_task(engine.wait(run)), asyncio.create_task(all_of(engine))]
            await begun(outside[0])

            async def fails() -> bool:
                raise error

            monkeypatch.setattr(engine._worker, "run_once", fails)
            await engine.signal(run, "go", "now")
            await anyio.sleep_forever()

    async def run() -> None:
        outside = list[asyncio.Task[Any]]()
        with pytest.raises((ExceptionGroup, BackendError)) as raised:
            await work(outside)
        found = raised.value
        assert error in (found.exceptions if isinstance(found, ExceptionGroup) else [found])
        for task in outside:
            with pytest.raises(EngineClosed) as told:
                await task
            assert told.value.__cause__ is error

    limited(run)


def test_a_worker_that_is_cancelled_from_inside_ends_with_an_error(url: str) -> None:
    async def work() -> None:
        before = asyncio.all_tasks()
        async with Dagger(url):
            await begun(asyncio.ensure_future(anyio.sleep_forever()))
            for task in asyncio.all_tasks() - before:
                task.cancel()
            await anyio.sleep_forever()

    async def run() -> None:
        with pytest.raises(EngineClosed, match="own work was cancelled by other code"):
            await work()

    limited(run)


class Elsewhere:
    """A backend of which another process changes the records; looking at it fails."""

    shared = True

    def __init__(self, *errors: Exception, at_change: bool = False) -> None:
        self.errors = list(errors)
        self.at_change = at_change
        self.event = anyio.Event()

    async def changed(self) -> None:
        if self.at_change and self.errors:
            raise self.errors.pop(0)

    def wanted(self) -> list[str]:
        return ["o-1"]

    async def look(self, ids: Any) -> int:
        if not self.at_change and self.errors:
            raise self.errors.pop(0)
        if not self.errors:
            self.event.set()
        return 1


@pytest.mark.parametrize("error", [Broken("a bug"), BackendError("the file is gone")])
@pytest.mark.parametrize("at_change", [False, True])
def test_what_ends_the_look_at_others_is_told_to_those_who_wait(error: Exception, at_change: bool) -> None:
    async def run() -> None:
        elsewhere: Any = Elsewhere(error, BackendError("again"), at_change=at_change)
        poller = ChangePoller(elsewhere, elsewhere.wanted, lambda id: True, elsewhere.look)
        waiting = [asyncio.create_task(poller.wait_for(anyio.Event())) for _ in range(3)]
        for task in waiting:
            with pytest.raises(type(error), match=str(error)):
                await task
        elsewhere.errors.clear()
        await poller.wait_for(elsewhere.event)  # who comes later has it looked at again
        poller.stop()

    limited(run)


def test_the_look_at_others_backs_off_while_the_backend_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    rests = list[float]()

    async def rest(seconds: float) -> None:
        rests.append(seconds)
        await anyio.lowlevel.checkpoint()

    async def run() -> None:
        monkeypatch.setattr("dagger.engine.backoff.anyio.sleep", rest)
        elsewhere: Any = Elsewhere(*[BackendUnavailable("away")] * 10)
        poller = ChangePoller(elsewhere, elsewhere.wanted, lambda id: True, elsewhere.look)
        await poller.wait_for(elsewhere.event)
        poller.stop()

    limited(run)
    assert rests == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, *[PAUSE_S_MAX] * 4]
    assert 1 <= len(caplog.records) < 10


@pytest.mark.parametrize("is_worker", [False, True])
def test_who_waits_where_nobody_can_work_is_warned(is_worker: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        engine = Dagger()
        async with engine if is_worker else engine.client():
            run = await engine.start(waits, Note("o-1"))
            waiting = asyncio.create_task(engine.wait(run))
            await begun(waiting)
        with pytest.raises(EngineClosed):
            await waiting

    limited(run)
    assert ("is not a worker" in caplog.text) is not is_worker
