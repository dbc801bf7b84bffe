"""What is kept at a key for whoever comes, and who has subscribed to it.

A message for which nobody waits at its key is kept: so many of a channel (`Limits.early_count`), for a time
(`Limits.early_us`). Whoever subscribes, or begins at the key, is given what was kept. A key remembers for the same time
which messages it has given to subscribers: a message that is sent again is not for those that came later.

With `Limits.hold` a message that was offered to one instance only, which does not take it any more, is kept again:
here, or at the key that it came for, to which it is returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from dagger.core.effects import Effect, Ignored, Send, Unmatched
from dagger.core.entity import Entity, Given, Result
from dagger.core.events import (
    Event,
    MessageForwarded,
    MessageReturned,
    Subscribed,
    Unsubscribed,
)
from dagger.core.state import Held, State
from dagger.core.transition import SEEN_MAX
from dagger.plan.plan import Limits

_NOT_TAKEN: Final = frozenset({"late", "ended", "no listener"})


def noted(entity: Entity, messages: Sequence[MessageForwarded], now: int) -> Entity:
    """The entity that remembers which messages it gave to subscribers, the last of those that have an id."""
    new = [
        Given(one.message.channel, one.message.id, one.expires)
        for one in messages
        if one.message.id and one.expires > now
    ]
    return msgspec.structs.replace(entity, given=(*entity.given, *new)[-SEEN_MAX:]) if new else entity


def sends(takers: Sequence[str], event: Event) -> tuple[Effect, ...]:
    return tuple(Send(taker, event) for taker in takers)


def hold(limits: Limits, entity: Entity, held: Held, now: int) -> Result:
    """Keep a message for whoever is on the way."""
    message = held.message
    kept = [one for one in entity.held if one.message.channel == message.channel and one.expires > now]
    if message.id and any(one.message.id == message.id for one in kept):
        return entity, (Ignored("a message of this id is kept already"),)
    if len(kept) >= limits.early_count:
        return entity, (Unmatched(message, "overflow"),)
    return msgspec.structs.replace(entity, held=(*entity.held, held)), ()


def hold_untaken(limits: Limits, entity: Entity, state: State, effects: tuple[Effect, ...], now: int) -> Result:
    """Keep what the instance was offered alone and does not take, here or at the key that it came for."""
    left: list[Effect] = []
    for effect in effects:
        # A signal has no key: it is for this instance and for no other.
        if type(effect) is not Unmatched or effect.shared or effect.reason not in _NOT_TAKEN or not effect.message.key:
            left.append(effect)
            continue
        message, expires = effect.message, effect.expires or now + limits.early_us
        if message.key == state.id:
            entity, more = hold_again(limits, entity, Held(message, expires), now)
            left += more
        else:
            left.append(Send(message.key, MessageReturned(message, expires, state.id)))
    return entity, tuple(left)


def hold_again(limits: Limits, entity: Entity, held: Held, now: int) -> Result:
    return (
        hold(limits, entity, held, now)
        if held.expires > now
        else (
            entity,
            (Unmatched(held.message, "expired"),),
        )
    )


def split(
    held: tuple[Held, ...], wanted: frozenset[str], now: int
) -> tuple[tuple[Held, ...], tuple[Held, ...], tuple[Effect, ...]]:
    """The kept messages of wanted channels, the others, and word of those that have expired."""
    if not held:
        return (), (), ()
    fresh = [one for one in held if one.expires > now]
    expired = tuple(Unmatched(one.message, "expired") for one in held if one.expires <= now)
    taken = tuple(one for one in fresh if one.message.channel in wanted)
    return taken, tuple(one for one in fresh if one.message.channel not in wanted), expired


def subscribe(entity: Entity, event: Subscribed, now: int) -> Result:
    """An instance wants messages of this key; what was kept goes to it."""
    subscribers = dict(entity.subscribers)
    for channel in event.channels:
        ids = subscribers.get(channel, ())
        if event.instance not in ids:
            subscribers[channel] = (*ids, event.instance)
    taken, left, expired = split(entity.held, frozenset(event.channels), now)
    forwarded = [MessageForwarded(one.message, one.expires) for one in taken]
    entity = msgspec.structs.replace(entity, subscribers=subscribers, held=left)
    return noted(entity, forwarded, now), (*expired, *(Send(event.instance, one) for one in forwarded))


def unsubscribe(entity: Entity, event: Unsubscribed) -> Result:
    subscribers = dict(entity.subscribers)
    for channel in event.channels:
        left = tuple(id for id in subscribers.pop(channel, ()) if id != event.instance)
        if left:
            subscribers[channel] = left
    return msgspec.structs.replace(entity, subscribers=subscribers), ()


def without_expired(entity: Entity, now: int) -> Result:
    """An entity without what is kept or remembered there and whose time is over."""
    _, left, expired = split(entity.held, frozenset(), now)
    given = tuple(one for one in entity.given if one.until > now)
    revoked = tuple(one for one in entity.revoked if one.until > now)
    if not expired and len(given) == len(entity.given) and len(revoked) == len(entity.revoked):
        return entity, ()
    return msgspec.structs.replace(entity, held=left, given=given, revoked=revoked), expired
