"""Submissions that were accepted and that no worker has begun: read from the end of the log.

The log knows them already, so nothing more is written when an instance is submitted. What was read is remembered until
it is committed, so that a look costs what has come since the look before. Beyond some bounds it is read each time.

An instance may begin at any moment. Who wants to know how it stands reads its row, then looks here, and then, if it is
not here, reads its row again: it was in one of these places all the time. The row decides where there is one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping
from contextlib import aclosing
from typing import Final, NamedTuple

import anyio
import msgspec

from dagger.core.events import Submitted
from dagger.engine.ports import Backlog, Log, Query
from dagger.engine.records import decode_record

READ_MAX: Final = 2048
"""How many records are read at a time."""
REMEMBERED_MAX: Final = 100_000
"""How many submissions are remembered."""
REMEMBERED_BYTES_MAX: Final = 64 * 1024 * 1024
"""How large what is remembered may be, in bytes."""


class _Entry(NamedTuple):
    """A submission, and where it stands."""

    offset: int
    size: int
    event: Submitted


class _PartitionTail:
    """What is remembered of a partition: its submissions behind what is committed, in the order of the log."""

    def __init__(self) -> None:
        self.settled = -1
        """How far it was read."""
        self.is_whole = True
        """Whether that was the end."""
        self.open: list[_Entry] = []
        """Those behind what is settled, as they were read last."""
        self._entries = deque[_Entry]()
        self._first: dict[str, _Entry] = {}
        self._again: dict[str, deque[_Entry]] = {}
        """Further submissions of one id."""

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: _Entry) -> None:
        self._entries.append(entry)
        if self._first.setdefault(entry.event.id, entry) is not entry:
            self._again.setdefault(entry.event.id, deque()).append(entry)

    def drop(self, committed: int) -> int:
        """Forget what is committed; gives the bytes of it."""
        size = 0
        while self._entries and self._entries[0].offset <= committed:
            gone = self._entries.popleft()
            size += gone.size
            id = gone.event.id
            others = self._again.get(id)
            if others:
                self._first[id] = others.popleft()
            else:
                self._first.pop(id, None)
                self._again.pop(id, None)
        return size

    def get(self, id: str) -> Submitted | None:
        """The first submission of an id: it is the one that counts."""
        found = self._first.get(id)
        if found is not None:
            return found.event
        return next((entry.event for entry in self.open if entry.event.id == id), None)

    def all(self) -> Iterable[Submitted]:
        """The first submission of each id."""
        yield from (entry.event for entry in self._first.values())
        seen = set[str]()
        for entry in self.open:
            id = entry.event.id
            if id not in self._first and id not in seen:
                seen.add(id)
                yield entry.event


class _SharedRead:
    """What several ask at once, and the answer."""

    def __init__(self) -> None:
        self.partitions = set[int]()
        self.ids = set[str]()
        self.is_answered = False
        self.tails: Mapping[int, _PartitionTail] = {}
        self.beyond: dict[str, Submitted] = {}
        """Those of the ids that were found beyond what is remembered."""


class Submissions:
    """What can be asked of submissions that are not begun."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self.reset()

    def reset(self) -> None:
        """Know nothing: what is opened next may be another log."""
        self._tails: dict[int, _PartitionTail] = {}
        self._size = 0
        self._lock = anyio.Lock()
        self._next = _SharedRead()

    async def find(self, ids: Collection[str]) -> dict[str, Submitted]:
        """The submissions of these ids that are accepted and not committed."""
        homes = {id: self._log.partition_of(id) for id in ids}
        asked = await self._ask(ids, set(homes.values()))
        found = {id: asked.tails[home].get(id) or asked.beyond.get(id) for id, home in homes.items()}
        return {id: event for id, event in found.items() if event is not None}

    async def matching(self, query: Query) -> AsyncGenerator[list[Submitted]]:
        """All that match but for the limit, in parts; each id once, unless it is beyond the bounds."""
        tails = (await self._ask((), set(range(self._log.partitions)))).tails
        known = [event for tail in tails.values() for event in tail.all() if _matches(event, query)]
        rest = {partition: tail.settled for partition, tail in tails.items() if not tail.is_whole}
        for start in range(0, len(known), READ_MAX):
            yield known[start : start + READ_MAX]
        if rest:
            seen = {event.id for event in known}
            async for part in self._beyond(rest):
                yield [event for event in part if _matches(event, query) and event.id not in seen]

    async def _ask(self, ids: Iterable[str], partitions: set[int]) -> _SharedRead:
        """Read on. All who ask while somebody reads are answered together, by the next reading."""
        asked = self._next
        asked.partitions |= partitions
        asked.ids.update(ids)
        async with self._lock:
            if not asked.is_answered:
                if asked is self._next:
                    self._next = _SharedRead()
                asked.tails = await self._read(asked.partitions)
                await self._seek(asked)
                asked.is_answered = True
        return asked

    async def _seek(self, asked: _SharedRead) -> None:
        """Look for the ids that are asked for beyond what is remembered."""
        rest = {partition: tail.settled for partition, tail in asked.tails.items() if not tail.is_whole}
        left = {id for id in asked.ids if all(tail.get(id) is None for tail in asked.tails.values())} if rest else None
        if not left:
            return
        async with aclosing(self._beyond(rest)) as parts:
            async for part in parts:
                for event in part:
                    if event.id in left:
                        asked.beyond[event.id] = event
                        left.discard(event.id)
                if not left:
                    return

    async def _read(self, partitions: set[int]) -> Mapping[int, _PartitionTail]:
        """Read on, as far as there is room."""
        tails = {partition: self._tails.setdefault(partition, _PartitionTail()) for partition in partitions}
        for tail in tails.values():
            tail.open = []
        while True:
            part = await self._log.backlog({partition: tail.settled for partition, tail in tails.items()}, READ_MAX)
            for partition, tail in tails.items():
                self._size -= tail.drop(part.committed[partition])
                tail.is_whole = not part.more
            if not self._has_room():
                self._note_rest(tails, part)
                return tails
            self._remember(tails, part)
            if not part.more:
                return tails

    def _has_room(self) -> bool:
        count = sum(map(len, self._tails.values()))
        return count < REMEMBERED_MAX and self._size < REMEMBERED_BYTES_MAX

    @staticmethod
    def _note_rest(tails: Mapping[int, _PartitionTail], part: Backlog) -> None:
        """Nothing more is remembered; whether there is more."""
        here = {record.partition for record in part.records}
        for partition, tail in tails.items():
            tail.is_whole = not part.more and partition not in here

    def _remember(self, tails: Mapping[int, _PartitionTail], part: Backlog) -> None:
        for entry, partition in _submissions(part):
            tail = tails[partition]
            if entry.offset <= part.settled[partition]:
                tail.add(entry)
                self._size += entry.size
            else:
                tail.open.append(entry)
        for partition, tail in tails.items():
            tail.settled = part.settled[partition]

    async def _beyond(self, at: Mapping[int, int]) -> AsyncGenerator[list[Submitted]]:
        """What is behind these offsets, remembered by nobody."""
        while True:
            part = await self._log.backlog(at, READ_MAX)
            yield [entry.event for entry, _ in _submissions(part)]
            if not part.more:
                return
            at = part.settled


def _submissions(part: Backlog) -> Iterable[tuple[_Entry, int]]:
    for record in part.records:
        try:
            event = decode_record(record.data).event
        except msgspec.MsgspecError:  # the worker puts it to the dead letters
            continue
        if type(event) is Submitted:
            yield _Entry(record.offset, len(record.data), event), record.partition


def _matches(event: Submitted, query: Query) -> bool:
    return (
        (query.template is None or event.template == query.template)
        and (query.key is None or event.key == query.key)
        and (query.parent is None or query.parent == ("" if event.parent is None else event.parent.id))
        and (query.after is None or event.id > query.after)
    )
