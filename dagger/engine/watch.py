"""Who looks at instances in this process: the handles of runs, and callers that wait for an end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from weakref import WeakValueDictionary

import anyio

from dagger.core.state import State
from dagger.engine.run import Run, Seen
from dagger.plan.plan import Plan


class Watch:
    """Shows each commit to those whom it concerns."""

    def __init__(self) -> None:
        self._waiters: dict[str, list[anyio.Event]] = {}
        self._seen: WeakValueDictionary[str, Seen] = WeakValueDictionary()

    def handle(self, id: str, plan: Plan, state: State | None) -> Run[Any]:
        """A run whose state is kept as new as the last commit here."""
        seen = self._seen.get(id)
        if seen is None:
            seen = self._seen[id] = Seen()
        seen.state = state if seen.state is None else seen.state
        return Run(id, plan, seen)

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
            seen = self._seen.get(id)
            if seen is not None:
                seen.state = state
            if not state.is_live:
                for event in self._waiters.pop(id, ()):
                    event.set()
