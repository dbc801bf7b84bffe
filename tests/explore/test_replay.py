"""A failure is replayed by its seed, and what is drawn of many places is drawn the same each time."""

from __future__ import annotations

import pytest

from dagger.errors import RequestError
from dagger.testing import ExplorationFailed, TestEngine, explore, explore_sync
from dagger.testing.fault_points import FaultPoint
from dagger.testing.faults import FaultyMemory
from tests.explore import planted
from tests.explore.planted import engine_with
from tests.explore.trips import FLIGHT, HOTEL, SCENARIOS, TRIP, Told, conversation, hotels, race, started, talk


def failure(seed: int | str = 0) -> ExplorationFailed:
    with pytest.raises(ExplorationFailed) as found:
        explore_sync(conversation, talk, seed=seed, engine=engine_with(planted.Forgetful))
    return found.value


def test_the_seed_of_a_failure_replays_it() -> None:
    first = failure()
    assert first.seed == "crash:2"
    again = failure(first.seed)
    assert (again.seed, again.fault, again.changed) == (first.seed, first.fault, first.changed)
    assert str(again) == str(first)


def test_a_seed_replays_one_place_alone() -> None:
    found = explore_sync(conversation, talk, seed="redelivery:2")
    assert found.runs == {"crash": 0, "redelivery": 1, "duplicate": 0, "reordering": 0, "release": 0}


def test_a_seed_that_names_no_place_is_refused() -> None:
    with pytest.raises(RequestError, match="no place has the seed 'crash:999'"):
        explore_sync(conversation, talk, seed="crash:999")


def test_the_message_tells_what_happened() -> None:
    with pytest.raises(ExplorationFailed) as found:
        explore_sync(race, started(race, TRIP, HOTEL, FLIGHT))
    assert str(found.value) == MESSAGE


MESSAGE = """\
a fault changes what the scenario for 'Race' leads to
the fault: the message HOTELS of 't-1' (delivery-1) arrives after the message FLIGHTS of 't-1' (delivery-2)
what has changed:
  instance t-1: expected COMPLETED with 'sea view'; got COMPLETED with 'window'
to replay it: explore(..., seed='reordering:4')
if what comes first may decide, say what must stay as it is: explore(..., compare=lambda outcome: outcome.statuses)
what happened:
  2030-01-01 00:00:00
    arrived    start of t-1
    polled     start of t-1
    written    t-1: EXECUTING, waits at room, waits at plane
    committed
  *** the message HOTELS of 't-1' (delivery-1) arrives after the message FLIGHTS of 't-1' (delivery-2)
    arrived    message FLIGHTS of 't-1' (delivery-2)
    polled     message FLIGHTS of 't-1' (delivery-2)
    committed  sends on message FLIGHTS at 't-1' (FLIGHTS/delivery-2)
    polled     message FLIGHTS at 't-1' (FLIGHTS/delivery-2)
    written    t-1: COMPLETED
    committed
    arrived    message HOTELS of 't-1' (delivery-1), late
    polled     message HOTELS of 't-1' (delivery-1)
    committed  sends on message HOTELS at 't-1' (HOTELS/delivery-1)
    polled     message HOTELS at 't-1' (HOTELS/delivery-1)
    written    t-1: COMPLETED
    committed"""


def test_of_many_places_each_kind_has_its_share() -> None:
    template, scenario = SCENARIOS["two of one key"]
    found = explore_sync(template, scenario, runs=40)
    assert sum(found.runs.values()) == 40
    assert min(found.runs.values()) >= 7
    assert found.places > 80


def test_no_more_runs_than_places() -> None:
    found = explore_sync(conversation, talk)
    assert sum(found.runs.values()) == found.places


def test_what_is_drawn_is_the_same_for_a_seed() -> None:
    def drawn(seed: int) -> list[FaultPoint | None]:
        places = list[FaultPoint | None]()

        def engine(memory: FaultyMemory) -> TestEngine:
            places.append(memory.injector.place)
            return TestEngine(backend=memory)

        explore_sync(conversation, talk, seed=seed, runs=8, engine=engine)
        return places

    assert drawn(1) == drawn(1) != drawn(2)
    assert drawn(1)[:2] == [None, None], "the undisturbed runs"


def test_a_reordering_that_the_scenario_does_not_allow_is_void() -> None:
    """It looks at the instance before the message that was held back has come."""

    async def scenario(engine: TestEngine) -> None:
        run = await engine.start(conversation, TRIP)
        await engine.deliver(hotels, Told("t-1", "sea view"))
        assert run.instance.waiting_for == ("flight (FLIGHTS)",)
        await engine.deliver(*FLIGHT)

    found = explore_sync(conversation, scenario)
    assert found.void > 0
    assert str(found).endswith(f"{found.void} void): nothing has changed")


def test_kinds_of_faults_can_be_left_out() -> None:
    found = explore_sync(conversation, talk, faults=["duplicate"])
    assert set(found.runs) == {"duplicate"}


@pytest.mark.anyio
async def test_it_is_awaited_in_an_async_test() -> None:
    found = await explore(conversation, talk)
    assert sum(found.runs.values()) > 30


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
