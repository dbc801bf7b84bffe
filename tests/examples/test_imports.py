"""An import of many rows of which some fail, with a database that plays a part."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from dagger import Dagger, Status
from dagger.testing import TestEngine
from examples.imports import AT_ONCE, Customer, Rejected, Report, Row, Upload, load

pytestmark = pytest.mark.anyio

NO_CREDIT = "ValueError: the credit is a whole number of cents, not 'none'"


class PlayedDatabase:
    """Keeps the customers; some addresses are out of reach so many times."""

    def __init__(self, out_of_reach: dict[str, int] | None = None) -> None:
        self.out_of_reach = dict(out_of_reach or {})
        self.saved = dict[str, int]()

    async def save(self, customer: Customer) -> None:
        left = self.out_of_reach.get(customer.email, 0)
        if left:
            self.out_of_reach[customer.email] = left - 1
            raise ConnectionError("no answer")
        self.saved[customer.email] = customer.credit


def engine_with(database: PlayedDatabase) -> TestEngine:
    @asynccontextmanager
    async def lifespan(_: Dagger) -> AsyncIterator[PlayedDatabase]:
        yield database

    return TestEngine(lifespan=lifespan)


def upload_of(count: int) -> Upload:
    """A file in which every hundredth row has no credit."""
    return Upload("u-1", tuple(Row(n, f"c{n}@example.org", "none" if n % 100 == 7 else str(n)) for n in range(count)))


async def imported(count: int) -> None:
    database = PlayedDatabase()
    engine = engine_with(database)
    run = await engine.start(load, upload_of(count))
    bad = range(7, count, 100)
    assert run.status is Status.COMPLETED
    assert run.result == Report(count - len(bad), tuple(Rejected(n, NO_CREDIT) for n in bad))
    assert database.saved == {f"c{n}@example.org": n for n in range(count) if n not in bad}
    assert len(await engine.instances()) == 1


async def test_rows_that_fail_are_reported_and_stop_no_others() -> None:
    await imported(3 * AT_ONCE)


@pytest.mark.slow
async def test_ten_thousand_rows() -> None:
    await imported(10_000)


async def test_a_database_that_is_out_of_reach_is_tried_again_for_that_row_alone() -> None:
    database = PlayedDatabase({"a@example.org": 2, "b@example.org": 3})
    engine = engine_with(database)
    rows = (Row(1, "a@example.org", "5"), Row(2, "b@example.org", "6"), Row(3, "c", "7"), Row(4, "d@example.org", "8"))
    run = await engine.start(load, Upload("u-2", rows))
    assert database.saved == {"d@example.org": 8}
    assert run.status is Status.EXECUTING
    await engine.advance(timedelta(minutes=1))
    assert database.saved == {"a@example.org": 5, "d@example.org": 8}
    assert run.result == Report(
        2, (Rejected(2, "ConnectionError: no answer"), Rejected(3, "ValueError: 'c' is not an e-mail address"))
    )
