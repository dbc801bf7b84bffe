"""Code beside an engine: it gets its turn, and its errors are its own."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal, cast

import anyio
import anyio.lowlevel
import pytest

from dagger import Dagger, RequestError, Topic, UnknownInstance, WrongInput, command, listener, switch, task, template
from dagger.testing import TestEngine


@dataclass(frozen=True)
class Note:
    id: str
    left: int = 0


notes = Topic("NOTES", Note, key=lambda m: m.id)


@command(notes)
def pass_on(note: Note) -> list[Note]:
    return [Note(f"{note.id}.", note.left - 1)] if note.left else []


@listener(notes)
def answered(note: Note, message: Note) -> str:
    return message.id


@task
async def shout(note: Note) -> str:
    return note.id.upper()


def by_id(note: Note) -> str:
    return note.id


passing = template("Passing", pass_on, key=by_id)
waiting = template("Waiting", answered.timeout(timedelta(hours=1)), key=by_id)


def test_code_beside_a_busy_engine_gets_its_turn() -> None:
    async def turns() -> int:
        count, last = 0, "n" + 200 * "."
        async with Dagger() as engine:
            engine.start_on(notes, passing)
            await engine.start(passing, Note("n", 200))
            while not await is_there(engine, last):
                await anyio.lowlevel.checkpoint()
                count += 1
        return count

    assert anyio.run(turns) > 100


async def is_there(engine: Dagger, id: str) -> bool:
    try:
        await engine.get_instance(id)
    except UnknownInstance:
        return False
    return True


def test_what_the_block_raises_goes_on_as_it_is() -> None:
    async def wrong() -> None:
        async with Dagger() as engine:
            await engine.start(waiting, cast(Any, "no note"))

    with pytest.raises(WrongInput):
        anyio.run(wrong)


async def test_only_what_create_instance_gives_is_submitted(dagger_engine: TestEngine) -> None:
    with pytest.raises(RequestError, match="submit: expects the result of create_instance, got Note"):
        await dagger_engine.submit(cast(Any, Note("n")))


async def test_the_first_line_of_a_tree_tells_an_error_that_no_step_has(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(waiting, Note("n"))
    await dagger_engine.advance(timedelta(hours=1))
    assert run.instance.tree().splitlines() == [
        "✘ Waiting n  FAILURE  00:00:00.000 → 1:00:00  answered: TimeoutError: took longer than 1 hour",
        "└─ ■ answered  STOPPED  00:00:00.000 → 1:00:00",
    ]


def size(note: Note) -> Literal["short", "long"]:
    return "short"


async def test_the_branches_of_a_tree_join_their_step(dagger_engine: TestEngine) -> None:
    body = switch(size).case("short", shout).case("long", answered)
    run = await dagger_engine.start(template("Size", body, key=by_id), Note("n"))
    assert run.instance.tree().splitlines()[1:] == [
        "├─ ✔ size           COMPLETED  00:00:00.000 → 0.0 ms",
        "├─ ✔ short/shout    COMPLETED  00:00:00.000 → 0.0 ms",
        "└─ ↷ long/answered  SKIPPED",
    ]
