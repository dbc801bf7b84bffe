"""What an event costs must not depend on how many instances wait, nor on how many steps a template has."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.measure import at_most, compare, timed
from benchmarks.workflow import Charge, Order, Paid, charges, key, payments
from dagger import Again, Dagger, Status, Step, Template, command, listener, template
from dagger.core import State, begin, step
from dagger.core.events import MessageReceived, Submitted
from dagger.core.table import row_of
from dagger.plan import Plan, compile
from dagger.testing import TestEngine

EVENTS = 100
PAID = MessageReceived("PAYMENT_LISTENER", "o-1", payments.wire.encode(Paid("o-1", "r")))


def keep(order: Order, message: Paid) -> Order:
    return order


def nothing(order: Order) -> list[Charge]:
    return []


def once_more(order: Order, message: Paid) -> Order | Again[Order]:
    return Again(order)


async def waiting(count: int) -> TestEngine:
    """An engine in which so many instances wait for a message, and go on waiting when it comes."""
    engine = TestEngine()
    engine.register(template("Waits", listener(payments)(once_more), key=key))
    for number in range(count):
        prepared = await engine.get_template("Waits").create_instance(None, Order(f"o-{number}", 1))
        await Dagger.submit(engine, prepared)  # without running to idle after each
    await engine.settle()
    return engine


async def deliver(engine: TestEngine) -> None:
    """One message for each of the first instances, applied one by one."""
    for number in range(EVENTS):
        await engine.deliver(payments, Paid(f"o-{number}", "r"))


def test_instances_waiting(benchmark: Any) -> None:
    with asyncio.Runner() as runner:
        few, many = (runner.run(waiting(count)) for count in (EVENTS, 100_000))
        page = runner.run(many.instances(status=Status.EXECUTING, limit=100_001))
        assert len(page) == 100_000
        del page

        def cost(engine: TestEngine) -> float:
            return timed(lambda: runner.run(deliver(engine)), EVENTS)

        name = "engine: an event among 100,000 waiting, to 100"
        compare(benchmark, name, lambda: cost(many), lambda: cost(few), at_most(1.10), rounds=25, speed=False)


def pair(number: int) -> Step[Order, Order]:
    tell: Step[Order, Order] = command(charges)(nothing).named(f"tell-{number}")
    hear: Step[Order, Order] = listener(payments)(keep).named(f"hear-{number}")
    return tell >> hear


def long_template(steps: int) -> Template[Order, Order]:
    """So many steps, of which every second waits for a message."""
    body = pair(0)
    for number in range(1, steps // 2):
        body = body >> pair(number)
    return template(f"Steps{steps}", body, key=key)


def amid(steps: int, first: int, count: int) -> list[tuple[Plan, State]]:
    """An instance at so many places, one after the other, each waiting for its next message."""
    plan = compile(long_template(steps))
    raw = plan.takes.settle(Order("o-1", 1))[0]
    state, _ = begin(plan, Submitted(plan.template, 1, "o-1", "o-1", raw), 1_000)
    places = list[tuple[Plan, State]]()
    for number in range(first + count):
        if number >= first:
            places.append((plan, state))
        state, _ = step(plan, state, PAID, 2_000)
    return places


def ended(plan: Plan, state: State) -> int:
    """How many steps have ended."""
    return sum(row_of(state.chunks, state.rows, slot)[3] > 0 for slot in range(len(plan.paths)))


def test_core_amid_many_steps(benchmark: Any) -> None:
    """The core's cost of a message, at 4 places amid 10 steps, and at 8 amid 1,000."""
    few, many = amid(10, 0, 4), amid(1000, 250, 8)
    for plan, state in few + many:
        after, effects = step(plan, state, PAID, 3_000)
        assert (len(after.frames), after.status, effects) == (1, state.status, ())
        assert ended(plan, after) == ended(plan, state) + 2

    def take(places: list[tuple[Plan, State]]) -> None:
        """Each result is dropped at once: what is measured is an event, and not memory for thousands of states."""
        for _ in range(3200 // len(places)):
            for plan, state in places:
                step(plan, state, PAID, 3_000)

    def cost(places: list[tuple[Plan, State]]) -> float:
        return timed(lambda: take(places), 3200)

    name = "core: an event amid 1,000 steps, to 10"
    compare(benchmark, name, lambda: cost(many), lambda: cost(few), at_most(1.10), rounds=25, speed=False)


INSTANCES = 50


class Walk:
    """Instances of one template in an engine, which are taken on together, message by message."""

    def __init__(self, steps: int) -> None:
        self.engine = TestEngine()
        self.workflow = self.engine.register(long_template(steps))
        self.keys = list[str]()
        self.begun = 0
        self.heard = 0
        """How many messages each of them has taken."""

    async def begin(self, messages: int) -> None:
        """New instances, each taken on by so many messages."""
        self.keys = [f"o-{self.begun + number}" for number in range(INSTANCES)]
        self.begun += INSTANCES
        self.heard = 0
        for id in self.keys:
            await self.engine.start(self.workflow, Order(id, 1))
        await self.go(messages)

    async def go(self, messages: int) -> None:
        for _ in range(messages):
            for id in self.keys:
                await self.engine.deliver(payments, Paid(id, "r"))
        self.heard += messages

    async def waits_at(self) -> set[str]:
        """The steps at which its instances wait."""
        found = [await self.engine.get_instance(id) for id in self.keys]
        return {step.path for one in found for step in one.steps if step.status is Status.EXECUTING}


def test_engine_amid_many_steps(benchmark: Any) -> None:
    """The engine's cost of a message: the second and third of 5, and two after the other amid 500.

    On both sides the message before is taken just before, and not counted: so that both find their instances alike.
    """
    with asyncio.Runner() as runner:
        few, many = Walk(10), Walk(1000)
        runner.run(many.begin(225))

        def cost(walk: Walk) -> float:
            runner.run(walk.go(1))
            return timed(lambda: runner.run(walk.go(2)), 2 * INSTANCES)

        def of_few() -> float:
            runner.run(few.begin(0))
            return cost(few)

        name = "engine: an event amid 1,000 steps, to 10"
        compare(benchmark, name, lambda: cost(many), of_few, at_most(1.10), rounds=25, speed=False)
        for walk in few, many:
            assert runner.run(walk.waits_at()) == {f"hear-{walk.heard}"}
