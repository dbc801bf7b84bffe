"""`pytest --dagger-explore`: the tests that are there are explored too."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TRIPS = "from tests.explore.trips import FLIGHT, HOTEL, TRIP, Trip, by_id, conversation, race\n"

TESTS = (
    TRIPS
    + """
import itertools
import pytest
from dagger import task, template

numbers = itertools.count()

async def test_talks(dagger_engine):
    run = await dagger_engine.start(conversation, TRIP)
    assert run.instance.waiting_for
    await dagger_engine.deliver(*HOTEL)
    await dagger_engine.deliver(*FLIGHT)
    assert run.result.what == ("sea view", "window")

async def test_races(dagger_engine):
    run = await dagger_engine.start(race, TRIP)
    await dagger_engine.deliver(*HOTEL)
    await dagger_engine.deliver(*FLIGHT)
    assert run.result == "sea view"

@pytest.mark.unexplored("a race")
async def test_races_and_says_so(dagger_engine):
    await test_races(dagger_engine)

async def test_counts(dagger_engine):
    calls = []

    @task
    async def call(trip: Trip) -> str:
        calls.append(trip)
        return trip.id

    await dagger_engine.start(template("Calls", call, key=by_id), TRIP)
    assert len(calls) == 1

async def test_changes(dagger_engine):
    await dagger_engine.start(conversation, TRIP, id=f"t-{next(numbers)}")

async def test_fails(dagger_engine):
    await dagger_engine.start(conversation, TRIP)
    assert False, "by itself"
"""
)

FIXTURES = (
    TRIPS
    + """
import anyio
import pytest
from dagger.backends.memory import MemoryBackend
from dagger.testing import TestEngine

@pytest.fixture
def ids():
    return []  # were it kept from run to run, the second would have two ids in it

async def test_with_a_list(dagger_engine, ids):
    ids.append("t")
    await dagger_engine.start(conversation, TRIP, id="-".join(ids))

@pytest.fixture
def registered(dagger_engine, tmp_path):
    dagger_engine.register(conversation)
    (tmp_path / "new").mkdir()  # fails in a directory of the run before
    yield dagger_engine
    (tmp_path / "new").rmdir()

async def test_with_what_a_fixture_made_of_the_engine(registered):
    assert (await registered.start(conversation, TRIP)).instance.waiting_for

@pytest.fixture
def own():
    return TestEngine(early_limit=1)

async def test_with_an_engine_of_its_own(own):
    await own.start(conversation, TRIP)

async def test_races_with_an_engine_of_its_own(own):
    await own.start(race, TRIP)
    await own.deliver(*HOTEL)
    await own.deliver(*FLIGHT)

@pytest.fixture
def dear(dagger_engine):
    class Shop:
        engine = dagger_engine
    return Shop()

class TestInAClass:
    @pytest.fixture(autouse=True)
    def prepared(self):
        self.trip = TRIP

    @pytest.mark.parametrize("id", ["one", "other"])
    async def test_a_method(self, dear, id):
        await dear.engine.start(conversation, self.trip, id=id)

async def test_that_reads_the_log(dagger_engine, caplog):
    await dagger_engine.start(conversation, TRIP)
    assert not caplog.records

@pytest.fixture
def elsewhere():
    return TestEngine(backend=MemoryBackend())

async def test_elsewhere(elsewhere):
    await elsewhere.start(conversation, TRIP)

async def test_with_two(dagger_engine, own):
    await dagger_engine.start(conversation, TRIP)

def test_in_loops(dagger_engine):
    anyio.run(dagger_engine.start, conversation, TRIP)

@pytest.fixture(scope="module")
def kept():
    return []

async def test_with_what_is_kept(dagger_engine, kept):
    kept.append("t")
    await dagger_engine.start(conversation, TRIP, id="-".join(kept))

@pytest.fixture
def once(kept=[]):
    kept.append(1)
    assert len(kept) == 1

async def test_whose_fixture_works_once(dagger_engine, once):
    await dagger_engine.start(conversation, TRIP)

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.mark.anyio
async def test_with_the_mark_of_another_plugin(dagger_engine):
    await dagger_engine.start(conversation, TRIP)

async def test_without_an_engine_of_the_kit(tmp_path):
    pass
"""
)

AUTO = (
    TRIPS
    + """
import asyncio
import pytest

@pytest.fixture
async def begun(dagger_engine):
    loop = asyncio.get_running_loop()
    run = await dagger_engine.start(conversation, TRIP)
    yield run
    assert asyncio.get_running_loop() is loop

async def test_talks(dagger_engine, begun):
    await dagger_engine.deliver(*HOTEL)
    await dagger_engine.deliver(*FLIGHT)
    assert begun.result.what == ("sea view", "window")

async def test_races(dagger_engine):
    run = await dagger_engine.start(race, TRIP)
    await dagger_engine.deliver(*HOTEL)
    await dagger_engine.deliver(*FLIGHT)
    assert run.result == "sea view"

@pytest.mark.asyncio
async def test_by_its_mark(dagger_engine):
    await dagger_engine.start(conversation, TRIP)

async def test_of_something_else():
    await asyncio.sleep(0)
"""
)


def told_of(tests: str, folder: Path, config: pytest.Config, *options: str) -> str:
    """What pytest says of these tests."""
    (folder / "test_it.py").write_text(tests)
    plugin = "dagger.testing.plugin"
    loaded = ["-p", plugin] if config.pluginmanager.hasplugin(plugin) else []
    options = (
        *("-p", "no:cacheprovider", "-v", "-c", "/dev/null", f"--rootdir={folder}", "--dagger-explore", "50"),
        *options,
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *loaded, *options, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> str:
    return told_of(TESTS, tmp_path_factory.mktemp("explored"), pytestconfig)


def test_a_test_that_survives_passes_and_is_told(told: str) -> None:
    assert "test_talks PASSED" in told
    assert re.search(r"2 tests survived \d+ runs with a fault each", told)


def test_a_fault_that_changes_what_a_test_leads_to_fails_it(told: str) -> None:
    assert "test_races FAILED" in told
    assert "the fault: the message HOTELS of 't-1' (delivery-1) arrives after the message FLIGHTS" in told


def test_a_mark_leaves_a_test_out(told: str) -> None:
    assert "test_races_and_says_so PASSED" in told
    assert "not explored: test_races_and_says_so: a race" in told


def test_what_a_test_asserts_of_its_fakes_need_not_hold_with_a_fault(told: str) -> None:
    assert "test_counts PASSED" in told


def test_a_test_that_does_not_repeat_is_told(told: str) -> None:
    assert "test_changes PASSED" in told
    assert "not explored: test_changes: test_changes does not repeat" in told


def test_a_test_that_fails_by_itself_is_not_explored(told: str) -> None:
    assert "test_fails FAILED" in told
    assert "test_fails: " not in told


@pytest.fixture(scope="module")
def fixtures(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> str:
    return told_of(FIXTURES, tmp_path_factory.mktemp("fixtures"), pytestconfig)


@pytest.mark.parametrize(
    "test",
    [
        "test_with_a_list",
        "test_with_what_a_fixture_made_of_the_engine",
        "test_with_an_engine_of_its_own",
        "TestInAClass::test_a_method[one]",
        "TestInAClass::test_a_method[other]",
        "test_that_reads_the_log",
        "test_with_the_mark_of_another_plugin",
    ],
)
def test_fixtures_of_a_function_are_made_anew_for_each_run(test: str, fixtures: str) -> None:
    assert f"{test} PASSED" in fixtures
    assert f"not explored: {test.rpartition('::')[2]}" not in fixtures


def test_all_that_is_not_left_out_is_explored(fixtures: str) -> None:
    found = re.search(r"(\d+) tests survived (\d+) runs with a fault each", fixtures)
    assert found
    assert int(found[1]) == 7
    assert int(found[2]) > 7 * 5


def test_an_engine_of_the_project_is_explored_too(fixtures: str) -> None:
    assert "test_races_with_an_engine_of_its_own FAILED" in fixtures
    assert "a fault changes what test_races_with_an_engine_of_its_own leads to" in fixtures


@pytest.mark.parametrize(
    ("test", "why"),
    [
        ("test_elsewhere", "its engine has a backend of its own"),
        ("test_with_two", "it creates 2 engines"),
        ("test_in_loops", "it is not an async function"),
        ("test_with_what_is_kept", "test_with_what_is_kept does not repeat"),
        ("test_whose_fixture_works_once", "it raised AssertionError"),
    ],
)
def test_what_is_left_out_is_told_with_the_reason(test: str, why: str, fixtures: str) -> None:
    assert f"{test} PASSED" in fixtures
    assert f"not explored: {test}: {why}" in fixtures


def test_nothing_goes_wrong_when_the_last_run_is_taken_down(fixtures: str) -> None:
    assert " ERROR" not in fixtures


def test_a_test_without_an_engine_is_not_spoken_of(fixtures: str) -> None:
    assert "test_without_an_engine_of_the_kit: " not in fixtures


@pytest.fixture(scope="module")
def auto(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> str:
    return told_of(AUTO, tmp_path_factory.mktemp("auto"), pytestconfig, "--asyncio-mode=auto")


@pytest.mark.slow
def test_tests_that_pytest_asyncio_runs_are_explored_with_its_fixtures(auto: str) -> None:
    assert "test_talks PASSED" in auto
    assert "test_by_its_mark PASSED" in auto
    assert "test_of_something_else PASSED" in auto
    assert re.search(r"2 tests survived \d+ runs with a fault each", auto)
    assert "not explored" not in auto


@pytest.mark.slow
def test_a_fault_fails_a_test_that_pytest_asyncio_runs(auto: str) -> None:
    assert "test_races FAILED" in auto
    assert "the fault: the message HOTELS of 't-1' (delivery-1) arrives after the message FLIGHTS" in auto


@pytest.mark.slow
def test_in_its_strict_mode_a_test_without_its_mark_is_ours(tmp_path: Path, pytestconfig: pytest.Config) -> None:
    told = told_of(TESTS, tmp_path, pytestconfig, "--asyncio-mode=strict", "-k", "talks")
    assert "test_talks PASSED" in told
    assert "1 tests survived" in told
