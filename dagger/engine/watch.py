"""Who looks at instances in this process: the handles of runs, and callers that wait for an end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from weakref import WeakValueDictionary

import anyio

from dagger.core.state import SUBMITTED, State
from dagger.engine.run import Run, Seen
from dagger.plan.plan import Plan

ACCEPTED_MAX: Final = 10_000
"""How many instances that were accepted here, and not begun yet, are remembered."""


class Watch:
    """Shows each commit to those whom it concerns."""

    def __init__(self) -> None:
        self._waiters: dict[str, list[anyio.Event]] = {}
        self._seen: WeakValueDictionary[str, Seen] = WeakValueDictionary()
        self._accepted: dict[str, Seen] = {}

    def seen(self, id: str) -> State | None:
        """The last state of an instance that a handle in this process shows."""
        seen = self._seen.get(id)
        return None if seen is None else seen.state

    def handle(self, plan: Plan, state: State) -> Run[Any]:
        """A run whose state is kept as new as the last commit here."""
        seen = self._seen.get(state.id)
        if seen is None:
            seen = self._seen[state.id] = Seen(state)
        if state.status == SUBMITTED:
            self._accepted[state.id] = seen
            if len(self._accepted) > ACCEPTED_MAX:
                del self._accepted[next(iter(self._accepted))]
        return Run(state.id, plan, seen)

    def end_of(self, id: str) -> anyio.Event:
        """Set once the instance has ended."""
        event = anyio.Event()
        self._waiters.setdefault(id, []).append(event)
        return event

    @property
    def ids(self) -> set[str]:
        """The instances that somebody looks at."""
        return {*self._seen.keys(), *self._waiters}

    def show(self, states: Mapping[str, State]) -> None:
        """These states were committed."""
        for id, state in states.items():
            self._accepted.pop(id, None)
            seen = self._seen.get(id)
            if seen is not None:
                seen.state = state
            if not state.is_live:
                for event in self._waiters.pop(id, ()):
                    event.set()
