"""As many parallel bodies as the data says."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from anyio.lowlevel import checkpoint

from dagger import Retry, Status, Topic, any_of, command, for_each, listener, process, sleep, task, template
from dagger.testing import TestEngine, hang


@dataclass(frozen=True)
class Line:
    order: str
    sku: str


@dataclass(frozen=True)
class Order:
    id: str
    skus: tuple[str, ...] = ()


@dataclass(frozen=True)
class Picked:
    sku: str
    shelf: int


picks = Topic("PICKS", Line, key=lambda m: m.sku)
picked = Topic("PICKED", Picked, key=lambda m: m.sku)


def by_id(order: Order) -> str:
    return order.id


def lines(order: Order) -> list[Line]:
    return [Line(order.id, sku) for sku in order.skus]


def sku_of(line: Line) -> str:
    return line.sku


@listener(picked, on=sku_of)
def shelf(line: Line, message: Picked) -> str:
    return f"{line.sku} from {message.shelf}"


@task
async def upper(line: Line) -> str:
    return line.sku.upper()


async def test_the_results_are_in_the_order_of_the_items(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(
        template("W", for_each(lines, command(picks) >> shelf), key=by_id), Order("o-1", ("a", "b", "c"))
    )
    assert dagger_engine.sent(picks) == [Line("o-1", "a"), Line("o-1", "b"), Line("o-1", "c")]
    for number, sku in enumerate("cab"):
        assert run.status is Status.EXECUTING
        await dagger_engine.deliver(picked, Picked(sku, number))
    assert run.result == ["a from 1", "b from 2", "c from 0"]


async def test_there_may_be_no_items(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", for_each(lines, upper), key=by_id), Order("o-1"))
    assert run.result == []
    assert run.step("lines").status is Status.COMPLETED
    assert run.step("lines/upper").status is Status.SKIPPED


@pytest.mark.unexplored("it is long")
async def test_there_may_be_many_items(dagger_engine: TestEngine) -> None:
    skus = tuple(f"sku-{n}" for n in range(500))
    run = await dagger_engine.start(template("W", for_each(lines, upper), key=by_id), Order("o-1", skus))
    assert run.result == [sku.upper() for sku in skus]
    assert run.step("lines/upper").attempts == 500


async def test_a_limit_bounds_how_many_run_at_a_time(dagger_engine: TestEngine) -> None:
    running, most = [0], [0]

    @task
    async def count(line: Line) -> str:
        running[0] += 1
        most[0] = max(most[0], running[0])
        await hand_over()
        running[0] -= 1
        return line.sku

    body = for_each(lines, count, limit=3)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1", tuple("abcdefgh")))
    assert run.result == list("abcdefgh")
    assert most == [3]


async def hand_over() -> None:
    for _ in range(5):
        await checkpoint()


async def test_a_limit_begins_the_next_when_one_ends(dagger_engine: TestEngine) -> None:
    body = for_each(lines, command(picks) >> shelf, limit=2)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1", tuple("abc")))
    assert dagger_engine.sent(picks) == [Line("o-1", "a"), Line("o-1", "b")]
    await dagger_engine.deliver(picked, Picked("b", 1))
    assert dagger_engine.sent(picks)[2:] == [Line("o-1", "c")]
    await dagger_engine.deliver(picked, Picked("a", 2))
    await dagger_engine.deliver(picked, Picked("c", 3))
    assert run.result == ["a from 2", "b from 1", "c from 3"]


async def test_the_first_failure_stops_the_others(dagger_engine: TestEngine) -> None:
    @task
    async def check(line: Line) -> str:
        if line.sku == "b":
            raise ValueError("b is sold out")
        await hang()
        return line.sku

    run = await dagger_engine.start(
        template("W", process("P", for_each(lines, check)), key=by_id), Order("o-1", tuple("abc"))
    )
    assert str(run.error) == "P/lines/check: ValueError: b is sold out"
    assert run.step("P/lines").status is Status.FAILURE


async def test_one_item_is_tried_again_and_not_the_others(dagger_engine: TestEngine) -> None:
    tries = list[str]()

    @task(retry=Retry(attempts=2))
    async def check(line: Line) -> str:
        tries.append(line.sku)
        if line.sku == "b" and tries.count("b") == 1:
            raise ConnectionError("down")
        return line.sku

    run = await dagger_engine.start(template("W", for_each(lines, check), key=by_id), Order("o-1", tuple("abc")))
    await dagger_engine.advance(timedelta(minutes=1))
    assert run.result == ["a", "b", "c"]
    assert sorted(tries) == ["a", "b", "b", "c"]


async def test_for_each_in_for_each(dagger_engine: TestEngine) -> None:
    def letters(line: Line) -> list[str]:
        return list(line.sku)

    @task
    async def code(letter: str) -> int:
        return ord(letter)

    body = for_each(lines, for_each(letters, code))
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1", ("ab", "", "c")))
    assert run.result == [[97, 98], [], [99]]


async def test_items_may_sleep_each_for_itself(dagger_engine: TestEngine) -> None:
    body = for_each(lines, sleep(timedelta(hours=1)) >> upper, limit=2)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1", tuple("abc")))
    await dagger_engine.advance(timedelta(hours=1))
    assert run.status is Status.EXECUTING
    await dagger_engine.advance(timedelta(hours=1))
    assert run.result == ["A", "B", "C"]


@pytest.mark.parametrize("items", [tuple, set, iter])
async def test_items_may_come_from_anything_to_go_over(dagger_engine: TestEngine, items: Any) -> None:
    def found(order: Order) -> list[Line]:
        given: list[Line] = items(lines(order))
        return given

    run = await dagger_engine.start(template("W", for_each(found, upper), key=by_id), Order("o-1", ("a",)))
    assert run.result == ["A"]


async def test_an_item_of_another_type_fails_its_step(dagger_engine: TestEngine) -> None:
    def wrong(order: Order) -> list[Line]:
        words: Any = ["a"]
        return words  # type: ignore[no-any-return]  # what a user without a checker may write

    run = await dagger_engine.start(template("W", for_each(wrong, upper), key=by_id), Order("o-1"))
    assert str(run.error) == "wrong: TypeError: an item does not fit: declared Line, got str 'a'"


async def test_items_that_are_none_fail_their_step(dagger_engine: TestEngine) -> None:
    def nothing(order: Order) -> list[Line]:
        none: Any = None
        return none  # type: ignore[no-any-return]  # as above

    run = await dagger_engine.start(template("W", for_each(nothing, upper), key=by_id), Order("o-1"))
    assert run.error is not None
    assert (run.error.path, run.error.type) == ("nothing", "TypeError")


async def test_a_failure_that_was_answered_is_not_shown_as_completed(dagger_engine: TestEngine) -> None:
    """Whatever kind of step has failed, its row says so when nothing else completed it."""

    @command(picks)
    def order(line: Line) -> Line:
        raise ValueError(f"no {line.sku}")

    @task
    def check(line: Line) -> Line:
        raise ValueError(f"no {line.sku}")

    for version, body in enumerate((order, check.named("order")), 1):
        flow = template("W", for_each(lines, any_of(body, sleep(timedelta(seconds=1)))), key=by_id, version=version)
        run = await dagger_engine.start(flow, Order(f"o-{version}", ("a",)))
        await dagger_engine.advance(timedelta(seconds=1))
        assert run.status is Status.COMPLETED
        assert run.step("lines/order").status is Status.FAILURE
