"""`pytest --dagger-explore`: the tests that are there are explored too."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import itertools
import pytest
from dagger import task, template
from tests.explore.trips import FLIGHT, HOTEL, TRIP, Trip, by_id, conversation, race

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


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> str:
    """What pytest says of these tests."""
    folder = tmp_path_factory.mktemp("explored")
    (folder / "test_it.py").write_text(TESTS)
    plugin = "dagger.testing.plugin"
    loaded = ["-p", plugin] if pytestconfig.pluginmanager.hasplugin(plugin) else []
    options = ["-p", "no:cacheprovider", "-v", "-c", "/dev/null", f"--rootdir={folder}", "--dagger-explore", "50"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *loaded, *options, str(folder)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    return done.stdout + done.stderr


def test_a_test_that_survives_passes_and_is_told(told: str) -> None:
    assert "test_talks PASSED" in told
    assert re.search(r"2 tests survived \d+ runs with a fault each", told)


def test_a_fault_that_changes_what_a_test_leads_to_fails_it(told: str) -> None:
    assert "test_races FAILED" in told
    assert "the fault: the message HOTELS of 't-1' (delivery-1) arrives after the message FLIGHTS" in told


def test_a_mark_leaves_a_test_out(told: str) -> None:
    assert "test_races_and_says_so PASSED" in told


def test_what_a_test_asserts_of_its_fakes_need_not_hold_with_a_fault(told: str) -> None:
    assert "test_counts PASSED" in told


def test_a_test_that_does_not_repeat_is_told(told: str) -> None:
    assert "test_changes PASSED" in told
    assert "not explored: test_changes: test_changes does not repeat" in told


def test_a_test_that_fails_by_itself_is_not_explored(told: str) -> None:
    assert "test_fails FAILED" in told
    assert "test_fails: " not in told
