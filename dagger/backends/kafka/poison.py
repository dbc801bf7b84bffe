"""Poison records are detected and dead-lettered.

A record whose function never returns, or ends the process, is polled again by the next owner of its lane, and by the
one after that. So the store counts, for each lane, how often it was taken over at the same position after something was
polled. After a few takeovers, records are polled one by one, and each is noted before it is processed. If a worker ends
again while it processes a single record, the next owner gets the record marked as poison, and dead-letters it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

import msgspec

from dagger.backends.kafka.notes import Pin, PinnedNote
from dagger.backends.standalone import StandaloneStore

PATIENCE: Final = 2
"""How often a lane is taken over at one place before its records are polled one by one."""
CAREFUL: Final = 4096
"""For how many records that goes on."""

Place: TypeAlias = tuple[str, int, int]
"""A topic, a partition and an offset."""


class LaneNote(PinnedNote, frozen=True, kw_only=True):
    """What the store knows of a lane."""

    at: str = ""
    """How far the lane was committed when it was taken over."""
    deaths: int = 0
    """How often it was taken over there, and polled."""
    alone: Place | None = None
    """What was polled alone last."""
    by: str = ""
    """Who has polled it: as long as the same one goes on, nothing has ended it."""
    store: str = ""
    """The incarnation of the store beside which the lane was read to its end."""
    owner: str = ""
    """The transactional id of whoever may commit for the lane."""


class PoisonDetector:
    """A lane, as to whether one of its records kills."""

    def __init__(self, store: StandaloneStore, lane: int, me: str) -> None:
        self._me = me
        self._pin = Pin[LaneNote](store, f"lane/{lane}")
        self._kept = self._note = LaneNote()
        self._polled = self._open = False
        self._left = 0
        self.poison: Place | None = None
        """What has ended its worker though it was alone."""

    @property
    def owner(self) -> str:
        """The transactional id of whoever may commit for the lane, as far as it was read."""
        return self._kept.owner

    async def read(self) -> None:
        """Read the note of the lane."""
        self._kept = await self._pin.get(LaneNote())

    async def claim(self) -> bool:
        """Own the lane, if the note is as it was read: before its first transaction, so that an heir knows its id."""
        if self._kept.owner != self._me:
            await self._keep(msgspec.structs.replace(self._kept, owner=self._me))
        return self._kept.owner == self._me

    @property
    def is_careful(self) -> bool:
        """Whether records are to be polled one by one."""
        return self._left > 0

    @property
    def incarnation(self) -> str:
        """The incarnation of the store beside which the lane was read to its end."""
        return self._kept.store

    async def taken(self, positions: Mapping[tuple[str, int], int]) -> None:
        """The lane was read and claimed; its partitions are committed up to these offsets."""
        at = ",".join(f"{topic}/{partition}/{offset}" for (topic, partition), offset in sorted(positions.items()))
        same = self._kept.at == at
        deaths = self._kept.deaths if same else 0
        if self._kept.by == self._me:  # it lives, so nothing has killed it
            deaths -= self._polled and same
        else:
            self.poison = self._kept.alone
        if self.poison is not None and not _is_left(self.poison, positions):
            self.poison = None
        self._note = LaneNote(at=at, deaths=deaths, by=self._me, store=self._kept.store, owner=self._kept.owner)
        self._polled = self._open = False
        self._left = CAREFUL if deaths >= PATIENCE or self.poison else 0

    async def polled(self, first: Place) -> None:
        """A record of the lane is about to be given out, the first since it was taken over, or the only one."""
        if self._left:
            self._left -= 1
            await self._keep(msgspec.structs.replace(self._note, deaths=self._note.deaths + 1, alone=first))
        elif not self._polled:
            await self._keep(msgspec.structs.replace(self._note, deaths=self._note.deaths + 1))
        self._polled = self._open = True

    def committed(self) -> None:
        """What was polled is committed."""
        self._open = False

    async def released(self) -> None:
        """The lane is left in order: nothing was killed by what was polled and not committed."""
        if self._open:
            self._open = self._polled = False
            await self._keep(self._note)

    async def caught_up(self, incarnation: str) -> None:
        """The lane was read to its end beside this incarnation of the store."""
        self._note = msgspec.structs.replace(self._note, store=incarnation)
        await self._keep(msgspec.structs.replace(self._kept, store=incarnation))

    def at_end(self) -> None:
        """Nothing is left in it that could kill."""
        self._left = 0

    async def _keep(self, note: LaneNote) -> None:
        """Only the owner of the lane changes it; if somebody else has, the commit that follows is fenced anyway."""
        if note != self._kept and await self._pin.replace(note):
            self._kept = note


def _is_left(place: Place, positions: Mapping[tuple[str, int], int]) -> bool:
    """Whether a record was not committed, whatever else was before it, one by one."""
    topic, partition, offset = place
    return positions.get((topic, partition), offset + 1) <= offset
