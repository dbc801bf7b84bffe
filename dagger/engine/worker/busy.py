"""What a worker that takes partitions over has to do for their rows: run tasks, and apply what is parked."""

from __future__ import annotations

from collections.abc import Collection

from dagger.core.entity import Entity
from dagger.core.events import MessagesHandedOver
from dagger.core.rules.running import running
from dagger.engine.registry import Registry
from dagger.engine.worker.dispatch import LocalEffects
from dagger.engine.worker.handover import Handover
from dagger.engine.worker.rows import LoadedRow
from dagger.errors import message_of


class Busy:
    """The work for the rows that were looked at."""

    def __init__(
        self,
        registry: Registry,
        handover: Handover,
        before: Collection[tuple[str, int]],
        now: Collection[tuple[str, int]],
    ) -> None:
        """`before` and `now` are the templates that were known before and that are known now, by name and version."""
        self._registry = registry
        self._handover = handover
        self._before = before
        self._now = now
        self.tasks = list[LocalEffects]()
        """The tasks that must run, of templates that were not known before."""
        self.resumable = list[str]()
        """The keys where something is parked that can be applied now."""
        self.unread = dict[str, str]()
        """The keys whose rows cannot be read, with the reason."""

    def look_at(self, key: str, loaded: LoadedRow) -> None:
        """Add the work for a row. Whatever is wrong with it, it hinders no other row."""
        if not loaded.unread:
            try:
                self._add(key, loaded.cell.entity)
            except Exception as error:  # bytes that were changed may still decode
                loaded.unread = message_of(error)
        if loaded.unread:
            self.unread[key] = loaded.unread

    def _add(self, key: str, entity: Entity) -> None:
        state = entity.state
        plan = None if state is None else self._registry.plan_of(state)
        if state is not None and plan is not None and (state.template, state.version) not in self._before:
            self.tasks.append(LocalEffects(key, state, running(plan, state)))
        if entity.parked and self._can_resume(entity):
            self.resumable.append(key)

    def _can_resume(self, entity: Entity) -> bool:
        first = entity.parked[0]
        if isinstance(first, MessagesHandedOver):
            return self._handover.knows(first)
        return entity.lacks is None or entity.lacks in self._now
