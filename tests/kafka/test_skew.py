"""Clocks that jump or run fast: no timer fires where the clock is known to be ahead, and no instance goes back in time.

Without `is_early` the timer fires at once; without the clamp in `Transition.of` times go back as the clock does.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dagger import Dagger, Status, command, signal, sleep, template
from dagger.backends.kafka.clock import ASK_S, BrokerClock
from dagger.backends.kafka.log import KafkaLog
from dagger.backends.memory import MemoryBackend
from dagger.core.dispatch import receive
from dagger.core.entity import EMPTY
from dagger.core.events import Event, SignalReceived, Submitted, TimerDue
from dagger.core.transition import Transition
from dagger.engine.worker.loop import EARLY_S
from dagger.engine.worker.wall_timer import WallClockTimer
from dagger.plan.compile import compile
from dagger.plan.plan import Limits
from dagger.testing.clock import VirtualClock
from dagger.testing.contract import shop
from dagger.testing.contract.driver import Driver
from dagger.testing.contract.harness import in_loop
from tests.kafka.stage import OnKafka, fails

HOUR = timedelta(hours=1)


@command(shop.SHIPMENTS)
def ship(order: shop.Order) -> shop.Shipped:
    return shop.Shipped(order.id, 1)


patient = template("Patient", sleep(HOUR) >> ship, key=shop.by_id)


async def waits_for_the_right_time(storage: OnKafka) -> None:
    backend = storage.backend()
    seen = backend.log._cluster.clock
    seen.now = lambda: time.time() + 60
    async with Driver(backend, VirtualClock()).working() as engine:
        run = await engine.start(patient, shop.Order("o-1"))
        await engine.run_until_idle()
        engine.advance(2 * HOUR)
        while not seen.is_known:
            await engine.step()
            await engine.rest()
        for _ in range(5):  # it does not settle: the timer is due, and held back
            await engine.step()
            await engine.rest()
        assert (await engine.get_instance(run)).status is Status.EXECUTING
        assert backend.log.is_early
        seen.now = time.time
        while backend.log.is_early:
            await engine.step()
            await engine.rest()
        await engine.run_until_idle()
        assert (await engine.get_instance(run)).status is Status.COMPLETED


@pytest.mark.slow
@pytest.mark.kafka
class TestAhead:
    @in_loop
    async def test_no_timer_fires_until_the_clock_is_right(self, storage: OnKafka) -> None:
        await waits_for_the_right_time(storage)

    @in_loop
    async def test_would_fire_too_early(self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(KafkaLog, "is_early", False)
        await fails(waits_for_the_right_time(storage), "is <Status.EXECUTING")


def test_a_clock_that_is_wrong_is_compared_again_soon() -> None:
    now = [1_000.0]
    clock = BrokerClock(5.0, lambda: now[0])
    assert clock.ask()
    clock.saw(1_000.0, 970_000)
    assert clock.is_wrong
    now[0] -= 30.0
    assert clock.ask(), "it was set right, which nobody knows yet"
    clock.saw(970.0, 970_000)
    now[0] += ASK_S
    assert not clock.ask()


def test_a_worker_that_is_early_does_not_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a timer that is due and may not fire, it rests for a while each time."""
    rests = list[float]()
    after = WallClockTimer._after

    def noted(self: WallClockTimer, seconds: float) -> None:
        rests.append(seconds)
        after(self, 0)  # the test does not wait

    async def run() -> None:
        backend = MemoryBackend()
        clock = VirtualClock()
        async with Dagger(backend=backend, clock=clock) as engine:
            order = await engine.start(patient, shop.Order("o-1"))
            while engine._worker.next_due is None:
                await anyio.lowlevel.checkpoint()
            backend.log.is_early = True
            clock.move_to(engine._worker.next_due)
            monkeypatch.setattr(WallClockTimer, "_after", noted)
            backend.log.nudge()
            while len(rests) < 10:
                await anyio.lowlevel.checkpoint()
            assert not order.status.is_end
            assert all(rest >= EARLY_S for rest in rests[1:])
            backend.log.is_early = False
            while not order.status.is_end:
                await anyio.lowlevel.checkpoint()
            monkeypatch.undo()

    anyio.run(run)


tick = template(
    "Tick", sleep(timedelta(seconds=1)) >> signal("go", shop.Order) >> sleep(timedelta(seconds=2)), key=shop.by_id
)
EVENTS: tuple[Event, ...] = (TimerDue(), SignalReceived("go", b'{"id":"o-1"}'))


def times_of(events: list[tuple[int, int]]) -> list[int]:
    """What time it is in an instance after each event, at the times that a clock shows."""
    plan = compile(tick)
    find: Callable[[str, int], Any] = lambda *_: plan  # noqa: E731  # short
    raw = plan.takes.round_trip(shop.Order("o-1"))[0]
    entity = EMPTY
    found = list[int]()
    for number, now in [(2, 1_000_000), *events]:
        event = EVENTS[number] if number < 2 else Submitted("Tick", plan.version, "o-1", "o-1", raw)
        entity, _ = receive(find, Limits(), entity, event, now)
        assert entity.state is not None
        found.append(entity.state.now)
        began = [row[2] for row in entity.state.rows]
        assert began == sorted(began)
        assert all(row[3] == 0 or row[3] >= row[2] for row in entity.state.rows)
    return found


sequences = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 10_000_000)), max_size=20)


@given(sequences)
def test_now_never_goes_back_in_an_instance(events: list[tuple[int, int]]) -> None:
    times = times_of(events)
    assert times == sorted(times)


def test_now_would_go_back_with_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    of = Transition.of

    def at(plan: Any, state: Any, now: int) -> Transition:
        turn = of(plan, state, now)
        turn.now = now
        return turn

    monkeypatch.setattr(Transition, "of", staticmethod(at))
    with pytest.raises(AssertionError):
        test_now_never_goes_back_in_an_instance()
