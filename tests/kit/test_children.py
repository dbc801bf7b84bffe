"""A template as a step of another one: an instance of its own, which its parent starts, stops and waits for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import anyio
import pytest

from dagger import (
    Dagger,
    Failure,
    RequestError,
    Retry,
    Status,
    TemplateConflict,
    Topic,
    UnknownTemplate,
    all_of,
    any_of,
    for_each,
    listener,
    process,
    repeat,
    sleep,
    task,
    template,
)
from dagger.testing import TestEngine
from tests.core.counting import operations


@dataclass(frozen=True)
class Parcel:
    id: str
    lines: list[str]


@dataclass(frozen=True)
class Shipped:
    line: str


@dataclass(frozen=True)
class Scan:
    line: str


class Damaged(Exception):
    """A parcel cannot be shipped."""


scans = Topic("SCAN", Scan, key=lambda message: message.line)
calls: list[str] = []


@pytest.fixture(autouse=True)
def none_called() -> None:
    calls.clear()


@task
def pack(line: str) -> str:
    calls.append(line)
    if line.startswith("broken"):
        raise Damaged(line)
    return line


@listener(scans)
def scanned(line: str, message: Scan) -> Shipped:
    return Shipped(line)


@task
def first(parcel: Parcel) -> str:
    return parcel.lines[0]


@task
def fine(line: str) -> Shipped:
    return Shipped(f"{line} by hand")


def line_of(line: str) -> str:
    return line


def id_of(parcel: Parcel) -> str:
    return parcel.id


def lines(parcel: Parcel) -> list[str]:
    return parcel.lines


def in_words(failure: Failure[str]) -> Shipped:
    return Shipped(f"{failure.path}: {failure.error}")


def never(failure: Failure[str]) -> Shipped:
    raise AssertionError(failure)


shipment = template("Shipment", pack >> scanned, key=line_of)
single = template("Single", first >> shipment, key=id_of)
several = template("Several", process("P", for_each(lines, shipment)), key=id_of)


async def test_it_completes_and_gives_its_result(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(single, Parcel("p-1", ["a"]))
    child = await dagger_engine.get_instance("p-1/Shipment")
    assert (child.template, child.version, child.key, child.input) == ("Shipment", 1, "a", "a")
    assert child.status is Status.EXECUTING
    assert run.step("Shipment").status is Status.EXECUTING
    await dagger_engine.deliver(scans, Scan("a"))
    assert run.status is Status.COMPLETED
    assert run.result == Shipped("a")
    assert run.step("Shipment").status is Status.COMPLETED
    assert (await dagger_engine.get_instance("p-1/Shipment")).result == Shipped("a")
    assert calls == ["a"]


@pytest.mark.parametrize(
    ("id", "child"),
    [
        ("p-1", "p-1/P/lines[1]/Shipment"),
        ("50%/[x]#1", "50%25%2F%5Bx%5D%231/P/lines[1]/Shipment"),
    ],
)
async def test_its_id_names_the_step_and_the_item(dagger_engine: TestEngine, id: str, child: str) -> None:
    await dagger_engine.start(several, Parcel(id, ["a", "b"]))
    assert (await dagger_engine.get_instance(child)).input == "b"


async def test_the_id_of_the_root_is_quoted_once(dagger_engine: TestEngine) -> None:
    inner = template("Inner", process("P", several), key=id_of)
    outer = template("Outer", for_each(_alone, inner), key=id_of)
    await dagger_engine.start(outer, Parcel("a/b", ["x", "y"]))
    child = "a%2Fb/_alone[1]/Inner"
    assert (await dagger_engine.get_instance(child)).status is Status.EXECUTING
    assert (await dagger_engine.get_instance(f"{child}/P/Several")).status is Status.EXECUTING
    assert (await dagger_engine.get_instance(f"{child}/P/Several/P/lines[0]/Shipment")).input == "y"


def _alone(parcel: Parcel) -> list[Parcel]:
    return [Parcel(line, [line]) for line in parcel.lines]


async def test_nested_for_each_name_each_item(dagger_engine: TestEngine) -> None:
    body = for_each(_alone, process("Q", for_each(lines, shipment)))
    await dagger_engine.start(template("Nested", process("P", body), key=id_of), Parcel("n", ["x", "y"]))
    assert (await dagger_engine.get_instance("n/P/_alone[1]/Q/lines[0]/Shipment")).input == "y"


async def test_it_fails_and_its_error_says_where(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(single, Parcel("p-1", ["broken"]))
    assert run.status is Status.FAILURE
    assert str(run.error) == "Shipment/pack: Damaged: broken"
    assert run.step("Shipment").status is Status.FAILURE
    assert str((await dagger_engine.get_instance("p-1/Shipment")).error) == "pack: Damaged: broken"


async def test_the_kinds_of_its_error_are_seen(dagger_engine: TestEngine) -> None:
    body = first >> shipment.recover(never, on=KeyError).recover(in_words, on=Damaged)
    run = await dagger_engine.start(template("Recovered", body, key=id_of), Parcel("p-1", ["broken"]))
    assert run.result == Shipped("Shipment/pack: Damaged: broken")


async def test_each_try_is_a_new_run_of_the_same_child(dagger_engine: TestEngine) -> None:
    body = first >> shipment.retry(Retry(attempts=3, first=timedelta(0), on=Damaged))
    run = await dagger_engine.start(template("Tried", body, key=id_of), Parcel("p-1", ["broken"]))
    assert run.status is Status.FAILURE
    assert calls == ["broken"] * 3
    assert run.step("Shipment").attempts == 3
    assert len(await dagger_engine.instances(template="Shipment")) == 1


async def test_a_run_begins_once_the_one_before_has_ended(dagger_engine: TestEngine) -> None:
    slow = template("Slow", process("S", sleep(timedelta(hours=1))), key=id_of, takes=Parcel)
    bound = slow.timeout(timedelta(minutes=1)).retry(Retry(attempts=2, first=timedelta(0)))
    run = await dagger_engine.start(template("Bound", bound, key=id_of), Parcel("p-1", ["a"]))
    began = (await dagger_engine.get_instance("p-1/Slow")).created
    await dagger_engine.advance(timedelta(minutes=1))
    again = await dagger_engine.get_instance("p-1/Slow")
    assert again.status is Status.EXECUTING
    assert again.created == began + timedelta(minutes=1)
    await dagger_engine.advance(timedelta(minutes=1))
    assert run.status is Status.FAILURE
    assert str(run.error) == "Slow: TimeoutError: took longer than 1 minute"
    assert (await dagger_engine.get_instance("p-1/Slow")).status is Status.STOPPED


async def test_an_operator_stops_it(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(single, Parcel("p-1", ["a"]))
    await dagger_engine.stop("p-1/Shipment")
    assert run.status is Status.FAILURE
    assert str(run.error) == "Shipment: ChildStopped: its instance 'p-1/Shipment' was stopped"


async def test_a_stop_goes_down(dagger_engine: TestEngine) -> None:
    outer = template("Outer", process("P", several), key=id_of)
    run = await dagger_engine.start(outer, Parcel("p-1", ["a", "b"]))
    await dagger_engine.stop(run)
    assert run.status is Status.STOPPED
    assert run.error is None
    assert {one.status for one in await dagger_engine.instances()} == {Status.STOPPED}
    assert run.step("P/Several").status is Status.STOPPED


async def test_it_is_stopped_when_its_step_is_given_up(dagger_engine: TestEngine) -> None:
    body = first >> any_of(shipment, process("Q", fine))
    run = await dagger_engine.start(template("Either", body, key=id_of), Parcel("p-1", ["a"]))
    assert run.status is Status.COMPLETED
    assert run.result == Shipped("a by hand")
    assert run.step("Shipment").status is Status.STOPPED
    assert (await dagger_engine.get_instance("p-1/Shipment")).status is Status.STOPPED


@pytest.mark.unexplored("a race: the first of two failures is the error")
async def test_a_failure_beside_it_stops_it(dagger_engine: TestEngine) -> None:
    body = first >> all_of(shipment, process("Q", pack))
    run = await dagger_engine.start(template("Both", body, key=id_of), Parcel("p-1", ["broken"]))
    assert run.status is Status.FAILURE
    assert {one.status for one in await dagger_engine.instances(template="Shipment")} <= {
        Status.FAILURE,
        Status.STOPPED,
    }


async def test_an_id_of_another_instance_fails_the_step_with_both_names(dagger_engine: TestEngine) -> None:
    other = template("Other", process("O", sleep(timedelta(hours=1))), key=line_of, takes=str)
    await dagger_engine.start(other, "z", id="p-1/Shipment")
    run = await dagger_engine.start(single, Parcel("p-1", ["a"]))
    assert run.status is Status.FAILURE
    assert str(run.error) == (
        "Shipment: InstanceConflict: the id 'p-1/Shipment' is that of another instance of template 'Other' version 1; "
        "this step starts one of template 'Shipment' version 1"
    )
    await dagger_engine.advance(timedelta(hours=2))
    again = await dagger_engine.start(single, Parcel("p-1b", ["a"]))
    assert again.status is Status.EXECUTING
    assert (await dagger_engine.get_instance("p-1/Shipment")).status is Status.COMPLETED


async def test_an_ended_instance_of_its_id_fails_the_step_too(dagger_engine: TestEngine) -> None:
    await dagger_engine.start(shipment, "broken", id="p-1/Shipment")
    run = await dagger_engine.start(single, Parcel("p-1", ["a"]))
    assert "of template 'Shipment' version 1, which has ended; this step starts" in str(run.error)


async def test_registering_the_parent_registers_the_child(dagger_engine: TestEngine) -> None:
    dagger_engine.register(template("Outer", process("P", several), key=id_of))
    dagger_engine.get_template("Several")
    run = await dagger_engine.start(shipment, "a")
    assert run.status is Status.EXECUTING


def test_a_child_that_is_registered_otherwise_is_refused_and_nothing_is_registered() -> None:
    engine = Dagger()
    engine.register(template("Shipment", pack >> fine, key=line_of))
    with pytest.raises(TemplateConflict, match="template 'Shipment' version 1 is registered with another workflow"):
        engine.register(template("Outer", process("P", several), key=id_of))
    with pytest.raises(UnknownTemplate, match=r"\(registered: Shipment\)"):
        engine.get_template("Several")


def test_two_children_of_one_name_are_refused() -> None:
    engine = Dagger()
    other = template("Shipment", pack >> fine, key=line_of)
    with pytest.raises(TemplateConflict, match="template 'Shipment' version 1 is registered with another workflow"):
        engine.register(template("Outer", first >> all_of(process("A", shipment), process("B", other)), key=id_of))
    with pytest.raises(UnknownTemplate, match=r"\(registered: none\)"):
        engine.get_template("Shipment")


# Parent and child find each other.


async def test_they_find_each_other(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(single, Parcel("p-1", ["a"]))
    parent, child = await dagger_engine.get_instance(run), await dagger_engine.get_instance("p-1/Shipment")
    assert parent.parent is None
    assert parent.children == ("p-1/Shipment",)
    assert child.parent == "p-1"
    assert child.children == ()
    assert "child of p-1" in child.tree()
    await dagger_engine.deliver(scans, Scan("a"))
    assert (await dagger_engine.get_instance(run)).children == ("p-1/Shipment",)


async def test_children_that_execute_in_items_are_known(dagger_engine: TestEngine) -> None:
    run = await dagger_engine.start(several, Parcel("p-1", ["a", "b"]))
    ids = ("p-1/P/lines[0]/Shipment", "p-1/P/lines[1]/Shipment")
    assert (await dagger_engine.get_instance(run)).children == ids
    await dagger_engine.deliver(scans, Scan("a"))
    assert (await dagger_engine.get_instance(run)).children == ids[1:]
    assert tuple(one.id for one in await dagger_engine.instances(parent=run)) == ids
    assert tuple(one.id for one in await dagger_engine.instances(parent="p-1", status=Status.EXECUTING)) == ids[1:]


async def test_instances_are_found_and_counted_by_parent(dagger_engine: TestEngine) -> None:
    await dagger_engine.start(several, Parcel("p-1", ["a", "b"]))
    await dagger_engine.start(several, Parcel("p-2", ["c"]))
    await dagger_engine.start(shipment, "d")
    assert [one.id for one in await dagger_engine.instances(parent=None)] == ["d", "p-1", "p-2"]
    assert await dagger_engine.count(parent=None) == 3
    assert await dagger_engine.count(parent="p-1") == 2
    assert await dagger_engine.count(parent="p-1", template="Several") == 0
    assert await dagger_engine.count() == 6
    wrong: Any = 7
    with pytest.raises(RequestError, match="an instance id is text that is not empty, or a UUID; got 7"):
        await dagger_engine.instances(parent=wrong)


def is_done(line: str) -> bool:
    return line.endswith("...")


@task
def longer(line: str) -> str:
    return f"{line}."


async def test_each_round_of_a_loop_has_a_child_of_its_own(dagger_engine: TestEngine) -> None:
    grow = template("Grow", longer, key=line_of)
    run = await dagger_engine.start(template("Rounds", repeat(grow, until=is_done), key=line_of), "a")
    assert run.result == "a..."
    assert [one.id for one in await dagger_engine.instances(parent="a")] == ["a/Grow#1", "a/Grow#2", "a/Grow#3"]
    assert (await dagger_engine.get_instance("a")).children == ()


async def test_rounds_follow_the_path_with_its_items(dagger_engine: TestEngine) -> None:
    grow = template("Grow", longer, key=line_of)
    body = for_each(lines, process("Q", repeat(grow, until=is_done)))
    await dagger_engine.start(template("Rounds", body, key=id_of), Parcel("p-1", ["a", "b.."]))
    assert [one.id for one in await dagger_engine.instances(parent="p-1")] == [
        "p-1/lines[0]/Q/Grow#1",
        "p-1/lines[0]/Q/Grow#2",
        "p-1/lines[0]/Q/Grow#3",
        "p-1/lines[1]/Q/Grow#1",
    ]


async def test_a_hook_runs_after_the_end_of_the_child(dagger_engine: TestEngine) -> None:
    held = template("Held", shipment.on_stop(packed_back), key=line_of)
    run = await dagger_engine.start(template("Outer", held.on_stop(packed_up), key=line_of), "a")
    await dagger_engine.stop(run)
    assert run.status is Status.STOPPED
    assert calls == ["a", "back a", "up a"]


@task
def packed_back(line: str) -> None:
    calls.append(f"back {line}")


@task
def packed_up(line: str) -> None:
    calls.append(f"up {line}")


# Many children of one parent.

quick = template("Quick", pack, key=line_of)
many = template("Many", for_each(lines, quick), key=id_of)


def parent_of(count: int) -> Callable[[], None]:
    """Runs a parent with so many children to its end."""

    async def run_to_the_end() -> None:
        engine = TestEngine()
        run = await engine.start(many, Parcel("p-1", [f"l-{number}" for number in range(count)]))
        assert run.result == [f"l-{number}" for number in range(count)]
        assert await engine.count(parent=run, status=Status.COMPLETED) == count
        assert len(calls) == count
        calls.clear()

    return lambda: anyio.run(run_to_the_end)


def test_each_of_a_thousand_children_costs_what_one_of_a_hundred_does() -> None:
    few, thousand = (operations(parent_of(count)) / count for count in (100, 1_000))
    assert few > 100
    assert thousand < few * 1.5
