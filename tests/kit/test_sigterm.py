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
def worker(script: str) -> Iterator[subprocess.Popen[str]]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"}
    process = subprocess.Popen(
        [sys.executable, "-c", script],
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
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
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


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_worker_that_still_starts_leaves_at_once(number: signal.Signals) -> None:
    with worker(HEAD + STARTING) as process:
        read_until(process, "starting")
        process.send_signal(number)
        output, errors = process.communicate()
    assert output.splitlines() == [f"received {number.name}: leaving", "given up", "left"]
    assert (errors, process.returncode) == ("", 0)
