"""What a task can find out about its call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from dagger.errors import DaggerError

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class TaskContext:
    """Where a task runs.

    `attempt` counts the tries from 1. `idempotency_key` is the same for every try of one call, and differs
    between calls: pass it to services that can recognise a repeated request. `resources` is what the engine's
    `lifespan=` yielded. `headers` are those of the instance, with the trace context of the message or signal
    that caused the call, if it had one.
    """

    instance_id: str
    template: str
    path: str
    attempt: int
    idempotency_key: str
    resources: Any = field(repr=False, default=None)
    headers: Mapping[str, str] = field(repr=False, compare=False, default_factory=dict[str, str])
    hangs: Callable[[], None] = field(repr=False, compare=False, default=lambda: None)
    """For test doubles: reports to the engine that this task will not end by itself."""

    def resource(self, kind: type[R]) -> R:
        """The resource of a class: what `lifespan=` yielded itself, or a value of the mapping that it yielded."""
        found = self.resources
        named: Mapping[Any, Any] = found if isinstance(found, Mapping) else {"": found}  # pyright: ignore[reportUnknownVariableType]  # narrowed from Any
        for value in named.values():
            if isinstance(value, kind):
                return value
        raise DaggerError(f"{self.path}: no resource is a {kind.__name__}; yield one from the lifespan= of the engine")


_CURRENT: Final[ContextVar[TaskContext]] = ContextVar("dagger_task")


def context() -> TaskContext:
    """The context of the task that is running. Raises DaggerError outside a task."""
    found = _CURRENT.get(None)
    if found is None:
        raise DaggerError("dagger.context() was called outside a task; only functions under @task have a context")
    return found


def enter_context(value: TaskContext) -> None:
    """Set the context for the code that this coroutine or thread runs from here on."""
    _CURRENT.set(value)
