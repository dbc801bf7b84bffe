"""A worker that is told to leave finishes what is in flight. No timing decides: the script tells where it is."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_S = 60
SIGNALS = [
    pytest.param(signal.SIGTERM, id="SIGTERM"),
    pytest.param(signal.SIGINT, id="SIGINT", marks=pytest.mark.slow),
]

HEAD = """
import logging
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from dagger import Dagger, Topic, command, task, template

logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(message)s")
"""

SYNC = """
@task
def first(word: str) -> str:
    print("first is begun", flush=True)
    sys.stdin.readline()
    print("first is done", flush=True)
    return word
"""

ASYNC = """
@task
async def first(word: str) -> str:
    print("first is begun", flush=True)
    await anyio.to_thread.run_sync(sys.stdin.readline)
    print("first is done", flush=True)
    return word
"""

WORK = """
@task
async def after(word: str) -> str:
    print("after is begun", flush=True)
    return word


tell = Topic("TOLD", str, key=lambda m: m)
workflow = template("W", first >> command(tell) >> after, key=lambda word: word)


@asynccontextmanager
async def lifespan(engine: Dagger) -> AsyncIterator[None]:
    run = await engine.start(workflow, "o-1")
    yield
    for path in ("first", "TOLD", "after"):
        print(path, run.step(path).status, flush=True)


Dagger("memory://", lifespan=lifespan).main()
print("left", flush=True)
"""

STARTING = """
@asynccontextmanager
async def lifespan(engine: Dagger) -> AsyncIterator[None]:
    print("starting", flush=True)
    try:
        await anyio.sleep_forever()
    finally:
        print("given up", flush=True)
    yield


Dagger("memory://", lifespan=lifespan).main()
print("left", flush=True)
"""

IDLE = """
engine = Dagger("memory://")
engine.main()
print("left", flush=True)
"""


@contextmanager
def worker(script: str, *arguments: str, cwd: Path | None = None) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    process = subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=cwd,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    watchdog = threading.Timer(LONGEST_S, process.kill)
    watchdog.start()
    try:
        yield process
    finally:
        watchdog.cancel()
        process.kill()
        process.communicate()


def read_until(process: subprocess.Popen[str], wanted: str) -> None:
    assert process.stdout is not None
    lines = list[str]()
    while wanted not in lines:
        line = process.stdout.readline()
        assert line, f"it ended without {wanted!r}: {lines}"
        lines.append(line.rstrip("\n"))


@pytest.mark.parametrize("first", [SYNC, ASYNC], ids=["sync", "async"])
@pytest.mark.parametrize("number", SIGNALS)
def test_a_worker_that_is_told_to_leave_finishes_what_is_in_flight(number: signal.Signals, first: str) -> None:
    with worker(HEAD + first + WORK) as process:
        read_until(process, "first is begun")
        process.send_signal(number)
        read_until(process, f"received {number.name}: leaving")
        output, errors = process.communicate("go on\n")
    assert output.splitlines() == [
        "first is done",
        "first COMPLETED",
        "TOLD COMPLETED",
        "after EXECUTING",
        "left",
    ]
    assert (errors, process.returncode) == ("", 0)


def test_a_worker_that_has_nothing_to_do_leaves() -> None:
    with worker(HEAD + IDLE) as process:
        read_until(process, "working on no template")
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate()
    assert output.splitlines() == ["received SIGTERM: leaving", "left"]
    assert (errors, process.returncode) == ("", 0)


@pytest.mark.parametrize("number", SIGNALS)
def test_a_worker_that_still_starts_leaves_at_once(number: signal.Signals) -> None:
    with worker(HEAD + STARTING) as process:
        read_until(process, "starting")
        process.send_signal(number)
        output, errors = process.communicate()
    assert output.splitlines() == [f"received {number.name}: leaving", "given up", "left"]
    assert (errors, process.returncode) == ("", 0)


HANGING = """
import sqlite3
import time

real = sqlite3.connect


def connect(*args, **more):
    print("starting", flush=True)
    return real(*args, **more)


sqlite3.connect = connect


async def swallows() -> None:
    print("starting", flush=True)
    while True:
        try:
            await anyio.sleep(3600)
        except BaseException:
            pass


async def blocks() -> None:
    print("starting", flush=True)
    time.sleep(3600)


async def in_a_thread() -> None:
    def hang() -> None:
        print("starting", flush=True)
        time.sleep(3600)

    await anyio.to_thread.run_sync(hang)


async def fails_when_it_is_cancelled() -> None:
    print("starting", flush=True)
    try:
        await anyio.sleep(3600)
    except BaseException:
        raise ValueError("no time to clean up")


async def opens_what_is_locked() -> None:
    other = real("locked.db", isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    async with Dagger("sqlite:///locked.db?busy_timeout=1h").client():
        pass


@asynccontextmanager
async def lifespan(engine: Dagger) -> AsyncIterator[None]:
    await globals()[sys.argv[1]]()
    yield


Dagger("memory://", lifespan=lifespan).main()
"""


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize(
    "start", ["swallows", "blocks", "in_a_thread", "fails_when_it_is_cancelled", "opens_what_is_locked"]
)
def test_whatever_a_start_waits_for_it_is_left(start: str, number: signal.Signals, tmp_path: Path) -> None:
    """What hangs here does so for an hour."""
    with worker(HEAD + HANGING, start, cwd=tmp_path) as process:
        read_until(process, "starting")
        process.send_signal(number)
        _, errors = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 0, errors


ENDING = """
import asyncio


async def stops_the_loop() -> None:
    asyncio.get_running_loop().stop()


async def cancels_all() -> None:
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def exits() -> None:
    sys.exit(0)


@asynccontextmanager
async def lifespan(engine: Dagger) -> AsyncIterator[None]:
    if len(sys.argv) > 2:
        await globals()[sys.argv[1]]()
    background = asyncio.get_running_loop().call_later(0.01, begin)
    yield


tasks = []


def begin() -> None:
    tasks.append(asyncio.get_running_loop().create_task(globals()[sys.argv[1]]()))


Dagger("memory://", lifespan=lifespan).main()
"""


@pytest.mark.parametrize("when", [[], ["at once"]], ids=["while it works", "while it starts"])
@pytest.mark.parametrize(
    "end", ["stops_the_loop", *(pytest.param(one, marks=pytest.mark.slow) for one in ("cancels_all", "exits"))]
)
def test_a_worker_that_is_ended_from_inside_says_so_and_fails(end: str, when: list[str]) -> None:
    if (end, when) == ("cancels_all", ["at once"]):
        pytest.skip("its own task is all that there is")
    with worker(HEAD + ENDING, end, *when) as process:
        _, errors = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 1
    assert "EngineClosed: " in errors


FORKING = """
import multiprocessing
import time


def hang(pipe) -> None:
    pipe.send("ready")
    time.sleep(3600)


@asynccontextmanager
async def lifespan(engine: Dagger) -> AsyncIterator[None]:
    there, here = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=hang, args=[there])
    child.start()
    here.recv()
    child.terminate()
    child.join()
    print("ended by", child.exitcode, flush=True)
    yield


Dagger("memory://", lifespan=lifespan).main()
"""


@pytest.mark.skipif(sys.version_info >= (3, 12), reason="Python warns of a fork beside threads")
def test_a_child_that_is_told_to_leave_is_ended_and_not_the_worker() -> None:
    with worker(HEAD + FORKING) as process:
        read_until(process, "ended by -15")
        read_until(process, "working on no template")
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=LONGEST_S)
    assert (errors, process.returncode) == ("", 0)
