"""Functions that must be pure: one that raises, or changes what it was given, fails its step."""

from asyncio import CancelledError
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from typing_extensions import override

from dagger import (
    Again,
    Status,
    Step,
    Topic,
    command,
    for_each,
    listener,
    process,
    signal,
    sleep,
    switch,
    task,
    template,
    wait_until,
)
from dagger.testing import TestEngine

HOUR = timedelta(hours=1)


@dataclass
class Cart:
    """A value that can be changed in place."""

    id: str
    items: list[str] = field(default_factory=list[str])


carts = Topic("CARTS", Cart, key=lambda m: m.id)


def by_id(cart: Cart) -> str:
    return cart.id


def raises(cart: Cart) -> Any:
    raise LookupError(f"{cart.id} is gone")


def fold_raises(cart: Cart, message: Cart) -> Cart:
    raise LookupError(f"{cart.id} is gone")


def changes(cart: Cart) -> Any:
    cart.items.append("gift")
    return cart


def fold_changes(cart: Cart, message: Cart) -> Cart:
    cart.items.append("gift")
    return cart


@task
async def end(cart: Cart) -> list[str]:
    return cart.items


def items_of(fn: Callable[[Cart], Any]) -> Callable[[Cart], list[Cart]]:
    def items(cart: Cart) -> list[Cart]:
        return [fn(cart)]

    items.__name__ = fn.__name__
    return items


def steps(fn: Any, fold: Any) -> dict[str, Step[Cart, Any]]:
    """A step for every place where a pure function stands, by the name of the place."""
    return {
        "command": command(carts)(fn) >> end,
        "listener": listener(carts)(fold),
        "signal": signal("go", Cart)(fold),
        "switch": switch(fn).case(1, end).otherwise(end.named("other")),
        "on": listener(carts, on=fn).named(fn.__name__),
        "until": wait_until(fn) >> end,
        "then": sleep(timedelta(0)).then(fn) >> end,
        "otherwise": process("P", sleep(2 * HOUR), timeout=HOUR, otherwise=fn).named("P") >> end,
        "items": for_each(items_of(fn), end),
    }


async def run_into(engine: TestEngine, body: Step[Cart, Any]) -> Any:
    run = await engine.start(template("W", body, key=by_id, takes=Cart), Cart("c-1", ["book"]))
    if run.status is Status.EXECUTING and run.instance.waiting_for:
        await engine.deliver(carts, Cart("c-1"))
    if run.status is Status.EXECUTING and run.instance.waiting_for:
        await engine.signal(run, "go", Cart("c-1"))
    await engine.advance(2 * HOUR)
    return run


PLACES = ["command", "listener", "signal", "switch", "on", "until", "then", "otherwise", "items"]


@pytest.mark.parametrize("place", PLACES)
async def test_a_function_that_raises_fails_its_step_and_nothing_else(dagger_engine: TestEngine, place: str) -> None:
    run = await run_into(dagger_engine, steps(raises, fold_raises)[place])
    name = "P/raises" if place == "otherwise" else run.error.path
    assert name.endswith("raises")
    assert str(run.error) == f"{name}: LookupError: c-1 is gone"
    await goes_on(dagger_engine)


@pytest.mark.parametrize("place", PLACES)
async def test_a_function_that_changes_its_input_fails_its_step_with_the_remedy(
    dagger_engine: TestEngine, place: str
) -> None:
    run = await run_into(dagger_engine, steps(changes, fold_changes)[place])
    assert run.status is Status.FAILURE
    assert str(run.error).endswith(
        "changes: MutatedInput: 'fold_changes' changed its input in place; return a changed copy instead"
        if place in ("listener", "signal")
        else ": MutatedInput: 'changes' changed its input in place; return a changed copy instead"
    )
    await goes_on(dagger_engine)


async def goes_on(engine: TestEngine) -> None:
    run = await engine.start(template("Next", command(carts) >> end, key=by_id), Cart("next", ["pen"]))
    assert run.result == ["pen"]
    assert engine.sent(carts)[-1] == Cart("next", ["pen"])


class Wordless(Exception):
    @override
    def __str__(self) -> str:
        raise RuntimeError("no words")


def raises_always(*given: object) -> Any:
    raise LookupError("not this one")


ODD: dict[str, Callable[[], BaseException]] = {
    "without words": Wordless,
    "no text": partial(ValueError, "half a character: \ud800"),
    "recursion": RecursionError,
    "exit": partial(SystemExit, 3),
    "cancelled": CancelledError,
}


@pytest.mark.parametrize("error", ODD)
@pytest.mark.parametrize("place", PLACES)
async def test_an_odd_error_is_a_failure_like_any(dagger_engine: TestEngine, place: str, error: str) -> None:
    def odd(cart: Cart) -> Any:
        raise ODD[error]()

    def fold(cart: Cart, message: Cart) -> Cart:
        raise ODD[error]()

    run = await run_into(dagger_engine, steps(odd, fold)[place])
    assert run.status is Status.FAILURE
    assert type(ODD[error]()).__name__ in str(run.error)
    await goes_on(dagger_engine)


# Cannot be hashed, compared or shown.
Odd: Any = type("Odd", (), dict.fromkeys(("__eq__", "__hash__", "__repr__"), raises_always))


@pytest.mark.parametrize("place", PLACES)
async def test_an_odd_value_is_a_failure_like_any(dagger_engine: TestEngine, place: str) -> None:
    def odd(cart: Cart) -> Any:
        return Odd()

    def fold(cart: Cart, message: Cart) -> Cart:
        wrong: Any = Odd()
        return wrong  # type: ignore[no-any-return]  # what a user without a checker may write

    run = await run_into(dagger_engine, steps(odd, fold)[place])
    assert run.status is Status.FAILURE
    await goes_on(dagger_engine)


async def test_a_fold_that_changes_its_message_changes_nothing_else(dagger_engine: TestEngine) -> None:
    @listener(carts)
    def merged(cart: Cart, message: Cart) -> Cart:
        message.items.append("gift")
        return Cart(cart.id, [*cart.items, *message.items])

    run = await dagger_engine.start(template("W", merged, key=by_id), Cart("c-1", ["book"]))
    await dagger_engine.deliver(carts, Cart("c-1", ["pen"]))
    assert run.result == Cart("c-1", ["book", "pen", "gift"])


async def test_a_fold_that_gives_another_type_fails_its_step(dagger_engine: TestEngine) -> None:
    @listener(carts)
    def merged(cart: Cart, message: Cart) -> Cart:
        wrong: Any = message.items
        return wrong  # type: ignore[no-any-return]  # what a user without a checker may write

    run = await dagger_engine.start(template("W", merged, key=by_id), Cart("c-1"))
    await dagger_engine.deliver(carts, Cart("c-1"))
    assert str(run.error) == "merged: TypeError: its result does not fit: declared Cart, got list"


async def test_again_with_another_type_fails_its_step(dagger_engine: TestEngine) -> None:
    @listener(carts)
    def merged(cart: Cart, message: Cart) -> Cart | Again[Cart]:
        wrong: Any = message.items
        return Again(wrong)

    run = await dagger_engine.start(template("W", merged, key=by_id), Cart("c-1"))
    await dagger_engine.deliver(carts, Cart("c-1"))
    assert str(run.error) == "merged: TypeError: its result does not fit: declared Cart, got list"


async def test_an_awaited_key_that_is_missing_fails_its_step(dagger_engine: TestEngine) -> None:
    def no_key(cart: Cart) -> Any:
        return None

    run = await dagger_engine.start(template("W", listener(carts, on=no_key), key=by_id), Cart("c-1"))
    assert str(run.error) == "CARTS: MissingKey: the key is None; it must be text that is not empty"
    await goes_on(dagger_engine)


async def test_a_key_of_a_commanded_message_that_raises_fails_its_step(dagger_engine: TestEngine) -> None:
    broken = Topic("BROKEN", Cart, key=raises)
    run = await dagger_engine.start(template("W", command(broken) >> end, key=by_id), Cart("c-1"))
    assert str(run.error) == "BROKEN: LookupError: c-1 is gone"
    await goes_on(dagger_engine)


async def test_what_a_frozen_value_holds_is_never_shared_by_mistake(dagger_engine: TestEngine) -> None:
    @dataclass(frozen=True)
    class Box:
        id: str
        items: list[str]

    def grab(box: Box) -> str:
        box.items.append("gift")
        return box.id

    boxes = Topic("BOXES", Box, key=lambda m: m.id)
    run = await dagger_engine.start(template("W", listener(boxes, on=grab), key=lambda b: b.id), Box("b-1", []))
    assert run.error is not None
    assert run.error.type == "MutatedInput"


async def test_a_time_that_no_zone_names_is_told(dagger_engine: TestEngine) -> None:
    @wait_until
    def someday(cart: Cart) -> datetime:
        return datetime(2031, 1, 1)  # noqa: DTZ001  # without a zone is what is tested

    run = await dagger_engine.start(template("W", someday, key=by_id), Cart("c-1"))
    assert run.error is not None
    assert run.error.text.startswith("ValueError: datetime.datetime(2031, 1, 1, 0, 0) has no time zone; use ")
