"""The core against a state machine of the same workflow written by hand: the same events in, the same messages out."""

from __future__ import annotations

from typing import Any

from benchmarks.by_hand import Machine
from benchmarks.measure import at_least, compare, timed
from benchmarks.workflow import Order, Paid, Sent, Shipped, orders, payments, shipments
from dagger.core import State, begin, step
from dagger.core.effects import Publish
from dagger.core.envelope import Envelope
from dagger.core.events import MessageReceived, Submitted
from dagger.plan import compile

WORKFLOWS = 2000
MACHINE = Machine()
PLAN = compile(orders)
RAW = PLAN.takes.round_trip(Order("o-1", 10))[0]
SUBMITTED = Submitted("OrderWorkflow", 1, "o-1", "o-1", RAW)
PAYMENT = Envelope("PAYMENT_LISTENER", "o-1", payments.wire.encode(Paid("o-1", "r")), "m-1")
SHIPMENT = Envelope("SHIPPING_LISTENER", "o-1", shipments.wire.encode(Sent("o-1", "p")), "m-2")
PAID, SENT = MessageReceived(PAYMENT), MessageReceived(SHIPMENT)


def core() -> tuple[State, list[Any]]:
    """One workflow through the core."""
    state, first = begin(PLAN, SUBMITTED, 1_000)
    state, second = step(PLAN, state, PAID, 2_000)
    state, third = step(PLAN, state, SENT, 3_000)
    return state, [*first, *second, *third]


def by_hand() -> tuple[dict[str, Any], list[Any]]:
    """One workflow through the machine written by hand."""
    machine = MACHINE
    machine.orders.clear()
    first = machine.submitted("o-1", RAW, 1_000)
    second = machine.received(PAYMENT.channel, PAYMENT.key, PAYMENT.payload, 2_000, PAYMENT.id)
    third = machine.received(SHIPMENT.channel, SHIPMENT.key, SHIPMENT.payload, 3_000, SHIPMENT.id)
    return machine.orders["o-1"], [*first, *second, *third]


def test_core_steps(benchmark: Any) -> None:
    state, effects = core()
    known, messages = by_hand()
    assert state.result is not None
    assert PLAN.gives.revive(state.result) == known["value"]
    assert isinstance(known["value"], Shipped)
    assert [(e.topic, e.key, e.payload, e.id) for e in effects if isinstance(e, Publish)] == messages

    def ours() -> float:
        return timed(lambda: [core() for _ in range(WORKFLOWS)], WORKFLOWS * 3)

    def theirs() -> float:
        return timed(lambda: [by_hand() for _ in range(WORKFLOWS)], WORKFLOWS * 3)

    compare(benchmark, "core: a step, against dict and ifs", ours, theirs, at_least(0.40), rounds=25, speed=True)
