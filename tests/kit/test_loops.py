"""One engine in several event loops: one after the other they work, two at a time and none at all are refused."""

from __future__ import annotations

import asyncio
import concurrent.futures
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import anyio
import pytest

from dagger import Dagger, RequestError, Status, signal, sleep, template
from dagger.backends.memory import MemoryBackend
from dagger.testing.clock import VirtualClock

T = TypeVar("T")

LIMIT_S = 30
ROOT = Path(__file__).parents[2]
HOUR = timedelta(hours=1)

waits = template("LoopsWait", signal("go", str), key=lambda text: text, takes=str)
naps = template("LoopsNap", sleep(HOUR), key=lambda text: text, takes=str)


@pytest.fixture(params=["memory://", "sqlite:///loops.db"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dagger:
    monkeypatch.chdir(tmp_path)
    return Dagger(request.param)


async def limited(call: Awaitable[T]) -> T:
    with anyio.fail_after(LIMIT_S):
        return await call


def in_asyncio_run(call: Callable[[], Awaitable[T]]) -> T:
    async def run() -> T:
        return await limited(call())

    return asyncio.run(run())


async def work(engine: Dagger, id: str) -> str:
    async with engine:
        run = await engine.start(waits, id)
        await engine.signal(run, "go", "now")
        return (await engine.wait(run)).result


def test_it_is_used_in_one_after_the_other(engine: Dagger) -> None:
    run_in = in_asyncio_run
    first = run_in(lambda: engine.start(waits, "o-1"))
    second = run_in(lambda: engine.start(waits, "o-2"))
    run_in(lambda: engine.signal(first, "go", "one"))
    assert run_in(lambda: work(engine, "o-3")) == "now"
    assert run_in(lambda: work(engine, "o-4")) == "now"
    run_in(lambda: engine.signal(second, "go", "two"))

    async def rest() -> list[str]:
        async with engine:
            return [(await engine.wait(id)).result for id in ("o-1", "o-2")]

    assert run_in(rest) == ["one", "two"]
    run_in(engine.aclose)


def test_what_was_left_open_is_closed_with_its_loop_and_not_logged(
    engine: Dagger, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        in_asyncio_run(partial(engine.start, waits, f"o-{number}"))
    assert in_asyncio_run(engine.count) == 3
    assert [record.getMessage() for record in caplog.records if record.levelname != "INFO"] == []


CLOSED: Final = """
import asyncio, sys
from dagger import Dagger
from tests.kit.test_loops import waits, work

def run_in(call):
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(asyncio.wait_for(call, 30))
    finally:
        loop.close()

engine = Dagger(sys.argv[1])
run = run_in(engine.start(waits, "o-1"))
print(run_in(work(engine, "o-2")))
run_in(engine.signal(run, "go", "one"))
print(run_in(work(engine, "o-3")), run.status)
"""


def test_what_a_loop_has_left_open_that_was_only_closed_is_no_hindrance(engine: Dagger, tmp_path: Path) -> None:
    """Python warns of it when it is collected: so it is in a process of its own."""
    url = "memory://" if isinstance(engine.backend, MemoryBackend) else f"sqlite:///{tmp_path}/closed.db"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", CLOSED, url],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=4 * LIMIT_S,
    )
    assert done.stdout.splitlines() == ["now", "now COMPLETED"], done.stderr


def test_a_wait_that_was_cut_off_with_its_loop_is_forgotten(engine: Dagger) -> None:
    run = in_asyncio_run(lambda: engine.start(waits, "o-1"))

    left = list[asyncio.Task[Any]]()

    async def give_up() -> None:
        with anyio.move_on_after(0.01):
            await engine.wait(run)
        left.append(asyncio.create_task(engine.wait(run)))  # cancelled at the end of the loop
        await anyio.sleep(0.01)

    in_asyncio_run(give_up)
    assert in_asyncio_run(lambda: work(engine, "o-1")) == "now"


USES: list[Callable[[Dagger], Awaitable[Any]]] = [Dagger.count, Dagger.aclose, lambda engine: work(engine, "o-2")]


@pytest.mark.parametrize("use", USES, ids=["count", "aclose", "work"])
def test_two_at_a_time_are_refused(engine: Dagger, use: Callable[[Dagger], Awaitable[Any]]) -> None:
    is_open, is_done = threading.Event(), threading.Event()

    async def elsewhere() -> None:
        async with engine:
            is_open.set()
            await asyncio.to_thread(is_done.wait, LIMIT_S)
            assert await work_on(engine) == "now"

    with concurrent.futures.ThreadPoolExecutor(1) as threads:
        there = threads.submit(in_asyncio_run, elsewhere)
        try:
            assert is_open.wait(LIMIT_S)
            with pytest.raises(RequestError, match="open in the event loop of another thread; use it there"):
                in_asyncio_run(lambda: use(engine))
        finally:
            is_done.set()
        there.result()
    assert in_asyncio_run(lambda: work(engine, "o-3")) == "now"


async def work_on(engine: Dagger) -> str:
    run = await engine.start(waits, "o-1")
    await engine.signal(run, "go", "now")
    return (await engine.wait(run)).result


def test_without_asyncio_it_is_refused(engine: Dagger) -> None:
    """As under trio, which is no part of this environment: no loop of asyncio runs."""
    call = engine.start(waits, "o-1")
    with pytest.raises(RequestError, match=r"an event loop of asyncio, and none is running; use asyncio\.run"):
        call.send(None)
    with pytest.raises(RequestError, match="an event loop of asyncio"):
        engine.__aenter__().send(None)


def test_main_in_a_thread_is_refused(engine: Dagger) -> None:
    refused = pytest.raises(RequestError, match=r"main thread only, .* `async with engine:` inside of asyncio\.run")
    with concurrent.futures.ThreadPoolExecutor(1) as threads, refused:
        threads.submit(engine.main).result(LIMIT_S)


def test_timers_fire_where_the_clock_was_set_forward(engine: Dagger) -> None:
    """As after a machine was suspended: no time passes for the event loop, and the clock shows another."""
    clock = VirtualClock()
    worker = Dagger(backend=engine.backend, clock=clock)

    async def run() -> None:
        async with worker:
            run = await worker.start(naps, "o-1")
            while worker._worker.next_due is None:  # noqa: ASYNC110  # no event tells it
                await anyio.sleep(0.001)
            await anyio.sleep(0.01)  # it goes to sleep; where it does not, less is tested
            clock.move_to(clock.now() + HOUR // timedelta(microseconds=1))
            ended = await worker.wait(run)
            assert ended.ended == clock.time

    in_asyncio_run(run)


def test_timers_fire_at_their_time_where_the_clock_was_set_back(engine: Dagger) -> None:
    clock = VirtualClock()
    worker = Dagger(backend=engine.backend, clock=clock)

    async def run() -> None:
        async with worker:
            due = clock.now() + HOUR // timedelta(microseconds=1)
            first = await worker.start(naps, "o-1")
            while worker._worker.next_due is None:  # noqa: ASYNC110  # no event tells it
                await anyio.sleep(0.001)
            clock._now -= 24 * HOUR // timedelta(microseconds=1)
            second = await worker.start(naps, "o-2")  # due a day sooner
            while second.status is not Status.EXECUTING:  # noqa: ASYNC110  # no event tells it
                await anyio.sleep(0.001)
            clock.move_to(due - 1)
            await worker.wait(second)
            assert not first.status.is_end
            clock.move_to(due)
            assert (await worker.wait(first)).ended == clock.time

    in_asyncio_run(run)
