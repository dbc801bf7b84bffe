"""A task that runs at intervals until it is content, twice here, and then a listener."""

from __future__ import annotations

from dataclasses import dataclass

from dagger import Status, listener, repeat, sleep, task, template
from tests.scenarios.orders import HOUR, SHIPMENTS, Report
from tests.scenarios.stage import Stage, everywhere


@dataclass(frozen=True)
class Stock:
    id: str
    checks: int = 0


@task
async def check(stock: Stock) -> Stock:
    return Stock(stock.id, stock.checks + 1)


def is_enough(stock: Stock) -> bool:
    return stock.checks == 2


@listener(SHIPMENTS)
def shipped(stock: Stock, report: Report) -> str:
    return f"{report.text} after {stock.checks} checks"


def by_id(stock: Stock) -> str:
    return stock.id


interval = template("Interval", repeat(check >> sleep(HOUR).named("pause"), until=is_enough) >> shipped, key=by_id)


@everywhere(interval)
async def test_it_runs_twice_and_then_listens(stage: Stage) -> None:
    run = await stage.start(interval, Stock("interval-1"))
    assert (run.step("check").attempts, run.step("pause").status) == (1, Status.EXECUTING)
    await stage.advance(HOUR)
    assert (run.step("check").attempts, run.step("shipped").status) == (2, Status.NOT_STARTED)
    await stage.advance(HOUR)
    assert run.step("shipped").status is Status.EXECUTING
    await stage.deliver(SHIPMENTS, Report("interval-1", "sent"))
    assert run.result == "sent after 2 checks"


@everywhere(interval)
async def test_a_message_that_comes_between_the_rounds_is_kept(stage: Stage) -> None:
    run = await stage.start(interval, Stock("interval-2"))
    await stage.advance(HOUR)
    await stage.deliver(SHIPMENTS, Report("interval-2", "sent"))
    assert run.step("shipped").status is Status.NOT_STARTED
    await stage.advance(HOUR)
    assert run.result == "sent after 2 checks"
