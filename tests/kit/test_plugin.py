"""The fixture `dagger_engine` in tests of every kind."""

import asyncio
from datetime import timedelta

import anyio
import pytest

from dagger import Status, sleep, task, template
from dagger.testing import TestEngine, hang


@task
async def endless(word: str) -> str:
    await hang()
    return word


workflow = template("Endless", endless, key=lambda word: word)


async def test_an_async_test_needs_no_mark(dagger_engine: TestEngine) -> None:
    assert (await dagger_engine.start(workflow, "a")).status is Status.EXECUTING


class TestInAClass:
    async def test_an_async_method_needs_no_mark(self, dagger_engine: TestEngine) -> None:
        assert (await dagger_engine.start(workflow, "a")).status is Status.EXECUTING


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.anyio
async def test_a_mark_gives_the_test_to_another_plugin(dagger_engine: TestEngine) -> None:
    assert (await dagger_engine.start(workflow, "a")).status is Status.EXECUTING


def test_a_test_may_run_several_loops(dagger_engine: TestEngine) -> None:
    nap = template("Nap", sleep(timedelta(hours=1)), key=lambda word: word, takes=str)
    run = anyio.run(dagger_engine.start, nap, "a")
    asyncio.run(dagger_engine.advance(timedelta(hours=1)))
    assert run.result == "a"


async def test_an_engine_may_be_closed_twice(dagger_engine: TestEngine) -> None:
    await dagger_engine.start(workflow, "a")
    await dagger_engine.close()
    await dagger_engine.close()
    assert dagger_engine.is_closed


@pytest.fixture
def word() -> str:
    return "a word"


async def test_other_fixtures_may_be_used_beside_it(dagger_engine: TestEngine, word: str) -> None:
    assert (await dagger_engine.start(workflow, word)).id == word
