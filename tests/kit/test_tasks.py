"""Tasks: sync and async, what they know of where they run, and what becomes of what they give."""

import functools
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from dagger import (
    Dagger,
    DaggerError,
    Retry,
    Status,
    TaskContext,
    Topic,
    all_of,
    command,
    context,
    for_each,
    listener,
    process,
    signal,
    sleep,
    task,
    template,
)
from dagger.testing import TestEngine


@dataclass(frozen=True)
class Order:
    id: str


def by_id(order: Order) -> str:
    return order.id


@task
async def name_of(order: Order) -> str:
    return f"order {order.id}"


@task
def name_in_thread(order: Order) -> str:
    return f"order {order.id} in {threading.current_thread().name.partition(' ')[0]}"


async def test_an_async_task_gives_its_result(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", name_of, key=by_id), Order("o-1"))
    assert run.result == "order o-1"
    assert run.step("name_of").kind == "task"


async def test_a_sync_task_runs_in_a_worker_thread(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", name_in_thread, key=by_id), Order("o-1"))
    assert run.result == "order o-1 in AnyIO"


@pytest.mark.unexplored("explored tasks run in turn")
async def test_sync_tasks_run_at_the_same_time(dagger_engine: TestEngine) -> None:
    meeting = threading.Barrier(3, timeout=10)

    @task
    def meet(order: Order) -> int:
        return meeting.wait()

    three = all_of(meet.named("a"), meet.named("b"), meet.named("c"))
    run = await dagger_engine.start(template("W", three, key=by_id), Order("o-1"))
    assert sorted(run.result) == [0, 1, 2]


async def test_a_task_may_be_a_method_or_a_partial(dagger_engine: TestEngine) -> None:
    class Shop:
        def __init__(self, city: str) -> None:
            self.city = city

        async def sell(self, order: Order) -> str:
            return f"{order.id} sold in {self.city}"

    def label(prefix: str, sold: str) -> str:
        return f"{prefix}: {sold}"

    labelled = functools.partial(label, "note")
    body = task(Shop("Oslo").sell) >> task(labelled)
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    assert run.result == "note: o-1 sold in Oslo"
    assert [step.path for step in run.instance.steps] == ["sell", "label"]


async def test_a_task_may_give_nothing(dagger_engine: TestEngine) -> None:
    @task
    async def forget(order: Order) -> None:
        pass

    run = await dagger_engine.start(template("W", forget, key=by_id), Order("o-1"))
    assert run.status is Status.COMPLETED
    assert run.result is None


async def test_what_a_task_does_to_its_input_reaches_no_other_step(dagger_engine: TestEngine) -> None:
    @task
    async def clear(words: list[str]) -> int:
        words.clear()
        return len(words)

    @task
    async def count(words: list[str]) -> int:
        return len(words)

    run = await dagger_engine.start(template("W", all_of(clear, count), key=lambda w: w[0]), ["a", "b"])
    assert run.result == (0, 2)


async def test_a_result_is_what_would_be_loaded_again(dagger_engine: TestEngine) -> None:
    @task
    async def ratio(order: Order) -> float:
        return 2

    run = await dagger_engine.start(template("W", ratio, key=by_id), Order("o-1"))
    assert type(run.result) is float


# The context.


@task(retry=Retry(attempts=3))
async def where(order: Order) -> tuple[str, str, str, int]:
    here = context()
    if here.attempt < 3:
        raise ConnectionError("not yet")
    return here.instance_id, here.template, here.path, here.attempt


async def test_a_task_knows_where_it_runs(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", process("P", where), key=by_id), Order("o-1"), id="x")
    await dagger_engine.advance(timedelta(minutes=1))
    assert run.result == ("x", "W", "P/where", 3)


@pytest.mark.unexplored("its fake counts its calls, and a task may be called twice")
async def test_the_idempotency_key_is_the_same_for_every_try(dagger_engine: TestEngine) -> None:
    seen = list[TaskContext]()

    @task(retry=Retry(attempts=3))
    async def note(order: Order) -> int:
        seen.append(context())
        if len(seen) < 3:
            raise ConnectionError("not yet")
        return len(seen)

    await dagger_engine.start(template("W", note, key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(minutes=1))
    assert [here.attempt for here in seen] == [1, 2, 3]
    assert len({here.idempotency_key for here in seen}) == 1


async def test_the_idempotency_key_differs_between_calls(dagger_engine: TestEngine) -> None:
    seen = list[str]()

    @task
    async def note(order: Order) -> int:
        seen.append(context().idempotency_key)
        return 0

    def twice(order: Order) -> list[Order]:
        return [order, order]

    body = all_of(note.named("a"), process("P", note), for_each(twice, note.named("c")))
    workflow = template("W", body, key=by_id)
    await dagger_engine.start(workflow, Order("o-1"))
    await dagger_engine.start(workflow, Order("o-2"))
    assert len(seen) == len(set(seen)) == 8


async def test_a_sync_task_has_the_context_too(dagger_engine: TestEngine) -> None:
    @task
    def where_am_i(order: Order) -> str:
        return context().path

    run = await dagger_engine.start(template("W", where_am_i, key=by_id), Order("o-1"))
    assert run.result == "where_am_i"


async def test_there_is_no_context_outside_a_task(dagger_engine: TestEngine) -> None:
    with pytest.raises(DaggerError, match=r"dagger\.context\(\) was called outside a task; only functions under"):
        context()

    def peek(order: Order) -> str:
        return context().path

    run = await dagger_engine.start(template("W", name_of.then(lambda _: 1), key=by_id), Order("o-0"))
    assert run.result == 1
    failed = await dagger_engine.start(
        template("V", command(Topic("T", Order, key=peek)) >> name_of, key=by_id), Order("o-1")
    )
    assert "outside a task" in str(failed.error)


# Resources.


class Database:
    def __init__(self) -> None:
        self.is_open = True
        self.rows = list[str]()


class Mailer:
    pass


@asynccontextmanager
async def with_database(engine: Dagger) -> AsyncIterator[Database]:
    database = Database()
    yield database
    database.is_open = False


@task
async def store(order: Order) -> int:
    database = context().resource(Database)
    assert database.is_open
    database.rows.append(order.id)
    return len(database.rows)


@pytest.fixture
def shop() -> TestEngine:
    return TestEngine(lifespan=with_database)


@pytest.mark.unexplored("its task counts its calls, and a task may be called twice")
async def test_a_task_uses_what_the_lifespan_opened(shop: TestEngine) -> None:
    workflow = template("W", store, key=by_id)
    assert (await shop.start(workflow, Order("o-1"))).result == 1
    assert (await shop.start(workflow, Order("o-2"))).result == 2


async def test_the_lifespan_ends_with_the_engine(dagger_engine: TestEngine) -> None:
    opened = list[Database]()

    @asynccontextmanager
    async def lifespan(engine: Dagger) -> AsyncIterator[Database]:
        async with with_database(engine) as database:
            opened.append(database)
            yield database

    async with TestEngine(lifespan=lifespan) as engine:
        await engine.start(template("W", store, key=by_id), Order("o-1"))
        assert opened[0].is_open
    assert [database.is_open for database in opened] == [False]


@asynccontextmanager
async def with_several(engine: Dagger) -> AsyncIterator[dict[str, Any]]:
    yield {"mail": Mailer(), "db": Database()}


@pytest.fixture
def several() -> TestEngine:
    return TestEngine(lifespan=with_several)


async def test_a_resource_is_found_by_its_class_in_a_mapping(several: TestEngine) -> None:
    @task
    def kinds(order: Order) -> list[str]:
        here = context()
        return [type(here.resource(Database)).__name__, type(here.resources["mail"]).__name__]

    run = await several.start(template("W", kinds, key=by_id), Order("o-1"))
    assert run.result == ["Database", "Mailer"]


async def test_a_resource_that_is_not_there_is_told(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", store, key=by_id), Order("o-1"))
    assert str(run.error) == (
        "store: DaggerError: store: no resource is a Database; yield one from the lifespan= of the engine"
    )


@asynccontextmanager
async def without_database(engine: Dagger) -> AsyncIterator[Database]:
    raise ConnectionError("no database")
    yield Database()


@pytest.fixture
def broken() -> TestEngine:
    return TestEngine(lifespan=without_database)


async def test_a_lifespan_that_fails_is_told_each_time(broken: TestEngine) -> None:
    for _ in range(2):
        with pytest.raises(ConnectionError, match="no database"):
            await broken.start(template("W", store, key=by_id), Order("o-1"))


@asynccontextmanager
async def that_starts(engine: Dagger) -> AsyncIterator[Database]:
    await engine.start(template("W", store, key=by_id), Order("o-1"))
    yield Database()


@pytest.fixture
def starting() -> TestEngine:
    return TestEngine(lifespan=that_starts)


@pytest.mark.unexplored("its task counts its calls, and a task may be called twice")
async def test_what_the_lifespan_starts_runs_once_its_resources_are_there(starting: TestEngine) -> None:
    await starting.run_until_idle()
    assert (await starting.get_instance("o-1")).result == 1


# A task that uses the engine.


@asynccontextmanager
async def with_engine(engine: Dagger) -> AsyncIterator[Dagger]:
    yield engine


@pytest.fixture
def itself() -> TestEngine:
    return TestEngine(lifespan=with_engine)


notes = Topic("NOTES", Order, key=lambda m: m.id)


async def test_a_task_may_publish(itself: TestEngine) -> None:
    @task
    async def tell(order: Order) -> Order:
        await context().resource(Dagger).publish(notes, order)
        return order

    run = await itself.start(template("W", tell >> listener(notes), key=by_id), Order("o-1"))
    assert run.result == Order("o-1")
    assert itself.sent(notes) == [Order("o-1")]


async def test_a_task_may_start_and_signal_and_stop_others(itself: TestEngine) -> None:
    waits = template("Waits", signal("go", bool), key=by_id, takes=Order)
    rests = template("Rests", sleep(timedelta(days=9)), key=by_id, takes=Order)

    @task
    async def launch(order: Order) -> str:
        engine = context().resource(Dagger)
        return (await engine.start(waits, Order("child"))).id

    @task
    async def go(child: str) -> str:
        engine = context().resource(Dagger)
        await engine.signal(child, "go", True)
        await engine.stop("idle")
        return child

    idle = await itself.start(rests, Order("idle"))
    run = await itself.start(template("W", launch >> go, key=by_id), Order("o-1"))
    assert run.result == "child"
    assert (await itself.get_instance("child")).result is True
    assert idle.status is Status.STOPPED
