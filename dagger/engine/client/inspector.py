"""Queries of instances, wherever their workers run: one, a page of them, their number, and the end of one."""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Collection, Sequence
from typing import Any, Final, TypeVar, overload

import msgspec

from dagger.core.dispatch import other_steps
from dagger.core.events import Submitted
from dagger.core.state import STATUSES, SUBMITTED, State, Status
from dagger.engine.client.instance import Instance
from dagger.engine.client.messages import Messenger
from dagger.engine.client.poller import ChangePoller
from dagger.engine.client.queries import CHUNK, InstanceQueries
from dagger.engine.client.run import Run, accepted
from dagger.engine.client.submissions import Submissions
from dagger.engine.client.validation import ANY_PARENT, Parents, checked_query, id_of
from dagger.engine.client.watch import Watch
from dagger.engine.clock import Clock
from dagger.engine.directory import Directory
from dagger.engine.ports import Backend, Row
from dagger.engine.records import decode_stored, why_damaged, why_unread
from dagger.engine.registry import Registry
from dagger.errors import BackendError, EngineClosed, InstanceConflict, TemplateConflict, UnknownInstance
from dagger.plan.plan import Limits, Plan

B = TypeVar("B")

logger: Final = logging.getLogger("dagger")

MISSING_CHECK_S: Final = 1.0
"""The interval, in seconds, for checking whether awaited instances without a row still exist."""


class Inspector(Messenger):
    """Queries instances, and waits for their ends."""

    def __init__(self, backend: Backend, clock: Clock, limits: Limits) -> None:
        super().__init__(backend)
        self._clock = clock
        self._registry = Registry(limits)
        self._watch = Watch()
        self._poller = ChangePoller(backend, lambda: self._watch.open_ids, self._watch.is_open, self._poll)
        self._submissions = Submissions(backend.log)
        self._directory = Directory(lambda: backend.store, limits)
        self._missing = set[str]()
        """Awaited instances that had no row at the last check."""
        self._missing_checked_at = 0.0
        """When their existence was checked last."""
        self._queries = InstanceQueries(backend, self._submissions, self._state_of, self._accepted)

    @overload
    async def get_instance(self, id: Run[B]) -> Instance[B]: ...
    @overload
    async def get_instance(self, id: str | uuid.UUID) -> Instance[Any]: ...
    async def get_instance(self, id: str | uuid.UUID | Run[Any]) -> Instance[Any]:
        """A snapshot of an instance. Raises UnknownInstance, or InstanceConflict like `wait`."""
        await self._open()
        state = await self._state(id_of(id), search_log=not isinstance(id, Run))
        if state is not None:
            if state.status != SUBMITTED:
                self._watch.show_read([state])
            if isinstance(id, Run):
                _refuse_other(id)
            return self._snapshot(state)
        if isinstance(id, Run):
            return id.instance
        raise UnknownInstance(f"no instance has the id '{id}'")

    async def instances(
        self,
        *,
        template: str | None = None,
        status: Status | str | None = None,
        key: str | None = None,
        limit: int = 100,
        after: str | None = None,
        parent: Parents = ANY_PARENT,
    ) -> Sequence[Instance[Any]]:
        """Instances that match all conditions, ordered by id; `after` is the last id of the previous page.

        `parent` is the instance whose steps started them, or None for those that no step started.
        """
        query = checked_query(template, status, key, limit, after, parent)
        await self._open()
        states, left_out = await self._queries.page(query, self._can_show)
        for (name, version), count in left_out.items():
            what = "1 instance is" if count == 1 else f"{count} instances are"
            logger.warning(
                "%s left out: template '%s' version %d is not registered here, or has other steps here",
                what,
                name,
                version,
            )
        return [self._snapshot(state) for state in states]

    async def count(
        self,
        *,
        template: str | None = None,
        status: Status | str | None = None,
        key: str | None = None,
        parent: Parents = ANY_PARENT,
    ) -> int:
        """The number of instances that match all conditions, as in `instances`."""
        query = checked_query(template, status, key, 1, None, parent)
        await self._open()
        return await self._queries.count(query)

    def _can_show(self, state: State) -> bool:
        """Whether an instance can be shown: without its template, only its id is known."""
        return self._registry.plan_of(state) is not None

    @overload
    async def wait(self, instance: Run[B]) -> Instance[B]: ...
    @overload
    async def wait(self, instance: str | uuid.UUID) -> Instance[Any]: ...
    async def wait(self, instance: str | uuid.UUID | Run[Any]) -> Instance[Any]:
        """Wait until an instance has ended; returns its snapshot. Raises UnknownInstance.

        Raises InstanceConflict for a run whose id belongs to another instance: both were submitted before either had
        begun. Raises EngineClosed if the engine is closed, or its worker ends with an error, before the instance has
        ended, and BackendError if commits of other processes can no longer be read.
        """
        if isinstance(instance, Run) and instance.status.is_end:
            return instance.instance
        id = id_of(instance)
        connection = await self._open()
        if not (self._backend.shared or self._is_working):
            logger.warning(
                "waiting for the end of '%s', and this engine is in memory and is not a worker, so nothing proceeds; "
                "wait inside `async with engine:`",
                id,
            )
        try:
            with connection.waiting(f"the end of '{id}'"):
                return await self._until_ended(instance, id)
        except EngineClosed:
            if isinstance(instance, Run) and instance.status.is_end:  # it has ended just before
                return instance.instance
            raise

    @property
    def _is_working(self) -> bool:
        """Whether this engine runs instances."""
        raise NotImplementedError

    async def _until_ended(self, instance: str | uuid.UUID | Run[Any], id: str) -> Instance[Any]:
        is_known = False
        while True:
            event = self._watch.end_of(id)
            try:
                found = await self._ended(instance, is_known=is_known)
                if found is not None:
                    return found
                is_known = True
                await self._poller.wait_for(event)
            finally:
                self._watch.forget(id, event)

    async def _ended(self, instance: str | uuid.UUID | Run[Any], *, is_known: bool) -> Instance[Any] | None:
        """The snapshot of an instance that has ended; None if it has not. Raises UnknownInstance."""
        if isinstance(instance, Run):
            if instance.status.is_end:
                return instance.instance
            _refuse_other(instance)
            if instance.seen.is_gone:
                await self._state(instance.id)  # which raises where it is there, and cannot be read
                raise _gone(instance.id, instance.status)
            if self._watch.shows(instance):  # whoever commits its end, it is seen here
                return None
        id = id_of(instance)
        state = await self._state(id)
        if state is None:
            if isinstance(instance, Run):
                raise _gone(id, instance.status)
            raise _gone(id) if is_known else UnknownInstance(f"no instance has the id '{id}'")
        if not STATUSES[state.status].is_end:
            return None
        self._watch.show_read([state])
        return self._snapshot(state)

    async def _poll(self, ids: Sequence[str]) -> int:
        """Update runs with the committed states of instances; returns how many have ended."""
        found = await self._read(ids, skip_unread=True)
        states = [state for state in found.values() if state.status != SUBMITTED]
        self._watch.show_read(states)
        self._missing.update(id for id in ids if id not in found)
        if self._missing and time.monotonic() - self._missing_checked_at >= MISSING_CHECK_S:
            missing, self._missing, self._missing_checked_at = self._missing, set[str](), time.monotonic()
            with self._watch.seeking():
                await self._check_missing(missing)
        return sum(not state.is_live for state in states)

    async def _check_missing(self, missing: Collection[str]) -> None:
        """Wake waiters for instances that no longer exist: they have neither begun nor are they accepted."""
        accepted = await self._submissions.find(missing)
        rest = [id for id in missing if id not in accepted]
        for start in range(0, len(rest), CHUNK):
            some = rest[start : start + CHUNK]
            begun = await self._read(some, skip_unread=True)
            for id in some:
                if id not in begun:
                    self._watch.lose(id)

    async def _read(self, ids: Sequence[str], *, skip_unread: bool = False) -> dict[str, State]:
        """The states in the rows of instances, where there is a row. Raises BackendError if one can't be read."""
        rows, states = await self._backend.store.read(ids), dict[str, State]()
        for id, row in zip(ids, rows, strict=True):
            try:
                state = self._state_of(row, id)
            except BackendError:
                if not skip_unread:
                    raise
                continue
            if state is not None:
                states[id] = state
        return states

    # Small things.

    async def _state(self, id: str, *, search_log: bool = True) -> State | None:
        """The state of an instance. Without `search_log`, one that no worker has begun is not found."""
        state = (await self._read([id])).get(id)
        if state is not None or not search_log:
            return state
        found = await self._submissions.find([id])
        return self._accepted(found[id]) if id in found else (await self._read([id])).get(id)

    def _state_of(self, row: Row | None, name: str = "") -> State | None:
        """What a row says of its instance, also where its submission waits for a worker that knows the template.

        Raises BackendError for a row that this release cannot read, or that is damaged.
        """
        if row is None:
            return None
        try:
            entity = decode_stored(row.data).entity
        except msgspec.MsgspecError as error:
            raise _unread(name, why_unread(row.data, error)) from None
        damage = why_damaged(entity, name or (entity.state.id if entity.state else ""), self._registry.plan_of)
        if damage:
            raise _unread(name, damage)
        if entity.state is not None:
            return entity.state
        event = entity.submission
        return None if event is None else self._accepted(event)

    def _accepted(self, event: Submitted) -> State:
        """The state of an instance that was accepted and that no worker has begun."""
        plan = self._registry.plan(event.template, event.version)
        at = event.at or self._clock.now()
        return accepted(event, at, 0 if plan is None else plan.signature)

    def _plan_of(self, state: State) -> Plan:
        self._registry.template(state.template, state.version)
        plan = self._registry.plan_of(state)
        if plan is None:
            raise TemplateConflict(other_steps(state))
        return plan

    def _snapshot(self, state: State) -> Instance[Any]:
        return Instance(self._plan_of(state), state)


def _unread(name: str, why: str) -> BackendError:
    whose = f"the record of '{name}'" if name else "its record"
    return BackendError(f"{whose} cannot be read: {why}")


def _refuse_other(run: Run[Any]) -> None:
    if run.seen.is_taken:
        raise InstanceConflict(
            f"the id '{run.id}' belongs to another instance, which was submitted with another input or template before "
            "this one; give id= another value"
        )


def _gone(id: str, status: Status | None = None) -> UnknownInstance:
    seen = "" if status is None else f" (last seen: {status})"
    return UnknownInstance(
        f"instance '{id}' no longer exists{seen}: it ended and was deleted before this process saw its end, or its "
        "submission was dead-lettered; keep ended instances longer, or see the worker's log"
    )
