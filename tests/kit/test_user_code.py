"""User code that does what only the engine should: it ends its own try or step, and nothing else."""

import asyncio
import contextlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest

from dagger import Dagger, DaggerError, Status, Topic, command, context, listener, task, template
from dagger.testing import TestEngine


@dataclass(frozen=True)
class Order:
    id: str


MOMENT = timedelta(milliseconds=20)


def by_id(order: Order) -> str:
    return order.id


def me() -> "asyncio.Task[Any]":
    found = asyncio.current_task()
    assert found is not None
    return found


T = TypeVar("T")


class Odd(BaseException):
    pass


def raises(error: BaseException) -> Callable[[Order], Awaitable[int]]:
    async def odd(order: Order) -> int:
        raise error

    return odd


def raises_in_thread(error: BaseException) -> Callable[[Order], int]:
    def odd(order: Order) -> int:
        raise error

    return odd


ERRORS = [
    GeneratorExit(),
    KeyboardInterrupt(),
    SystemExit(0),
    StopIteration(1),
    StopAsyncIteration(),
    asyncio.CancelledError(),
    Odd(),
    BaseExceptionGroup("several", [KeyboardInterrupt(), SystemExit(0)]),
    MemoryError(),
]


@pytest.fixture(params=["kit", "sqlite"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Dagger:
    return TestEngine() if request.param == "kit" else Dagger(f"sqlite:///{tmp_path}/apart.db")


def run(program: Coroutine[Any, Any, T]) -> T:
    """Run in a loop of its own, in which callbacks of users may raise, and for so long."""

    async def bounded() -> T:
        asyncio.get_running_loop().set_exception_handler(lambda loop, what: None)
        with anyio.fail_after(30):
            return await program

    return asyncio.run(bounded())


async def ends(engine: Dagger, function: Any) -> str:
    """The error with which a task of the function ends; the engine goes on."""
    async with engine:
        run = await engine.start(template("Odd", task(function), key=by_id, takes=Order), Order("odd"))
        await engine.wait(run)
        await goes_on(engine)
    return str(run.error)


async def goes_on(engine: Dagger) -> None:
    """The next instance is processed."""
    other = await engine.start(template("Next", task(raises_not), key=by_id), Order("next"))
    assert (await engine.wait(other)).status is Status.COMPLETED


async def raises_not(order: Order) -> int:
    return 1


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("make", [raises, raises_in_thread])
def test_whatever_a_task_raises_ends_it(
    engine: Dagger, make: Callable[[BaseException], Any], error: BaseException
) -> None:
    told = run(ends(engine, make(error)))
    in_coroutine = make is raises and isinstance(error, StopIteration)
    assert told.startswith(f"odd: {'RuntimeError' if in_coroutine else type(error).__name__}")


async def cancels_itself_late(order: Order) -> int:
    asyncio.get_running_loop().call_soon(me().cancel)
    return 1


async def cancels_itself_and_goes_on(order: Order) -> int:
    me().cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(0)
    return 1


async def takes_back_what_nobody_asked(order: Order) -> int:
    me().uncancel()
    return 1


async def leaves_a_scope_open(order: Order) -> int:
    anyio.CancelScope().__enter__()
    return 1


async def leaves_a_cancelled_scope_open(order: Order) -> int:
    scope = anyio.CancelScope()
    scope.__enter__()
    scope.cancel()
    return 1


async def leaves_a_limit_open(order: Order) -> int:
    await asyncio.timeout(0).__aenter__()
    return 1


async def leaves_a_subtask(order: Order) -> int:
    asyncio.get_running_loop().create_task(asyncio.sleep(0)).add_done_callback(lambda _: me_is_nobody())
    return 1


def me_is_nobody() -> None:
    raise ValueError("in a callback")


@pytest.mark.parametrize(
    "function",
    [
        cancels_itself_late,
        cancels_itself_and_goes_on,
        takes_back_what_nobody_asked,
        leaves_a_scope_open,
        leaves_a_cancelled_scope_open,
        leaves_a_limit_open,
        leaves_a_subtask,
    ],
)
def test_what_a_task_does_to_its_own_asyncio_task_touches_no_other(engine: Dagger, function: Any) -> None:
    assert run(ends(engine, function)) == "None"


class Yields:
    """Awaits what is no future."""

    def __init__(self, found: object) -> None:
        self.found = found

    def __await__(self) -> Generator[Any, None, int]:
        yield self.found
        return 1


class NoIterator:
    def __await__(self) -> Any:
        return 5


class Explodes:
    def __await__(self) -> Any:
        raise KeyboardInterrupt


async def a_generator(order: Order) -> Any:
    yield 1
    raise GeneratorExit


def another_loops_future(order: Order) -> Any:
    loop = asyncio.new_event_loop()
    loop.close()
    return asyncio.Future(loop=loop)


async def gives_a_coroutine(order: Order) -> int:
    wrong: Any = asyncio.sleep(0)
    return wrong  # type: ignore[no-any-return]  # what a user without a checker may write


def gives(found: Callable[[], Any]) -> Callable[[Order], Any]:
    def odd(order: Order) -> int:
        return found()  # type: ignore[no-any-return]  # as above

    return odd


@pytest.mark.parametrize(
    ("function", "error"),
    [
        (gives(lambda: Yields(5)), "RuntimeError"),
        (gives(lambda: Yields(None)), "None"),
        (gives(NoIterator), "TypeError"),
        (gives(Explodes), "KeyboardInterrupt"),
        (gives(lambda: (n for n in (1, 2))), "TypeError"),
        (gives(lambda: a_generator(Order(""))), "TypeError"),
        (gives(lambda: another_loops_future(Order(""))), ""),
        (gives_a_coroutine, "TypeError"),
    ],
)
def test_whatever_a_task_returns_ends_it(engine: Dagger, function: Any, error: str) -> None:
    assert error in run(ends(engine, function))


# Context.

place: ContextVar[str] = ContextVar("place", default="nowhere")


async def test_what_a_task_sets_in_its_context_reaches_no_other(dagger_engine: TestEngine) -> None:
    @task
    async def sets(order: Order) -> str:
        before = place.get()
        place.set("there")
        return f"{before} {context().path}"

    body = sets.named("a") >> task(lambda_that_sets).named("b") >> task(lambda_that_sets).named("c")
    run = await dagger_engine.start(template("W", body, key=by_id), Order("o-1"))
    assert run.result == "nowhere c"


def lambda_that_sets(said: str) -> str:
    before = place.get()
    place.set("there")
    return f"{before} {context().path}"


# What is stopped or takes too long.


def test_a_task_that_ignores_its_end_is_dropped(tmp_path: Path) -> None:
    async def program() -> None:
        go = asyncio.Event()

        @task(timeout=MOMENT)
        async def stubborn(order: Order) -> int:
            while not go.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await go.wait()
            return 7

        async with Dagger(f"sqlite:///{tmp_path}/stubborn.db", tasks=1) as engine:
            odd = await engine.start(template("W", stubborn, key=by_id), Order("o-1"))
            assert str((await engine.wait(odd)).error) == "stubborn: TimeoutError: took longer than 0.02 s"
            await goes_on(engine)
            go.set()
            assert str((await engine.get_instance("o-1")).error) == "stubborn: TimeoutError: took longer than 0.02 s"

    run(program())


def test_a_thread_that_cannot_be_stopped_gives_its_place_to_others(tmp_path: Path) -> None:
    release, held = os.pipe()

    @task(timeout=MOMENT)
    def stubborn(order: Order) -> int:
        return len(os.read(release, 1))

    async def program() -> None:
        async with Dagger(f"sqlite:///{tmp_path}/thread.db", threads=1) as engine:
            odd = await engine.start(template("W", stubborn, key=by_id), Order("o-1"))
            assert str((await engine.wait(odd)).error) == "stubborn: TimeoutError: took longer than 0.02 s"
            again = await engine.start(template("Next", task(str_of), key=by_id), Order("next"))
            assert (await engine.wait(again)).result == "next"
            os.write(held, b"x")

    run(program())
    os.close(release)
    os.close(held)


def str_of(order: Order) -> str:
    return order.id


# Pure functions, keys and codecs, which the engine calls on its loop.

heard = Topic("HEARD", Order, key=lambda m: m.id)


def cancels_whoever_calls(order: Order) -> Order:
    me().cancel()
    return order


def cancels_whoever_calls_late(order: Order) -> Order:
    asyncio.get_running_loop().call_soon(me().cancel)
    return order


def interrupts(order: Order) -> Order:
    raise KeyboardInterrupt


def exits(order: Order) -> Order:
    raise SystemExit(0)


@pytest.mark.parametrize("pure", [cancels_whoever_calls, cancels_whoever_calls_late, interrupts, exits])
def test_a_pure_function_touches_nothing_but_its_step(engine: Dagger, pure: Any) -> None:
    async def program() -> None:
        async with engine:
            odd = await engine.start(template("Pure", command(heard)(pure), key=by_id), Order("odd"))
            assert (await engine.wait(odd)).status is Status.FAILURE
            await goes_on(engine)

    run(program())


def key_that(odd: Callable[[Order], Order]) -> Callable[[Order], str]:
    def key(order: Order) -> str:
        return odd(order).id if order.id.startswith("odd") else order.id

    return key


@pytest.mark.parametrize("odd", [cancels_whoever_calls, cancels_whoever_calls_late, interrupts, exits])
async def test_a_key_function_touches_nothing_but_its_message(dagger_engine: TestEngine, odd: Any) -> None:
    topic = Topic("KEYS", Order, key=key_that(odd))
    run = await dagger_engine.start(template("W", listener(topic), key=by_id, takes=Order), Order("o-1"))
    await dagger_engine.deliver_raw(topic, b'{"id":"odd-1"}', key="odd-1")
    await dagger_engine.deliver_raw(topic, b'{"id":"o-1"}', key="o-1")
    assert run.result == Order("o-1")
    assert len(dagger_engine.dead_letters(topic)) == 1


# A worker's process.

PROGRAM = """
import asyncio, sys
from dagger import Dagger, task, template

@task
async def leaves(s: str) -> int:
    async def exits() -> None:
        sys.exit(0)
    asyncio.get_running_loop().create_task(exits())
    await asyncio.sleep(60)
    return 1

async def begin(engine: Dagger) -> None:
    async with engine.client():
        await engine.start(template("T", leaves, key=lambda s: s), "o-1")

engine = Dagger(sys.argv[1])
asyncio.run(begin(engine))
engine.main()
"""


def test_a_worker_that_was_not_told_to_end_does_not_end_well(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    done = subprocess.run(
        [sys.executable, str(program), f"sqlite:///{tmp_path}/leaves.db"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "has called sys.exit(0)" in done.stderr


async def cancelled_from_outside(engine: Dagger) -> None:
    known = asyncio.all_tasks()
    async with engine:
        await asyncio.sleep(0)
        for other in asyncio.all_tasks() - known:
            other.cancel()
        await asyncio.sleep(30)


def test_work_that_others_cancel_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DaggerError, match="own work was cancelled by other code"):
        run(cancelled_from_outside(Dagger(f"sqlite:///{tmp_path}/cancelled.db")))
