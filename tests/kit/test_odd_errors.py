"""Exceptions and values of users' classes that misbehave when they are looked at: they end a step, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any

import pytest
from typing_extensions import override

from dagger import Message, Retry, Status, Topic, command, for_each, listener, switch, task, template, wait_until
from dagger.errors import SHOWN_MAX, kinds_of, name_of, reason_of, shown
from dagger.testing import TestEngine


class Secretive(type):
    """Says nothing of its classes."""

    @override
    def __getattribute__(cls, name: str) -> Any:
        if name in ("__name__", "__qualname__", "__module__", "__mro__"):
            raise SystemExit(0)
        return super().__getattribute__(name)


class Secret(Exception, metaclass=Secretive):
    pass


class Nowhere(Exception):
    __module__ = None  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]  # as users may


class Unshown:
    @override
    def __repr__(self) -> str:
        raise SystemExit(0)


class Endless:
    @override
    def __repr__(self) -> str:
        return "x" * 10_000_000


class Half:
    @override
    def __repr__(self) -> str:
        return "\ud800"


class NoZone(tzinfo):
    @override
    def utcoffset(self, dt: datetime | None) -> Any:
        raise SystemExit(0)

    dst = tzname = utcoffset


notes = Topic("NOTES", str, key=lambda m: m)


def raising(error: BaseException) -> Callable[[], Any]:
    def act() -> Any:
        raise error

    return act


ACTS: dict[str, Callable[[], Any]] = {
    "secret": raising(Secret("why")),
    "nowhere": raising(Nowhere("why")),
    "unshown": Unshown,
    "endless": Endless,
    "half": Half,
    "no zone": lambda: datetime(2030, 1, 1, tzinfo=NoZone()),
    "no headers": lambda: Message("x", headers=None),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # as users may
    "listed headers": lambda: Message("x", headers=["a"]),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # as users may
}


@pytest.mark.parametrize("kind", ["command", "key", "fold", "switch", "items", "time", "then", "task", "thread"])
@pytest.mark.parametrize("name", ACTS)
async def test_a_step_ends_by_it_and_no_worker(dagger_engine: TestEngine, kind: str, name: str) -> None:
    act = ACTS[name]

    def gives(order: str) -> str:
        return act()  # type: ignore[no-any-return]  # whatever it is

    def lists(order: str) -> list[str]:
        return act()  # type: ignore[no-any-return]  # whatever it is

    def tells(order: str) -> datetime:
        return act()  # type: ignore[no-any-return]  # whatever it is

    def folds(order: str, message: str) -> str:
        return act()  # type: ignore[no-any-return]  # whatever it is

    @task
    async def fine(order: str) -> str:
        return order

    async def waits(order: str) -> str:
        return act()  # type: ignore[no-any-return]  # whatever it is

    steps: dict[str, Callable[[], Any]] = {
        "command": lambda: command(notes)(gives),
        "key": lambda: listener(notes, on=gives),
        "fold": lambda: listener(notes)(folds),
        "switch": lambda: switch(gives).case("a", fine).case("b", fine.named("other")).otherwise(fine.named("third")),
        "items": lambda: for_each(lists, fine),
        "time": lambda: wait_until(tells),
        "then": lambda: fine.then(gives) >> fine.named("again"),
        "task": lambda: task(retry=Retry(attempts=1))(waits),
        "thread": lambda: task(gives),
    }
    run = await dagger_engine.start(template("T", steps[kind](), key=lambda order: order, takes=str), "o-1")
    await dagger_engine.deliver(notes, "o-1")
    other = await dagger_engine.start(template("Other", fine, key=lambda order: order, takes=str), "o-2")
    assert other.status is Status.COMPLETED
    assert dagger_engine.counts.get("poison", 0) == 0
    assert run.status is Status.FAILURE or (kind == "switch" and run.status is Status.COMPLETED)
    assert len(str(run.error)) < 2 * SHOWN_MAX


async def test_headers_that_are_none_say_what_to_give(dagger_engine: TestEngine) -> None:
    def gives(order: str) -> Message[str]:
        return Message(order, headers=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # as users may

    run = await dagger_engine.start(template("T", command(notes)(gives), key=lambda o: o, takes=str), "o-1")
    assert str(run.error) == "gives: TypeError: the headers of its message are None; give a dict of text"


def test_names_are_told_by_python_itself() -> None:
    assert reason_of(Secret("why")) == "Secret: why"
    assert kinds_of(Secret)[0] == f"{__name__}.Secret"
    assert kinds_of(Nowhere) == ("?.Nowhere", "builtins.Exception", "builtins.BaseException")
    assert kinds_of(KeyError)[1:3] == ("builtins.LookupError", "builtins.Exception")
    assert name_of(3) == "int"


def test_values_are_shown_in_short() -> None:
    assert shown(Unshown()) == "a Unshown that cannot be shown"
    assert shown(Endless()) == "x" * SHOWN_MAX + "... (10,000,000 characters)"
    assert shown(Half()) == "\\ud800"
    assert shown(datetime(2030, 1, 1, tzinfo=UTC)).startswith("datetime.datetime(2030")


async def test_what_is_put_aside_is_logged_in_one_line(
    dagger_engine: TestEngine, caplog: pytest.LogCaptureFixture
) -> None:
    def key(message: str) -> str:
        raise ValueError(f"first\nsecond \x1b[31m {message}")

    dagger_engine.register(template("T", listener(notes, by=key), key=lambda o: o, takes=str))
    await dagger_engine.deliver(notes, "x")
    (line,) = [record.getMessage() for record in caplog.records if "dead-lettered" in record.getMessage()]
    assert line.endswith(r"ValueError: first\nsecond \x1b[31m x")
