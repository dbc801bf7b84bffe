"""The home of a key: the one record in which an instance lives, and where messages for its key arrive.

A home holds the instance whose id is the key, if there is one; who has subscribed to messages of this key; and
messages that came before anybody wanted them. Because all three are one record with one order, no message can
fall between the arrival of a message and the creation of who takes it.

A message goes to the instance itself if its id is its business key and its template listens on the channel, and
to every subscriber. If there is nobody, it is kept: `Limits.early_count` of a channel, for `Limits.early_us`.

With `Limits.hold`, an instance that alone was given a message and has no use for it gives it back. Then it goes to
those who came in the meantime, else it is kept like one that came before anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from dagger.core.effects import Effect, Ignored, Send, Unmatched
from dagger.core.events import (
    Event,
    MessageForwarded,
    MessageReceived,
    MessageReturned,
    Submitted,
    Subscribed,
    TimerDue,
    Unsubscribed,
)
from dagger.core.state import Held, State
from dagger.core.step import begin, step
from dagger.core.turn import SEEN_MAX
from dagger.plan.plan import Limits, Plan

FindPlan: TypeAlias = Callable[[str, int], Plan | None]
"""The plan of a template's name and version, if it is registered."""


class Given(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Which message was given to subscribers; remembered until `until`."""

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
    given: tuple[Given, ...] = ()
    """Messages that subscribers were given, the last ones: what is sent again is not for those who came later."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing needs to be remembered."""
        return self.state is None and not self.subscribers and not self.held and not self.given

    def agenda(self) -> tuple[int | None, bool]:
        """When the next timer is due, or something kept expires, in microseconds, and whether a task runs."""
        due, busy = (None, False) if self.state is None else self.state.agenda()
        if self.held or self.given:
            expires = min([*(held.expires for held in self.held), *(given.until for given in self.given)])
            due = expires if due is None else min(due, expires)
        return due, busy


EMPTY: Final = Home()
Result: TypeAlias = tuple[Home, tuple[Effect, ...]]


class PlanMissing(Exception):
    """An instance is of a template and version that this worker has not registered."""


def receive(find: FindPlan, limits: Limits, home: Home, event: Event, now: int) -> Result:
    """What an event makes of a home. Raises PlanMissing, and nothing else; changes nothing in place."""
    if type(event) is MessageReceived:  # the most common event comes first
        return _message(find, limits, home, event, now)
    match event:
        case Submitted() if home.state is None:
            return _submitted(find, home, event, now)
        case Subscribed():
            return _subscribed(home, event, now)
        case Unsubscribed():
            return _unsubscribed(home, event)
        case MessageReturned():
            return _returned(find, limits, home, event, now)
        case TimerDue():
            return _timer(find, home, event, now)
        case _:
            return _forward(find, home, event, now)


def _plan(find: FindPlan, template: str, version: int) -> Plan:
    plan = find(template, version)
    if plan is None:
        raise PlanMissing(f"template '{template}' version {version} is not registered here")
    return plan


def _forward(find: FindPlan, home: Home, event: Event, now: int) -> Result:
    """An event of the instance."""
    state = home.state
    if state is None:
        return home, (Ignored("no instance has this id"),)
    assert not isinstance(event, (Subscribed, Unsubscribed, MessageReturned))
    after, effects = step(_plan(find, state.template, state.version), state, event, now)
    return _with(home, after), effects


def _with(home: Home, state: State) -> Home:
    return home if state is home.state else Home(state, home.subscribers, home.held, home.given)


def _message(find: FindPlan, limits: Limits, home: Home, event: MessageReceived, now: int) -> Result:
    state, subscribers = home.state, home.subscribers
    takers = subscribers.get(event.channel, ()) if subscribers else ()
    if state is not None and state.id == state.key:
        plan = _plan(find, state.template, state.version)
        if event.channel in plan.open_channels:
            if not takers and (state.is_live or not limits.hold):
                after, effects = step(plan, state, event, now)
                return _with(home, after), effects
            if event.id and _has_had(plan, state, event):
                return home, (Ignored("a message of this id was taken already"),)
            if state.is_live:
                return _shared(plan, limits, state, home, event, takers, now)
    if event.id and any(one.id == event.id and one.channel == event.channel for one in home.given):
        return home, (Ignored("a message of this id was given already"),)
    expires = now + limits.early_us
    if takers:
        forwarded = _forwarded(event, expires, _tellers(limits, takers))
        return _noted(home, [forwarded], now), tuple(Send(taker, forwarded) for taker in takers)
    refused = () if limits.hold else None
    return _keep(limits, home, Held(event.channel, event.key, event.id, event.payload, expires, refused), now)


def _has_had(plan: Plan, state: State, event: MessageReceived) -> bool:
    """Whether the instance of this home has taken, or keeps, this very message, and not the same on another channel."""
    if event.id not in state.seen and all(one.id != event.id for one in state.held):
        return False
    topic = plan.channels[event.channel].topic.name
    return sum(channel.topic.name == topic for channel in plan.channels.values()) == 1


def _shared(
    plan: Plan, limits: Limits, state: State, home: Home, event: MessageReceived, takers: tuple[str, ...], now: int
) -> Result:
    """A message for the instance of this home and for subscribers. One that has subscribed, too, gets it once."""
    forwarded = _forwarded(event, now + limits.early_us)
    after, effects = step(plan, state, forwarded, now)
    sent = tuple(Send(one, forwarded) for one in takers if one != state.id)
    return _noted(_with(home, after), [forwarded], now), (*sent, *effects)


def _noted(home: Home, messages: Sequence[MessageForwarded], now: int) -> Home:
    """The home that remembers which messages it has given to subscribers, the last of those that have an id."""
    new = [Given(one.channel, one.id, one.expires) for one in messages if one.id and one.expires > now]
    return msgspec.structs.replace(home, given=(*home.given, *new)[-SEEN_MAX:]) if new else home


def _tellers(limits: Limits, takers: Sequence[str], refused: tuple[str, ...] = ()) -> tuple[str, ...] | None:
    """Who has refused a message, for one that alone is given it; None where it is not to be given back."""
    return refused if limits.hold and len(takers) == 1 else None


def _forwarded(message: MessageReceived, expires: int, refused: tuple[str, ...] | None = None) -> MessageForwarded:
    return MessageForwarded(message.channel, message.key, message.payload, expires, message.id, refused)


def _returned(find: FindPlan, limits: Limits, home: Home, event: MessageReturned, now: int) -> Result:
    """A message that an instance gave back: for those who came in the meantime, or to be kept for who comes next."""
    held = Held(event.channel, event.key, event.id, event.payload, event.expires, event.refused)
    if held.expires <= now:
        return home, (_expired(held),)
    asked = home.subscribers.get(event.channel, ())
    takers = [one for one in asked if one not in event.refused]
    state = home.state
    if state is not None and state.is_live and state.id == state.key and state.id not in (*event.refused, *takers):
        plan = _plan(find, state.template, state.version)
        if event.channel in plan.open_channels:
            takers.append(state.id)
    if not takers:  # of those who refused it, whoever has left may come back and want it
        refused = tuple(one for one in event.refused if one in asked or (state is not None and one == state.id))
        return _keep(limits, home, msgspec.structs.replace(held, refused=refused), now)
    given = _given(held, _tellers(limits, takers, event.refused))
    return home, tuple(Send(taker, given) for taker in takers)


def _given(held: Held, refused: tuple[str, ...] | None) -> MessageForwarded:
    return MessageForwarded(held.channel, held.key, held.payload, held.expires, held.id, refused)


def _keep(limits: Limits, home: Home, held: Held, now: int) -> Result:
    """Keep a message for whoever is on the way."""
    kept = [one for one in home.held if one.channel == held.channel and one.expires > now]
    if held.id and any(one.id == held.id for one in kept):
        return home, (Ignored("a message of this id is kept already"),)
    if len(kept) >= limits.early_count:
        return home, (Unmatched(held.channel, held.key, held.payload, held.id, "overflow"),)
    return msgspec.structs.replace(home, held=(*home.held, held)), ()


def _submitted(find: FindPlan, home: Home, event: Submitted, now: int) -> Result:
    """An instance begins, with the messages that came for it before."""
    plan = _plan(find, event.template, event.version)
    wanted = plan.open_channels if event.id == event.key else frozenset[str]()
    taken, left, expired = _split(home.held, wanted, now)
    state, effects = begin(plan, event, now, taken)
    return Home(state, home.subscribers, left, home.given), expired + effects


def _split(
    held: tuple[Held, ...], wanted: frozenset[str], now: int
) -> tuple[tuple[Held, ...], tuple[Held, ...], tuple[Effect, ...]]:
    """The kept messages of wanted channels, the others, and word of those that have expired."""
    if not held:
        return (), (), ()
    fresh = [one for one in held if one.expires > now]
    expired = tuple(_expired(one) for one in held if one.expires <= now)
    taken = tuple(one for one in fresh if one.channel in wanted)
    return taken, tuple(one for one in fresh if one.channel not in wanted), expired


def _expired(held: Held) -> Unmatched:
    return Unmatched(held.channel, held.key, held.payload, held.id, "expired")


def _subscribed(home: Home, event: Subscribed, now: int) -> Result:
    """An instance wants messages of this key; what was kept goes to it."""
    subscribers = dict(home.subscribers)
    for channel in event.channels:
        ids = subscribers.get(channel, ())
        if event.instance not in ids:
            subscribers[channel] = (*ids, event.instance)
    taken, left, expired = _split(home.held, frozenset(event.channels), now)
    forwarded = [_given(one, one.refused) for one in taken]
    after = msgspec.structs.replace(home, subscribers=subscribers, held=left)
    return _noted(after, forwarded, now), (*expired, *(Send(event.instance, one) for one in forwarded))


def _unsubscribed(home: Home, event: Unsubscribed) -> Result:
    subscribers = dict(home.subscribers)
    for channel in event.channels:
        left = tuple(id for id in subscribers.pop(channel, ()) if id != event.instance)
        if left:
            subscribers[channel] = left
    return msgspec.structs.replace(home, subscribers=subscribers), ()


def _timer(find: FindPlan, home: Home, event: TimerDue, now: int) -> Result:
    """The instance's timers, and what is kept or remembered here and whose time is over."""
    _, left, expired = _split(home.held, frozenset(), now)
    given = tuple(one for one in home.given if one.until > now)
    over = bool(expired) or len(given) < len(home.given)
    if over:
        home = msgspec.structs.replace(home, held=left, given=given)
    if home.state is None:
        return home, expired
    after, effects = _forward(find, home, event, now)
    if over:  # the timer was for these, if for nothing of the instance
        effects = tuple(effect for effect in effects if type(effect) is not Ignored)
    return after, expired + effects
