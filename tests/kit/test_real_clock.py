"""The engine as a program uses it, on the machine's clock: short sleeps, and nothing that timing decides."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import anyio
import pytest

from dagger import (
    BackendError,
    Dagger,
    InstanceConflict,
    RequestError,
    Status,
    Topic,
    command,
    context,
    listener,
    signal,
    sleep,
    task,
    template,
)

MOMENT = timedelta(milliseconds=20)


@dataclass(frozen=True)
class Note:
    id: str
    text: str = ""


notes = Topic("NOTES", Note, key=lambda m: m.id)
done = Topic("DONE", Note, key=lambda m: m.id)


def by_id(note: Note) -> str:
    return note.id


@task
async def shout(note: Note) -> Note:
    return Note(note.id, note.text.upper())


@task
def shout_in_thread(note: Note) -> Note:
    return Note(note.id, note.text.upper())


nap = template("Nap", sleep(MOMENT) >> shout, key=by_id)
ask = template("Ask", listener(notes) >> shout, key=by_id, takes=Note)


def test_a_workflow_with_a_short_sleep_ends() -> None:
    async def program() -> None:
        async with Dagger() as engine:
            run = await engine.start(nap, Note("n-1", "hello"))
            ended = await engine.wait(run)
            assert ended.result == Note("n-1", "HELLO")
            step = ended.step("sleep-0.02s")
            assert step.took is not None
            assert step.took >= MOMENT
            assert run.result == Note("n-1", "HELLO")

    anyio.run(bounded, program)


async def bounded(program: Callable[[], Awaitable[None]]) -> None:
    with anyio.fail_after(30):
        await program()


def test_two_engines_work_at_once() -> None:
    async def program() -> None:
        async with Dagger() as one, Dagger() as two:
            mine = await one.start(nap, Note("n-1", "one"))
            other = await two.start(nap, Note("n-1", "two"))
            assert (await two.wait(other)).result == Note("n-1", "TWO")
            assert (await one.wait(mine)).result == Note("n-1", "ONE")

    anyio.run(bounded, program)


def test_messages_and_signals_and_stops_reach_a_running_engine() -> None:
    async def program() -> None:
        async with Dagger() as engine:
            run = await engine.start(ask, Note("n-1"))
            await engine.publish(notes, Note("n-1", "hello"))
            assert (await engine.wait(run)).result == Note("n-1", "HELLO")
            go = template("Go", signal("go", Note) >> shout, key=by_id, takes=Note)
            signalled = await engine.start(go, Note("n-2"))
            await engine.signal(signalled, "go", Note("n-2", "go"))
            assert (await engine.wait(signalled)).result == Note("n-2", "GO")
            stopped = await engine.start(go, Note("n-3"))
            await engine.stop(stopped)
            assert (await engine.wait(stopped)).status is Status.STOPPED

    anyio.run(bounded, program)


def test_a_run_that_was_just_accepted_is_there() -> None:
    async def program() -> None:
        async with Dagger() as engine:
            run = await engine.start(ask, Note("n-1", "x"))
            found = await engine.get_instance(run)
            assert (found.id, found.status) == ("n-1", Status.SUBMITTED)
            assert found.input == Note("n-1", "x")

    anyio.run(bounded, program)


def test_what_is_started_before_anybody_works_waits() -> None:
    async def program() -> None:
        engine = Dagger()
        run = await engine.start(nap, Note("n-1", "hello"))
        assert run.status is Status.SUBMITTED
        async with engine:
            assert (await engine.wait(run)).status is Status.COMPLETED

    anyio.run(bounded, program)


def test_an_engine_works_again_after_it_has_left() -> None:
    @task
    async def cancelled(note: Note) -> Note:
        raise anyio.get_cancelled_exc_class()

    async def program() -> None:
        engine = Dagger()
        async with engine:
            first = await engine.wait(await engine.start(nap, Note("n-1")))
        async with engine:
            second = await engine.wait(await engine.start(nap, Note("n-2")))
            third = await engine.wait(await engine.start(template("C", cancelled, key=by_id), Note("n-3")))
        assert first.status is second.status is Status.COMPLETED
        assert str(third.error) == "cancelled: CancelledError: it was cancelled from inside"

    anyio.run(bounded, program)


def test_leaving_lets_tasks_end_and_applies_what_they_gave() -> None:
    leave = anyio.Event()

    @task
    async def slow(note: Note) -> Note:
        leave.set()
        await anyio.sleep(MOMENT.total_seconds())
        return note

    async def program() -> None:
        async with Dagger() as engine:
            run = await engine.start(template("Slow", slow >> command(done), key=by_id), Note("n-1"))
            await leave.wait()
        assert run.result == Note("n-1")

    anyio.run(bounded, program)


def test_leaving_cuts_off_what_takes_longer_than_the_grace() -> None:
    leave = anyio.Event()

    @task
    async def endless(note: Note) -> Note:
        leave.set()
        await anyio.sleep_forever()
        return note

    async def program() -> None:
        async with Dagger(grace=MOMENT) as engine:
            run = await engine.start(template("Endless", endless, key=by_id), Note("n-1"))
            await leave.wait()
        assert run.status is Status.EXECUTING

    anyio.run(bounded, program)


def test_an_error_of_the_program_ends_the_engine() -> None:
    async def program() -> None:
        async with Dagger() as engine:
            await engine.start(ask, Note("n-1"))
            raise ZeroDivisionError("of the program")

    with pytest.raises((ZeroDivisionError, ExceptionGroup)) as caught:
        anyio.run(bounded, program)
    assert "of the program" in repr(caught.value)


@pytest.mark.parametrize("shape", ["generator", "coroutine", "nothing"])
def test_a_lifespan_that_gives_no_context_manager_is_told_how_to_be_written(shape: str) -> None:
    async def generator(engine: Dagger) -> AsyncIterator[str]:
        yield "resource"

    async def coroutine(engine: Dagger) -> str:
        return "resource"

    shapes: dict[str, Any] = {"generator": generator, "coroutine": coroutine, "nothing": lambda engine: None}

    async def work() -> None:
        with pytest.raises(RequestError, match=r"lifespan gave .*, which is no async context manager; write it as"):
            async with Dagger(lifespan=shapes[shape]):
                pass

    anyio.run(work)


def test_the_lifespan_is_around_the_work() -> None:
    story = list[str]()

    @asynccontextmanager
    async def lifespan(engine: Dagger) -> AsyncIterator[str]:
        story.append("opened")
        yield "a resource"
        story.append("closed")

    @task
    async def use(note: Note) -> str:
        story.append(context().resource(str))
        return note.id

    async def program() -> None:
        async with Dagger(lifespan=lifespan) as engine:
            await engine.wait(await engine.start(template("Use", use, key=by_id), Note("n-1")))

    anyio.run(bounded, program)
    assert story == ["opened", "a resource", "closed"]


def test_sync_tasks_do_not_stop_the_engine() -> None:
    async def program() -> None:
        async with Dagger(threads=1) as engine:
            workflow = template("Sync", shout_in_thread, key=by_id)
            runs = [await engine.start(workflow, Note(f"n-{n}", "x")) for n in range(5)]
            for run in runs:
                assert (await engine.wait(run)).result == Note(run.id, "X")

    anyio.run(bounded, program)


def test_another_input_for_an_id_that_was_just_accepted_is_refused() -> None:
    async def program() -> None:
        async with Dagger() as engine:
            await engine.start(ask, Note("n-1", "a"))
            with pytest.raises(InstanceConflict, match="'n-1' was started with another input"):
                await engine.start(ask, Note("n-1", "b"))

    anyio.run(bounded, program)


def test_an_unknown_backend_is_told_with_those_that_are_there() -> None:
    with pytest.raises(BackendError, match=r"no backend is installed for nowhere:// \(there are: .*memory"):
        Dagger("nowhere://x")
    with pytest.raises(BackendError, match="broker 'localhost' is not a URL; write for example memory://"):
        Dagger("localhost")
    number: Any = 9092
    with pytest.raises(BackendError, match="broker 9092 is not a URL; write for example memory://"):
        Dagger(number)
    with pytest.raises(BackendError, match="memory:// keeps its records itself; leave store= out"):
        Dagger("memory://", "memory://")


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"threads": 0}, "threads is 0; give a whole number from 1"),
        ({"threads": "many"}, "threads is 'many'; give a whole number from 1"),
        ({"early_limit": 1.5}, "early_limit is 1.5; give a whole number from 0"),
        ({"early_for": 60}, "early_for is 60; give a timedelta of zero or more"),
        ({"grace": -MOMENT}, "grace is .*; give a timedelta of zero or more"),
        ({"grace": None}, "grace is None; give a timedelta of zero or more"),
        ({"lifespan": 7}, "lifespan is 7; give a function of the engine that gives an async context manager"),
        ({"unmatched_topic": ""}, "unmatched_topic is '': topic: its name is ''; give it .*, or leave it out"),
        ({"unmatched_topic": 7}, "unmatched_topic is 7: topic: its name is 7; give it .*, or leave it out"),
        ({"unmatched_topic": "a/b"}, "unmatched_topic is 'a/b': topic 'a/b': a topic's name holds no '/'"),
    ],
    ids=str,
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], text: str) -> None:
    with pytest.raises(RequestError, match=f"Dagger: {text}"):
        Dagger(**settings)


def test_main_is_refused_where_a_loop_runs() -> None:
    async def program() -> None:
        with pytest.raises(RequestError, match="here is one already; use `async with engine:` instead"):
            Dagger().main()

    anyio.run(bounded, program)
