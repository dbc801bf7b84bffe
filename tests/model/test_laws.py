"""The laws of the language and of the machine, on random templates and random schedules."""

from __future__ import annotations

from functools import reduce
from typing import Any

import msgspec
from hypothesis import assume, given, note
from hypothesis import strategies as st
from typing_extensions import override

from dagger import Status, Template, all_of, any_of, command, template
from dagger.core import step
from dagger.core.dispatch import receive
from dagger.core.effects import Effect, Ignored, Parked, Unmatched
from dagger.core.entity import EMPTY, Entity
from dagger.core.envelope import Envelope
from dagger.core.events import (
    Event,
    InstanceEvent,
    MessageForwarded,
    MessageReceived,
    MessageReturned,
    PlanRegistered,
    SignalReceived,
    StopRequested,
    Submitted,
    Subscribed,
    TaskFailed,
    TaskSucceeded,
    TimerDue,
    Unsubscribed,
)
from dagger.core.state import Ending
from dagger.dsl import nodes
from dagger.engine.records import decode_stored
from dagger.plan import Plan, compile
from tests.model import MARKS
from tests.model.drivers import Core, stored
from tests.model.schedule import Case
from tests.model.strategies import AnyStep, Draw, Gardener, cases, templates
from tests.model.trees import changes, portrait, rebuilt, slower, told
from tests.model.words import IN_A, IN_B, KEYS, LOOP, OUT, BusinessKey, Note

AnyTemplate = Template[Any, Any]

pytestmark = MARKS

# Composition.


@st.composite
def three_steps(draw: Draw) -> tuple[AnyStep, AnyStep, AnyStep]:
    """Steps that may stand in one template."""
    gardener = Gardener(draw)
    return gardener.step(1), gardener.step(1), gardener.step(1)


@given(three_steps())
def test_one_after_the_other_is_associative(steps: tuple[AnyStep, AnyStep, AnyStep]) -> None:
    a, b, c = steps
    assert_the_same((a >> b) >> c, a >> (b >> c))


@given(three_steps())
def test_the_operators_of_groups_are_their_words(steps: tuple[AnyStep, AnyStep, AnyStep]) -> None:
    a, b, c = steps
    assume(not isinstance(a.node, nodes.Group) or a.node.name is not None)
    assert_the_same(a & b & c, all_of(a, b, c))
    assert_the_same(a | b | c, any_of(a, b, c))


def assert_the_same(left: AnyStep, right: AnyStep) -> None:
    one, other = as_template(left), as_template(right)
    assert (one, hash(one)) == (other, hash(other))
    assert portrait(compiled(one)) == portrait(compiled(other))


def as_template(step: AnyStep) -> AnyTemplate:
    if isinstance(step, Template):
        return step
    return template("T", step, key=BusinessKey(), takes=int)


def compiled(template: AnyTemplate) -> Plan:
    """The plan of a template, compiled anew."""
    return compile.__wrapped__(template)


# Values.


@given(templates())
def test_what_is_built_alike_is_equal(one: AnyTemplate) -> None:
    other = Template[Any, Any](rebuilt(one.node))
    assert one.node is not other.node
    assert_the_same(one, other)
    assert str(one) == str(other)
    assert one.fingerprint() == other.fingerprint()


@given(templates(), st.data())
def test_another_shape_is_another_value_with_another_fingerprint(one: AnyTemplate, data: st.DataObject) -> None:
    what, node = data.draw(st.sampled_from(list(changes(one.node))))
    note(what)
    other = Template[Any, Any](node)
    assert one != other
    assert one.fingerprint() != other.fingerprint()


@given(templates(), st.data())
def test_a_fingerprint_does_not_tell_durations(one: AnyTemplate, data: st.DataObject) -> None:
    found = list(slower(one.node))
    assume(found)
    other = Template[Any, Any](data.draw(st.sampled_from(found)))
    assert one != other
    assert one.fingerprint() == other.fingerprint()


# The machine.


class Watched(Core):
    """Does what the core's driver does, and sees to it that every step keeps to the laws."""

    @override
    def apply(self, to: str, event: Event) -> None:
        lawful(self, self.entities.get(to, EMPTY), event)
        super().apply(to, event)


def lawful(core: Core, entity: Entity, event: Event) -> Entity:
    """Apply an event, once more, and to what was stored and loaded: the old state stays, and all give the same."""
    before = stored(entity)
    after, effects = outcome(core, entity, event)
    assert stored(entity) == before
    assert outcome(core, entity, event) == (after, effects)
    assert outcome(core, decode_stored(before).entity, event) == (after, effects)
    if entity.state is not None and not entity.state.is_live:
        assert after.state == entity.state
    return after


def outcome(core: Core, entity: Entity, event: Event, *, known: bool = True) -> tuple[Entity, tuple[Effect, ...]]:
    """What an event makes of an entity, as it is loaded again; where its template is known, or not."""
    after, effects = receive(core.find if known else nothing, core.plan.limits, entity, event, core.now)
    return decode_stored(stored(after)).entity, effects


def nothing(template: str, version: int) -> None:
    """Finds no plan."""


@given(cases())
def test_every_step_is_pure_deterministic_and_survives_being_stored(case: Case) -> None:
    note(told(case.template))
    core, cold = Watched(case), Core(case, cold=True)
    for action in case.actions:
        note(str(action))
        core.carry_out(action)
        cold.carry_out(action)
        assert_tidy(core)
    assert core.view == cold.view
    assert {key: stored(entity) for key, entity in core.entities.items()} == {
        key: stored(entity) for key, entity in cold.entities.items()
    }


def assert_tidy(core: Core) -> None:
    """What the head of the core's state.py promises; no id is published twice; what ended well has no error."""
    assert set(core.published.values()) <= {1}
    state = core.state
    if state is None:
        return
    assert all(frame.parent < number for number, frame in state.frames.items())
    assert {frame.parent for frame in state.frames.values()} <= {0, *state.frames}
    assert state.is_live or not (state.frames or state.held or core.tasks)
    view = core.view
    assert (state.result is not None) == (view.status is Status.COMPLETED)
    assert (state.error is not None) == (view.status is Status.FAILURE)
    assert all(view.steps[core.plan.paths[slot]].status is not Status.COMPLETED for slot in state.errors)


@st.composite
def strange_events(draw: Draw) -> Event:
    """Events that nobody has ordered: late, repeated, unreadable, meant for others."""
    channel = draw(st.sampled_from([IN_A.name, IN_B.name, LOOP.name, "signal:go", "nowhere", ""]))
    key = draw(st.sampled_from([*KEYS, ""]))
    notes = [OUT.wire.encode(Note(key, 3)) for key in KEYS]
    payload = draw(st.sampled_from([b"", b"null", b"\xc1", b"\x07", *notes]))
    id = draw(st.sampled_from(["", "in-a/m1", "in-a/m2"]))
    headers = draw(st.sampled_from([{}, {"traceparent": "00-1-2-01", "tracestate": ""}, {"tenant": "blue"}]))
    message = Envelope(channel, key, payload, id, headers)
    frame = draw(st.integers(0, 12))
    kinds: list[Event] = [
        Submitted("Another", 1, "k", "k", payload),
        MessageReceived(message),
        MessageForwarded(message, draw(st.integers(0, 2**61)), draw(st.booleans())),
        SignalReceived(channel.removeprefix("signal:"), payload, id),
        TaskSucceeded(frame, payload),
        TaskFailed(frame, "Odd", "", ("builtins.Exception",)),
        TimerDue(),
        StopRequested(),
        Subscribed("another", (channel,)),
        Unsubscribed("an-id", (channel,)),
        MessageReturned(message, draw(st.integers(0, 2**61)), "another"),
        PlanRegistered(),
    ]
    event: Event = draw(st.sampled_from(kinds))
    return event


def driven(case: Case, *, hold: bool = False) -> Core:
    """The core when all of a schedule has happened."""
    note(told(case.template))
    core = Core(case)
    limits = msgspec.structs.replace(core.plan.limits, hold=hold)
    core.plan = msgspec.structs.replace(core.plan, limits=limits)
    for action in case.actions:
        note(str(action))
        core.carry_out(action)
    return core


@given(cases(), st.lists(st.tuples(strange_events(), st.integers(-5, 5)), min_size=1, max_size=8), st.booleans())
def test_any_event_may_come_to_any_state(case: Case, strange: list[tuple[Event, int]], hold: bool) -> None:
    core = driven(case, hold=hold)
    entity = core.entities[case.id]
    for event, seconds in strange:
        note(str(event))
        core.now += seconds * 1_000_000
        entity = lawful(core, entity, event)


@given(cases(releases=False), st.lists(strange_events(), min_size=1, max_size=8), st.booleans())
def test_what_is_parked_comes_to_the_same(case: Case, strange: list[Event], hold: bool) -> None:
    core = driven(case, hold=hold)
    at_once = later = core.entities[case.id]
    ordered, ordered_later = list[Effect](), list[Effect]()
    for event in (event for event in strange if not isinstance(event, TimerDue | PlanRegistered)):
        at_once, effects = outcome(core, at_once, event)
        ordered += effects
        later, effects = outcome(core, later, event, known=False)
        ordered_later += [effect for effect in effects if not isinstance(effect, Parked)]
    assume(not at_once.parked)  # a message whose bytes are no value waits for a release that can read it
    if later.parked:
        assert later.wakeup()[1]
        assert later.lacks == (core.plan.template, core.plan.version)
        assert outcome(core, later, TimerDue(), known=False)[0].parked == later.parked
        assert outcome(core, later, PlanRegistered(), known=False)[0] == later
        later, effects = outcome(core, later, PlanRegistered())
        ordered_later += effects
    assert (later, ordered_later) == (at_once, ordered)


@given(cases(releases=False))
def test_a_timer_that_is_parked_is_not_due_and_comes_to_the_same(case: Case) -> None:
    core = driven(case)
    entity = core.entities[case.id]
    core.now = max(core.now, entity.wakeup()[0] or 0)
    at_once, ordered = outcome(core, entity, TimerDue())
    parked, first = outcome(core, entity, TimerDue(), known=False)
    left, _ = parked.wakeup()
    assert left is None or left > core.now
    assert outcome(core, parked, TimerDue(), known=False)[0] == parked
    later, then = outcome(core, parked, PlanRegistered()) if parked.parked else (parked, ())
    assert later == at_once
    assert [one for one in (*first, *then) if not isinstance(one, Parked | Ignored)] == [
        one for one in ordered if not isinstance(one, Ignored)
    ]


@given(cases(releases=False), strange_events())
def test_after_the_end_nothing_happens_and_the_reason_is_told(case: Case, event: Event) -> None:
    if not isinstance(event, InstanceEvent):
        event = TimerDue()
    core = driven(case)
    core.append(case.id, StopRequested())
    core.run_until_idle()
    state = core.state
    assert state is not None
    assume(not any(isinstance(frame, Ending) for frame in state.frames.values()))  # what is undone may wait
    assert not state.is_live
    for late in (event, core.submitted()):
        after, effects = step(core.plan, state, late, core.now)
        assert after is state
        (effect,) = effects
        assert isinstance(effect, Ignored | Unmatched)
        assert effect.reason


# Size.

LONG = 10_000


def test_ten_thousand_steps_compose_hash_print_compile_and_run() -> None:
    links: list[AnyStep] = [command(OUT).named(f"c{n}") for n in range(LONG)]
    chain = reduce(lambda chain, link: chain >> link, links)
    long = template("Long", chain, key=BusinessKey(), takes=Note)
    again = Template[Any, Any](rebuilt(long.node))
    assert (long, hash(long)) == (again, hash(again))
    assert len(str(long).splitlines()) > LONG
    assert len(compile(long).paths) == LONG
    core = Core(Case(long, Note("k", 1), "k", ()))
    core.append("k", core.submitted())
    core.run_until_idle()
    assert core.view.status is Status.COMPLETED
    assert len(core.sent[OUT.name]) == LONG
