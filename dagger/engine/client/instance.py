"""A snapshot of an instance, its steps, and both drawn as a tree with times."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Generic

from typing_extensions import TypeVar, override

from dagger.core.dispatch import other_steps
from dagger.core.places import child_of
from dagger.core.state import NOT_STARTED, SKIPPED, STATUSES, Calling, Error, Recalling, State, Status, Waiting
from dagger.core.step_rows import step_rows
from dagger.engine.clock import to_datetime
from dagger.errors import TemplateConflict, UnknownStep, in_line
from dagger.plan.ops import Call, Listen, Op, Scope, Spread
from dagger.plan.plan import Plan

B = TypeVar("B", covariant=True, default=Any)

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
    """The state of one step of an instance. `attempts` counts how often it was begun."""

    path: str
    kind: str
    status: Status
    attempts: int = 0
    started: datetime | None = None
    ended: datetime | None = None
    error: Error | None = None

    @property
    def took(self) -> timedelta | None:
        """Its duration, if it has ended."""
        return None if self.started is None or self.ended is None else self.ended - self.started


class Instance(Generic[B]):
    """A snapshot of an instance that ends with a `B`, and of every step of its template.

    Values are loaded when they are accessed. A snapshot that was requested by id is an `Instance[Any]`.

    If an ended instance began when its template had other steps than it has here, it is shown without steps, and its
    input and result raise TemplateConflict.
    """

    __slots__ = ("_plan", "_state")

    def __init__(self, plan: Plan, state: State) -> None:
        self._plan = plan
        self._state = state

    @property
    def id(self) -> str:
        """The id that was passed to `start`, or its business key."""
        return self._state.id

    @property
    def template(self) -> str:
        """The name of its template."""
        return self._state.template

    @property
    def version(self) -> int:
        """The version of its template."""
        return self._state.version

    @property
    def key(self) -> str:
        """Its business key."""
        return self._state.key

    @property
    def status(self) -> Status:
        """Its status."""
        return STATUSES[self._state.status]

    @property
    def input(self) -> Any:
        """The input with which it was started."""
        return own_plan(self._plan, self._state).takes.decode(self._state.input)

    @property
    def result(self) -> B:
        """Its result; None, whatever `B` is, unless its status is COMPLETED. `run.result` raises instead."""
        stored = self._state.result
        result: Any = None if stored is None else own_plan(self._plan, self._state).gives.revive(stored)
        return result  # type: ignore[no-any-return]  # of the type of the run, or unknown

    @property
    def error(self) -> Error | None:
        """Why it failed; `str` of it is `path: Type: message`."""
        return self._state.error

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that it was started with, by a message or by `headers=`: its trace context, and others."""
        return MappingProxyType(self._state.head.headers)

    @property
    def parent(self) -> str | None:
        """The id of the instance whose step started it; None if no step did."""
        parent = self._state.head.parent
        return None if parent is None else parent.id

    @property
    def children(self) -> tuple[str, ...]:
        """The ids of the instances that its steps have started, in the order of the steps.

        Those that have ended in a `for_each` or `repeat` are not among them: `engine.instances(parent=)` finds all.
        """
        return tuple(children_of(self._plan, self._state)) if is_own_plan(self._plan, self._state) else ()

    @property
    def created(self) -> datetime:
        """When it was created."""
        return to_datetime(self._state.head.created)

    @property
    def updated(self) -> datetime:
        """When it changed last."""
        return to_datetime(self._state.now)

    @property
    def ended(self) -> datetime | None:
        """When it ended; None while it executes."""
        return to_datetime(self._state.ended) if self._state.ended else None

    @property
    def steps(self) -> tuple[StepState, ...]:
        """Every step of its template, in the order written."""
        return tuple(step_states(self._plan, self._state)) if is_own_plan(self._plan, self._state) else ()

    @property
    def waiting_for(self) -> tuple[str, ...]:
        """The steps that wait for a message or a signal, each with its topic or signal."""
        return tuple(_waits(self._plan, self._state)) if is_own_plan(self._plan, self._state) else ()

    def step(self, path: str) -> StepState:
        """The step with a path. Raises UnknownStep if the template has none, or TemplateConflict."""
        own_plan(self._plan, self._state)
        for found in self.steps:
            if found.path == path:
                return found
        known = ", ".join(self._plan.paths)
        raise UnknownStep(f"template '{self.template}' has no step '{path}'; its steps are: {known}")

    def tree(self) -> str:
        """The instance as a tree of its steps, with marks, statuses and times."""
        return "\n".join(_tree(self, is_own_plan(self._plan, self._state)))

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Instance) and self._state == other._state

    @override
    def __hash__(self) -> int:
        return hash((self._state.id, self._state.now))

    @override
    def __repr__(self) -> str:
        return f"<instance {self.id} of {self.template}: {self.status}>"

    @override
    def __str__(self) -> str:
        return self.tree()


def is_own_plan(plan: Plan, state: State) -> bool:
    """Whether an instance began with this plan, so that its stored state can be read."""
    return plan.signature == state.signature


def own_plan(plan: Plan, state: State) -> Plan:
    """The plan, if the instance began with it. Raises TemplateConflict if it began with another."""
    if not is_own_plan(plan, state):
        raise TemplateConflict(other_steps(state))
    return plan


def step_states(plan: Plan, state: State) -> Iterator[StepState]:
    """The state of each step of the template; a step that can no longer be reached is SKIPPED."""
    statuses = list[int]()
    rows = step_rows(plan, state)
    for slot, (path, kind, row) in enumerate(zip(plan.paths, plan.kinds, rows, strict=True)):
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


def children_of(plan: Plan, state: State) -> Iterator[str]:
    """The children that execute, and those of the steps that have one child: its id is known by the path."""
    rows = step_rows(plan, state)
    executing = dict[int, list[str]]()
    for frame in state.frames.values():
        if isinstance(frame, Calling | Recalling):
            executing.setdefault(frame.op, []).append(frame.child)
    for op in plan.ops:
        if isinstance(op, Call) and rows[op.slot][1]:
            yield from executing.get(op.index) or ([] if _has_many(plan, op) else [child_of(state.head, op.path)])


def _has_many(plan: Plan, op: Op) -> bool:
    """Whether a step is in a for_each or a loop, so that there is a child for each item or round."""
    while op.owner >= 0:
        op = plan.ops[op.owner]
        if isinstance(op, Spread) or (isinstance(op, Scope) and op.loops):
            return True
    return False


def _waits(plan: Plan, state: State) -> Iterator[str]:
    for frame in state.frames.values():
        op = plan.ops[frame.op]
        if isinstance(frame, Waiting) and isinstance(op, Listen):
            yield f"{op.path} ({op.channel})"


def _tree(instance: Instance[Any], has_steps: bool) -> Iterator[str]:
    head = f"{_MARKS[instance.status]} {instance.template} {in_line(instance.id)}  {instance.status}"
    # An error that belongs to no step, such as a timeout, is shown on the first line.
    whose = f"  child of {in_line(instance.parent)}" if instance.parent is not None else ""
    error = "" if any(step.error for step in instance.steps) else f"  {in_line(str(instance.error or ''))}"
    yield f"{head}  {_span(instance.created, instance.ended)}{whose}{error}".rstrip()
    if not has_steps:
        yield "  its steps are not known: the template has other steps here than it had when the instance began"
    rows = list(_branches(_by_parent(instance.steps), "", ""))
    name_width = max((len(name) for name, _ in rows), default=0)
    status_width = max((len(step.status) for _, step in rows), default=0)
    for name, step in rows:
        yield f"{name:{name_width}}  {step.status.value:{status_width}}  {_details(step)}".rstrip()


def _by_parent(steps: tuple[StepState, ...]) -> Mapping[str, list[StepState]]:
    """The steps by the path of the enclosing step, which is empty at the top level."""
    inside = dict[str, list[StepState]]()
    known = set[str]()
    for step in steps:
        around = [path for path in _prefixes(step.path) if path in known]
        inside.setdefault(around[-1] if around else "", []).append(step)
        known.add(step.path)
    return inside


def _prefixes(path: str) -> list[str]:
    parts = path.split("/")
    return ["/".join(parts[:n]) for n in range(1, len(parts))]


def _branches(inside: Mapping[str, list[StepState]], parent: str, stem: str) -> Iterator[tuple[str, StepState]]:
    """The branches below a step, each with its mark and name, and the step."""
    steps = inside.get(parent, [])
    for number, step in enumerate(steps, start=1):
        is_last = number == len(steps)
        label = step.path.removeprefix(f"{parent}/") if parent else step.path
        yield f"{stem}{'└─' if is_last else '├─'} {_MARKS[step.status]} {label}", step
        yield from _branches(inside, step.path, stem + ("   " if is_last else "│  "))


def _details(step: StepState) -> str:
    tries = f"  ×{step.attempts}" if step.attempts > 1 else ""
    error = f"  {in_line(step.error.text)}" if step.error else ""
    return f"{_span(step.started, step.ended)}{tries}{error}"


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
