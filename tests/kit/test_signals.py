"""Signals: addressed to one instance, by its run or its id."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from dagger import Again, RequestError, Status, WrongInput, all_of, signal, sleep, template
from dagger.dsl.nodes import Await
from dagger.testing import TestEngine


@dataclass(frozen=True)
class Request:
    id: str
    votes: int = 0


@dataclass(frozen=True)
class Decision:
    granted: bool
    by: str


def by_id(request: Request) -> str:
    return request.id


@signal("decide", Decision)
def decided(request: Request, decision: Decision) -> str:
    return f"{request.id} {'granted' if decision.granted else 'refused'} by {decision.by}"


workflow = template("Approval", decided, key=by_id)


async def test_a_signal_by_run(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(workflow, Request("r-1"))
    await dagger_engine.signal(run, "decide", Decision(True, "ann"))
    assert run.result == "r-1 granted by ann"


async def test_a_signal_by_id(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(workflow, Request("r-1"), id="x")
    await dagger_engine.signal("x", "decide", Decision(False, "bob"))
    assert run.result == "r-1 refused by bob"


async def test_a_raw_signal_gives_its_value(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(template("W", signal("level", int), key=by_id, takes=Request), Request("r-1"))
    await dagger_engine.signal(run, "level", 3)
    assert run.result == 3
    assert run.step("level").kind == "signal"


async def test_a_signal_reaches_no_other_instance(dagger_engine: TestEngine) -> None:
    one = await dagger_engine.start(workflow, Request("r-1"), id="one")
    two = await dagger_engine.start(workflow, Request("r-1"), id="two")
    await dagger_engine.signal("one", "decide", Decision(True, "ann"))
    assert (one.status, two.status) == (Status.COMPLETED, Status.EXECUTING)


async def test_a_signal_that_comes_early_is_kept(dagger_engine: TestEngine) -> None:
    later = template("W", sleep(timedelta(days=1)) >> decided, key=by_id)
    run = await dagger_engine.start(later, Request("r-1"))
    await dagger_engine.signal(run, "decide", Decision(True, "ann"))
    assert run.status is Status.EXECUTING
    await dagger_engine.advance(timedelta(days=1))
    assert run.result == "r-1 granted by ann"


async def test_early_signals_keep_their_order(dagger_engine: TestEngine) -> None:
    body = sleep(timedelta(days=1)) >> signal("n", int).named("first") >> signal("n", int)(minus).named("second")
    run = await dagger_engine.start(template("W", body, key=by_id, takes=Request), Request("r-1"))
    await dagger_engine.signal(run, "n", 10)
    await dagger_engine.signal(run, "n", 3)
    await dagger_engine.advance(timedelta(days=1))
    assert run.result == 7


def minus(first: int, second: int) -> int:
    return first - second


async def test_a_signal_may_be_awaited_again(dagger_engine: TestEngine) -> None:
    @signal("vote", bool)
    def voted(request: Request, value: bool) -> Request | Again[Request]:
        counted = Request(request.id, request.votes + value)
        return counted if counted.votes == 2 else Again(counted)

    run = await dagger_engine.start(template("W", voted, key=by_id), Request("r-1"))
    for value in (True, False, True):
        assert run.status is Status.EXECUTING
        await dagger_engine.signal(run, "vote", value)
    assert run.result == Request("r-1", 2)


async def test_two_signals_are_told_apart(dagger_engine: TestEngine) -> None:
    body = all_of(signal("left", int), signal("right", str))
    run = await dagger_engine.start(template("W", body, key=by_id, takes=Request), Request("r-1"))
    await dagger_engine.signal(run, "right", "r")
    await dagger_engine.signal(run, "left", 1)
    assert run.result == (1, "r")


async def test_a_signal_of_another_type_is_refused_and_the_instance_goes_on(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(workflow, Request("r-1"))
    with pytest.raises(WrongInput, match="signal 'decide' of template 'Approval': declared Decision, got bool"):
        await dagger_engine.signal(run, "decide", True)
    yes: Any = "yes"
    with pytest.raises(WrongInput, match=r"Decision\.granted: declared bool, got str 'yes'"):
        await dagger_engine.signal(run, "decide", Decision(yes, "ann"))
    await dagger_engine.signal(run, "decide", Decision(True, "ann"))
    assert run.status is Status.COMPLETED


async def test_a_signal_that_nobody_waits_for_is_refused_with_those_that_are(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(workflow, Request("r-1"))
    with pytest.raises(WrongInput, match="template 'Approval' waits for no signal 'approve'; it waits for: decide"):
        await dagger_engine.signal(run, "approve", True)


async def test_a_signal_after_the_end_is_counted(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(workflow, Request("r-1"))
    await dagger_engine.signal(run, "decide", Decision(True, "ann"))
    await dagger_engine.signal(run, "decide", Decision(False, "bob"))
    assert run.result == "r-1 granted by ann"
    assert dagger_engine.counts == {"ignored": 1}


async def test_a_signal_by_its_own_value(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(workflow, Request("r-1"))
    await dagger_engine.signal(run, decided, Decision(True, "ann"))
    assert run.result == "r-1 granted by ann"


async def test_a_raw_signal_by_its_own_value(dagger_engine: TestEngine) -> None:
    level = signal("level", int)
    run = await dagger_engine.start(template("W", level, key=by_id, takes=Request), Request("r-1"))
    await dagger_engine.signal("r-1", level, 3)
    assert run.result == 3


async def test_a_signal_keeps_its_name_where_the_step_is_renamed(dagger_engine: TestEngine) -> None:
    renamed = decided.named("the-decision")
    run = await dagger_engine.start(template("W", renamed, key=by_id), Request("r-1"))
    await dagger_engine.signal(run, renamed, Decision(True, "ann"))
    assert run.step("the-decision").status is Status.COMPLETED


async def test_a_signal_of_the_same_name_and_another_type_is_refused(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(workflow, Request("r-1"))
    with pytest.raises(WrongInput, match="'decide' that carries Decision, and the one that is sent carries int"):
        await dagger_engine.signal(run, signal("decide", int), 3)
    assert run.status is Status.EXECUTING


async def test_what_is_no_signal_is_refused(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(workflow, Request("r-1"))
    for given in (sleep(timedelta(hours=1)), decided.timeout(timedelta(hours=1)), 3, None):
        wrong: Any = given
        with pytest.raises(RequestError, match="signal: expects the name of a signal, or the result of signal"):
            await dagger_engine.signal(run, wrong, Decision(True, "ann"))


def test_a_signal_is_a_frozen_value() -> None:
    node = decided.node
    assert isinstance(node, Await)
    assert node.fold is not None
    assert decided == signal("decide", Decision)(node.fold.call)
    assert decided != signal("decide", Decision)
    assert len({decided, decided.named("x").named("decided")}) == 2
    with pytest.raises(AttributeError, match="is a value and cannot be changed"):
        decided.node = workflow.node
