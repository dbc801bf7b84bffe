"""What has been done is undone when it is given up: over groups, bounds, retries, items, failures and stops."""

from __future__ import annotations

import msgspec

from dagger import Status
from dagger.core.events import StopRequested, TaskSucceeded
from dagger.core.invariants import broken
from dagger.core.state import COMPLETED
from dagger.core.step import step
from tests.core.machine import (
    INT,
    Machine,
    all_of,
    any_of,
    chain,
    for_each,
    hooked,
    job,
    recovered,
    rest,
    retried,
    undone_by,
    within,
)

A, B = undone_by(job("a"), "ua"), undone_by(job("b"), "ub")


def test_a_failure_that_nothing_answers_undoes_what_had_completed_last_first() -> None:
    m = Machine(chain(A, B, job("c")))
    m.ends("a", "b")
    m.fails("c")
    assert m.status is Status.EXECUTING
    m.undoes("ub", "ua")
    assert m.status is Status.FAILURE
    assert str(m.state.error) == "c: ValueError: no"


def test_what_has_not_completed_is_not_undone() -> None:
    m = Machine(chain(A, B))
    m.ends("a")
    m.fails("b")
    m.undoes("ua")
    assert m.status is Status.FAILURE


def test_an_instance_that_completes_drops_its_undos() -> None:
    m = Machine(chain(A, B))
    m.ends("a", "b")
    assert m.status is Status.COMPLETED
    assert m.begun == ["a", "b"]


def test_a_handler_begins_behind_the_undos_of_what_it_answers_for() -> None:
    m = Machine(chain(A, recovered(chain(B, job("c")), job("handler")), job("d")))
    m.ends("a", "b")
    m.fails("c")
    m.undoes("ub")
    m.ends("handler")
    m.fails("d")
    m.undoes("ua")
    assert m.status is Status.FAILURE


def test_what_stands_before_an_answered_step_is_not_undone() -> None:
    m = Machine(chain(A, recovered(job("c"), job("handler"))))
    m.ends("a")
    m.fails("c")
    m.ends("handler")
    assert m.status is Status.COMPLETED
    assert "ua" not in m.begun


def test_a_scope_that_ends_well_hands_its_undos_to_the_one_around() -> None:
    m = Machine(chain(recovered(chain(A, B), job("handler")), job("c")))
    m.ends("a", "b")
    m.fails("c")
    m.undoes("ub", "ua")
    assert m.status is Status.FAILURE


def test_a_stop_runs_hooks_innermost_first_and_then_undos() -> None:
    m = Machine(chain(A, hooked(chain(job("b"), hooked(job("c"), "hc")), "hb")))
    m.ends("a", "b")
    m.stops()
    assert m.called_off == ["c"]
    m.undoes("hc", "hb", "ua")
    assert m.status is Status.STOPPED
    assert m.state.error is None
    assert m.stands("c") is Status.STOPPED


def test_a_hook_does_not_run_where_its_step_fails_or_ends_well() -> None:
    m = Machine(chain(hooked(job("a"), "ha"), hooked(job("b"), "hb")))
    m.ends("a")
    m.fails("b")
    assert m.status is Status.FAILURE
    assert m.begun == ["a", "b"]


def test_hooks_that_are_left_run_innermost_first_where_something_else_ends_it_all() -> None:
    step_with_hooks = hooked(hooked(hooked(job("a"), "inner"), "middle"), "outer")
    m = Machine(within(step_with_hooks, 10, job("late")))
    m.waits(10)
    m.stops()
    m.undoes("inner", "middle", "outer")
    assert m.status is Status.STOPPED


def test_hooks_of_what_was_stopped_before_run_before_those_of_what_is_stopped_now() -> None:
    bounded = within(hooked(hooked(job("a"), "inner"), "outer"), 10, job("late"))
    m = Machine(all_of(bounded, hooked(job("b"), "hb")))
    m.waits(10)
    assert m.running == ["b", "inner"]
    m.stops()
    m.undoes("inner", "outer", "hb")
    assert m.status is Status.STOPPED


def test_a_second_stop_changes_nothing() -> None:
    m = Machine(chain(A, job("b")))
    m.ends("a")
    m.stops()
    after, _ = step(m.plan, m.state, StopRequested(), m.now)
    assert after is m.state
    m.undoes("ua")
    assert m.status is Status.STOPPED


def test_a_stop_while_a_failed_instance_is_undone_changes_nothing() -> None:
    m = Machine(chain(A, job("b")))
    m.ends("a")
    m.fails("b")
    m.stops()
    m.undoes("ua")
    assert m.status is Status.FAILURE


def test_a_stop_replaces_the_answer_of_an_inner_scope_that_is_undone() -> None:
    done = chain(undone_by(job("x"), "ux"), undone_by(job("y"), "uy"), B)
    m = Machine(chain(A, recovered(chain(done, job("c")), job("handler"))))
    m.ends("a", "x", "y", "b")
    m.fails("c")
    assert m.running == ["ub"]
    m.stops()
    m.undoes("ub", "uy", "ux", "ua")
    assert m.status is Status.STOPPED
    assert "handler" not in m.begun


def test_a_bound_that_runs_out_stops_and_undoes_and_then_goes_on() -> None:
    m = Machine(chain(within(chain(A, hooked(job("b"), "hb")), 10, job("late")), job("c")))
    m.ends("a")
    m.waits(10)
    m.undoes("hb", "ua")
    m.ends("late", "c")
    assert m.status is Status.COMPLETED


def test_no_bound_around_disturbs_what_undoes() -> None:
    m = Machine(within(chain(A, recovered(chain(B, job("c")), job("handler"))), 10))
    m.ends("a", "b")
    m.fails("c")
    m.waits(10)
    assert m.called_off == []
    m.undoes("ub", "ua")
    assert m.status is Status.FAILURE
    assert str(m.state.error) == "bound: TimeoutError: took longer than 10 s"
    assert "handler" not in m.begun


def test_a_bound_inside_of_an_undo_holds() -> None:
    m = Machine(chain(undone_by(job("a"), within(job("ua"), 5)), undone_by(job("b"), "ub"), job("c")))
    m.ends("a", "b")
    m.fails("c")
    m.ends("ub")
    m.waits(5)
    assert m.called_off == ["ua"]
    assert m.status is Status.FAILURE
    assert str(m.state.error) == "c: ValueError: no"


def test_an_undo_that_fails_is_recorded_and_the_others_still_run() -> None:
    m = Machine(chain(A, B, job("c")))
    m.ends("a", "b")
    m.fails("c")
    m.fails("ub")
    m.undoes("ua")
    assert m.status is Status.FAILURE
    assert str(m.state.error) == "c: ValueError: no"
    assert m.stands("ub") is Status.FAILURE
    assert m.stands("ua") is Status.COMPLETED


def test_an_undo_waits_and_is_tried_again_as_any_step() -> None:
    m = Machine(chain(undone_by(job("a"), chain(rest("pause", 60), retried(job("ua"), 2, 5))), job("b")))
    m.ends("a")
    m.fails("b")
    m.waits(60)
    m.fails("ua")
    m.waits(5)
    m.undoes("ua")
    assert m.status is Status.FAILURE


def test_an_undo_that_fails_undoes_what_had_completed_inside_of_it() -> None:
    undo = chain(undone_by(job("u1"), "uu1"), job("u2"))
    m = Machine(chain(A, undone_by(job("b"), undo), job("c")))
    m.ends("a", "b")
    m.fails("c")
    m.ends("u1")
    m.fails("u2")
    m.undoes("uu1", "ua")
    assert m.status is Status.FAILURE


def test_what_an_undo_has_done_is_dropped_when_it_ends_well() -> None:
    undone = undone_by(job("b"), undone_by(job("ub"), "uub"))
    m = Machine(chain(A, recovered(chain(undone, job("c")), job("h")), job("d")))
    m.ends("a", "b")
    m.fails("c")
    m.undoes("ub")
    m.ends("h")
    m.fails("d")
    m.undoes("ua")
    assert m.status is Status.FAILURE


def test_the_next_try_begins_behind_the_undos_and_after_a_pause_from_then() -> None:
    m = Machine(retried(chain(A, job("b")), 2, 10))
    m.ends("a")
    m.fails("b")
    m.waits(30)
    m.undoes("ua")
    m.waits(9)
    assert m.running == []
    m.waits(1)
    m.ends("a", "b")
    assert m.status is Status.COMPLETED
    assert m.begun == ["a", "b", "ua", "a", "b"]


def test_the_next_try_begins_at_once_where_nothing_is_to_be_undone() -> None:
    m = Machine(retried(chain(job("b"), A), 2))
    m.fails("b")
    m.ends("b", "a")
    assert m.status is Status.COMPLETED


def test_the_losers_of_a_group_are_undone_and_not_the_winner() -> None:
    m = Machine(chain(any_of(chain(A, job("x")), chain(B, hooked(job("y"), "hy"))), job("c")))
    m.ends("a", "b", "x")
    m.undoes("hy", "ub")
    m.fails("c")
    m.undoes("ua")
    assert m.status is Status.FAILURE


def test_a_branch_that_fails_is_undone_while_the_others_go_on() -> None:
    m = Machine(any_of(chain(A, job("x")), job("y")))
    m.ends("a")
    m.fails("x")
    assert m.running == ["ua", "y"]
    m.ends("ua")
    assert m.running == ["y"]
    m.ends("y")
    assert m.status is Status.COMPLETED


def test_a_group_waits_for_what_a_branch_that_had_failed_undoes() -> None:
    m = Machine(any_of(chain(A, job("x")), job("y")))
    m.ends("a")
    m.fails("x")
    m.ends("y")
    assert m.status is Status.EXECUTING
    m.undoes("ua")
    assert m.status is Status.COMPLETED


def test_a_group_whose_last_branch_fails_waits_for_what_the_others_undo() -> None:
    m = Machine(any_of(chain(A, job("x")), chain(B, job("y"))))
    m.ends("a", "b")
    m.fails("x")
    m.fails("y")
    m.undoes("ua", "ub")
    assert m.status is Status.FAILURE
    assert m.state.error is not None
    assert m.state.error.type == "AllFailed"


def test_a_group_that_fails_undoes_across_branches_in_reverse_order() -> None:
    m = Machine(all_of(chain(A, job("x")), chain(B, job("y")), undone_by(job("c"), "uc")))
    m.ends("b", "c", "a")
    m.fails("y")
    assert m.called_off == ["x"]
    m.undoes("ua", "uc", "ub")
    assert m.status is Status.FAILURE


def test_a_branch_that_was_not_begun_is_not_begun_behind_the_undos() -> None:
    loser = chain(undone_by(rest("done", 0), "ud"), job("x"))
    m = Machine(chain(any_of(loser, undone_by(rest("won", 0), "uw"), job("never")), job("c")))
    m.undoes("ud")
    m.fails("c")
    m.undoes("uw")
    assert m.begun == ["ud", "c", "uw"]


def test_items_are_undone_across_items_and_each_undo_knows_its_item() -> None:
    m = Machine(for_each("each", 3, chain(A, job("b"))))
    m.ends("a[1]", "a[0]")
    m.fails("b[1]")
    assert sorted(m.called_off) == ["a[2]", "b[0]"]
    m.undoes("ua[0]", "ua[1]")
    assert m.status is Status.FAILURE


def test_an_item_that_had_ended_is_undone_when_a_later_step_fails() -> None:
    m = Machine(chain(for_each("each", 2, A), job("c")))
    m.ends("a[0]", "a[1]")
    m.fails("c")
    m.undoes("ua[1]", "ua[0]")
    assert m.status is Status.FAILURE


def test_an_answer_inside_of_an_item_undoes_that_item_only() -> None:
    m = Machine(for_each("each", 2, recovered(chain(A, job("b")), job("h"))))
    m.ends("a[0]", "a[1]")
    m.fails("b[1]")
    assert m.running == ["b[0]", "ua[1]"]
    m.ends("ua[1]", "h[1]", "b[0]")
    assert m.status is Status.COMPLETED


def test_the_late_result_of_what_was_given_up_is_ignored() -> None:
    m = Machine(chain(A, within(job("b"), 10)))
    m.ends("a")
    frame = m.frame_of("b")
    m.waits(10)
    after, _ = step(m.plan, m.state, TaskSucceeded(frame, INT.encode(3)), m.now)
    assert after is m.state
    m.undoes("ua")


def test_a_stop_waits_for_all_that_is_undone_side_by_side() -> None:
    m = Machine(
        all_of(
            recovered(chain(A, job("x")), job("h1")),
            recovered(chain(B, job("y")), job("h2")),
            undone_by(job("c"), "uc"),
        )
    )
    m.ends("a", "b", "c")
    m.fails("x")
    m.fails("y")
    assert m.running == ["ua", "ub"]
    m.stops()
    assert m.running == ["ua", "ub"]
    m.ends("ub")
    assert m.running == ["ua"]
    m.ends("ua")
    m.undoes("uc")
    assert m.status is Status.STOPPED


def test_what_breaks_an_invariant_of_a_stored_state_is_found() -> None:
    m = Machine(chain(A, job("b")))
    m.ends("a")
    good = m.state
    assert not broken(m.plan, good)
    orphan = msgspec.structs.replace(good, frames={**good.frames, 99: good.frames[max(good.frames)]})
    assert "frame 99 has a number that was not given" in broken(m.plan, orphan)
    ended = msgspec.structs.replace(good, status=COMPLETED)
    assert "an instance executes as long as it has frames" in broken(m.plan, ended)


def test_a_result_that_is_too_large_fails_its_step_and_what_had_completed_is_undone() -> None:
    m = Machine(chain(A, recovered(chain(B, job("c")), job("h"))))
    m.ends("a", "b")
    m.grows("c")
    m.undoes("ub")
    m.grows("h")
    m.undoes("ua")
    assert m.status is Status.FAILURE
    assert str(m.state.error) == "h: TooLarge: too much"
