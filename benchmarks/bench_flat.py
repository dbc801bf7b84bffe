"""What an event costs must not depend on how many instances wait, nor on how many steps a template has."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.measure import at_most, compare, timed
from benchmarks.workflow import Charge, Order, Paid, charges, key, payments
from dagger import Again, Dagger, Status, Step, Template, command, listener, template
from dagger.core import State, begin, step
from dagger.core.envelope import Envelope
from dagger.core.events import MessageReceived, Submitted
from dagger.plan import Plan, compile
from dagger.testing import TestEngine

EVENTS = 100
NOW = 1_893_456_000_000_000
"""The first instant of 2030, in microseconds."""


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
    await engine.run_until_idle()
    return engine


async def deliver(engine: TestEngine) -> None:
    """One message for each of the first instances, applied one by one."""
    for number in range(EVENTS):
        await engine.deliver(payments, Paid(f"o-{number}", "r"))


def test_instances_waiting(benchmark: Any) -> None:
    loop = asyncio.new_event_loop()
    few, many = (loop.run_until_complete(waiting(count)) for count in (EVENTS, 100_000))
    page = loop.run_until_complete(many.instances(status=Status.EXECUTING, limit=100_001))
    assert len(page) == 100_000

    def cost(engine: TestEngine) -> float:
        return timed(lambda: loop.run_until_complete(deliver(engine)), EVENTS)

    name = "engine: an event among 100,000 waiting, to 100"
    compare(benchmark, name, lambda: cost(many), lambda: cost(few), at_most(1.10), rounds=25, speed=False)
    loop.close()


def pair(number: int) -> Step[Order, Order]:
    tell: Step[Order, Order] = command(charges)(nothing).named(f"tell-{number}")
    hear: Step[Order, Order] = listener(payments)(keep).named(f"hear-{number}")
    return tell >> hear


def steps_of(count: int) -> Template[Order, Order]:
    """A template of so many steps: a command and a listener, again and again."""
    body: Step[Order, Order] = pair(0)
    for number in range(1, count // 2):
        body = body >> pair(number)
    return template(f"Steps{count}", body, key=key)


Stretch = tuple[Plan, list[State], MessageReceived]


def stretch_of(steps: int, first: int, count: int) -> Stretch:
    """An instance before each of so many messages in a row, from the first on; and the message."""
    plan = compile(steps_of(steps))
    raw = plan.takes.round_trip(Order("o-1", 1))[0]
    state, _ = begin(plan, Submitted(plan.template, 1, "o-1", "o-1", raw), NOW)
    event = MessageReceived(Envelope("PAYMENT_LISTENER", "o-1", payments.wire.encode(Paid("o-1", "r"))))
    found = list[State]()
    for number in range(first + count):
        if number >= first:
            found.append(state)
        state, _ = step(plan, state, event, NOW + 1_000)
    return plan, found, event


def test_steps_in_the_template(benchmark: Any) -> None:
    """The core's cost of a message: of 64 in the middle of 1,000 steps, and of the four in the middle of ten."""
    short, long = stretch_of(10, 0, 4), stretch_of(1000, 240, 64)
    for plan, states, event in (short, long):
        for state in states:
            after, _ = step(plan, state, event, NOW + 2_000)
            assert (len(after.frames), after.status) == (1, state.status)

    def cost(stretch: Stretch) -> float:
        plan, states, event = stretch
        rounds = 3_200 // len(states)

        def run() -> None:
            for _ in range(rounds):
                for state in states:
                    step(plan, state, event, NOW + 2_000)

        return timed(run, rounds * len(states))

    name = "core: an event amid 1,000 steps, to 10"
    compare(benchmark, name, lambda: cost(long), lambda: cost(short), at_most(1.10), rounds=25, speed=False)


class Crowd:
    """An engine with instances that are all as far in a template."""

    def __init__(self, steps: int) -> None:
        self.engine = TestEngine()
        self.template = self.engine.register(steps_of(steps))
        self.ids = list[str]()
        self.sets = 0

    async def new(self, done: int) -> None:
        """New instances, after so many messages each."""
        self.sets += 1
        self.ids = [f"o-{self.sets}-{number}" for number in range(EVENTS)]
        await self.engine.start_all(self.template, [Order(id, 1) for id in self.ids])
        for _ in range(done):
            await self.engine.publish_all(payments, [Paid(id, "r") for id in self.ids])

    async def deliver(self) -> None:
        """One message for each, one by one."""
        for id in self.ids:
            await self.engine.deliver(payments, Paid(id, "r"))


def test_steps_in_the_template_of_an_engine(benchmark: Any) -> None:
    """The same through the engine, which writes the instance after each message."""
    loop = asyncio.new_event_loop()
    short, long = Crowd(10), Crowd(1000)
    loop.run_until_complete(long.new(240))

    def ours() -> float:
        for _ in range(3):  # as much as `theirs` has: it is not the first work after a collection of garbage
            loop.run_until_complete(long.deliver())
        return timed(lambda: loop.run_until_complete(long.deliver()), EVENTS)

    def theirs() -> float:
        loop.run_until_complete(short.new(1))
        loop.run_until_complete(short.deliver())
        return timed(lambda: loop.run_until_complete(short.deliver()), EVENTS)

    compare(benchmark, "engine: an event amid 1,000 steps, to 10", ours, theirs, at_most(1.10), rounds=25, speed=False)
    run = loop.run_until_complete(long.engine.get_instance(long.ids[0]))
    assert (run.status, len(run.waiting_for)) == (Status.EXECUTING, 1)
    loop.close()
