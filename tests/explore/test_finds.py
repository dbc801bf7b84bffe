"""Planted bugs are found, and told so that somebody can mend them."""

from __future__ import annotations

from typing import Any

import pytest

from dagger import command, task, template
from dagger.testing import ExplorationFailed, NotRepeatable, TestEngine, explore_sync
from tests.explore import planted
from tests.explore.planted import engine_with
from tests.explore.trips import (
    FLIGHT,
    HOTEL,
    SCENARIOS,
    TRIP,
    Ask,
    Booked,
    Trip,
    ask_hotel,
    asks,
    by_id,
    conversation,
    flight,
    hotel,
    race,
    started,
    talk,
)


def failure_of(name: str, **options: Any) -> ExplorationFailed:
    with pytest.raises(ExplorationFailed) as found:
        explore_sync(*SCENARIOS[name], **options)
    return found.value


# In the engine.


def test_an_outbox_that_is_not_kept_is_found() -> None:
    found = failure_of("conversation", engine=engine_with(planted.Forgetful))
    assert (
        found.fault == "crash after the write of t-1, before the commit that publishes ASKS of 't-1' (ask_hotel of t-1)"
    )
    assert found.changed == ('published: ASKS of \'t-1\' {"id":"t-1","what":"hotel"} is missing',)


def test_a_record_that_is_applied_twice_is_found() -> None:
    found = failure_of("signals", engine=engine_with(planted.Repetitive))
    assert found.fault == "crash after the write of t-1, before the commit"
    assert "what=('yes', 'yes', 'no')" in found.changed[0]


def test_a_worker_that_publishes_before_it_writes_is_found() -> None:
    found = failure_of("conversation", engine=engine_with(planted.Hasty))
    assert found.fault == "crash after the commit that publishes ASKS of 't-1' (ask_hotel of t-1)"
    assert found.changed[0].startswith("instance t-1: expected COMPLETED with Booked(")


def test_a_task_that_is_not_started_again_is_found() -> None:
    found = failure_of("for each", engine=engine_with(planted.Idle))
    assert found.fault == "crash after the write of t-1, before the commit"
    assert found.changed[0] == "instance t-1: expected COMPLETED with ['ROME', 'BARI', 'LECCE']; got EXECUTING"


def test_an_outbox_that_is_dropped_before_the_commit_is_found() -> None:
    found = failure_of("for each, telling", engine=engine_with(planted.Trusting))
    assert "crash after the write of t-1, before the commit that publishes ASKS of" in found.fault
    assert found.changed[0].startswith("published: ASKS of")


def test_a_message_that_is_not_remembered_is_found() -> None:
    found = failure_of("again", engine=engine_with(planted.Oblivious))
    assert found.fault == "the message HOTELS of 't-1' (delivery-1) arrives twice"
    assert "what=('a', 'a', 'b')" in found.changed[0]


def test_an_early_message_that_is_not_kept_is_found() -> None:
    """The undisturbed run is right: every message of it comes when somebody waits."""
    found = failure_of("conversation", engine=lambda memory: TestEngine(backend=memory, early_limit=0))
    assert found.fault == "the start of t-1 arrives after the message HOTELS of 't-1' (delivery-1)"
    assert "waiting for hotel (HOTELS)" in found.changed[0]


# In an engine, where another release takes over for a while.

STARTED = "after a poll of start of t-1, a worker of a release"


def test_parked_events_that_are_dropped_are_found() -> None:
    found = failure_of("conversation", engine=engine_with(planted.Dropping))
    assert found.fault == f"{STARTED} without the templates takes over until nothing is left to do"
    assert found.changed[0].endswith("got no such instance")


def test_parked_events_that_are_applied_in_another_order_are_found() -> None:
    found = failure_of("signals", engine=engine_with(planted.Turned))
    assert found.fault == f"{STARTED} with the next versions only takes over until time goes on"
    assert "what=('maybe', 'no', 'yes')" in found.changed[0]


def test_parked_events_that_nobody_applies_are_found() -> None:
    found = failure_of("failure", engine=engine_with(planted.Deaf))
    assert found.fault == f"{STARTED} without the templates takes over until nothing is left to do"
    assert found.changed[0].endswith("got SUBMITTED")


def test_a_timer_that_fires_while_it_is_parked_is_found() -> None:
    """It fires again and again."""
    found = failure_of("timeout", engine=engine_with(planted.Impatient))
    assert found.fault.startswith("after a poll of timer of t-1, a worker of a release without the templates")
    assert "the work does not end" in found.changed[-1]


def test_an_event_that_is_applied_to_a_state_of_other_steps_is_found() -> None:
    found = failure_of("conversation", engine=engine_with(planted.Unaware))
    assert "a worker of a release with other steps in the templates takes over" in found.fault
    assert found.changed[0].endswith("got EXECUTING, waiting for hotel (HOTELS)")


def test_a_release_that_is_given_and_goes_on_otherwise_is_found() -> None:
    """It has the same steps under the same version, and one of them does something else."""

    @command(asks)
    def ask_flight(booked: Booked) -> Ask:
        return Ask(booked.trip.id, "train")

    other = template("Conversation", ask_hotel >> hotel >> ask_flight >> flight, key=by_id)
    found = failure_of("conversation", faults=["release"], releases=[[other]])
    assert found.fault.startswith("after a poll of message HOTELS of 't-1' (delivery-1), a worker of a release")
    assert found.fault.endswith("with the templates of releases[0] takes over until nothing is left to do")
    assert any("train" in change for change in found.changed)


def test_a_release_that_is_given_is_tried_where_it_changes_nothing() -> None:
    later = template("Conversation", ask_hotel >> hotel, key=by_id, version=2)
    runs = [
        explore_sync(conversation, talk, faults=["release"], releases=releases).runs["release"]
        for releases in ([], [[later]], [[], [later]])
    ]
    assert runs[0] < runs[1] < runs[2]


# In a workflow, or in a test of it.


def test_a_workflow_that_depends_on_what_comes_first_is_found() -> None:
    scenario = started(race, TRIP, HOTEL, FLIGHT)
    with pytest.raises(ExplorationFailed) as found:
        explore_sync(race, scenario)
    assert "arrives after the message FLIGHTS of 't-1' (delivery-2)" in found.value.fault
    assert found.value.changed == ("instance t-1: expected COMPLETED with 'sea view'; got COMPLETED with 'window'",)
    explore_sync(race, scenario, compare=lambda outcome: outcome.statuses)
    explore_sync(race, scenario, faults=("crash", "redelivery", "duplicate"))


def test_what_compare_gives_must_stay_as_it_is() -> None:
    with pytest.raises(ExplorationFailed) as found:
        explore_sync(race, started(race, TRIP, HOTEL, FLIGHT), compare=lambda outcome: outcome.results)
    assert found.value.changed == ("expected {'t-1': 'sea view'}", "got {'t-1': 'window'}")


def test_a_function_with_a_memory_does_not_repeat() -> None:
    calls = list[str]()

    @command(asks)
    def ask(trip: Trip) -> Ask:
        calls.append(trip.id)
        return Ask(trip.id, f"call {len(calls)}")

    counting = template("Counting", ask, key=by_id)
    with pytest.raises(NotRepeatable, match="call 1"):
        explore_sync(counting, started(counting, TRIP))


def test_what_a_scenario_raises_undisturbed_is_its_own() -> None:
    async def scenario(engine: TestEngine) -> None:
        await engine.start(conversation, TRIP)
        raise LookupError("not explored")

    with pytest.raises(LookupError, match="not explored"):
        explore_sync(conversation, scenario)


def test_what_a_scenario_asserts_must_hold_with_a_fault_too() -> None:
    """This one is no good: that the body of a task may run twice is what is promised."""

    calls = list[str]()

    @task
    async def pack(trip: Trip) -> str:
        calls.append(trip.id)
        return trip.id

    packs = template("Packs", pack, key=by_id)

    async def scenario(engine: TestEngine) -> None:
        calls.clear()
        await engine.start(packs, TRIP)
        assert calls == ["t-1"]

    with pytest.raises(ExplorationFailed) as found:
        explore_sync(packs, scenario)
    assert found.value.fault == "crash while a task runs: the result of pack of t-1 is lost"
    assert found.value.changed == ("the scenario raised AssertionError: assert ['t-1', 't-1'] == ['t-1']",)
