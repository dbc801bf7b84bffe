"""How many tasks run at a time, how many begin in a second, and whose turn it is."""

import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from dagger import (
    Dagger,
    Limit,
    RequestError,
    Retry,
    Status,
    Step,
    TemplateError,
    all_of,
    context,
    for_each,
    process,
    task,
    template,
)
from dagger.testing import TestEngine, hang

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)

pytestmark = pytest.mark.unexplored("which tasks are called, and when, is what it looks at")


@dataclass(frozen=True)
class Order:
    id: str
    items: int = 1


def by_id(order: Order) -> str:
    return order.id


def items(order: Order) -> list[str]:
    return [f"{order.id}-{number}" for number in range(order.items)]


class Bank:
    """A task that notes when it is called, and hangs until it times out."""

    def __init__(self, engine: TestEngine, timeout: timedelta = HOUR, **options: Any) -> None:
        self.engine = engine
        self.begun = list[str]()
        self.at = list[int]()
        self.live = self.most = 0
        self.start = engine.now
        self.step: Step[str, int] = task(timeout=timeout, **options)(self.call)

    async def call(self, name: str) -> int:
        self.begun.append(name)
        self.at.append((self.engine.now - self.start) // SECOND)
        self.live += 1
        self.most = max(self.most, self.live)
        try:
            await hang()
        finally:
            self.live -= 1
        return 1

    def workflow(self, name: str = "W") -> Any:
        return template(name, for_each(items, self.step.recover(task(zero))), key=by_id)


async def zero(failure: object) -> int:
    return 0


@pytest.fixture
def two() -> TestEngine:
    return TestEngine(tasks=2)


async def test_at_most_so_many_run_and_the_rest_waits_in_order(two: TestEngine) -> None:
    bank = Bank(two)
    workflow = template("W", bank.step, key=str)
    runs = [await two.start(workflow, str(number)) for number in range(5)]
    assert bank.begun == ["0", "1"]
    await two.advance(HOUR)
    assert bank.begun == ["0", "1", "2", "3"]
    await two.advance(2 * HOUR)
    assert bank.begun == ["0", "1", "2", "3", "4"]
    assert bank.most == 2
    assert [run.step("call").ended for run in runs] == [two.now - n * HOUR for n in (2, 2, 1, 1, 0)]


async def test_a_timeout_does_not_run_while_the_task_waits(two: TestEngine) -> None:
    bank = Bank(two, timeout=HOUR)
    run = await two.start(bank.workflow(), Order("o", items=3))
    await two.advance(2 * HOUR - SECOND)
    assert run.status is Status.EXECUTING
    await two.advance(SECOND)
    assert run.result == [0, 0, 0]


async def test_instances_take_turns(two: TestEngine) -> None:
    bank = Bank(two)
    await two.start(bank.workflow(), Order("many", items=1_000))
    await two.start(bank.workflow(), Order("one"))
    await two.start(bank.workflow(), Order("other", items=2))
    await two.advance(3 * HOUR)
    assert bank.begun[:2] == ["many-0", "many-1"]
    assert bank.begun[2:8] == ["many-2", "one-0", "other-0", "many-3", "other-1", "many-4"]


async def test_what_is_stopped_while_it_waits_is_never_called(two: TestEngine) -> None:
    bank = Bank(two)
    await two.start(bank.workflow(), Order("a", items=2))
    run = await two.start(bank.workflow(), Order("b", items=2))
    await two.stop(run)
    await two.advance(5 * HOUR)
    assert bank.begun == ["a-0", "a-1"]
    assert run.step("items/call").status is Status.STOPPED


async def test_after_a_take_over_no_more_begin_at_once(two: TestEngine) -> None:
    bank = Bank(two)
    await two.start(bank.workflow(), Order("a", items=300))
    await two.crash()
    assert bank.begun == ["a-0", "a-1", "a-0", "a-1"]
    assert bank.most == 2


async def test_a_try_after_a_take_over_has_all_of_its_timeout(two: TestEngine) -> None:
    bank = Bank(two)
    run = await two.start(template("W", bank.step, key=str), "1")
    await two.advance(HOUR / 2)
    await two.crash()
    await two.advance(HOUR - SECOND)
    assert run.status is Status.EXECUTING
    await two.advance(SECOND)
    assert str(run.error) == "call: TimeoutError: took longer than 1 hour"


# Limits.


@pytest.fixture
def engine() -> TestEngine:
    return TestEngine()


async def test_a_limit_bounds_one_kind_of_task(engine: TestEngine) -> None:
    bank = Bank(engine, limit=Limit("bank", concurrency=2))
    other = Bank(engine)
    await engine.start(all_workflow(bank, other), Order("o", items=5))
    assert (bank.most, other.most) == (2, 5)
    await engine.advance(HOUR)
    assert bank.begun == ["o-0", "o-1", "o-2", "o-3"]


def all_workflow(first: Bank, second: Bank) -> Any:
    one = process("A", for_each(items, first.step.recover(task(zero))))
    return template("Both", all_of(one, process("B", for_each(items, second.step.recover(task(zero))))), key=by_id)


async def test_tasks_with_limits_of_one_name_share_it(engine: TestEngine) -> None:
    first = Bank(engine, limit=Limit("bank", concurrency=2))
    second = Bank(engine, limit=Limit("bank", concurrency=2))
    await engine.start(all_workflow(first, second), Order("o", items=3))
    assert first.begun + second.begun == ["o-0", "o-1"]
    await engine.advance(2 * HOUR)
    assert sorted(first.begun) == sorted(second.begun) == ["o-0", "o-1", "o-2"]


async def test_so_many_begin_in_a_second(engine: TestEngine) -> None:
    bank = Bank(engine, limit=Limit("bank", per_second=2))
    await engine.start(bank.workflow(), Order("o", items=5))
    assert bank.at == [0, 0]
    await engine.advance(timedelta(seconds=10))
    assert bank.at == [0, 0, 1, 1, 2]


async def test_less_than_one_may_begin_in_a_second(engine: TestEngine) -> None:
    bank = Bank(engine, limit=Limit("bank", per_second=0.1))
    await engine.start(bank.workflow(), Order("o", items=3))
    await engine.advance(timedelta(seconds=30))
    assert bank.at == [0, 10, 20]


async def test_a_limit_of_both_kinds_keeps_to_both(engine: TestEngine) -> None:
    limit = Limit("bank", concurrency=3, per_second=2)
    bank = Bank(engine, limit=limit, timeout=timedelta(seconds=5))
    await engine.start(bank.workflow(), Order("o", items=6))
    await engine.advance(timedelta(seconds=30))
    assert bank.at == [0, 0, 1, 5, 5, 6]
    assert bank.most == 3


async def test_each_try_counts_for_a_limit(engine: TestEngine) -> None:
    retry = Retry(attempts=3, first=timedelta(0))
    bank = Bank(engine, limit=Limit("bank", per_second=0.1), timeout=SECOND, retry=retry)
    run = await engine.start(template("W", bank.step, key=str), "1")
    await engine.advance(timedelta(seconds=30))
    assert bank.at == [0, 10, 20]
    assert str(run.error) == "call: TimeoutError: took longer than 1 s"


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Limit(""), "Limit: name is ''; give text that is not empty"),
        (lambda: Limit("x"), "Limit 'x': limits nothing; give concurrency=, per_second=, or both"),
        (lambda: Limit("x", 0), "Limit 'x': concurrency is 0; give a whole number from 1"),
        (lambda: Limit("x", per_second=0), "Limit 'x': per_second is 0; give a number above 0"),
        (lambda: Limit("x", per_second=float("inf")), "Limit 'x': per_second is inf; give a number above 0"),
        (lambda: task(limit=5), r"task: limit expects a Limit\(\.\.\.\), got 5"),  # type: ignore[call-overload]  # pyright: ignore[reportArgumentType]  # users without a checker
        (lambda: task(timeout=timedelta(0)), "task timeout: is zero, and no task ends in no time"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Callable[[], Any], text: str) -> None:
    with pytest.raises(TemplateError, match=text):
        make()


async def test_one_name_has_one_limit(engine: TestEngine) -> None:
    def limited(name: str, concurrency: int) -> Any:
        return template(name, Bank(engine, limit=Limit("bank", concurrency)).step, key=str)

    engine.register(limited("A", 2))
    engine.register(limited("B", 2))
    with pytest.raises(TemplateError, match=r"template 'C': call has Limit\(.*concurrency=3, .* another task"):
        engine.register(limited("C", 3))
    engine.register(limited("D", 2))


def test_a_limit_is_drawn_and_changes_no_fingerprint() -> None:
    def limited(limit: Limit | None) -> Any:
        return template("W", task(limit=limit)(zero), key=str, takes=str)

    bank = limited(Limit("bank", concurrency=10, per_second=5))
    assert "limit bank (10 at a time, 5 a second)" in str(bank)
    assert "bank" in bank.to_mermaid()
    assert bank.fingerprint() == limited(None).fingerprint()


@pytest.mark.parametrize("count", [0, -1, True, 2.5, "many"])
def test_a_number_of_tasks_is_a_whole_number_from_one(count: Any) -> None:
    with pytest.raises(RequestError, match=r"Dagger: tasks is .*; give a whole number from 1"):
        Dagger(tasks=count)


# Threads, on the machine's clock.


class Counting:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.live = self.most = 0

    def call(self, name: str) -> str:
        with self.lock:
            self.live += 1
            self.most = max(self.most, self.live)
        anyio.from_thread.run(anyio.sleep, 0.002)
        with self.lock:
            self.live -= 1
        return name


@pytest.mark.parametrize(("tasks", "threads"), [(100, 2), (2, 100)])
def test_sync_tasks_are_bounded_by_both(tasks: int, threads: int) -> None:
    counting = Counting()
    workflow = template("W", task(counting.call), key=str)

    async def program() -> None:
        async with Dagger(tasks=tasks, threads=threads) as engine:
            for run in await engine.start_all(workflow, [str(number) for number in range(40)]):
                assert (await engine.wait(run)).result == run.id
        assert counting.most <= 2

    anyio.run(program)


def test_what_waits_for_a_thread_keeps_no_other_from_its_turn() -> None:
    release = threading.Event()

    @task
    def waits(name: str) -> bool:
        return release.wait(30)

    async def program() -> None:
        async with Dagger(tasks=2, threads=1) as engine:
            held = await engine.start_all(template("Held", waits, key=str), ["a", "b", "c"])
            free = await engine.start(template("Free", task(echo), key=str), "d")
            assert (await engine.wait(free)).result == "d"
            release.set()
            for run in held:
                assert (await engine.wait(run)).result is True

    anyio.run(program)


async def echo(name: str) -> str:
    return name


def test_a_leaving_worker_begins_nothing_more_and_the_next_does(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/leaving.db"
    begun = list[str]()
    called = list[anyio.Event]()

    @task
    async def note(name: str) -> str:
        begun.append(f"{context().resources} {name}")
        called[0].set()
        if context().resources == "first":
            await anyio.sleep_forever()
        return name

    workflow = template("W", note, key=str)

    async def program() -> None:
        called.append(anyio.Event())
        async with Dagger(url, tasks=1, grace=timedelta(0), lifespan=lambda _: resource("first")) as first:
            await first.start_all(workflow, ["a", "b"])
            await called[0].wait()
        async with Dagger(url, lifespan=lambda _: resource("second")) as second:
            second.register(workflow)
            for name in ("a", "b"):
                assert (await second.wait(name)).result == name

    anyio.run(program)
    assert begun[:1] == ["first a"]
    assert sorted(begun[1:]) == ["second a", "second b"]


def resource(name: str) -> Any:
    return nullcontext(name)
