"""Tasks that go wrong: the error says where and what, and the next instance is not touched."""

import asyncio
import os
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import anyio
import pytest
from typing_extensions import override

from dagger import Retry, Status, TaskHangs, Topic, WorkflowFailed, all_of, command, process, task, template
from dagger.testing import TestEngine, hang


@dataclass(frozen=True)
class Order:
    id: str


done = Topic("DONE", Order, key=lambda m: m.id)


def by_id(order: Order) -> str:
    return order.id


async def goes_on(engine: TestEngine) -> None:
    """The next instance is processed."""
    run = await engine.start(template("Next", command(done), key=by_id), Order("next"))
    assert run.status is Status.COMPLETED
    assert engine.sent(done) == [Order("next")]


async def test_a_task_that_raises_fails_its_instance(dagger_engine: TestEngine) -> None:
    @task
    async def charge(order: Order) -> int:
        raise ValueError(f"{order.id} has no card")

    run = await dagger_engine.start(template("W", process("PAY", charge), key=by_id), Order("o-1"))
    assert run.status is Status.FAILURE
    assert str(run.error) == "PAY/charge: ValueError: o-1 has no card"
    assert run.step("PAY/charge").error == run.error == run.step("PAY").error
    with pytest.raises(WorkflowFailed, match="'o-1' has no result, it is FAILURE: PAY/charge: ValueError: o-1 has"):
        _ = run.result
    await goes_on(dagger_engine)


async def test_a_bare_task_is_tried_once(dagger_engine: TestEngine) -> None:
    calls = list[Order]()

    @task
    async def charge(order: Order) -> int:
        calls.append(order)
        raise ConnectionError

    run = await dagger_engine.start(template("W", charge, key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=1))
    assert calls == [Order("o-1")]
    assert str(run.error) == "charge: ConnectionError"


async def test_a_sync_task_that_raises_fails_its_instance(dagger_engine: TestEngine) -> None:
    @task
    def charge(order: Order) -> int:
        return {"o-2": 1}[order.id]

    run = await dagger_engine.start(template("W", charge, key=by_id), Order("o-1"))
    assert str(run.error) == "charge: KeyError: 'o-1'"
    await goes_on(dagger_engine)


async def test_a_result_of_another_type_fails_its_step(dagger_engine: TestEngine) -> None:
    @task
    async def count(order: Order) -> int:
        wrong: Any = "three"
        return wrong  # type: ignore[no-any-return]  # what a user without a checker may write

    run = await dagger_engine.start(template("W", count, key=by_id), Order("o-1"))
    assert str(run.error) == "count: TypeError: its result does not fit: declared int, got str 'three'"
    await goes_on(dagger_engine)


async def test_a_task_that_forgets_to_return_is_told(dagger_engine: TestEngine) -> None:
    @task
    def label(order: Order) -> Order:
        nothing: Any = None
        return nothing  # type: ignore[no-any-return]  # as above

    run = await dagger_engine.start(template("W", label, key=by_id), Order("o-1"))
    assert str(run.error) == "label: TypeError: its result does not fit: declared Order, got None"


async def test_a_task_past_its_timeout_fails_with_the_path_and_the_limit(dagger_engine: TestEngine) -> None:
    @task(timeout=timedelta(minutes=2))
    async def charge(order: Order) -> int:
        await hang()
        return 1

    run = await dagger_engine.start(template("W", process("PAY", charge), key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(minutes=2) - timedelta(microseconds=1))
    assert run.status is Status.EXECUTING
    await dagger_engine.advance(timedelta(microseconds=1))
    assert str(run.error) == "PAY/charge: TimeoutError: took longer than 2 minutes"
    assert run.step("PAY/charge").status is Status.STOPPED
    await goes_on(dagger_engine)


async def test_a_task_that_times_out_is_cancelled(dagger_engine: TestEngine) -> None:
    seen = list[str]()

    @task(timeout=timedelta(minutes=2))
    async def charge(order: Order) -> int:
        try:
            await hang()
        except anyio.get_cancelled_exc_class():
            seen.append("cancelled")
            raise
        return 1

    await dagger_engine.start(template("W", charge, key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(minutes=2))
    assert seen == ["cancelled"]


async def test_each_try_has_the_timeout_of_the_task(dagger_engine: TestEngine) -> None:
    tries = list[int]()

    @task(timeout=timedelta(minutes=2), retry=Retry(attempts=3, first=timedelta(minutes=1), factor=1))
    async def charge(order: Order) -> int:
        tries.append(1)
        await hang()
        return 1

    run = await dagger_engine.start(template("W", charge, key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(minutes=7, seconds=59))
    assert (len(tries), run.status) == (3, Status.EXECUTING)
    await dagger_engine.advance(timedelta(seconds=1))
    assert str(run.error) == "charge: TimeoutError: took longer than 2 minutes"


async def test_a_result_that_comes_after_the_stop_is_dropped(dagger_engine: TestEngine) -> None:
    @task
    async def stubborn(order: Order) -> int:
        try:
            await hang()
        except anyio.get_cancelled_exc_class():
            return 7
        return 1

    run = await dagger_engine.start(template("W", stubborn, key=by_id), Order("o-1"))
    await dagger_engine.stop(run)
    assert run.status is Status.STOPPED
    assert run.step("stubborn").status is Status.STOPPED
    await goes_on(dagger_engine)


@pytest.fixture
def impatient() -> TestEngine:
    return TestEngine(patience=timedelta(milliseconds=50))


async def test_a_task_that_hangs_is_told_by_its_path(impatient: TestEngine) -> None:
    @task
    async def charge(order: Order) -> int:
        await anyio.sleep_forever()
        return 1

    with pytest.raises(TaskHangs, match=r"still running after 0\.05 s of real time: o-1: PAY/charge; a task that"):
        await impatient.start(template("W", process("PAY", charge), key=by_id), Order("o-1"))


async def test_a_sync_task_that_hangs_is_told_by_its_path(impatient: TestEngine) -> None:
    release, held = os.pipe()

    @task
    def charge(order: Order) -> int:
        return len(os.read(release, 1))

    with pytest.raises(TaskHangs, match="o-1: charge"):
        await impatient.start(template("W", charge, key=by_id), Order("o-1"))
    os.write(held, b"x")
    os.close(release)
    os.close(held)


async def test_a_task_that_hangs_on_purpose_lets_the_test_go_on(dagger_engine: TestEngine) -> None:
    @task
    async def charge(order: Order) -> int:
        await hang()
        return 1

    run = await dagger_engine.start(template("W", charge, key=by_id), Order("o-1"))
    await dagger_engine.advance(timedelta(days=365))
    assert run.status is Status.EXECUTING
    assert run.step("charge").status is Status.EXECUTING
    await goes_on(dagger_engine)


async def test_a_task_that_is_cancelled_from_inside_fails(dagger_engine: TestEngine) -> None:
    @task
    async def charge(order: Order) -> int:
        raise asyncio.CancelledError

    run = await dagger_engine.start(template("W", charge, key=by_id), Order("o-1"))
    assert str(run.error) == "charge: CancelledError: it was cancelled from inside"
    await goes_on(dagger_engine)


async def test_a_task_that_cancels_its_own_asyncio_task_fails(dagger_engine: TestEngine) -> None:
    @task
    async def charge(order: Order) -> int:
        me = asyncio.current_task()
        assert me is not None
        me.cancel()
        await asyncio.sleep(0)
        return 1

    run = await dagger_engine.start(template("W", charge, key=by_id), Order("o-1"))
    assert str(run.error) == "charge: CancelledError: it was cancelled from inside"
    await goes_on(dagger_engine)


async def test_a_task_that_bounds_itself_fails_with_its_own_timeout(dagger_engine: TestEngine) -> None:
    @task
    async def charge(order: Order) -> int:
        with anyio.fail_after(0):
            await anyio.sleep_forever()
        return 1

    run = await dagger_engine.start(template("W", charge, key=by_id), Order("o-1"))
    assert str(run.error) == "charge: TimeoutError"
    await goes_on(dagger_engine)


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_task_that_exits_fails(dagger_engine: TestEngine, is_async: bool) -> None:
    @task
    async def leaves(order: Order) -> int:
        sys.exit(3)

    @task
    def leaves_in_thread(order: Order) -> int:
        sys.exit(3)

    step = leaves if is_async else leaves_in_thread
    run = await dagger_engine.start(template("W", step, key=by_id), Order("o-1"))
    assert run.error is not None
    assert run.error.text == "SystemExit: 3"
    await goes_on(dagger_engine)


async def test_several_errors_at_once_are_one_failure(dagger_engine: TestEngine) -> None:
    @task
    async def charge(order: Order) -> int:
        raise ExceptionGroup("both", [ValueError("a"), KeyError("b")])

    run = await dagger_engine.start(template("W", charge, key=by_id), Order("o-1"))
    assert str(run.error).startswith("charge: ExceptionGroup: both")
    await goes_on(dagger_engine)


class Wordless(Exception):
    @override
    def __str__(self) -> str:
        raise RuntimeError("no words")


async def test_an_error_without_words_is_a_failure_like_any(dagger_engine: TestEngine) -> None:
    @task
    async def charge(order: Order) -> int:
        raise Wordless

    run = await dagger_engine.start(template("W", charge, key=by_id), Order("o-1"))
    assert run.status is Status.FAILURE
    assert str(run.error).startswith("charge: Wordless")
    await goes_on(dagger_engine)


async def test_an_error_that_is_no_text_is_a_failure_like_any(dagger_engine: TestEngine) -> None:
    @task
    async def charge(order: Order) -> int:
        raise ValueError("half a character: \ud800")

    run = await dagger_engine.start(template("W", charge, key=by_id), Order("o-1"))
    assert run.status is Status.FAILURE
    assert str(run.error).startswith("charge: ValueError: half a character")
    await goes_on(dagger_engine)


async def test_the_first_failure_of_two_is_the_error(dagger_engine: TestEngine) -> None:
    @task
    async def fails(order: Order) -> int:
        raise ValueError("broken")

    @task
    async def hangs(order: Order) -> int:
        await hang()
        return 1

    run = await dagger_engine.start(template("W", all_of(hangs, fails), key=by_id), Order("o-1"))
    assert str(run.error) == "fails: ValueError: broken"
    assert run.step("hangs").status is Status.STOPPED
