"""A state is read only by a plan in which the same numbers mean the same."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from dagger import (
    Again,
    Failure,
    Limit,
    Retry,
    Step,
    Topic,
    all_of,
    any_of,
    at_least,
    command,
    for_each,
    listener,
    process,
    signal,
    sleep,
    switch,
    task,
    template,
)
from dagger.plan import compile, ops
from dagger.plan.signature import _KINDS
from tests.plan.golden import golden, plans, told

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class In:
    id: str


def by_id(value: In) -> str:
    return value.id


def other_id(value: In) -> str:
    return value.id + "!"


out = Topic("OUT", In, key=by_id)
elsewhere = Topic("ELSEWHERE", In, key=by_id)


@task
async def one(value: In) -> int:
    return 41


@task
async def two(value: In) -> int:
    return 42


@task
async def same(value: In) -> In:
    return value


@task
async def text(value: In) -> str:
    return value.id


def text_of(value: In) -> str:
    return ""


def ids(value: In) -> list[str]:
    return [value.id]


def numbers(value: In) -> list[int]:
    return [1]


@task
async def taken(item: str | int) -> str:
    return str(item)


@listener(out)
def folded(value: In, message: In) -> int:
    return 1


@listener(out, on=by_id)
def computed(value: In, message: In) -> int:
    return 1


@listener(out)
def again(value: In, message: In) -> int | Again[In]:
    return 1


@task
async def handled(failure: Failure[In]) -> In:
    return failure.input


@task
async def instead(value: In) -> In:
    return value


def is_big(value: In) -> bool:
    return len(value.id) > 9


def is_small(value: In) -> bool:
    return len(value.id) < 9


def signature(body: Step[In, Any]) -> int:
    return compile(template("T", body, key=by_id)).signature


DIFFERENT: dict[str, tuple[Step[In, Any], Step[In, Any]]] = {
    "a timeout became a retry": (same.timeout(HOUR), same.retry(Retry(attempts=5))),
    "a retry became a recover": (
        same.retry(Retry(attempts=5)),
        same.recover(handled),
    ),
    "a timeout got an otherwise": (same.timeout(HOUR), same.timeout(HOUR, otherwise=instead)),
    "any became all": (any_of(one, two), all_of(one, two)),
    "all became at least": (all_of(one, two), at_least(2, one, two)),
    "fewer branches are needed": (at_least(2, one, two, text), at_least(1, one, two, text)),
    "a group got a branch": (any_of(one, two), any_of(one, two, text)),
    "a task gives another type": (one.named("x"), text.named("x")),
    "a listener folds where it did not": (listener(out).named("x"), folded.named("x")),
    "a listener's key is computed": (folded.named("x"), computed.named("x")),
    "a listener may answer Again": (folded.named("x"), again.named("x")),
    "a listener listens elsewhere": (listener(out).named("x"), listener(elsewhere).named("x")),
    "a listener became a signal": (listener(out).named("x"), signal("x", In)),
    "the items have another type": (for_each(ids, taken), for_each(numbers, taken)),
    "a step is gone": (same >> one, one),
    "a step has another name": (same >> one, same.named("y") >> one),
    "two steps changed places": (same.named("a") >> same.named("b"), same.named("b") >> same.named("a")),
    "a step moved into a process": (same >> one, process("P", same) >> one),
    "a sleep became a task": (sleep(HOUR).named("x"), same.named("x")),
    "a switch lost its otherwise": (
        switch(is_big).case(True, one).otherwise(two),
        switch(is_big).case(True, one).case(False, two),
    ),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_it_differs_where(what: str) -> None:
    before, after = DIFFERENT[what]
    assert signature(before) != signature(after)


EQUAL: dict[str, tuple[Step[In, Any], Step[In, Any]]] = {
    "a duration is another": (sleep(HOUR).named("x"), sleep(2 * HOUR).named("x")),
    "a bound is another": (same.timeout(HOUR), same.timeout(2 * HOUR)),
    "a task got a timeout": (task(text_of), task(timeout=HOUR)(text_of)),
    "a task got a limit": (task(text_of), task(limit=Limit("bank", 1))(text_of)),
    "there are more tries": (same.retry(Retry(attempts=5)), same.retry(Retry(attempts=6, factor=1))),
    "a function of the same type is another": (instead.named("x"), same.named("x")),
    "a command goes to another topic": (command(out).named("x"), command(elsewhere).named("x")),
    "more items run at a time": (for_each(ids, taken, limit=1), for_each(ids, taken, limit=9)),
    "a switch asks another function": (
        switch(is_big).case(True, one).case(False, two).named("x"),
        switch(is_small).case(True, one).case(False, two).named("x"),
    ),
    "a chain is nested otherwise": ((same >> instead) >> one, same >> (instead >> one)),
}


@pytest.mark.parametrize("what", EQUAL)
def test_it_is_the_same_where(what: str) -> None:
    before, after = EQUAL[what]
    assert signature(before) == signature(after)


def test_the_input_and_the_version_are_no_part_of_it_but_the_input_s_type_is() -> None:
    @dataclass(frozen=True)
    class Wide:
        id: str

    @task
    async def step(value: In | Wide) -> int:
        return 1

    narrow = compile(template("T", step, key=by_id, takes=In))
    assert compile(template("T", step, key=by_id, takes=In, version=2)).signature == narrow.signature
    assert compile(template("T", step, key=lambda w: w.id, takes=Wide)).signature != narrow.signature


def test_every_kind_of_operation_has_its_line() -> None:
    kinds = {kind for kind in vars(ops).values() if isinstance(kind, type) and issubclass(kind, ops.Op)} - {ops.Op}
    assert kinds == set(_KINDS)
    names = [name for name, _ in _KINDS.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", plans())
def test_what_is_laid_out_is_what_it_was(name: str) -> None:
    """Whoever changes this parks the instances under way: see tests/plan/golden.py."""
    assert told(plans()[name]) == golden(name)


def test_all_operations_occur_in_the_files() -> None:
    found = {type(op) for plan in plans().values() for op in plan.ops}
    assert found == set(_KINDS)
