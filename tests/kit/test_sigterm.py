"""A worker that is told to leave finishes what is in flight. No timing decides: the script says when it is ready."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

SCRIPT = '''
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from dagger import Dagger, command, Topic, task, template

tell = Topic("TOLD", str, key=lambda m: m)


@task
async def first(word: str) -> str:
    print("ready", flush=True)
    await anyio.to_thread.run_sync(sys.stdin.readline)
    print("first is done", flush=True)
    return word


@task
def beside(word: str) -> str:
    print("ready", flush=True)
    return word


@task
async def after(word: str) -> str:
    print("after is begun", flush=True)
    return word


workflow = template("W", (first & beside).then(lambda pair: pair[0]) >> command(tell) >> after, key=lambda w: w)


@asynccontextmanager
async def lifespan(engine: Dagger) -> AsyncIterator[None]:
    run = await engine.start(workflow, "o-1")
    yield
    print("result of first:", run.step("first").status, flush=True)
    print("told:", run.step("TOLD").status, flush=True)


Dagger("memory://", lifespan=lifespan).main()
print("left", flush=True)
'''


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
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_worker_that_is_told_to_leave_finishes_what_is_in_flight(number: signal.Signals) -> None:
    with worker(SCRIPT) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == ["ready\n", "ready\n"]
        process.send_signal(number)
        output, errors = process.communicate("go on\n", timeout=60)
    assert output.splitlines() == ["first is done", "result of first: COMPLETED", "told: COMPLETED", "left"]
    assert errors == ""
    assert process.returncode == 0


IDLE = '''
from dagger import Dagger, task, template


@task
async def never(word: str) -> str:
    return word


engine = Dagger("memory://")
engine.register(template("W", never, key=lambda w: w))


class Ready(Dagger):
    async def _work(self) -> None:
        print("ready", flush=True)
        await super()._work()


Ready("memory://").main()
print("left", flush=True)
'''


def test_a_worker_that_has_nothing_to_do_leaves() -> None:
    with worker(IDLE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=60)
    assert (output, errors, process.returncode) == ("left\n", "", 0)
