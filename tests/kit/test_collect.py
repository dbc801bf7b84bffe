"""Parallel steps whose failure is a result, or does not count: `collect=True` and `enough=n`."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from dagger import (
    Failure,
    Retry,
    Status,
    TemplateError,
    Topic,
    all_of,
    command,
    for_each,
    listener,
    signal,
    task,
    template,
)
from dagger.testing import TestEngine, explore_sync, hang


@dataclass(frozen=True)
class Row:
    number: int
    text: str


@dataclass(frozen=True)
class Import:
    id: str
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checked:
    text: str


asked = Topic("ASKED", Row, key=lambda m: m.text)
answers = Topic("ANSWERS", Checked, key=lambda m: m.text)


def by_id(value: Import) -> str:
    return value.id


def rows(value: Import) -> list[Row]:
    return [Row(number, text) for number, text in enumerate(value.texts)]


def text_of(row: Row) -> str:
    return row.text


@task
async def check(row: Row) -> str:
    if row.text.startswith("bad"):
        raise ValueError(f"{row.text} is no row")
    if row.text == "hangs":
        await hang()
    return row.text.upper()


@listener(answers, on=text_of)
def answered(row: Row, message: Checked) -> str:
    if message.text.startswith("bad"):
        raise ValueError("refused")
    return message.text


def itself(text: str) -> str:
    return text


@listener(answers, on=itself)
def answered_for(text: str, message: Checked) -> str:
    return message.text


@task
async def size(value: Import) -> int:
    return len(value.texts)


@task
async def refuse(value: Import) -> str:
    raise ValueError("closed")


async def test_a_body_that_fails_stops_no_other(dagger_engine: TestEngine) -> None:
    body = for_each(rows, check, collect=True)
    run = await dagger_engine.start(template("W", body, key=by_id), Import("i-1", ("a", "bad", "b")))
    assert run.result == ["A", Failure(Row(1, "bad"), "ValueError: bad is no row", "rows/check"), "B"]
    assert run.step("rows").status is Status.COMPLETED


async def test_all_bodies_may_fail(dagger_engine: TestEngine) -> None:
    body = for_each(rows, check, collect=True)
    run = await dagger_engine.start(template("W", body, key=by_id), Import("i-1", ("bad-1", "bad-2")))
    assert [failure.input for failure in run.result if isinstance(failure, Failure)] == [
        Row(0, "bad-1"),
        Row(1, "bad-2"),
    ]


async def test_no_items_are_no_failures(dagger_engine: TestEngine) -> None:
    body = for_each(rows, check, collect=True)
    assert (await dagger_engine.start(template("W", body, key=by_id), Import("i-1"))).result == []


async def test_a_failure_makes_room_for_the_next(dagger_engine: TestEngine) -> None:
    body = for_each(rows, command(asked) >> answered, collect=True, limit=1)
    run = await dagger_engine.start(template("W", body, key=by_id), Import("i-1", ("bad", "b")))
    assert [row.text for row in dagger_engine.sent(asked)] == ["bad"]
    await dagger_engine.deliver(answers, Checked("bad"))
    assert [row.text for row in dagger_engine.sent(asked)] == ["bad", "b"]
    await dagger_engine.deliver(answers, Checked("b"))
    assert run.result == [Failure(Row(0, "bad"), "ValueError: refused", "rows/answered"), "b"]


async def test_tries_end_before_a_failure_is_a_result(dagger_engine: TestEngine) -> None:
    tries = list[str]()

    @task(retry=Retry(attempts=2, first=timedelta(seconds=1)))
    async def flaky(row: Row) -> str:
        tries.append(row.text)
        if row.text == "bad" or tries.count(row.text) == 1:
            raise ConnectionError("down")
        return row.text

    body = for_each(rows, flaky, collect=True)
    run = await dagger_engine.start(template("W", body, key=by_id), Import("i-1", ("bad", "b")))
    await dagger_engine.advance(timedelta(seconds=1))
    assert run.result == [Failure(Row(0, "bad"), "ConnectionError: down", "rows/flaky"), "b"]


async def test_a_collected_failure_matters_until_the_for_each_has_ended(dagger_engine: TestEngine) -> None:
    body = for_each(rows, command(asked) >> answered, collect=True)
    run = await dagger_engine.start(template("W", body, key=by_id), Import("i-1", ("bad", "b", "c")))
    await dagger_engine.deliver(answers, Checked("b"))
    assert run.step("rows/answered").status is Status.EXECUTING
    await dagger_engine.deliver(answers, Checked("bad"))
    assert run.step("rows/answered").status is Status.FAILURE
    assert str(run.step("rows/answered").error) == "rows/answered: ValueError: refused"
    assert run.step("rows").status is Status.EXECUTING
    await dagger_engine.deliver(answers, Checked("c"))
    assert run.status is Status.COMPLETED
    assert run.step("rows/answered").status is Status.COMPLETED


async def test_a_stop_ends_what_still_executes(dagger_engine: TestEngine) -> None:
    body = for_each(rows, check, collect=True)
    run = await dagger_engine.start(template("W", body, key=by_id), Import("i-1", ("bad", "hangs")))
    await dagger_engine.stop(run)
    assert run.status is Status.STOPPED
    assert run.step("rows").status is Status.STOPPED


async def test_a_timeout_around_ends_all(dagger_engine: TestEngine) -> None:
    body = for_each(rows, check, collect=True).timeout(timedelta(hours=1), otherwise=size)
    run = await dagger_engine.start(template("W", body, key=by_id), Import("i-1", ("bad", "hangs")))
    await dagger_engine.advance(timedelta(hours=1))
    assert run.result == 2


async def test_a_group_collects_too(dagger_engine: TestEngine) -> None:
    body = all_of(size, refuse, collect=True)
    value = Import("i-1", ("a",))
    run = await dagger_engine.start(template("W", body, key=by_id), value)
    assert run.result == (1, Failure(value, "ValueError: closed", "refuse"))
    assert run.step("refuse").status is Status.FAILURE


async def test_a_group_that_collects_is_closed(dagger_engine: TestEngine) -> None:
    body = all_of(size, size.named("again"), collect=True) & size.named("third")
    run = await dagger_engine.start(template("W", body, key=by_id), Import("i-1", ("a",)))
    assert run.result == ((1, 1), 1)


async def test_the_first_to_succeed_are_enough(dagger_engine: TestEngine) -> None:
    body = for_each(rows, command(asked) >> answered, enough=2)
    run = await dagger_engine.start(template("W", body, key=by_id), Import("i-1", tuple("abcd")))
    await dagger_engine.deliver(answers, Checked("d"))
    assert run.status is Status.EXECUTING
    await dagger_engine.deliver(answers, Checked("b"))
    assert run.result == ["b", "d"]
    assert run.step("rows").status is Status.COMPLETED


@pytest.mark.unexplored("a race: the first of two messages wins")
async def test_what_is_not_needed_is_stopped(dagger_engine: TestEngine) -> None:
    body = for_each(rows, check >> answered_for, enough=1)
    run = await dagger_engine.start(template("W", body, key=by_id), Import("i-1", ("a", "b")))
    await dagger_engine.deliver(answers, Checked("B"))
    await dagger_engine.deliver(answers, Checked("A"))
    assert run.result == ["B"]
    assert run.status is Status.COMPLETED


async def test_what_fails_does_not_count_while_enough_can_succeed(dagger_engine: TestEngine) -> None:
    body = for_each(rows, command(asked) >> answered, enough=2, limit=2)
    run = await dagger_engine.start(template("W", body, key=by_id), Import("i-1", ("bad", "b", "c", "bad-2")))
    await dagger_engine.deliver(answers, Checked("bad"))
    assert [row.text for row in dagger_engine.sent(asked)] == ["bad", "b", "c"]
    await dagger_engine.deliver(answers, Checked("c"))
    await dagger_engine.deliver(answers, Checked("b"))
    assert run.result == ["b", "c"]


@pytest.mark.unexplored("a race: the error names the last failure")
async def test_too_few_that_can_succeed_fail(dagger_engine: TestEngine) -> None:
    body = for_each(rows, check, enough=2)
    run = await dagger_engine.start(template("W", body, key=by_id), Import("i-1", ("bad", "hangs", "bad-2")))
    last = "rows/check: ValueError: bad-2 is no row"
    assert str(run.error) == f"rows: AllFailed: fewer than 2 of 3 items can succeed; the last failure: {last}"
    assert run.step("rows").status is Status.FAILURE


async def test_the_kinds_of_the_last_failure_are_those_of_the_whole(dagger_engine: TestEngine) -> None:
    body = for_each(rows, check, enough=1).recover(size_of, on=ValueError)
    run = await dagger_engine.start(template("W", body, key=by_id), Import("i-1", ("bad",)))
    assert run.result == 1


def size_of(failure: Failure[Import]) -> int:
    return len(failure.input.texts)


async def test_enough_needs_so_many_items(dagger_engine: TestEngine) -> None:
    body = for_each(rows, check, enough=2)
    run = await dagger_engine.start(template("W", body, key=by_id), Import("i-1", ("a",)))
    assert str(run.error) == "rows: ValueError: returns 1 item, fewer than enough=2"
    none = await dagger_engine.start(template("W", body, key=by_id), Import("i-2"))
    assert none.result == []


undone = list[str]()


@task
async def book(row: Row) -> Row:
    return row


@task
async def unbook(row: Row) -> None:
    undone.append(row.text)


@task
async def fails(found: object) -> str:
    raise ValueError("after")


async def test_a_body_is_undone_before_its_failure_is_a_result(dagger_engine: TestEngine) -> None:
    undone.clear()
    body = for_each(rows, book.compensate(unbook) >> check, collect=True)
    run = await dagger_engine.start(template("W", body >> fails, key=by_id), Import("i-1", ("a", "bad", "b")))
    assert undone == ["bad", "b", "a"]
    assert str(run.error) == "fails: ValueError: after"


async def test_what_loses_is_undone_and_what_wins_later(dagger_engine: TestEngine) -> None:
    undone.clear()
    body = for_each(rows, book.compensate(unbook) >> command(asked) >> answered, enough=1)
    await dagger_engine.start(
        template("W", body >> signal("go", int) >> fails, key=by_id), Import("i-1", ("a", "bad", "b"))
    )
    await dagger_engine.deliver(answers, Checked("bad"))
    assert undone == ["bad"]
    await dagger_engine.deliver(answers, Checked("a"))
    assert undone == ["bad", "b"]
    await dagger_engine.signal("i-1", "go", 1)
    assert undone == ["bad", "b", "a"]


def test_what_is_refused() -> None:
    anything: Any = for_each
    with pytest.raises(
        TemplateError, match=r"collect=True waits for all items, and enough=2 does not; give one of them"
    ):
        anything(rows, check, collect=True, enough=2)
    with pytest.raises(TemplateError, match=r"for_each 'rows': enough is 0; give 1 or more"):
        anything(rows, check, enough=0)
    with pytest.raises(TemplateError, match=r"for_each 'rows': collect is 1; give True or False"):
        anything(rows, check, collect=1)
    group: Any = all_of
    with pytest.raises(TemplateError, match=r"all_of: collect is 'yes'; give True or False"):
        group(size, refuse, collect="yes")


def test_an_import_survives_crashes_and_duplicates() -> None:
    body = for_each(rows, command(asked) >> answered, collect=True, limit=2) >> for_each(texts, known, enough=1)
    imports = template("W", body, key=by_id)

    async def scenario(engine: TestEngine) -> None:
        run = await engine.start(imports, Import("i-1", ("bad", "b", "c")))
        for text in ("bad", "b", "c"):
            await engine.deliver(answers, Checked(text), id=text)
        assert run.result == ["b"]

    found = explore_sync(imports, scenario)
    assert all(found.runs.values()), found


def texts(found: list[str | Failure[Row]]) -> list[str]:
    return [one for one in found if isinstance(one, str)]


@task
async def known(text: str) -> str:
    if text == "c":
        raise ValueError("not known")
    return text
