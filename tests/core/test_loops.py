"""Values that enter a body again are stored by their declared type, whichever way they have come."""

from __future__ import annotations

import msgspec

from dagger import Status
from dagger.core.functions import Stored, load
from dagger.core.rules.running import running
from dagger.core.rules.scope import ROUNDS_MAX
from dagger.core.state import Running, Scoping
from dagger.plan import ops
from dagger.plan.kernel import Chain, Kernel, Leaf
from dagger.plan.shapes import Mapped
from tests.core.machine import Machine, any_of, chain, for_each, job, recovered, repeated, retried, undone_by


def mapped(add: int) -> Leaf:
    """A pure function on the way, which is applied again whenever the value is loaded."""

    def fn(value: int) -> int:
        return value + add

    return Leaf(ops.Apply, "fn", "", {"fn": fn, "frozen": True}, lambda shape: Mapped(shape, fn, "int", frozen=True))


def is_large(value: int) -> bool:
    return value >= 10


def inputs(m: Machine, path: str) -> list[int]:
    """What the tasks of a path that run have got."""
    slot = m.plan.paths.index(path)
    found = [(m.plan.ops[frame.op], frame) for frame in m.state.frames.values() if isinstance(frame, Running)]
    return [load(op, Stored(frame.value)) for op, frame in found if op.slot == slot]


def keys(m: Machine) -> list[str]:
    """The idempotency keys of the tasks that run."""
    return [order.key for order in running(m.plan, m.state)]


def loop(before: Kernel, body: Kernel) -> Machine:
    return Machine(chain(before, repeated(body, is_large), job("after")))


def test_a_body_begins_anew_with_its_result_until_that_is_what_is_wanted() -> None:
    m = loop(Chain(), job("a"))
    m.gives("a", 3)
    assert inputs(m, "a") == [3]
    m.gives("a", 9)
    m.gives("a", 10)
    assert inputs(m, "after") == [10]
    assert m.begun == ["a", "a", "a", "after"]


def test_a_value_of_no_other_shape_costs_no_operation() -> None:
    m = loop(Chain(), job("a"))
    assert not any(isinstance(op, ops.Retype) for op in m.plan.ops)


def test_what_comes_by_another_way_is_stored_as_what_comes_again() -> None:
    """Before the loop the value is one of a group, seen through a function; in it, it is a number."""
    m = loop(chain(any_of(job("x"), job("y")), mapped(100)), job("a"))
    m.gives("y", 4)
    assert inputs(m, "a") == [104]
    m.gives("a", 5)
    assert inputs(m, "a") == [5]


def test_a_result_that_is_seen_through_a_function_enters_as_what_that_gives() -> None:
    m = loop(Chain(), chain(job("a"), mapped(1)))
    m.gives("a", 3)
    assert inputs(m, "a") == [4]
    m.gives("a", 9)
    assert inputs(m, "after") == [10]


def test_a_try_and_a_handler_inside_get_the_value_of_their_round() -> None:
    m = loop(Chain(), recovered(retried(job("a"), 2), job("h")))
    m.gives("a", 3)
    m.fails("a")
    assert inputs(m, "a") == [3]


def test_the_undos_of_all_rounds_are_run_last_first() -> None:
    m = Machine(chain(repeated(undone_by(job("a"), "ua"), is_large), job("b")))
    for result in (1, 2, 10):
        m.gives("a", result)
    m.fails("b")
    got = list[list[int]]()
    while m.status is Status.EXECUTING:
        got.append(inputs(m, "ua"))
        m.ends("ua")
    assert got == [[10], [2], [1]]


def test_the_calls_of_each_round_have_keys_of_their_own() -> None:
    m = Machine(repeated(chain(for_each("e", 1, repeated(job("a"), is_large)), job("b")), is_large))
    called = list[str]()
    for name, result in (("a[0]", 1), ("a[0]", 10), ("b", 1), ("a[0]", 2)):
        called += keys(m)
        m.gives(name, result)
    assert called == ["a/a[0]#1.1", "a/a[0]#1.2", "a/b#1", "a/a[0]#2.1"]


def test_an_undo_is_called_by_the_key_of_its_round() -> None:
    m = Machine(chain(repeated(undone_by(job("a"), repeated(job("u"), is_large)), is_large), job("b")))
    for result in (1, 10):
        m.gives("a", result)
    m.fails("b")
    called = list[str]()
    for result in (1, 10, 10):
        called += keys(m)
        m.gives("u", result)
    assert called == ["a/u#2.1", "a/u#2.2", "a/u#1.1"]
    assert m.status is Status.FAILURE


def test_a_step_of_the_machine_begins_so_many_rounds_and_no_more() -> None:
    """What is left begins by events of its own, at the same time; nested loops do not multiply."""
    computed = list[int]()

    def next_one(value: int) -> int:
        computed.append(value)
        return value + 1

    def is_even(value: int) -> bool:
        return value % 2 == 0

    def is_thousand(value: int) -> bool:
        return value >= 1000

    one = Leaf(
        ops.Apply, "fn", "", {"fn": next_one, "frozen": True}, lambda shape: Mapped(shape, next_one, "int", True)
    )
    m = Machine(chain(repeated(repeated(one, is_even), is_thousand), job("after")))
    most, events = len(computed), 0
    while not m.running:
        computed.clear()
        assert any(isinstance(frame, Scoping) and frame.due == m.now for frame in m.state.frames.values())
        m.waits(0)
        most, events = max(most, len(computed)), events + 1
    assert most < 10 * ROUNDS_MAX
    assert events >= 1000 // ROUNDS_MAX - 1
    assert inputs(m, "after") == [1000]


def test_the_state_does_not_grow_with_the_rounds() -> None:
    m = loop(Chain(), job("a"))
    m.gives("a", 3)
    size = len(msgspec.msgpack.encode(m.state))
    for _ in range(100):
        m.gives("a", 3)
    assert len(msgspec.msgpack.encode(m.state)) <= size + 8
