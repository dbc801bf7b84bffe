"""The home of a key: the one record in which an instance lives, and where messages for its key arrive.

A home holds the instance whose id is the key, if there is one; who has subscribed to messages of this key; and
messages that came before anybody wanted them. Because all three are one record with one order, no message can
fall between the arrival of a message and the creation of who takes it.

A message goes to the instance itself if its id is its business key and its template listens on the channel, and
to every subscriber. If nobody takes it, it is kept: `Limits.early_count` of a channel, for `Limits.early_us`. With
`Limits.hold` one that its only taker does not take any more is kept too.

An event whose template this worker has not registered is parked, and all that come behind it: they are applied in
their order before the next event that comes where the template is known (`Resumed`, if no other). So is an event of an
instance that keeps a value which is none of its type in this release. `Limits` bound what is parked. A timer is parked
like any other event, once. While something is parked, no timer of the instance counts as due: so timers that nobody
here can serve do not stand before those of others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from dagger.core.effects import Effect, Ignored, Parked, Send, Unmatched
from dagger.core.events import (
    Event,
    InstanceEvent,
    MessageForwarded,
    MessageReceived,
    MessageReturned,
    Resumed,
    Submitted,
    Subscribed,
    TimerDue,
    Unsubscribed,
)
from dagger.core.parking import check_room
from dagger.core.state import Held, State
from dagger.core.step import begin, begin_overgrown, step
from dagger.core.turn import SEEN_MAX, CannotRead
from dagger.plan.plan import Limits, Plan

FindPlan: TypeAlias = Callable[[str, int], Plan | None]
"""The plan of a template's name and version, if it is registered."""


class Given(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Which message subscribers were given; remembered until `until`."""

    channel: str
    id: str
    until: int


class Home(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What lives at one key."""

    state: State | None = None
    subscribers: dict[str, tuple[str, ...]] = {}
    """Ids of the instances that want the messages of a channel, in the order in which they asked."""
    held: tuple[Held, ...] = ()
    """Messages that nobody has taken yet, in the order in which they came."""
    parked: tuple[Event, ...] = ()
    """Events that could not be applied yet, in the order in which they came."""
    given: tuple[Given, ...] = ()
    """Messages that subscribers were given, the last ones: what is sent again is not for those who came later."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing needs to be remembered."""
        return self.state is None and not (self.subscribers or self.held or self.parked or self.given)

    @property
    def submission(self) -> Submitted | None:
        """The submission that has not been applied yet, if there is no instance."""
        if self.state is not None:
            return None
        return next((event for event in self.parked if isinstance(event, Submitted)), None)

    @property
    def lacks(self) -> tuple[str, int] | None:
        """The template and version that what is parked needs; None if nothing is parked."""
        if not self.parked:
            return None
        needs = self.state or self.submission
        assert needs is not None, "of what is parked without an instance, the first is its submission"
        return needs.template, needs.version

    def agenda(self) -> tuple[int | None, bool]:
        """When the next timer can fire, or something kept expires, in microseconds, and whether a worker is wanted, for
        a task or for what is parked."""
        due, busy = (None, False) if self.state is None else self.state.agenda()
        if self.parked:
            due = None
        if self.held or self.given:
            expires = min([*(held.expires for held in self.held), *(given.until for given in self.given)])
            due = expires if due is None else min(due, expires)
        return due, busy or bool(self.parked)


EMPTY: Final = Home()
Result: TypeAlias = tuple[Home, tuple[Effect, ...]]


class PlanMissing(Exception):
    """An instance is of a template and version that this worker has not registered, or not with the same steps."""


def receive(find: FindPlan, limits: Limits, home: Home, event: Event, now: int) -> Result:
    """What an event makes of a home. Changes nothing in place."""
    try:
        if home.parked:
            return _behind(find, limits, home, event, now)
        if type(event) is MessageReceived:  # the most common event comes first
            return _message(find, limits, home, event, now)
        return _apply(find, limits, home, event, now)
    except (PlanMissing, CannotRead) as error:
        why, unreadable = str(error), isinstance(error, CannotRead)
        if isinstance(event, TimerDue):
            return _timer_parked(home, event, Parked(why, unreadable), now)
        if isinstance(event, Resumed):
            return home, (Parked(why, unreadable) if unreadable else Ignored(why),)
        check_room(limits, home.parked, event, why)
        return msgspec.structs.replace(home, parked=(*home.parked, event)), (Parked(why, unreadable),)


def _behind(find: FindPlan, limits: Limits, home: Home, event: Event, now: int) -> Result:
    """Apply what is parked, in its order, and then the event."""
    effects: tuple[Effect, ...] = ()
    events = home.parked if isinstance(event, Resumed) else (*home.parked, event)
    home = msgspec.structs.replace(home, parked=())
    for one in events:
        home, more = _apply(find, limits, home, one, now)
        effects += more
    return home, effects


def _apply(find: FindPlan, limits: Limits, home: Home, event: Event, now: int) -> Result:
    match event:
        case MessageReceived():
            return _message(find, limits, home, event, now)
        case MessageReturned():
            return _returned(find, limits, home, event, now)
        case Submitted() if home.state is None:
            return _submitted(find, limits, home, event, now)
        case Subscribed():
            return _subscribed(home, event, now)
        case Unsubscribed():
            return _unsubscribed(home, event)
        case Resumed():
            return home, (Ignored("nothing is parked"),)
        case TimerDue():
            return _timer(find, limits, home, event, now)
        case _:
            return _forward(find, limits, home, event, now)


def _plan(find: FindPlan, template: str, version: int) -> Plan:
    plan = find(template, version)
    if plan is None:
        raise PlanMissing(f"template '{template}' version {version} is not registered here")
    return plan


def _plan_of(find: FindPlan, state: State) -> Plan:
    """The plan of an instance: while it goes on, that with which it began."""
    plan = _plan(find, state.template, state.version)
    if state.is_live and state.layout != plan.layout:
        raise PlanMissing(other_steps(state))
    return plan


def other_steps(state: State) -> str:
    """What is wrong where an instance under way has begun with another plan than is registered, and what to do."""
    return (
        f"'{state.id}' began when template '{state.template}' version {state.version} had other steps than "
        "it has here; register it as it was, and what it is now with the next version="
    )


def _forward(find: FindPlan, limits: Limits, home: Home, event: InstanceEvent, now: int) -> Result:
    """An event of the instance."""
    state = home.state
    if state is None:
        return home, (Ignored("no instance has this id"),)
    after, effects = step(_plan_of(find, state), state, event, now)
    return _stepped(limits, home, after, effects, now)


def _stepped(limits: Limits, home: Home, state: State, effects: tuple[Effect, ...], now: int) -> Result:
    """A home after a step of its instance."""
    after = home if state is home.state else Home(state, home.subscribers, home.held, given=home.given)
    return _held_on(limits, after, state, effects, now) if limits.hold and effects else (after, effects)


def _message(find: FindPlan, limits: Limits, home: Home, event: MessageReceived, now: int) -> Result:
    state, subscribers = home.state, home.subscribers
    takers = subscribers.get(event.channel, ()) if subscribers else ()
    if state is not None and state.id == state.key:
        plan = _plan_of(find, state)
        if event.channel in plan.open_channels:
            # An instance that has subscribed to itself, too, gets the message once.
            others = tuple(taker for taker in takers if taker != state.id) if takers else ()
            if not others:
                after, effects = step(plan, state, event, now)
                return _stepped(limits, home, after, effects, now)
            if event.id and _has_had(plan, state, event):
                return home, (Ignored("a message of this id was taken already"),)
            if state.is_live:
                forwarded = _forwarded(event, now + limits.early_us, shared=True)
                after, effects = step(plan, state, forwarded, now)
                home, effects = _stepped(limits, home, after, (*_sends(others, forwarded), *effects), now)
                return _noted(home, [forwarded], now), effects
    if home.given and any(one.id == event.id and one.channel == event.channel for one in home.given):
        return home, (Ignored("a message of this id was given already"),)
    if takers:
        forwarded = _forwarded(event, now + limits.early_us, shared=len(takers) > 1)
        return _noted(home, [forwarded], now), _sends(takers, forwarded)
    return _hold(limits, home, _held(event, now + limits.early_us), now)


def _held(message: MessageReceived | MessageReturned | Unmatched, expires: int) -> Held:
    one = message
    return Held(one.channel, one.key, one.id, one.payload, expires, envelope=one.envelope)


def _has_had(plan: Plan, state: State, event: MessageReceived) -> bool:
    """Whether the instance of this home has taken, or keeps, this very message, and not the same on another channel."""
    if event.id not in state.seen and all(one.id != event.id for one in state.held):
        return False
    topic = plan.channels[event.channel].topic.name
    return sum(channel.topic.name == topic for channel in plan.channels.values()) == 1


def _noted(home: Home, messages: Sequence[MessageForwarded], now: int) -> Home:
    """The home that remembers which messages it gave to subscribers, the last of those that have an id."""
    new = [Given(one.channel, one.id, one.expires) for one in messages if one.id and one.expires > now]
    return msgspec.structs.replace(home, given=(*home.given, *new)[-SEEN_MAX:]) if new else home


def _sends(takers: Sequence[str], event: Event) -> tuple[Effect, ...]:
    return tuple(Send(taker, event) for taker in takers)


def _forwarded(one: MessageReceived | MessageReturned | Held, expires: int, *, shared: bool) -> MessageForwarded:
    return MessageForwarded(one.channel, one.key, one.payload, expires, one.id, shared, one.envelope)


def _hold(limits: Limits, home: Home, held: Held, now: int) -> Result:
    """Keep a message for whoever is on the way."""
    kept = [one for one in home.held if one.channel == held.channel and one.expires > now]
    if held.id and any(one.id == held.id for one in kept):
        return home, (Ignored("a message of this id is kept already"),)
    if len(kept) >= limits.early_count:
        return home, (_unmatched(held, "overflow"),)
    return msgspec.structs.replace(home, held=(*home.held, held)), ()


# Messages that are not taken any more.

_NOT_TAKEN: Final = frozenset({"late", "ended", "no listener"})


def _held_on(limits: Limits, home: Home, state: State, effects: tuple[Effect, ...], now: int) -> Result:
    """Keep what the instance was offered alone and does not take, here or at the key that it came for."""
    left: list[Effect] = []
    for effect in effects:
        # A signal has no key: it is for this instance and for no other.
        if type(effect) is not Unmatched or effect.shared or not effect.key or effect.reason not in _NOT_TAKEN:
            left.append(effect)
            continue
        held = _held(effect, effect.expires or now + limits.early_us)
        if held.key == state.id:
            home, more = _hold_again(limits, home, held, now)
            left += more
        else:
            one = held
            back = MessageReturned(one.channel, one.key, one.payload, one.expires, state.id, one.id, one.envelope)
            left.append(Send(one.key, back))
    return home, tuple(left)


def _hold_again(limits: Limits, home: Home, held: Held, now: int) -> Result:
    return _hold(limits, home, held, now) if held.expires > now else (home, (_unmatched(held, "expired"),))


def _returned(find: FindPlan, limits: Limits, home: Home, event: MessageReturned, now: int) -> Result:
    """Whoever has come meanwhile is offered the message, once; else it is kept."""
    takers = [taker for taker in home.subscribers.get(event.channel, ()) if taker != event.by]
    state = home.state
    if state is not None and state.is_live and state.id == state.key and state.id not in takers:
        plan = _plan_of(find, state)
        if event.channel in plan.open_channels and not takers:
            return _forward(find, limits, home, _forwarded(event, event.expires, shared=False), now)
        if event.channel in plan.open_channels:
            takers.append(state.id)
    if takers:
        return home, _sends(takers, _forwarded(event, event.expires, shared=True))
    return _hold_again(limits, home, _held(event, event.expires), now)


# Who comes and goes.


def _submitted(find: FindPlan, limits: Limits, home: Home, event: Submitted, now: int) -> Result:
    """An instance begins, with the messages that came for it before."""
    plan = _plan(find, event.template, event.version)
    taken, left, expired = _split(home.held, _wanted(plan, event), now)
    state, effects = begin(plan, event, now, taken)
    home = Home(state, home.subscribers, left, given=home.given)
    return _stepped(limits, home, state, expired + effects, now)


def begin_too_large(find: FindPlan, limits: Limits, home: Home, event: Submitted, text: str, now: int) -> Result:
    """An instance begins whose first step is larger than the store takes: it has failed. Raises PlanMissing."""
    plan = _plan(find, event.template, event.version)
    taken, left, expired = _split(home.held, _wanted(plan, event), now)
    state, effects = begin_overgrown(plan, event, now, taken, text)
    return _stepped(limits, Home(state, home.subscribers, left, given=home.given), state, expired + effects, now)


def bare(state: State) -> State:
    """What an instance was started with, where nothing else can be kept of it."""
    return msgspec.structs.replace(state, frames={}, rows=[], chunks=(), errors={}, held=(), seen=())


def _wanted(plan: Plan, event: Submitted) -> frozenset[str]:
    """The channels whose kept messages are for an instance that begins at this key."""
    return plan.open_channels if event.id == event.key else frozenset[str]()


def _split(
    held: tuple[Held, ...], wanted: frozenset[str], now: int
) -> tuple[tuple[Held, ...], tuple[Held, ...], tuple[Effect, ...]]:
    """The kept messages of wanted channels, the others, and word of those that have expired."""
    if not held:
        return (), (), ()
    fresh = [one for one in held if one.expires > now]
    expired = tuple(_unmatched(one, "expired") for one in held if one.expires <= now)
    taken = tuple(one for one in fresh if one.channel in wanted)
    return taken, tuple(one for one in fresh if one.channel not in wanted), expired


def _unmatched(held: Held, reason: str) -> Unmatched:
    return Unmatched(held.channel, held.key, held.payload, held.id, reason, envelope=held.envelope)


def _subscribed(home: Home, event: Subscribed, now: int) -> Result:
    """An instance wants messages of this key; what was kept goes to it."""
    subscribers = dict(home.subscribers)
    for channel in event.channels:
        ids = subscribers.get(channel, ())
        if event.instance not in ids:
            subscribers[channel] = (*ids, event.instance)
    taken, left, expired = _split(home.held, frozenset(event.channels), now)
    forwarded = [_forwarded(one, one.expires, shared=False) for one in taken]
    home = msgspec.structs.replace(home, subscribers=subscribers, held=left)
    return _noted(home, forwarded, now), (*expired, *(Send(event.instance, one) for one in forwarded))


def _unsubscribed(home: Home, event: Unsubscribed) -> Result:
    subscribers = dict(home.subscribers)
    for channel in event.channels:
        left = tuple(id for id in subscribers.pop(channel, ()) if id != event.instance)
        if left:
            subscribers[channel] = left
    return msgspec.structs.replace(home, subscribers=subscribers), ()


def _timer(find: FindPlan, limits: Limits, home: Home, event: TimerDue, now: int) -> Result:
    """The instance's timers, and what is kept or remembered here and whose time is over."""
    kept = home
    home, expired = _without_old(home, now)
    over = home is not kept
    if home.state is None or (over and not home.state.is_live):
        return home, expired
    after, effects = _forward(find, limits, home, event, now)
    if over and after is home:  # the timer was that of the messages
        return home, expired
    return after, expired + effects


def _timer_parked(home: Home, event: TimerDue, parked: Parked, now: int) -> Result:
    """What is kept here and whose time is over goes; the instance's timer waits, if it has one that is due."""
    home, expired = _without_old(home, now)
    due = None if home.state is None else home.state.agenda()[0]
    if home.parked or due is None or due > now:
        return home, expired or (Ignored(parked.reason),)
    return msgspec.structs.replace(home, parked=(event,)), (*expired, parked)


def _without_old(home: Home, now: int) -> Result:
    """A home without what is kept or remembered there and whose time is over."""
    _, left, expired = _split(home.held, frozenset(), now)
    given = tuple(one for one in home.given if one.until > now)
    if not expired and len(given) == len(home.given):
        return home, ()
    return msgspec.structs.replace(home, held=left, given=given), expired
