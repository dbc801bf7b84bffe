"""`.compensate` and `.on_stop`: what has been done is undone where it is given up, and what is stopped has its hook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from dagger import (
    Again,
    Failure,
    Retry,
    Run,
    Status,
    Step,
    Template,
    TemplateError,
    Topic,
    all_of,
    any_of,
    context,
    for_each,
    listener,
    process,
    race,
    signal,
    sleep,
    switch,
    task,
    template,
)
from dagger.testing import TestEngine

pytestmark = pytest.mark.unexplored("which tasks are called, and how often, is what it looks at")

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Note:
    text: str


def key(value: int) -> str:
    return "i"


notes = Topic("NOTES", Note, key=lambda note: "i")
go = signal("go", int)


class Log:
    """What the tasks of a test have done, in order; a task whose name begins with `!` fails."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def __call__(self, name: str, *, fails: int = 0) -> Step[int, int]:
        """A task that notes its name and its input; it fails so often."""
        left = [fails]

        @task
        async def work(value: int) -> int:
            self.done.append(f"{name} {value}")
            if left[0]:
                left[0] -= 1
                raise OSError(name)
            return value + 1

        return work.named(name)

    @property
    def names(self) -> list[str]:
        return [one.split()[0] for one in self.done]


@pytest.fixture
def log() -> Log:
    return Log()


def of(body: Step[int, object]) -> Template[int, object]:
    return template("W", body, key=key, takes=int)


def handled(failure: Failure[int]) -> int:
    return failure.input


async def test_undos_run_in_reverse_order_with_the_results_and_then_it_fails(
    dagger_engine: TestEngine, log: Log
) -> None:
    body = log("a").compensate(log("ua")) >> log("b").compensate(log("ub")) >> log("c", fails=1)
    run = await dagger_engine.start(of(body), 1)
    assert log.done == ["a 1", "b 2", "c 3", "ub 3", "ua 2"]
    assert run.status is Status.FAILURE
    assert str(run.error) == "c: OSError: c"
    assert run.step("ua").status is Status.COMPLETED


async def test_an_answered_failure_undoes_nothing_that_stands_before(dagger_engine: TestEngine, log: Log) -> None:
    body = log("a").compensate(log("ua")) >> log("c", fails=1).recover(handled)
    run = await dagger_engine.start(of(body), 1)
    assert run.status is Status.COMPLETED
    assert log.names == ["a", "c"]
    assert run.step("ua").status is Status.SKIPPED


async def test_what_is_in_a_process_is_undone_before_its_handler(dagger_engine: TestEngine, log: Log) -> None:
    @task
    async def h(failure: Failure[int]) -> int:
        log.done.append(f"h {failure.input}")
        return failure.input

    body = process("P", log("a").compensate(log("ua")) >> log("b", fails=1)).recover(h)
    run = await dagger_engine.start(of(body), 1)
    assert log.names == ["a", "b", "ua", "h"]
    assert run.step("P/ua").status is Status.COMPLETED


async def test_what_a_process_has_completed_is_undone_by_a_later_one(dagger_engine: TestEngine, log: Log) -> None:
    body = process("P", log("a").compensate(log("ua"))) >> process("Q", log("b", fails=1))
    run = await dagger_engine.start(of(body), 1)
    assert log.names == ["a", "b", "ua"]
    assert run.step("P").status is Status.COMPLETED
    assert run.step("Q").status is Status.FAILURE


async def test_a_stop_runs_the_hook_and_then_the_undos(dagger_engine: TestEngine, log: Log) -> None:
    waits = sleep(HOUR).named("c").on_stop(log("hc"))
    body = log("a").compensate(log("ua")) >> log("b").compensate(log("ub")) >> waits
    run = await dagger_engine.start(of(body), 1)
    await dagger_engine.stop(run)
    assert log.done == ["a 1", "b 2", "hc 3", "ub 3", "ua 2"]
    assert (run.status, run.error) == (Status.STOPPED, None)
    assert run.step("c").status is Status.STOPPED


async def test_a_hook_does_not_run_where_its_step_fails_or_ends_well(dagger_engine: TestEngine, log: Log) -> None:
    run = await dagger_engine.start(of(log("a").on_stop(log("ha")) >> log("b", fails=1).on_stop(log("hb"))), 1)
    assert run.status is Status.FAILURE
    assert log.names == ["a", "b"]


async def test_a_hook_runs_where_a_bound_is_exceeded_but_not_where_the_bound_is_inside(
    dagger_engine: TestEngine, log: Log
) -> None:
    inside = sleep(2 * HOUR).on_stop(log("h1")).timeout(HOUR, otherwise=log("late"))
    around = sleep(3 * HOUR).timeout(HOUR).on_stop(log("h2"))
    run = await dagger_engine.start(of(inside >> around), 1)
    await dagger_engine.advance(3 * HOUR)
    assert log.names == ["h1", "late"]
    assert str(run.error) == "sleep-3h: TimeoutError: took longer than 1 hour"


async def test_attempted_runs_with_the_input_where_the_step_failed(dagger_engine: TestEngine, log: Log) -> None:
    booked = log("b", fails=1).compensate(log("ub"), attempted=log("vb"))
    run = await dagger_engine.start(of(log("a").compensate(log("ua")) >> booked), 1)
    assert log.done == ["a 1", "b 2", "vb 2", "ua 2"]
    assert run.step("ub").status is Status.SKIPPED


async def test_attempted_runs_where_the_step_was_stopped_and_ranks_by_then(dagger_engine: TestEngine, log: Log) -> None:
    first = sleep(2 * HOUR).named("slow").compensate(log("u1"), attempted=log("v1"))
    second = (sleep(HOUR) >> log("x")).compensate(log("u2"))
    run = await dagger_engine.start(of(all_of(first, second) & signal("never", int)), 1)
    await dagger_engine.advance(HOUR)
    await dagger_engine.stop(run)
    assert log.done == ["x 1", "v1 1", "u2 2"]


async def test_attempted_does_not_run_where_the_step_completed_or_never_began(
    dagger_engine: TestEngine, log: Log
) -> None:
    body = (
        log("a").compensate(log("ua"), attempted=log("va"))
        >> log("b", fails=1)
        >> log("c").compensate(log("uc"), attempted=log("vc"))
    )
    await dagger_engine.start(of(body), 1)
    assert log.names == ["a", "b", "ua"]


async def test_each_try_that_is_given_up_counts_where_the_retry_is_around(dagger_engine: TestEngine, log: Log) -> None:
    policy = Retry(attempts=3, first=HOUR, longest=HOUR, factor=1)
    await dagger_engine.start(of(log("x", fails=3).compensate(log("u"), attempted=log("v")).retry(policy)), 1)
    await dagger_engine.advance(5 * HOUR)
    assert log.names == ["x", "v", "x", "v", "x", "v"]


async def test_only_the_last_try_counts_where_the_retry_is_inside(dagger_engine: TestEngine, log: Log) -> None:
    policy = Retry(attempts=3, first=HOUR, longest=HOUR, factor=1)
    await dagger_engine.start(of(log("x", fails=3).retry(policy).compensate(log("u"), attempted=log("v"))), 1)
    await dagger_engine.advance(5 * HOUR)
    assert log.names == ["x", "x", "x", "v"]


async def test_the_tries_of_a_task_do_not_count(dagger_engine: TestEngine, log: Log) -> None:
    left = [2]

    @task(retry=Retry(attempts=3))
    async def flaky(value: int) -> int:
        left[0] -= 1
        if left[0]:
            raise OSError
        return value

    run = await dagger_engine.start(of(flaky.compensate(log("u"), attempted=log("v"))), 1)
    await dagger_engine.advance(HOUR)
    assert run.status is Status.COMPLETED
    assert log.names == []


async def test_a_stop_in_the_pause_between_tries_runs_attempted_and_hooks_of_what_is_around(
    dagger_engine: TestEngine, log: Log
) -> None:
    policy = Retry(attempts=3, first=HOUR, longest=HOUR)
    tried = log("x", fails=3).on_stop(log("h1")).retry(policy)
    run = await dagger_engine.start(of(tried.compensate(log("u"), attempted=log("v")).on_stop(log("h2"))), 1)
    await dagger_engine.stop(run)
    assert log.names == ["x", "h2", "v"]


async def test_the_next_try_begins_after_the_undos_and_a_pause_from_then(dagger_engine: TestEngine, log: Log) -> None:
    undo = sleep(HOUR).named("rest") >> log("ua")
    body = (log("a").compensate(undo) >> log("b", fails=1)).retry(Retry(attempts=2, first=HOUR, longest=HOUR))
    run = await dagger_engine.start(of(body), 1)
    await dagger_engine.advance(2 * HOUR - timedelta(seconds=1))
    assert log.names == ["a", "b", "ua"]
    await dagger_engine.advance(timedelta(seconds=1))
    assert log.names == ["a", "b", "ua", "a", "b"]
    assert run.status is Status.COMPLETED


async def test_losers_are_undone_before_the_value_of_the_winner_goes_on(dagger_engine: TestEngine, log: Log) -> None:
    loser = log("a").compensate(log("ua")) >> sleep(2 * HOUR)
    winner = log("b").compensate(log("ub")) >> sleep(HOUR)
    run = await dagger_engine.start(of(any_of(loser, winner) >> log("c", fails=1)), 1)
    await dagger_engine.advance(HOUR)
    assert log.names == ["a", "b", "ua", "c", "ub"]
    assert run.status is Status.FAILURE


async def test_the_winner_is_undone_too_if_an_outer_bound_runs_out_meanwhile(
    dagger_engine: TestEngine, log: Log
) -> None:
    loser = log("a").compensate(sleep(2 * HOUR).named("slow_undo")) >> sleep(2 * HOUR)
    winner = log("b").compensate(log("ub")) >> sleep(HOUR)
    body = any_of(loser, winner).timeout(2 * HOUR, otherwise=log("late"))
    run = await dagger_engine.start(of(body), 1)
    await dagger_engine.advance(2 * HOUR)
    assert run.step("slow_undo").status is Status.EXECUTING
    await dagger_engine.advance(HOUR)
    assert log.names == ["a", "b", "ub", "late"]


async def test_a_branch_that_fails_is_undone_when_it_fails(dagger_engine: TestEngine, log: Log) -> None:
    one = log("a").compensate(log("ua")) >> log("x", fails=1)
    two = log("b").compensate(log("ub")) >> sleep(HOUR) >> log("y", fails=1)
    run = await dagger_engine.start(of(any_of(one, two)), 1)
    assert log.names[-1] == "ua"
    await dagger_engine.advance(HOUR)
    assert log.names[-2:] == ["y", "ub"]
    assert run.error is not None
    assert run.error.type == "AllFailed"


async def test_a_race_undoes_what_it_gives_up_across_branches(dagger_engine: TestEngine, log: Log) -> None:
    work = log("a").compensate(log("ua")) >> log("b").compensate(log("ub")) >> sleep(HOUR).on_stop(log("h"))
    run = await dagger_engine.start(of(race(work, go)), 1)
    await dagger_engine.signal(run, go, 5)
    assert log.names == ["a", "b", "h", "ub", "ua"]
    assert run.result == 5


async def test_items_are_undone_in_reverse_order_of_completion_each_by_its_own_name(
    dagger_engine: TestEngine, log: Log
) -> None:
    keys = list[str]()

    @task
    async def undo(value: int) -> None:
        keys.append(context().idempotency_key)

    def three(value: int) -> list[int]:
        return [3, 1, 2]

    def pause(value: int) -> int:
        return value

    def hours(value: int) -> str:
        return str(value)

    waits = (
        switch(hours)
        .case("1", sleep(HOUR))
        .case("2", sleep(2 * HOUR))
        .otherwise(sleep(3 * HOUR).named("longest"))
        .named("hours")
    )
    item = (waits >> log("a")).compensate(undo)
    run = await dagger_engine.start(of(for_each(three, item).named("each") >> fails_list(log)), 1)
    await dagger_engine.advance(3 * HOUR)
    assert keys == ["i/each/undo[0]", "i/each/undo[2]", "i/each/undo[1]"]
    assert run.status is Status.FAILURE


def fails_list(log: Log) -> Step[list[int], int]:
    @task
    async def last(values: list[int]) -> int:
        raise OSError("last")

    return last


async def test_an_undo_waits_is_tried_again_and_has_bounds_of_its_own(dagger_engine: TestEngine, log: Log) -> None:
    policy = Retry(attempts=2, first=HOUR, longest=HOUR)
    undo = log("ua", fails=1).retry(policy) >> go.timeout(2 * HOUR, otherwise=log("late"))
    run = await dagger_engine.start(of((log("a").compensate(undo) >> log("b", fails=1)).timeout(HOUR)), 1)
    assert run.status is Status.EXECUTING
    await dagger_engine.advance(HOUR)
    assert run.step("go").status is Status.EXECUTING
    await dagger_engine.advance(2 * HOUR)
    assert log.names == ["a", "b", "ua", "ua", "late"]
    assert str(run.error) == "b: OSError: b"


async def test_an_undo_that_fails_is_recorded_and_the_others_still_run(dagger_engine: TestEngine, log: Log) -> None:
    body = log("a").compensate(log("ua")) >> log("b").compensate(log("ub", fails=1)) >> log("c", fails=1)
    run = await dagger_engine.start(of(body), 1)
    assert log.names == ["a", "b", "c", "ub", "ua"]
    assert str(run.error) == "c: OSError: c"
    assert run.step("ub").status is Status.FAILURE
    assert str(run.step("ub").error) == "ub: OSError: ub"


async def test_after_a_stop_failures_of_hooks_stand_at_their_paths(dagger_engine: TestEngine, log: Log) -> None:
    waits = sleep(HOUR).named("c").on_stop(log("hc", fails=1))
    run = await dagger_engine.start(of(log("a").compensate(log("ua")) >> waits), 1)
    await dagger_engine.stop(run)
    assert (run.status, run.error) == (Status.STOPPED, None)
    assert run.step("hc").status is Status.FAILURE
    assert log.names == ["a", "hc", "ua"]


Around = Callable[[Step[int, int]], Step[int, object]]


async def waiting_undo(dagger_engine: TestEngine, log: Log, body: Around) -> Run[object]:
    return await dagger_engine.start(of(body(log("a").compensate(go >> log("ua")))), 1)


async def test_a_stop_while_an_inner_scope_is_undone_replaces_its_answer(dagger_engine: TestEngine, log: Log) -> None:
    run = await waiting_undo(
        dagger_engine, log, lambda a: process("P", a >> log("b", fails=1)).recover(handled) >> log("c")
    )
    await dagger_engine.stop(run)
    assert run.status is Status.EXECUTING
    await dagger_engine.signal(run, go, 1)
    assert log.names == ["a", "b", "ua"]
    assert (run.status, run.error) == (Status.STOPPED, None)
    assert run.step("handled").status is Status.SKIPPED


async def test_a_stop_while_a_failed_instance_is_undone_changes_nothing(dagger_engine: TestEngine, log: Log) -> None:
    run = await waiting_undo(dagger_engine, log, lambda a: a >> log("b", fails=1))
    await dagger_engine.stop(run)
    await dagger_engine.stop(run)
    assert run.status is Status.EXECUTING
    await dagger_engine.signal(run, go, 1)
    assert run.status is Status.FAILURE
    assert str(run.error) == "b: OSError: b"


async def test_the_id_is_taken_while_undos_run(dagger_engine: TestEngine, log: Log) -> None:
    workflow = of(log("a").compensate(go) >> log("b", fails=1))
    run = await dagger_engine.start(workflow, 1)
    assert (await dagger_engine.start(workflow, 1)).id == run.id
    assert log.names == ["a", "b"]
    assert run.status is Status.EXECUTING


async def test_an_instance_that_completes_drops_its_undos(dagger_engine: TestEngine, log: Log) -> None:
    run = await dagger_engine.start(of(log("a").compensate(log("ua")).on_stop(log("ha"))), 1)
    assert run.status is Status.COMPLETED
    assert log.names == ["a"]


@listener(notes)
def heard(value: int, note: Note) -> str:
    return note.text


async def test_a_listener_of_an_undo_is_given_what_has_come_since_it_was_ordered(
    dagger_engine: TestEngine, log: Log
) -> None:
    first = log("a").compensate(heard)
    second = log("b").compensate(go)
    run = await dagger_engine.start(of(first >> second >> sleep(HOUR) >> log("c", fails=1)), 1)
    await dagger_engine.deliver(notes, Note("too early"))
    await dagger_engine.advance(HOUR)
    assert run.step("heard").status is Status.NOT_STARTED
    await dagger_engine.deliver(notes, Note("while another undo waits"))
    await dagger_engine.signal(run, go, 1)
    assert run.step("heard").status is Status.COMPLETED
    assert run.status is Status.FAILURE


async def test_a_listener_of_an_undo_waits_for_what_comes_later(dagger_engine: TestEngine, log: Log) -> None:
    run = await dagger_engine.start(of(log("a").compensate(heard) >> sleep(HOUR) >> log("c", fails=1)), 1)
    await dagger_engine.deliver(notes, Note("too early"))
    await dagger_engine.advance(HOUR)
    assert run.step("heard").status is Status.EXECUTING
    await dagger_engine.deliver(notes, Note("now"))
    assert run.status is Status.FAILURE


async def test_the_latest_value_is_seen_through_hooks_and_undos(dagger_engine: TestEngine, log: Log) -> None:
    @listener(notes)
    def more(value: int, note: Note) -> int | Again[int]:
        return Again(value + 1)

    waits = more.compensate(log("u")).on_stop(log("h")).timeout(HOUR, otherwise=log("late"))
    run = await dagger_engine.start(of(waits), 1)
    await dagger_engine.deliver(notes, Note("one"))
    await dagger_engine.advance(HOUR)
    assert log.done == ["h 1", "late 2"]
    assert run.status is Status.COMPLETED


@task
async def takes_text(text: str) -> None: ...


of_text: Any = takes_text
a_function: Any = key


@pytest.mark.parametrize(
    ("body", "remedy"),
    [
        (Log()("a").compensate(of_text), "a: the undo takes str, but gets the result of the step, int"),
        (Log()("a").compensate(Log()("u"), attempted=of_text), "a: attempted takes str, but gets the input"),
        (Log()("a").on_stop(of_text), "a: the hook takes str, but gets the input of the step, int"),
        (
            Log()("a").compensate(Log()("u")) >> Log()("b").compensate(Log()("u")),
            "two steps are named 'u'; give one of them another name with .named('...')",
        ),
    ],
)
def test_what_composition_refuses(body: Step[int, int], remedy: str) -> None:
    with pytest.raises(TemplateError) as refused:
        template("W", body, key=key, takes=int)
    assert remedy in str(refused.value)


def test_an_undo_is_a_step() -> None:
    with pytest.raises(TemplateError, match="'key' is a function, not a step"):
        Log()("a").compensate(a_function)
    with pytest.raises(TemplateError, match="'key' is a function, not a step"):
        Log()("a").on_stop(a_function)


# Undos and hooks of a step that is a child.


def key_of(value: int) -> str:
    return "i"


async def test_a_completed_child_is_undone_by_the_compensate_of_its_step_only(
    dagger_engine: TestEngine, log: Log
) -> None:
    child = template("Child", log("x").compensate(log("ux")), key=key_of, takes=int)
    run = await dagger_engine.start(of(child.compensate(log("uc")) >> log("b", fails=1)), 1)
    assert run.status is Status.FAILURE
    assert log.names == ["x", "b", "uc"]


async def test_a_child_that_is_given_up_is_undone_by_itself_before_the_hook_of_its_step(
    dagger_engine: TestEngine, log: Log
) -> None:
    child = template("Child", log("x").compensate(go >> log("ux")) >> sleep(HOUR), key=key_of, takes=int)
    body = log("a").compensate(log("ua")) >> child.compensate(log("uc"), attempted=log("vc")).on_stop(log("h"))
    run = await dagger_engine.start(of(body), 1)
    await dagger_engine.stop(run)
    assert run.status is Status.EXECUTING
    assert log.names == ["a", "x"]
    await dagger_engine.signal("i/Child", go, 1)
    assert log.names == ["a", "x", "ux", "h", "vc", "ua"]
    assert (run.status, run.error) == (Status.STOPPED, None)
    assert run.step("Child").status is Status.STOPPED


async def test_collected_items_are_undone_before_their_failure_is_recorded(dagger_engine: TestEngine, log: Log) -> None:
    def two(value: int) -> list[int]:
        return [1, 2]

    item = log("a").compensate(log("ua")) >> log("b", fails=1)
    run = await dagger_engine.start(of(for_each(two, item, collect=True, limit=1).named("each")), 1)
    assert run.status is Status.COMPLETED
    assert log.done == ["a 1", "b 2", "ua 2", "a 2", "b 3"]
