"""What the model has found, each as the smallest example that shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from dagger import (
    Again,
    Failure,
    Status,
    Topic,
    command,
    context,
    for_each,
    listener,
    sleep,
    task,
    template,
)
from dagger.testing import TestEngine

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Note:
    key: str
    n: int = 0
    other: str = ""


def key_of(note: Note) -> str:
    return note.key


def other_of(note: Note) -> str:
    return note.other


heard = Topic("heard", Note, key=key_of)
told = Topic("told", Note, key=key_of)


def business_key(n: int) -> str:
    return "k"


def items(n: int) -> list[int]:
    return list(range(n))


@task
async def sorry(failure: Failure[int]) -> int:
    return 0


async def test_a_limited_for_each_begins_its_items_in_order(dagger_engine: TestEngine) -> None:
    """The one that followed a body that had ended at once began before its elders."""

    @command(told)
    def tell(n: int) -> Note:
        return Note("k", n)

    body = for_each(items, tell, limit=2)
    await dagger_engine.start(template("W", body, key=business_key), 5)
    assert [note.n for note in dagger_engine.sent(told)] == [0, 1, 2, 3, 4]


async def test_the_attempt_of_an_item_is_its_own(dagger_engine: TestEngine) -> None:
    """The attempts of all items were counted together."""

    @task
    async def attempt(n: int) -> int:
        return context().attempt

    body = for_each(items, attempt)
    run = await dagger_engine.start(template("W", body, key=business_key), 3)
    assert run.result == [1, 1, 1]


async def test_a_failure_is_no_second_attempt(dagger_engine: TestEngine) -> None:
    """An item that failed after another had ended was counted twice."""

    @task
    async def work(n: int) -> int:
        if n == 1:
            raise ValueError(n)
        return n

    body = for_each(items, work.recover(sorry))
    run = await dagger_engine.start(template("W", body, key=business_key), 2)
    assert run.step("items/work").attempts == 2


async def test_a_command_that_ends_well_has_no_error(dagger_engine: TestEngine) -> None:
    """The error of an item before it stayed."""

    @command(told)
    def tell(n: int) -> Note:
        if n == 0:
            raise ValueError(n)
        return Note("k", n)

    body = for_each(items, tell.recover(sorry))
    run = await dagger_engine.start(template("W", body, key=business_key), 2)
    step = run.step("items/tell")
    assert (step.status, step.error) == (Status.COMPLETED, None)


async def test_a_task_that_is_stopped_where_it_begins_does_not_run(dagger_engine: TestEngine) -> None:
    """It was ordered, and stopped too late."""
    calls = list[int]()

    @task
    async def work(n: int) -> int:
        calls.append(n)
        return n

    @command(told)
    def refuse(n: int) -> Note:
        raise ValueError(n)

    run = await dagger_engine.start(template("W", work & refuse, key=business_key), 1)
    assert (run.step("work").status, calls) == (Status.STOPPED, [])


async def test_the_end_of_a_wait_does_not_end_what_the_instance_hears_anyway(
    dagger_engine: TestEngine,
) -> None:
    """A listener with on= that awaited the business key took its topic from all others."""

    def also_k(n: int) -> str:
        return "k"

    body = listener(heard, on=also_k).named("first") >> listener(heard).named("second")
    run = await dagger_engine.start(template("W", body, key=business_key, takes=int), 1, id="an-id")
    await dagger_engine.deliver(heard, Note("k", 1))
    await dagger_engine.deliver(heard, Note("k", 2))
    assert run.result == Note("k", 2)


async def test_what_is_kept_for_one_way_may_be_taken_by_another(dagger_engine: TestEngine) -> None:
    """A message that was kept for a listener to come was not given to the one that waited for it by by=."""
    body = (sleep(DAY) >> listener(heard).named("later")) & listener(heard, by=other_of).named("now")
    run = await dagger_engine.start(template("W", body, key=business_key, takes=int), 1)
    await dagger_engine.deliver(heard, Note("k", 1, other="k"), id="one message")
    assert run.step("now").status is Status.COMPLETED
    await dagger_engine.advance(DAY)
    assert run.step("later").status is Status.EXECUTING


async def test_again_keeps_the_place(dagger_engine: TestEngine) -> None:
    """A listener that answered Again went to the end of the queue."""

    @listener(heard)
    def both(n: int, note: Note) -> int | Again[int]:
        return n if n > 1 else Again(n + 1)

    body = both & listener(heard).named("one")
    run = await dagger_engine.start(template("W", body, key=business_key), 1)
    await dagger_engine.deliver(heard, Note("k", 1))
    await dagger_engine.deliver(heard, Note("k", 2))
    assert run.step("both").status is Status.COMPLETED
    assert run.step("one").status is Status.EXECUTING


async def test_a_message_that_was_forwarded_is_kept_no_longer(dagger_engine: TestEngine) -> None:
    """An instance with an id of its own kept it for seven days more."""
    late = template("W", sleep(6 * DAY) >> listener(heard), key=business_key, takes=int)
    dagger_engine.register(late)
    await dagger_engine.deliver(heard, Note("k", 1))
    await dagger_engine.advance(6 * DAY)
    run = await dagger_engine.start(late, 1, id="an-id")
    await dagger_engine.advance(6 * DAY)
    assert run.step("heard").status is Status.EXECUTING
