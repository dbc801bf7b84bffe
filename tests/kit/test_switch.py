"""One branch of several, chosen by the data."""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, Literal

from dagger import Status, process, sleep, switch, task, template
from dagger.testing import TestEngine


class Size(Enum):
    SMALL = "s"
    LARGE = "l"


@dataclass(frozen=True)
class Order:
    id: str
    size: Size = Size.SMALL
    total: int = 0
    country: str = "NO"


def by_id(order: Order) -> str:
    return order.id


def how(order: Order) -> Literal["card", "cash"]:
    return "card" if order.total else "cash"


def size(order: Order) -> Size:
    return order.size


def is_paid(order: Order) -> bool:
    return order.total > 0


def country(order: Order) -> str:
    return order.country


@task
async def by_card(order: Order) -> int:
    return order.total


@task
async def in_cash(order: Order) -> str:
    return f"{order.id} in cash"


@task
async def pack(order: Order) -> str:
    return f"packed {order.id}"


async def test_a_literal_chooses(dagger_engine: TestEngine) -> None:
    workflow = template("W", switch(how).case("card", by_card).case("cash", in_cash), key=by_id)
    assert (await dagger_engine.start(workflow, Order("o-1", total=9))).result == 9
    assert (await dagger_engine.start(workflow, Order("o-2"))).result == "o-2 in cash"


async def test_an_enum_chooses_and_names_the_branch(dagger_engine: TestEngine) -> None:
    body = switch(size).case(Size.SMALL, pack).case(Size.LARGE, pack)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1", Size.LARGE))
    assert run.result == "packed o-1"
    assert {step.path: str(step.status) for step in run.instance.steps} == {
        "size": "COMPLETED",
        "SMALL/pack": "SKIPPED",
        "LARGE/pack": "COMPLETED",
    }


async def test_a_bool_chooses(dagger_engine: TestEngine) -> None:
    workflow = template("W", switch(is_paid).case(True, pack).case(False, in_cash), key=by_id)
    paid = await dagger_engine.start(workflow, Order("o-1", total=1))
    unpaid = await dagger_engine.start(workflow, Order("o-2"))
    assert (paid.result, unpaid.result) == ("packed o-1", "o-2 in cash")
    assert paid.step("true/pack").status is unpaid.step("false/in_cash").status is Status.COMPLETED


async def test_otherwise_takes_what_no_case_names(dagger_engine: TestEngine) -> None:
    workflow = template("W", switch(country).case("NO", pack).otherwise(in_cash), key=by_id)
    run = await dagger_engine.start(workflow, Order("o-1", country="SE"))
    assert run.result == "o-1 in cash"
    assert (run.step("otherwise/in_cash").status, run.step("NO/pack").status) == (
        Status.COMPLETED,
        Status.SKIPPED,
    )


async def test_an_open_value_that_nothing_covers_fails_its_step(dagger_engine: TestEngine) -> None:
    workflow = template("W", process("P", switch(country).case("NO", pack)), key=by_id)
    run = await dagger_engine.start(workflow, Order("o-1", country="SE"))
    assert str(run.error) == "P/country: LookupError: no case for 'SE', and no otherwise"


async def test_true_and_one_are_two_cases(dagger_engine: TestEngine) -> None:
    def total(order: Order) -> int | bool:
        return True if order.total == 2 else order.total

    body = switch(total).case(1, pack).case(True, in_cash)
    workflow = template("W", body, key=by_id)
    assert (await dagger_engine.start(workflow, Order("o-1", total=1))).result == "packed o-1"
    assert (await dagger_engine.start(workflow, Order("o-2", total=2))).result == "o-2 in cash"


async def test_a_value_that_cannot_be_a_case_fails_its_step(dagger_engine: TestEngine) -> None:
    def odd(order: Order) -> Any:
        return [order.id]

    workflow = template("W", switch(odd).case("a", pack).otherwise(in_cash), key=by_id)
    run = await dagger_engine.start(workflow, Order("o-1"))
    assert run.error is not None
    assert (run.error.path, run.error.type) == ("odd", "TypeError")


async def test_a_branch_may_hold_any_step(dagger_engine: TestEngine) -> None:
    inner = switch(country).case("NO", pack).otherwise(in_cash)
    body = switch(size).case(Size.SMALL, inner).case(Size.LARGE, process("BIG", pack))
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1", country="SE"))
    assert run.result == "o-1 in cash"
    assert run.step("SMALL/otherwise/in_cash").status is Status.COMPLETED
    assert run.step("LARGE/BIG/pack").status is Status.SKIPPED


async def test_a_named_switch_is_a_scope(dagger_engine: TestEngine) -> None:
    body = switch(size).case(Size.SMALL, pack).case(Size.LARGE, pack).named("HOW")
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    assert run.step("HOW").kind == "switch"
    assert run.step("HOW/SMALL/pack").status is Status.COMPLETED


async def test_what_a_branch_gives_goes_on(dagger_engine: TestEngine) -> None:
    @task
    async def note(value: int | str) -> list[int | str]:
        return [value, type(value).__name__]

    body = switch(how).case("card", by_card).case("cash", in_cash) >> note
    workflow = template("W", body, key=by_id)
    assert (await dagger_engine.start(workflow, Order("o-1", total=9))).result == [9, "int"]
    assert (await dagger_engine.start(workflow, Order("o-2"))).result == ["o-2 in cash", "str"]


async def test_a_branch_may_pass_its_input_on(dagger_engine: TestEngine) -> None:
    body = switch(is_paid).case(True, sleep(timedelta(0))).case(False, sleep(timedelta(0))) >> pack
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    assert run.result == "packed o-1"
