"""One event for many entities, stored once: a message that thousands of instances await at one key.

The row of an entity has what a transition has ordered until that is committed. A record for each subscriber would
repeat the whole event there, and the row of a key with many subscribers would exceed the maximum of a store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final, TypeAlias, final

import msgspec

from dagger.core.effects import Effect, Send
from dagger.core.events import Event
from dagger.engine.ports import Append, Entry

FANOUT_MIN: Final = 8
"""Up to this many records of one event are stored separately."""


@final
class Fanout(msgspec.Struct, frozen=True, array_like=True, tag=3, gc=False):
    """Records of one event, for the entities of several keys, in this order."""

    event: Event
    to: tuple[str, ...]


Kept: TypeAlias = Entry | Fanout


def compacted(entries: Sequence[Entry], effects: Iterable[Effect]) -> Sequence[Kept]:
    """The entries that effects have ordered, with those of one event combined."""
    if len(entries) < FANOUT_MIN:
        return entries
    sends = [effect for effect in effects if type(effect) is Send]
    fans = [[*some] for _, some in groupby(sends, lambda send: id(send.event))]
    if len(fans) * FANOUT_MIN > len(sends):
        return entries
    others = [entry for entry in entries if type(entry) is not Append]
    return [*(Fanout(some[0].event, tuple([send.to for send in some])) for some in fans), *others]
