"""The booking saga: what was held is released, the last first, however the booking ends badly."""

from datetime import timedelta
from pathlib import Path

import pytest

from dagger import Run, Status, Topic
from dagger.testing import TestEngine, explore_sync
from examples.booking import (
    BANK_ANSWERS,
    CANCELLATIONS,
    CAR_ANSWERS,
    FLIGHT_ANSWERS,
    HOTEL_ANSWERS,
    REQUESTS,
    Answer,
    Cancellation,
    Itinerary,
    Trip,
    booking_workflow,
)

TRIP = Trip("t-1", "Ada Rossi", 129_900)
HELD = [(FLIGHT_ANSWERS, "f-1"), (HOTEL_ANSWERS, "h-1"), (CAR_ANSWERS, "c-1")]
DRAWING = Path(__file__).parents[2] / "docs" / "booking-workflow.svg"


async def started(engine: TestEngine, *answers: tuple[Topic[Answer], str]) -> Run[Itinerary]:
    """A booking that has got these answers."""
    run = await engine.start(booking_workflow, TRIP)
    for topic, reference in answers:
        await engine.deliver(topic, Answer("t-1", reference))
    return run


def asked(engine: TestEngine, *do: str) -> list[tuple[str, str, str]]:
    return [(one.what, one.do, one.reference) for one in engine.sent(REQUESTS) if one.do in do]


async def test_a_trip_is_held_paid_and_confirmed(dagger_engine: TestEngine) -> None:
    run = await started(dagger_engine, *HELD, (BANK_ANSWERS, "b-1"))
    assert run.status is Status.COMPLETED
    assert asked(dagger_engine, "confirm", "release", "refund") == [
        ("flight", "confirm", "f-1"),
        ("hotel", "confirm", "h-1"),
        ("car", "confirm", "c-1"),
    ]


@pytest.mark.unexplored("a race: what is asked for depends on which answer comes first")
async def test_a_hold_that_is_refused_releases_what_was_held_and_what_may_be(dagger_engine: TestEngine) -> None:
    run = await started(dagger_engine, (FLIGHT_ANSWERS, "f-1"), (HOTEL_ANSWERS, ""))
    assert run.status is Status.FAILURE
    assert str(run.error) == "HOTEL/held: Refused: no hotel"
    released = asked(dagger_engine, "release")
    assert sorted(released[:2]) == [("car", "release", ""), ("hotel", "release", "")]
    assert released[2:] == [("flight", "release", "f-1")]
    assert run.step("release_flight").status is Status.COMPLETED
    assert run.step("release_flight_if_held").status is Status.SKIPPED


async def test_a_provider_that_does_not_answer_fails_the_booking(dagger_engine: TestEngine) -> None:
    run = await started(dagger_engine, *HELD[:2])
    await dagger_engine.advance(timedelta(minutes=10))
    assert str(run.error) == "CAR: TimeoutError: took longer than 10 minutes"
    assert asked(dagger_engine, "release") == [
        ("car", "release", ""),
        ("hotel", "release", "h-1"),
        ("flight", "release", "f-1"),
    ]


@pytest.mark.unexplored("a race: what is undone depends on what comes before the cancellation")
async def test_a_traveller_may_cancel_until_the_trip_is_paid(dagger_engine: TestEngine) -> None:
    run = await started(dagger_engine, *HELD)
    await dagger_engine.deliver(CANCELLATIONS, Cancellation("t-1", "ill"))
    assert str(run.error) == "is_cancelled: BusinessError: the traveller has cancelled: ill"
    assert asked(dagger_engine, "refund", "release") == [
        ("payment", "refund", ""),
        ("car", "release", "c-1"),
        ("hotel", "release", "h-1"),
        ("flight", "release", "f-1"),
    ]


async def test_an_operator_may_stop_it(dagger_engine: TestEngine) -> None:
    run = await started(dagger_engine, *HELD[:1])
    await dagger_engine.stop(run)
    assert (run.status, run.error) == (Status.STOPPED, None)
    assert asked(dagger_engine, "release")[-1] == ("flight", "release", "f-1")


async def cancels(engine: TestEngine) -> None:
    await started(engine, *HELD)
    await engine.advance(timedelta(minutes=1))
    await engine.deliver(CANCELLATIONS, Cancellation("t-1", "ill"))


def test_no_fault_changes_how_a_booking_is_undone() -> None:
    found = explore_sync(booking_workflow, cancels)
    assert all(found.runs.values()), found


def test_the_drawing_of_the_recipes_is_what_is_drawn() -> None:
    assert DRAWING.read_text(encoding="utf-8") == booking_workflow.to_svg(), "write booking_workflow.to_svg() there"
