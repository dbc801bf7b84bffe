"""What an event costs must not depend on how many instances wait, nor on how many steps a template has."""

from __future__ import annotations

import asyncio
from typing import Any

from benchmarks.measure import at_most, compare, timed
from benchmarks.workflow import Charge, Order, Paid, charges, key, payments
from dagger import Again, Dagger, Status, Step, command, listener, template
from dagger.core import State, begin, step
from dagger.core.events import MessageReceived, Submitted
from dagger.plan import compile
from dagger.testing import TestEngine

EVENTS = 100


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


def middle_of(steps: int) -> tuple[Any, State, MessageReceived]:
    """An instance in the middle of a template of so many steps, and the message that it waits for."""
    body: Step[Order, Order] = pair(0)
    for number in range(1, steps // 2):
        body = body >> pair(number)
    plan = compile(template(f"Steps{steps}", body, key=key))
    raw = plan.takes.settle(Order("o-1", 1))[0]
    state, _ = begin(plan, Submitted(plan.template, 1, "o-1", "o-1", raw), 1_000)
    event = MessageReceived("PAYMENT_LISTENER", "o-1", payments.wire.encode(Paid("o-1", "r")))
    for _ in range(steps // 4):
        state, _ = step(plan, state, event, 2_000)
    return plan, state, event


def test_steps_in_the_template(benchmark: Any) -> None:
    """The core's cost of one message, in the middle of a template of 10 and of 1,000 steps."""
    short, long = middle_of(10), middle_of(1000)
    after, _ = step(*long, 3_000)
    assert len(after.frames) == 1
    assert after.status == long[1].status

    def cost(case: tuple[Any, State, MessageReceived]) -> float:
        return timed(lambda: [step(*case, 3_000) for _ in range(3000)], 3000)

    name = "core: an event amid 1,000 steps, to 10"
    compare(benchmark, name, lambda: cost(long), lambda: cost(short), at_most(1.10), rounds=25, speed=False)
