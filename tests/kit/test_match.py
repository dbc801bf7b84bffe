"""One branch of several, chosen by the type of the value."""

from abc import ABC
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, Literal, TypedDict, TypeVar, cast

import pytest

from dagger import (
    DaggerError,
    Failure,
    Status,
    TemplateError,
    Topic,
    UnsupportedType,
    any_of,
    fail,
    listener,
    match,
    process,
    race,
    sleep,
    task,
    template,
)
from dagger.testing import TestEngine

T = TypeVar("T")
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Received:
    id: str


@dataclass(frozen=True)
class Better(Received):
    pass


@dataclass(frozen=True)
class Expired:
    id: str


class Colour(Enum):
    RED = "r"
    BLUE = "b"


class Fields(TypedDict):
    id: str


def first(value: object) -> str:
    return "k"


@task
async def greet(received: Received) -> str:
    return f"received {received.id}"


@task
async def better(received: Better) -> str:
    return f"better {received.id}"


@task
async def mourn(expired: Expired) -> int:
    return len(expired.id)


@task
async def nothing(value: None) -> str:
    return "nothing"


@task
async def paint(colour: Colour) -> str:
    return colour.name


@task
async def add(numbers: list[int]) -> int:
    return sum(numbers)


@task
async def look(key: str) -> Received | Expired:
    return Received(key) if key == "r" else Expired(key)


@task
async def look_for(key: str) -> Received | None:
    return Received(key) if key == "r" else None


@task
async def paint_or_add(key: str) -> Colour | list[int]:
    return Colour.BLUE if key == "blue" else [1, 2]


@task
async def plain(key: str) -> Received:
    return Received(key)


@task
async def best(key: str) -> Better:
    return Better(key)


@task
async def neither(key: str) -> Received:
    raise ValueError(key)


def expired(key: str) -> Expired:
    return Expired(key)


def refusal(expired: Expired) -> str:
    return f"{expired.id} has expired"


either = match().case(Received, greet).case(Expired, mourn)


def refused(body: Any, text: str, **options: Any) -> None:
    with pytest.raises(TemplateError) as caught:
        template("W", body, key=first, **options)
    assert str(caught.value) == text


async def test_the_member_decides_and_names_the_branch(dagger_engine: TestEngine) -> None:
    workflow = template("W", look >> either, key=first)
    run = await dagger_engine.start(workflow, "r")
    assert run.result == "received r"
    assert {step.path: step.status for step in run.instance.steps} == {
        "look": Status.COMPLETED,
        "Received/greet": Status.COMPLETED,
        "Expired/mourn": Status.SKIPPED,
    }
    assert (await dagger_engine.start(workflow, "late", id="2")).result == 4


async def test_none_is_a_case(dagger_engine: TestEngine) -> None:
    workflow = template("W", look_for >> match().case(Received, greet).case(None, nothing), key=first)
    run = await dagger_engine.start(workflow, "x")
    assert run.result == "nothing"
    assert run.step("None/nothing").status is Status.COMPLETED
    assert (await dagger_engine.start(workflow, "r", id="2")).result == "received r"


async def test_an_enum_is_one_case_and_a_list_another(dagger_engine: TestEngine) -> None:
    workflow = template("W", paint_or_add >> match().case(Colour, paint).case(list[int], add), key=first)
    run = await dagger_engine.start(workflow, "blue")
    assert (run.result, run.step("Colour/paint").status) == ("BLUE", Status.COMPLETED)
    run = await dagger_engine.start(workflow, "x", id="2")
    assert (run.result, run.step("list[int]/add").status) == (3, Status.COMPLETED)


async def test_a_subclass_is_a_case_of_its_own_in_either_order(dagger_engine: TestEngine) -> None:
    for id, cases in (("1", (Received, Better)), ("2", (Better, Received))):
        matched: Any = match()
        for case in cases:
            matched = matched.case(case, better if case is Better else greet)
        workflow: Any = template(f"W{id}", race(best, sleep(HOUR) >> plain) >> matched, key=first)
        assert (await dagger_engine.start(workflow, "b", id=id)).result == "better b"


async def test_what_a_class_says_of_its_instances_decides_nothing(dagger_engine: TestEngine) -> None:
    class Loose(type(ABC)):  # type: ignore[misc]  # a metaclass
        def __instancecheck__(cls, instance: object) -> bool:
            return True

    @dataclass(frozen=True)
    class Everything(metaclass=Loose):
        id: str

    @task
    async def of_everything(value: Everything) -> str:
        return "everything"

    @task
    async def look_here(key: str) -> Everything | Received:
        return Received(key)

    body = look_here >> match().case(Everything, of_everything).case(Received, greet)
    assert (await dagger_engine.start(template("W", body, key=first), "r")).result == "received r"


async def test_a_named_match_is_a_scope(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", look >> either.named("HOW"), key=first), "r")
    assert run.step("HOW").kind == "match"
    assert run.step("HOW").status is Status.COMPLETED
    assert run.step("HOW/Received/greet").status is Status.COMPLETED
    assert run.step("HOW/Expired/mourn").status is Status.SKIPPED


async def test_it_matches_what_a_group_or_a_message_gives(dagger_engine: TestEngine) -> None:
    topic = Topic("RECEIVED", Received, key=first)
    workflow: Any = template("W", race(listener(topic), sleep(HOUR).then(expired)) >> either, key=first, takes=str)
    one = await dagger_engine.start(workflow, "a", id="1")
    await dagger_engine.deliver(topic, Received("m"))
    assert one.result == "received m"
    two = await dagger_engine.start(workflow, "late", id="2")
    await dagger_engine.advance(HOUR)
    assert two.result == 4


async def test_a_branch_may_fail_be_bounded_or_wait(dagger_engine: TestEngine) -> None:
    decided = match().case(Received, sleep(HOUR) >> greet).case(Expired, fail(refusal))
    workflow = template("W", look >> process("P", decided), key=first)
    failed = await dagger_engine.start(workflow, "x", id="1")
    assert str(failed.error) == "P/Expired/refusal: BusinessError: x has expired"
    waits = await dagger_engine.start(workflow, "r", id="2")
    assert waits.step("P/Expired/refusal").status is not Status.COMPLETED
    await dagger_engine.advance(HOUR)
    assert waits.result == "received r"


async def test_a_value_that_no_case_stores_fails_the_step(dagger_engine: TestEngine) -> None:
    def undeclared(key):  # type: ignore[no-untyped-def]  # on purpose
        return 1.5

    first_step: Any = plain.then(undeclared)
    body: Any = first_step >> either.named("HOW")
    run = await dagger_engine.start(template("W", body, key=first), "r")
    assert run.status is Status.FAILURE
    assert run.error is not None
    assert (run.error.path, run.error.type) == ("HOW", "TypeError")


@pytest.mark.parametrize(
    ("member", "text"),
    [
        (Literal["a"], "match case Literal['a']: a Literal is chosen by its values; use switch(fn).case(value, step)"),
        (int | str, "match case int | str: is a union; add a .case(...) for each of its members"),
        (T, "match case T: is a type variable, or has one, which no stored value tells; give the type"),
        (
            list[T],  # type: ignore[valid-type]  # pyright: ignore[reportGeneralTypeIssues]  # on purpose
            "match case list[T]: is a type variable, or has one, which no stored value tells; give the type",
        ),
        (Fields, "match case Fields: is a TypedDict, whose values are plain dicts; make it a class"),
        (Any, "match case Any: expects a type, such as a class or None"),
        (Received("r"), "match case Received(id='r'): expects a type, such as a class or None"),
        ("Received", "match case Received: expects a type, such as a class or None"),
    ],
)
def test_what_is_no_case(member: Any, text: str) -> None:
    with pytest.raises(TemplateError) as caught:
        match().case(member, greet)
    assert str(caught.value) == text


def test_a_member_without_a_stored_form_is_refused() -> None:
    with pytest.raises(UnsupportedType, match="match case object: "):
        match().case(object, sleep(HOUR))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (list[int], list[str]),
        (Sequence[int], list[int]),
        (tuple[int, ...], tuple[str, str]),
        (dict[str, int], dict[str, str]),
    ],
)
def test_two_members_of_one_origin_are_refused(one: Any, other: Any) -> None:
    with pytest.raises(TemplateError, match="a stored value does not tell it from"):
        match().case(one, sleep(HOUR)).case(other, sleep(HOUR))


def test_a_member_has_one_branch() -> None:
    with pytest.raises(DaggerError, match="match case Received: is there already; a member has one branch"):
        match().case(Received, greet).case(Received, greet.named("again"))


def test_a_member_that_lacks_a_case_is_refused() -> None:
    only: Any = match().case(Received, greet)
    text = "no case for Expired, which may come here; add .case(Expired, step)"
    refused(look >> only, f"Received: {text}")
    refused(look >> process("P", only.named("HOW")), f"P/HOW: {text}")
    refused(any_of(plain, sleep(HOUR).then(expired)) >> only, f"Received: {text}")
    refused(look >> cast(Any, match()), "match: the match has no case; add .case(TheType, step)")


def test_a_case_that_cannot_come_is_refused() -> None:
    text = "Received | Expired: the case Expired cannot come: what comes here is Received; leave it out"
    refused(plain >> either, text)
    refused(either, text, takes=Received)


def test_what_comes_is_followed_into_handlers_and_items() -> None:
    handled: Any = match().case(Failure[str], sleep(HOUR)).case(Expired, mourn)
    refused(
        neither.recover(handled),
        "Failure[str] | Expired: the case Expired cannot come: what comes here is Failure[str]; leave it out",
    )
