"""No fault between parent and child changes what they lead to: three levels deep, on one partition and on several."""

from __future__ import annotations

from datetime import timedelta

import pytest

from dagger import Retry, Topic, any_of, for_each, listener, process, sleep, task, template
from dagger.testing import TestEngine, explore_sync

GO = Topic("GO", str, key=str)


@task
async def packed(name: str) -> str:
    if name == "bad":
        raise ValueError(name)
    return name


@listener(GO)
def gone(name: str, message: str) -> str:
    return f"{name} gone"


def text(value: str) -> str:
    return value


def parts(value: str) -> list[str]:
    return value.split()


leaf = template("Leaf", packed >> gone, key=text)
middle = template("Middle", for_each(parts, leaf), key=text)
top = template("Top", process("TOP", middle), key=text)
tried = template(
    "Tried",
    any_of(leaf.timeout(timedelta(minutes=1)).retry(Retry(attempts=2, first=timedelta(0))), sleep(timedelta(hours=1))),
    key=text,
    takes=str,
)


async def to_the_end(engine: TestEngine) -> None:
    await engine.start(top, "a b")
    await engine.deliver(GO, "b")
    await engine.deliver(GO, "a")


async def one_fails(engine: TestEngine) -> None:
    await engine.start(top, "a bad c")


async def stopped(engine: TestEngine) -> None:
    await engine.stop(await engine.start(top, "a b"))


async def runs_out_twice(engine: TestEngine) -> None:
    await engine.start(tried, "a")
    await engine.advance(timedelta(hours=2))


SCENARIOS = {one.__name__: one for one in (to_the_end, one_fails, stopped, runs_out_twice)}


@pytest.mark.parametrize("name", SCENARIOS)
@pytest.mark.parametrize("partitions", [1, 4])
def test_no_fault_changes_anything(name: str, partitions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for place in ("memory.PARTITIONS", "memory.MemoryLog.partitions", "memory_readers.PARTITIONS"):
        monkeypatch.setattr(f"dagger.backends.{place}", partitions)
    scenario = SCENARIOS[name]
    template = tried if scenario is runs_out_twice else top
    found = explore_sync(template, scenario)
    assert all(found.runs.values()), found
