"""The entity of a key: the one record in which an instance lives, and where messages for its key arrive.

An entity holds the instance whose id is the key, if there is one; who has subscribed to messages of this key; and
messages that came before anybody wanted them. Because all three are one record with one order, no message can
fall between the arrival of a message and the creation of who takes it.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from dagger.core.effects import Effect
from dagger.core.events import Event, MessagesHandedOver, Parent, Submitted
from dagger.core.state import Held, State


class Given(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Which message subscribers were given; remembered until `until`."""

    channel: str
    id: str
    until: int


class Revoked(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A start that its parent has given up before it came; remembered until `until`."""

    parent: Parent
    until: int


class Entity(msgspec.Struct, frozen=True, array_like=True, gc=False):
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
    exclusive: dict[str, tuple[str, ...]] = {}
    """Those of the subscribers of a channel of whom only the one that has waited longest gets a message."""
    revoked: tuple[Revoked, ...] = ()
    """Starts that were given up before they came."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing needs to be remembered."""
        return self.state is None and not (self.subscribers or self.held or self.parked or self.given or self.revoked)

    @property
    def submission(self) -> Submitted | None:
        """The submission that has not been applied yet, if there is no instance."""
        if self.state is not None:
            return None
        return next((event for event in self.parked if isinstance(event, Submitted)), None)

    @property
    def lacks(self) -> tuple[str, int] | None:
        """The template and version that what is parked needs; None if nothing is parked, or it needs no template."""
        needs = (self.state or self.submission) if self.parked else None
        return None if needs is None else (needs.template, needs.version)

    def wakeup(self) -> tuple[int | None, bool]:
        """When the next timer can fire, or something kept expires, in microseconds, and whether a worker is wanted, for
        a task or for what is parked."""
        due, busy = (None, False) if self.state is None else self.state.wakeup()
        if self.parked:
            due = min([one.expires for one in self.parked if type(one) is MessagesHandedOver], default=None)
        if self.held or self.given or self.revoked:
            kept = [held.expires for held in self.held]
            expires = min([*kept, *(given.until for given in self.given), *(one.until for one in self.revoked)])
            due = expires if due is None else min(due, expires)
        return due, busy or bool(self.parked)


EMPTY: Final = Entity()
Result: TypeAlias = tuple[Entity, tuple[Effect, ...]]
