"""Who looks at instances in this process: the handles of runs, and callers that wait for an end."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any, Final
from weakref import ref

import anyio

from dagger.core.state import EXECUTING, SUBMITTED, State
from dagger.engine.client.run import LatestState, Run
from dagger.plan.plan import Plan

ACCEPTED_MAX: Final = 10_000
"""How many instances that were accepted here, and not begun yet, are remembered."""
SWEEP_MIN: Final = 1024
"""How many instances that were looked at are remembered before those that no longer are, are forgotten."""


class Watch:
    """Shows each commit to those whom it concerns."""

    def __init__(self) -> None:
        self._waiters: dict[str, list[anyio.Event]] = {}
        self._seen: dict[str, ref[LatestState]] = {}
        self._sweep_at = SWEEP_MIN
        self._accepted: dict[str, LatestState] = {}
        self._sending: dict[str, int] = {}
        """Instances whose submissions are on their way to the log, each with the number of these."""
        self._sent: set[str] | None = None
        """Those that were on their way while it is found out which instances are there; None while it is not."""

    def seen(self, id: str) -> State | None:
        """The last state of an instance that a handle in this process shows."""
        seen = self._get(id)
        return None if seen is None or seen.is_gone else seen.state

    def _get(self, id: str) -> LatestState | None:
        found = self._seen.get(id)
        return None if found is None else found()

    def handle(self, plan: Plan, state: State) -> Run[Any]:
        """A run whose state is kept as new as the last commit here."""
        id = state.head.id
        found = self._seen.get(id)
        seen = None if found is None else found()
        if seen is None or seen.is_over:
            seen = LatestState(plan, state)
            self._seen[id] = ref(seen)
            if len(self._seen) > self._sweep_at:
                self._sweep()
        if state.status == SUBMITTED:
            self._accepted[id] = seen
            if len(self._accepted) > ACCEPTED_MAX:
                del self._accepted[next(iter(self._accepted))]
        return Run(id, plan, seen)

    def _sweep(self) -> None:
        """Forget the instances that nobody looks at any more: now and then, which is a third of the cost of at once."""
        self._seen = {id: seen for id, seen in self._seen.items() if seen() is not None}
        self._sweep_at = max(SWEEP_MIN, 2 * len(self._seen))

    def shows(self, run: Run[Any]) -> bool:
        """Whether a handle is one of those that are kept new here."""
        return self._get(run.id) is run.seen

    def end_of(self, id: str) -> anyio.Event:
        """Set once the instance has ended."""
        event = anyio.Event()
        self._waiters.setdefault(id, []).append(event)
        return event

    def forget(self, id: str, event: anyio.Event) -> None:
        """Nobody waits for this event any more."""
        found = self._waiters.get(id)
        if found is not None and event in found:
            found.remove(event)
            if not found:
                del self._waiters[id]

    def abandon(self) -> None:
        """Those who waited were of an event loop that has ended."""
        self._waiters.clear()

    @property
    def ids(self) -> set[str]:
        """The instances that somebody looks at."""
        return {*(id for id in self._seen if self._get(id) is not None), *self._waiters}

    def is_open(self, id: str) -> bool:
        """Whether somebody looks at an instance that has not ended, as far as is known here."""
        return id in self._waiters or id in self._seen

    @property
    def open_ids(self) -> list[str]:
        """Those of them that have not ended, as far as is known here; first those whose end is waited for."""
        ids = dict.fromkeys(self._waiters)
        for id, found in self._seen.items():
            seen = found()
            if seen is not None and not seen.is_over and seen.state.status in (EXECUTING, SUBMITTED):
                ids[id] = None
        return list(ids)

    def begin_sending(self, ids: Iterable[str]) -> None:
        """Submissions are on their way to the log, so that neither the log nor a row may know them yet."""
        for id in ids:
            self._sending[id] = self._sending.get(id, 0) + 1

    def end_sending(self, ids: Iterable[str]) -> None:
        """They are accepted, or have failed."""
        for id in ids:
            left = self._sending.pop(id) - 1
            if left:
                self._sending[id] = left
            if self._sent is not None:
                self._sent.add(id)

    @contextmanager
    def seeking(self) -> Generator[None]:
        """Find out which instances are not there any more; what is submitted meanwhile is not lost."""
        self._sent = set(self._sending)
        try:
            yield
        finally:
            self._sent = None

    def lose(self, id: str) -> None:
        """The instance is not there any more: nobody will see its end."""
        if id in self._sending or (self._sent is not None and id in self._sent):
            return
        self._accepted.pop(id, None)
        seen = self._get(id)
        if seen is not None:
            seen.is_gone = True
        for event in self._waiters.pop(id, ()):
            event.set()

    def show_read(self, states: Iterable[State]) -> None:
        """These states were read; one that was read before a commit that is known here shows nothing."""
        self.show([state for state in states if not self._is_older(state)])

    def _is_older(self, state: State) -> bool:
        known = self.seen(state.id)
        if known is None or known.status == SUBMITTED:
            return False
        return state.now < known.now or (state.is_live and not known.is_live)

    def show(self, states: Iterable[State]) -> None:
        """These states were committed."""
        waiters, accepted = self._waiters, self._accepted
        if not (waiters or self._seen):  # nobody looks: in a worker, mostly
            return
        for state in states:
            id = state.head.id
            accepted.pop(id, None)
            found = self._seen.get(id)
            is_taken = False
            if found is not None and (seen := found()) is not None:
                if seen.state.status != SUBMITTED:  # its beginning was seen
                    seen.state = state
                else:
                    seen.show(state)
                    is_taken = seen.is_taken
            if (state.status != EXECUTING or is_taken) and id in waiters:
                for event in waiters.pop(id):
                    event.set()
