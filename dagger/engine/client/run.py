"""The live handle of an instance, and an instance that is created but not submitted."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Generic

import msgspec
from typing_extensions import TypeVar, override

from dagger.core.events import Submitted
from dagger.core.head import head_of
from dagger.core.same_start import is_same_start
from dagger.core.state import STATUSES, SUBMITTED, Error, State, Status
from dagger.dsl.template import Template
from dagger.engine.client.instance import Instance, StepState, own_plan
from dagger.errors import WorkflowFailed
from dagger.plan.plan import Plan

A = TypeVar("A", contravariant=True, default=Any)
B = TypeVar("B", covariant=True, default=Any)


class LatestState(msgspec.Struct, eq=False, weakref=True):
    """The last state of an instance that this process knows, for all of its handles."""

    plan: Plan
    state: State
    is_taken: bool = False
    """Whether the id belongs to another instance than the one submitted here."""
    is_gone: bool = False
    """Whether the instance no longer exists, and its end was not seen here."""

    @property
    def is_over(self) -> bool:
        """Whether the state of the instance can no longer change."""
        return self.is_taken or self.is_gone

    def show(self, state: State) -> None:
        """The state of the instance with the id, which may differ from the one submitted here."""
        known = self.state
        if known.status == SUBMITTED and not is_same_start(self.plan, known.head, state.head):
            self.is_taken = True
        else:
            self.state = state


class Run(msgspec.Struct, Generic[B], eq=False):
    """The live handle of an instance: every property is read from the last state that this process knows."""

    id: str
    plan: Plan
    seen: LatestState

    @override
    def __repr__(self) -> str:
        return f"<run {self.id} of {self.plan.template}: {self.status}>"

    @property
    def status(self) -> Status:
        """SUBMITTED until a worker has begun it, then the status of its state."""
        return STATUSES[self.seen.state.status]

    @property
    def result(self) -> B:
        """The result. Raises WorkflowFailed if there is none, or TemplateConflict like `Instance`."""
        state = self.seen.state
        if state.result is None:
            why = f": {self.error}" if self.error else ""
            raise WorkflowFailed(f"instance '{self.id}' has no result, it is {self.status}{why}")
        result: B = own_plan(self.plan, state).gives.revive(state.result)
        return result

    @property
    def error(self) -> Error | None:
        """Why it failed; `str` of it is `path: Type: message`. None if it did not."""
        return self.seen.state.error

    def step(self, path: str) -> StepState:
        """The state of the step with a path."""
        return self.instance.step(path)

    @property
    def instance(self) -> Instance[B]:
        """A snapshot."""
        return Instance(self.plan, self.seen.state)


def accepted(event: Submitted, at: int, signature: int) -> State:
    """The state of an instance that is accepted, until a worker begins it."""
    return State(head_of(event, at, signature), at, SUBMITTED)


class Prepared(msgspec.Struct, Generic[B], eq=False):
    """An instance that is created but not submitted: NOT_STARTED. Pass it to `engine.submit`."""

    id: str
    key: str
    plan: Plan
    raw: bytes
    input: Any

    @override
    def __repr__(self) -> str:
        return f"<instance {self.id} of {self.plan.template}: NOT_STARTED>"

    @property
    def status(self) -> Status:
        """NOT_STARTED: nothing happens before it is submitted."""
        return Status.NOT_STARTED

    def submission(self, now: int, headers: dict[str, str]) -> Submitted:
        """The event of its submission."""
        return Submitted(self.plan.template, self.plan.version, self.id, self.key, self.raw, now, headers)


class Registered(Generic[A, B]):
    """A registered template from an `A` to a `B`, which creates instances."""

    __slots__ = ("_prepare", "template")

    def __init__(self, template: Template[A, B], prepare: Callable[[Any, Any, Any], Prepared[B]]) -> None:
        self.template = template
        self._prepare = prepare

    @override
    def __repr__(self) -> str:
        return f"<registered {self.template!r}>"

    async def create_instance(self, id: str | uuid.UUID | None, input: A) -> Prepared[B]:
        """An instance with this id (None is the business key) and input, not submitted yet. Raises as `start` does."""
        return self._prepare(self.template, input, id)
