"""`receive(find, limits, entity, event, now) -> (entity, effects)`: what an event makes of an entity.

A message goes to the instance itself if its id is its business key and its template listens on the channel, and to
every subscriber. If nobody takes it, it is kept (`mailbox.py`).

An event whose template this worker has not registered is parked, and all events that come after it: they are applied in
their order before the next event that comes where the template is known (`PlanRegistered`, if no other). So is an event
of an instance that keeps a value which is not of its type in this release. `Limits` bound what is parked. A timer is
parked like any other event, once. While something is parked, no timer of the instance counts as due: so timers that
nobody here can serve do not stand before those of others. A record that this release cannot read is parked like an
event whose template is missing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from dagger.core.children import as_next_run, given_up, is_revoked, not_started, without_revoked
from dagger.core.effects import Effect, Ignored, Parked
from dagger.core.entity import Entity, Result
from dagger.core.envelope import Envelope
from dagger.core.events import (
    CallGivenUp,
    Event,
    InstanceEvent,
    MessageForwarded,
    MessageReceived,
    MessageReturned,
    MessagesHandedOver,
    Parent,
    PlanRegistered,
    StopRequested,
    Submitted,
    Subscribed,
    TimerDue,
    UnreadRecord,
    Unsubscribed,
)
from dagger.core.functions import CannotRead
from dagger.core.mailbox import (
    hold,
    hold_again,
    hold_untaken,
    noted,
    sends,
    split,
    subscribe,
    unsubscribe,
    without_expired,
)
from dagger.core.oversized import step_oversized
from dagger.core.parking import check_room
from dagger.core.state import EXECUTING, Held, State
from dagger.core.step import begin, begin_oversized, begin_stopped, step
from dagger.plan.plan import Limits, Plan

FindPlan: TypeAlias = Callable[[str, int], Plan | None]
"""The plan of a template's name and version, if it is registered."""


class PlanMissing(Exception):
    """An instance is of a template and version that this worker has not registered, or not with the same steps."""


class NotRead(CannotRead):
    """A record has to wait for a worker that can read it."""

    def __init__(self, why: str) -> None:
        Exception.__init__(self, why)


def receive(find: FindPlan, limits: Limits, entity: Entity, event: Event, now: int) -> Result:
    """What an event makes of an entity. Changes nothing in place."""
    try:
        if entity.parked:
            return _behind(find, limits, entity, event, now)
        if type(event) is MessageReceived:  # the most common event comes first
            return _message(find, limits, entity, event, now)
        return _apply(find, limits, entity, event, now)
    except (PlanMissing, CannotRead) as error:
        why, unreadable = str(error), isinstance(error, CannotRead)
        if isinstance(event, TimerDue):
            return _timer_parked(entity, event, Parked(why, unreadable), now)
        if isinstance(event, PlanRegistered):
            return entity, (Parked(why, unreadable) if unreadable else Ignored(why),)
        check_room(limits, entity.parked, event, why)
        return msgspec.structs.replace(entity, parked=(*entity.parked, event)), (Parked(why, unreadable),)


def receive_oversized(
    find: FindPlan, limits: Limits, entity: Entity, state: State, event: InstanceEvent, text: str, now: int
) -> Result:
    """The same where that would be more than can be stored: the step of the entity's instance that made it fails.
    Raises PlanMissing."""
    after, effects = step_oversized(_plan_of(find, state), state, event, now, text)
    return _stepped(limits, entity, after, effects, now)


def _behind(find: FindPlan, limits: Limits, entity: Entity, event: Event, now: int) -> Result:
    """Apply what is parked, in its order, and then the event."""
    effects: tuple[Effect, ...] = ()
    events = entity.parked if isinstance(event, PlanRegistered) else (*entity.parked, event)
    entity = msgspec.structs.replace(entity, parked=())
    for one in events:
        entity, more = _apply(find, limits, entity, one, now)
        effects += more
    return entity, effects


def _apply(find: FindPlan, limits: Limits, entity: Entity, event: Event, now: int) -> Result:
    match event:
        case MessageReceived():
            return _message(find, limits, entity, event, now)
        case MessageReturned():
            return _returned(find, limits, entity, event, now)
        case Submitted() if event.parent is not None:
            return _called(find, limits, entity, event, event.parent, now)
        case Submitted() if entity.state is None:
            return _submitted(find, limits, entity, event, now)
        case CallGivenUp():
            result = given_up(entity, event, now + limits.early_us)
            return _forward(find, limits, entity, StopRequested(), now) if result is None else result
        case Subscribed():
            return subscribe(entity, event, now)
        case Unsubscribed():
            return unsubscribe(entity, event)
        case UnreadRecord():
            raise NotRead(event.why)
        case MessagesHandedOver():  # a worker that knows the channel routes them, and does not come here
            raise PlanMissing(f"channel '{event.channel}' is not registered here")
        case PlanRegistered():
            return entity, (Ignored("nothing is parked"),)
        case TimerDue():
            return _timer(find, limits, entity, event, now)
        case _:
            return _forward(find, limits, entity, event, now)


def _plan(find: FindPlan, template: str, version: int) -> Plan:
    plan = find(template, version)
    if plan is None:
        raise PlanMissing(f"template '{template}' version {version} is not registered here")
    return plan


def _plan_of(find: FindPlan, state: State) -> Plan:
    """The plan of an instance: while it goes on, that with which it began."""
    head = state.head
    plan = _plan(find, head.template, head.version)
    if state.status == EXECUTING and head.signature != plan.signature:
        raise PlanMissing(other_steps(state))
    return plan


def other_steps(state: State) -> str:
    """What is wrong where an instance under way has begun with another plan than is registered, and what to do."""
    return (
        f"'{state.id}' began when template '{state.template}' version {state.version} had other steps than "
        "it has here; register it as it was, and what it is now with the next version="
    )


def _forward(find: FindPlan, limits: Limits, entity: Entity, event: InstanceEvent, now: int) -> Result:
    """An event of the instance."""
    state = entity.state
    if state is None:
        return entity, (Ignored("no instance has this id"),)
    after, effects = step(_plan_of(find, state), state, event, now)
    return _stepped(limits, entity, after, effects, now)


def _stepped(limits: Limits, entity: Entity, state: State, effects: tuple[Effect, ...], now: int) -> Result:
    """An entity after a step of its instance."""
    after = entity if state is entity.state else _with(entity, state, entity.held)
    return hold_untaken(limits, after, state, effects, now) if limits.hold and effects else (after, effects)


def _with(entity: Entity, state: State, held: tuple[Held, ...]) -> Entity:
    """An entity where nothing is parked, with another state of its instance: a third of the cost of `replace`."""
    return Entity(state, entity.subscribers, held, (), entity.given, entity.exclusive, entity.revoked)


def _message(find: FindPlan, limits: Limits, entity: Entity, event: MessageReceived, now: int) -> Result:
    state, subscribers, message = entity.state, entity.subscribers, event.message
    channel, id = message.channel, message.id
    if entity.given and any(one.id == id and one.channel == channel for one in entity.given):
        return entity, (Ignored("a message of this id was given already"),)
    takers = subscribers.get(channel, ()) if subscribers else ()
    if state is not None and state.head.id == state.head.key:
        plan = _plan_of(find, state)
        if channel in plan.open_channels:
            # An instance that has subscribed to itself, too, gets the message once.
            others = tuple(taker for taker in takers if taker != state.id) if takers else ()
            if not others:
                after, effects = step(plan, state, event, now)
                return _stepped(limits, entity, after, effects, now)
            if id and _has_had(plan, state, message):
                return entity, (Ignored("a message of this id was taken already"),)
            if state.is_live:
                forwarded = MessageForwarded(message, now + limits.early_us, shared=True)
                after, effects = step(plan, state, forwarded, now)
                entity, effects = _stepped(limits, entity, after, (*sends(others, forwarded), *effects), now)
                return noted(entity, [forwarded], now), effects
    if takers:
        forwarded = MessageForwarded(message, now + limits.early_us, shared=len(takers) > 1)
        return noted(entity, [forwarded], now), sends(takers, forwarded)
    return hold(limits, entity, Held(message, now + limits.early_us), now)


def _has_had(plan: Plan, state: State, message: Envelope) -> bool:
    """Whether the instance here has taken, or keeps, this very message, and not the same on another channel."""
    if message.id not in state.seen and all(one.message.id != message.id for one in state.held):
        return False
    topic = plan.channels[message.channel].topic.name
    return sum(channel.topic.name == topic for channel in plan.channels.values()) == 1


def _returned(find: FindPlan, limits: Limits, entity: Entity, event: MessageReturned, now: int) -> Result:
    """Whoever has come meanwhile is offered the message, once; else it is kept."""
    message, expires = event.message, event.expires
    takers = [taker for taker in entity.subscribers.get(message.channel, ()) if taker != event.by]
    state = entity.state
    if state is not None and state.is_live and state.id == state.key and state.id not in takers:
        plan = _plan_of(find, state)
        if message.channel in plan.open_channels and not takers:
            return _forward(find, limits, entity, MessageForwarded(message, expires), now)
        if message.channel in plan.open_channels:
            takers.append(state.id)
    if takers:
        return entity, sends(takers, MessageForwarded(message, expires, shared=True))
    return hold_again(limits, entity, Held(message, expires), now)


def _submitted(find: FindPlan, limits: Limits, entity: Entity, event: Submitted, now: int) -> Result:
    """An instance begins, with the messages that came for it before."""
    plan = _plan(find, event.template, event.version)
    before = entity.state
    event = as_next_run(event, before)
    taken, left, expired = split(entity.held, _wanted(plan, event), now)
    state, effects = begin(plan, event, now, taken, before)
    entity = _with(entity, state, left)
    return _stepped(limits, entity, state, expired + effects, now)


def _called(find: FindPlan, limits: Limits, entity: Entity, event: Submitted, parent: Parent, now: int) -> Result:
    """A step of another instance starts this one."""
    answer = not_started(entity, event, parent)
    if answer is not None:
        return entity, (answer,)
    revoked = is_revoked(entity, parent)
    entity = without_revoked(entity, parent)
    if not revoked:
        return _submitted(find, limits, entity, event, now)
    before, plan = entity.state, _plan(find, event.template, event.version)
    state, effects = begin_stopped(plan, as_next_run(event, before), now, before)
    return _with(entity, state, entity.held), effects


def begin_too_large(find: FindPlan, limits: Limits, entity: Entity, event: Submitted, text: str, now: int) -> Result:
    """An instance begins whose first step is larger than the store takes: it has failed. Raises PlanMissing."""
    plan = _plan(find, event.template, event.version)
    before = entity.state
    event = as_next_run(event, before)
    taken, left, expired = split(entity.held, _wanted(plan, event), now)
    state, effects = begin_oversized(plan, event, now, taken, text, before)
    return _stepped(limits, _with(entity, state, left), state, expired + effects, now)


def bare(state: State) -> State:
    """What an instance was started with, where nothing else can be kept of it."""
    return msgspec.structs.replace(state, frames={}, rows=[], chunks=(), errors={}, held=(), seen=())


def _wanted(plan: Plan, event: Submitted) -> frozenset[str]:
    """The channels whose kept messages are for an instance that begins at this key."""
    return plan.open_channels if event.id == event.key else frozenset[str]()


def _timer(find: FindPlan, limits: Limits, entity: Entity, event: TimerDue, now: int) -> Result:
    """The instance's timers, and what is kept or remembered here and whose time is over."""
    kept = entity
    entity, expired = without_expired(entity, now)
    over = entity is not kept
    if entity.state is None or (over and not entity.state.is_live):
        return entity, expired
    after, effects = _forward(find, limits, entity, event, now)
    if over and after is entity:  # the timer was that of the messages
        return entity, expired
    return after, expired + effects


def _timer_parked(entity: Entity, event: TimerDue, parked: Parked, now: int) -> Result:
    """What is kept here and whose time is over goes; the instance's timer waits, if it has one that is due."""
    entity, expired = without_expired(entity, now)
    due = None if entity.state is None else entity.state.wakeup()[0]
    if entity.parked or due is None or due > now:
        return entity, expired or (Ignored(parked.reason),)
    return msgspec.structs.replace(entity, parked=(event,)), (*expired, parked)
