"""What users see of an instance: a snapshot, its steps, and both drawn as a tree with times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from typing_extensions import override

from dagger.core.state import NOT_STARTED, ROW, SKIPPED, STATUSES, Error, State, Status, Waiting
from dagger.engine.clock import to_datetime
from dagger.errors import UnknownInstance
from dagger.plan.ops import Listen
from dagger.plan.plan import Plan

_MARKS: Final[Mapping[Status, str]] = {
    Status.COMPLETED: "✔",
    Status.EXECUTING: "▶",
    Status.FAILURE: "✘",
    Status.SKIPPED: "↷",
    Status.STOPPED: "■",
    Status.NOT_STARTED: "·",
    Status.SUBMITTED: "…",
}


@dataclass(frozen=True, slots=True)
class StepState:
    """How one step of an instance stands. `attempts` counts how often it was begun."""

    path: str
    kind: str
    status: Status
    attempts: int = 0
    started: datetime | None = None
    ended: datetime | None = None
    error: Error | None = None

    @property
    def took(self) -> timedelta | None:
        """How long it took, if it has ended."""
        return None if self.started is None or self.ended is None else self.ended - self.started


@dataclass(frozen=True, slots=True)
class Instance:
    """A snapshot of an instance. `input` and `result` are loaded values; `waiting_for` names topics and signals."""

    id: str
    template: str
    version: int
    key: str
    status: Status
    input: Any
    result: Any = None
    error: Error | None = None
    created: datetime | None = None
    updated: datetime | None = None
    ended: datetime | None = None
    steps: tuple[StepState, ...] = ()
    waiting_for: tuple[str, ...] = ()

    def step(self, path: str) -> StepState:
        """The step of a path. Raises UnknownInstance-like KeyError text where the template has no such step."""
        for found in self.steps:
            if found.path == path:
                return found
        known = ", ".join(step.path for step in self.steps)
        raise UnknownInstance(f"template '{self.template}' has no step '{path}'; its steps are: {known}")

    def tree(self) -> str:
        """The instance as a tree of its steps, with marks, statuses and times."""
        return "\n".join(_tree(self))

    @override
    def __str__(self) -> str:
        return self.tree()


def snapshot(plan: Plan, state: State) -> Instance:
    """What users see of a state."""
    status = STATUSES[state.status]
    return Instance(
        id=state.id,
        template=state.template,
        version=state.version,
        key=state.key,
        status=status,
        input=plan.takes.decode(state.input),
        result=None if state.result is None else plan.gives.revive(state.result),
        error=state.error,
        created=to_datetime(state.created),
        updated=to_datetime(state.now),
        ended=to_datetime(state.ended) if state.ended else None,
        steps=tuple(step_states(plan, state)),
        waiting_for=tuple(_waits(plan, state)),
    )


def step_states(plan: Plan, state: State) -> Iterator[StepState]:
    """How each step of the template stands; one that can no longer be reached is SKIPPED."""
    statuses = list[int]()
    for slot, (path, kind) in enumerate(zip(plan.paths, plan.kinds, strict=True)):
        at = slot * ROW.size
        row = ROW.unpack_from(state.outcomes, at) if at < len(state.outcomes) else (NOT_STARTED, 0, 0, 0)
        status, attempts, began, ended = row
        owner = plan.owners[slot]
        over = statuses[owner] if owner >= 0 else state.status
        if status == NOT_STARTED and STATUSES[over].is_end:
            status = SKIPPED
        statuses.append(status)
        yield StepState(
            path,
            kind,
            STATUSES[status],
            attempts,
            to_datetime(began) if attempts else None,
            to_datetime(ended) if ended else None,
            state.errors.get(slot),
        )


def _waits(plan: Plan, state: State) -> Iterator[str]:
    for frame in state.frames.values():
        op = plan.ops[frame.op]
        if isinstance(frame, Waiting) and isinstance(op, Listen):
            yield f"{op.path} ({op.channel})"


def _tree(instance: Instance) -> Iterator[str]:
    head = f"{_MARKS[instance.status]} {instance.template} {instance.id}  {instance.status}"
    yield f"{head}  {_span(instance.created, instance.ended)}".rstrip()
    paths = [step.path for step in instance.steps]
    known = set(paths)
    for number, step in enumerate(instance.steps):
        parents = [p for p in _prefixes(step.path) if p in known]
        label = step.path[len(parents[-1]) + 1 :] if parents else step.path
        rest = paths[number + 1 :]
        stem = "".join("│  " if _has_sibling(rest, p) else "   " for p in parents)
        elbow = "├─ " if _has_sibling(rest, step.path) else "└─ "
        yield f"{stem}{elbow}{_line(step, label)}".rstrip()


def _prefixes(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def _has_sibling(rest: list[str], path: str) -> bool:
    """Whether a later step hangs on the same branch of the tree."""
    base = path.rpartition("/")[0]
    prefix = f"{base}/" if base else ""
    return any(other.startswith(prefix) and not other.startswith(f"{path}/") for other in rest)


def _line(step: StepState, label: str) -> str:
    tries = f"  ×{step.attempts}" if step.attempts > 1 else ""
    error = f"  {step.error.text}" if step.error else ""
    return f"{_MARKS[step.status]} {label}  {step.status}  {_span(step.started, step.ended)}{tries}{error}"


def _span(started: datetime | None, ended: datetime | None) -> str:
    if started is None:
        return ""
    begin = started.strftime("%H:%M:%S.%f")[:-3]
    return f"{begin} → {_took(ended - started)}" if ended else f"{begin} → …"


def _took(took: timedelta) -> str:
    seconds = took.total_seconds()
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.3f} s" if seconds < 60 else str(took)
