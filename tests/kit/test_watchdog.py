"""A function that never returns, called on the event loop, ends its worker with an error that says where it hangs."""

import subprocess
import sys
from pathlib import Path

import pytest

LONGEST_S = 60

PROGRAM = """
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from dagger import Dagger, Topic, command, listener, task, template
from dagger.engine.process import watchdog

watchdog.HANGS_S = 1.0


def never(word: str) -> str:
    print("hangs", flush=True)
    {code}
    return word


{workflow}


@asynccontextmanager
async def lifespan(engine: Dagger) -> AsyncIterator[None]:
    await engine.start(hanging, "o-1")
    yield


Dagger("{url}", lifespan=lifespan).main()
"""
PURE = 'hanging = template("Hangs", command(Topic("T", str, key=str))(never), key=lambda word: word)'
ASYNC = """
@task
async def blocks(word: str) -> str:
    return never(word)


hanging = template("Hangs", blocks, key=lambda word: word)
"""


def started(url: str, workflow: str, code: str) -> "subprocess.Popen[str]":
    program = PROGRAM.format(url=url, workflow=workflow, code=code)
    return subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("backend", ["memory", pytest.param("sqlite", marks=pytest.mark.slow)])
def test_a_pure_function_that_never_returns_ends_its_worker(backend: str, tmp_path: Path) -> None:
    url = "memory://" if backend == "memory" else f"sqlite:///{tmp_path}/records.db"
    with started(url, PURE, "while True: time.sleep(0.01)") as process:
        _, errors = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 70
    assert "a record of 'o-1' (Hangs) was applied" in errors or "a record of 'o-1' was applied" in errors
    assert "in never" in errors, "the stack shows where"


@pytest.mark.slow
def test_a_task_that_blocks_the_loop_for_a_while_is_told_and_ends_nothing() -> None:
    code = "time.sleep(3)\n    import os, signal; os.kill(os.getpid(), signal.SIGTERM)"
    with started("memory://", ASYNC, code) as process:
        _, errors = process.communicate(timeout=LONGEST_S)
    assert process.returncode == 0, errors
    assert "in code that blocks it" in errors
    assert "in blocks" in errors
