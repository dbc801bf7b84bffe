"""A time keeps its zone on its way through the store, so that a day later is the same hour of its clock."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from dagger import Dagger, Topic, listener, sleep, task, template, wait_until
from dagger.testing import TestEngine

BERLIN = ZoneInfo("Europe/Berlin")
VISIT_AT = datetime(2030, 3, 30, 9, tzinfo=BERLIN)


@dataclass(frozen=True)
class Visit:
    id: str
    at: datetime


def by_id(visit: Visit) -> str:
    return visit.id


@wait_until
def a_day_later(visit: Visit) -> datetime:
    return visit.at + timedelta(days=1)


@wait_until
def its_time(visit: Visit) -> datetime:
    return visit.at


@task
async def letter(visit: Visit) -> str:
    return f"{visit.at:%d.%m. %H:%M %Z}"


@task
async def moved(visit: Visit) -> Visit:
    return Visit(visit.id, visit.at + timedelta(days=1))


visits = Topic("VISITS", Visit, key=by_id)


@listener(visits)
def visited(_: Visit, message: Visit) -> Visit:
    return message


async def test_a_day_later_is_the_same_hour_of_the_clock(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("T", a_day_later >> letter, key=by_id), Visit("v", VISIT_AT))
    await dagger_engine.advance(timedelta(days=365))
    assert run.step("a_day_later").ended == datetime(2030, 3, 31, 7, tzinfo=UTC)
    assert run.result == "30.03. 09:00 CET"


async def test_the_zone_goes_with_the_result_of_a_task(dagger_engine: TestEngine) -> None:
    body = moved >> sleep(timedelta(days=100)) >> letter
    run = await dagger_engine.start(template("T", body, key=by_id), Visit("v", VISIT_AT))
    await dagger_engine.crash()
    await dagger_engine.advance(timedelta(days=100))
    assert run.result == "31.03. 09:00 CEST"


@pytest.mark.parametrize(
    ("at", "fires"),
    [
        (datetime(2030, 10, 27, 2, 30, tzinfo=BERLIN), datetime(2030, 10, 27, 0, 30, tzinfo=UTC)),
        (datetime(2030, 10, 27, 2, 30, tzinfo=BERLIN, fold=1), datetime(2030, 10, 27, 1, 30, tzinfo=UTC)),
        (datetime(2030, 3, 31, 2, 30, tzinfo=BERLIN), datetime(2030, 3, 31, 1, 30, tzinfo=UTC)),
        (datetime(2030, 3, 31, 2, 30, tzinfo=BERLIN, fold=1), datetime(2030, 3, 31, 0, 30, tzinfo=UTC)),
    ],
)
async def test_wait_until_an_hour_that_is_there_twice_or_never(
    dagger_engine: TestEngine, at: datetime, fires: datetime
) -> None:
    run = await dagger_engine.start(template("T", its_time, key=by_id), Visit("v", at))
    await dagger_engine.advance(timedelta(days=365))
    assert run.step("its_time").ended == fires
    assert repr(run.result) == repr(Visit("v", at))


async def test_a_json_message_has_the_offset(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("T", visited >> letter, key=by_id), Visit("v", VISIT_AT))
    await dagger_engine.deliver(visits, Visit("v", VISIT_AT))
    assert run.result == "30.03. 09:00 UTC+01:00"


def test_the_zone_is_there_after_the_file_was_closed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'visits.db'}"
    day_after = template("T", moved, key=by_id)

    async def first() -> None:
        async with Dagger(url) as engine:
            await engine.wait(await engine.start(day_after, Visit("v", VISIT_AT)))

    async def then() -> tuple[Visit, Visit]:
        async with Dagger(url).client() as engine:
            engine.register(day_after)
            found = await engine.get_instance("v")
            return found.input, found.result

    asyncio.run(first())
    assert repr(asyncio.run(then())) == repr((Visit("v", VISIT_AT), Visit("v", VISIT_AT + timedelta(days=1))))
