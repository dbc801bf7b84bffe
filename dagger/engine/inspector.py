"""How instances stand, wherever their workers are: one, a page of them, their number, and the end of one."""

from __future__ import annotations

import logging
import uuid
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final, TypeVar, overload

from dagger.core.home import other_steps
from dagger.core.state import State, Status
from dagger.engine.follow import Follower
from dagger.engine.instance import Instance
from dagger.engine.messages import Messenger
from dagger.engine.ports import Backend
from dagger.engine.prepare import checked_query, id_of
from dagger.engine.records import decode_cell
from dagger.engine.registry import Registry
from dagger.engine.run import Run
from dagger.engine.watch import Watch
from dagger.errors import InstanceConflict, TemplateConflict, UnknownInstance
from dagger.plan.plan import Limits, Plan

B = TypeVar("B")

logger: Final = logging.getLogger("dagger")


class Inspector(Messenger):
    """Tells how instances stand, and waits for their ends."""

    def __init__(self, backend: Backend, limits: Limits) -> None:
        super().__init__(backend)
        self._registry = Registry(limits)
        self._watch = Watch()
        self._follower = Follower(backend, lambda: self._watch.open_ids, self._look)

    @overload
    async def get_instance(self, id: Run[B]) -> Instance[B]: ...
    @overload
    async def get_instance(self, id: str | uuid.UUID) -> Instance[Any]: ...
    async def get_instance(self, id: str | uuid.UUID | Run[Any]) -> Instance[Any]:
        """A snapshot of an instance. Raises UnknownInstance, or InstanceConflict as `wait` does."""
        await self._open()
        state = await self._state(id_of(id))
        if state is not None:
            self._watch.catch_up([state])
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
    ) -> Sequence[Instance[Any]]:
        """Instances that match all that is given, ordered by id; `after` is the id where the last page ended."""
        query = checked_query(template, status, key, limit, after)
        await self._open()
        rows = await self._backend.store.find(query)
        states = [state for row in rows if (state := decode_cell(row.data).home.state) is not None]
        left_out = Counter((state.template, state.version) for state in states if not self._knows(state))
        for (name, version), count in left_out.items():
            what = "1 instance is" if count == 1 else f"{count} instances are"
            logger.warning(
                "%s left out: template '%s' version %d is not registered here as it was", what, name, version
            )
        return [self._snapshot(state) for state in states if self._knows(state)]

    async def count(
        self, *, template: str | None = None, status: Status | str | None = None, key: str | None = None
    ) -> int:
        """How many instances match all that is given."""
        query = checked_query(template, status, key, 1, None)
        await self._open()
        return await self._backend.store.count(query)

    def _knows(self, state: State) -> bool:
        """Whether an instance can be shown: of those whose template is not registered here only the id is known."""
        return self._registry.plan_of(state) is not None

    @overload
    async def wait(self, instance: Run[B]) -> Instance[B]: ...
    @overload
    async def wait(self, instance: str | uuid.UUID) -> Instance[Any]: ...
    async def wait(self, instance: str | uuid.UUID | Run[Any]) -> Instance[Any]:
        """Wait until an instance has ended; gives its snapshot. Raises UnknownInstance.

        Raises InstanceConflict for a run whose id another instance has got: both were submitted before one had begun.
        """
        if isinstance(instance, Run) and instance.status.is_end:
            return instance.instance
        id = id_of(instance)
        await self._open()
        while True:
            event = self._watch.end_of(id)
            try:
                found = await self._ended(instance)
                if found is not None:
                    return found
                await self._follower.until(event)
            finally:
                self._watch.forget(id, event)

    async def _ended(self, instance: str | uuid.UUID | Run[Any]) -> Instance[Any] | None:
        """The snapshot of an instance that has ended; None of one that has not. Raises UnknownInstance."""
        if isinstance(instance, Run):
            if instance.status.is_end:
                return instance.instance
            _refuse_other(instance)
            if self._watch.shows(instance):  # whoever commits its end, it is seen here
                return None
        state = await self._state(id_of(instance))
        if state is None and not isinstance(instance, Run):
            raise UnknownInstance(f"no instance has the id '{instance}'")
        if state is None or state.is_live:
            return None
        self._watch.catch_up([state])
        return self._snapshot(state)

    async def _look(self, ids: Sequence[str]) -> int:
        """Show what is committed now of some instances; gives how many of them have ended."""
        rows = await self._backend.store.read(ids)
        states = [state for row in rows if row is not None and (state := decode_cell(row.data).home.state) is not None]
        self._watch.catch_up(states)
        return sum(not state.is_live for state in states)

    # Small things.

    async def _state(self, id: str) -> State | None:
        (row,) = await self._backend.store.read([id])
        return None if row is None else decode_cell(row.data).home.state

    def _plan_of(self, state: State) -> Plan:
        self._registry.template(state.template, state.version)
        plan = self._registry.plan_of(state)
        if plan is None:
            raise TemplateConflict(other_steps(state))
        return plan

    def _snapshot(self, state: State) -> Instance[Any]:
        return Instance(self._plan_of(state), state)


def _refuse_other(run: Run[Any]) -> None:
    if run.seen.is_taken:
        raise InstanceConflict(
            f"the id '{run.id}' has got another instance, which was submitted with another input or template before "
            "this one; give id= another value"
        )
