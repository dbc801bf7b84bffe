"""Pages of instances, and their number: those that have a row, and those that were accepted and are not begun."""

from __future__ import annotations

import heapq
import logging
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Final

import msgspec

from dagger.core.events import Submitted
from dagger.core.state import State, Status
from dagger.engine.client.submissions import Submissions
from dagger.engine.ports import Backend, Query, Row
from dagger.errors import BackendError

logger: Final = logging.getLogger("dagger")

CHUNK: Final = 512
"""How many rows are read at a time."""
PAGE_MIN: Final = 100
"""How many instances are looked at at a time, at least, where some of a page cannot be shown."""
CHECKED_MAX: Final = 10_000
"""How many instances that are not begun are looked at twice while they are counted."""
TRIES: Final = 3
"""How often they are counted anew where some of them begin meanwhile."""


class InstanceQueries:
    """What can be asked of all instances."""

    def __init__(
        self,
        backend: Backend,
        submissions: Submissions,
        state_of: Callable[[Row | None], State | None],
        accepted: Callable[[Submitted], State],
    ) -> None:
        """`state_of` gives what a row says of its instance, and raises BackendError for one that cannot be read.
        `accepted` gives what is known of an instance that is not begun."""
        self._store = backend.store
        self._submissions = submissions
        self._state_of = state_of
        self._accepted = accepted

    async def page(
        self, query: Query, is_shown: Callable[[State], bool]
    ) -> tuple[list[State], Counter[tuple[str, int]]]:
        """As many as are wanted of those that can be shown; and how many before the last were left out, by template."""
        found, left_out = list[State](), Counter[tuple[str, int]]()
        wanted = query.limit
        while True:
            some, is_last = await self._part(query)
            for state in some:
                if is_shown(state):
                    found.append(state)
                    if len(found) == wanted:
                        return found, left_out
                else:
                    left_out[state.template, state.version] += 1
            if is_last:
                return found, left_out
            query = msgspec.structs.replace(query, after=some[-1].id, limit=max(wanted, PAGE_MIN))

    async def _part(self, query: Query) -> tuple[list[State], bool]:
        """The next of them, and whether nothing follows. An instance that begins meanwhile has a row by then."""
        pending, is_all = await self._pending(query)
        rows = await self._store.find(query)
        states, unread = {**pending}, list[BackendError]()
        for row in rows:
            try:
                state = self._state_of(row)
            except BackendError as error:
                unread.append(error)
                continue
            if state is not None:
                states[state.id] = state
        found = [states[id] for id in sorted(states)]
        is_last = is_all and len(rows) < query.limit and len(found) <= query.limit
        if unread:
            if not (found or is_last):  # where the next of them are is not known
                raise unread[0]
            what = "1 instance is" if len(unread) == 1 else f"{len(unread):,} instances are"
            logger.warning("%s left out: %s", what, unread[0])
        return found[: query.limit], is_last

    async def _pending(self, query: Query) -> tuple[dict[str, State], bool]:
        """The first of those that are not begun, and whether these are all."""
        found = dict[str, State]()
        if not _may_be_pending(query):
            return found, True
        while True:
            first, is_all = await self._first(query)
            absent = set(await self._without_row([event.id for event in first]))
            found |= {event.id: self._accepted(event) for event in first if event.id in absent}
            if is_all or len(found) >= query.limit:
                return found, is_all
            query = msgspec.structs.replace(query, after=first[-1].id)

    async def _first(self, query: Query) -> tuple[list[Submitted], bool]:
        """The first submissions that match, by id; and whether these are all."""
        kept, is_all = dict[str, Submitted](), True
        async with aclosing(self._submissions.matching(query)) as parts:
            async for part in parts:
                for event in part:
                    kept.setdefault(event.id, event)
                if len(kept) > query.limit:
                    is_all = False
                    kept = {id: kept[id] for id in heapq.nsmallest(query.limit, kept)}
        return [kept[id] for id in sorted(kept)], is_all

    async def _without_row(self, ids: Sequence[str]) -> list[str]:
        """Those of them that have no row, so that nobody has begun them."""
        found = list[str]()
        for start in range(0, len(ids), CHUNK):
            some = ids[start : start + CHUNK]
            rows = await self._store.read(some)
            found += [id for id, row in zip(some, rows, strict=True) if self._has_no_state(row)]
        return found

    def _has_no_state(self, row: Row | None) -> bool:
        try:
            return self._state_of(row) is None
        except BackendError:
            return False

    async def count(self, query: Query) -> int:
        """How many match; `limit` and `after` do not matter."""
        if not _may_be_pending(query):
            return await self._store.count(query)
        query = msgspec.structs.replace(query, after=None)
        begun = absent = 0
        for _ in range(TRIES):
            absent, ids = await self._absent(query)
            begun = await self._store.count(query)
            if not ids:
                break
            # Those that have begun meanwhile may be counted among the others, or not.
            still = len(await self._without_row(ids))
            if still == len(ids):
                break
            absent = still
        return begun + absent

    async def _absent(self, query: Query) -> tuple[int, list[str]]:
        """How many are not begun, and which, unless they are too many."""
        count, ids = 0, list[str]()
        async with aclosing(self._submissions.matching(query)) as parts:
            async for part in parts:
                some = await self._without_row([event.id for event in part])
                count += len(some)
                if count <= CHECKED_MAX:
                    ids += some
        return count, ids if count <= CHECKED_MAX else []


def _may_be_pending(query: Query) -> bool:
    return query.status in (None, Status.SUBMITTED)
