"""Carries a schedule out: on the reference, and on the core in a loop of its own."""

from __future__ import annotations

from collections import Counter, deque
from datetime import timedelta
from typing import Any

import msgspec

from dagger.core import State, Status, receive, running
from dagger.core.effects import Effect, Publish, RunTask, Send, StopTask
from dagger.core.entity import EMPTY, Entity
from dagger.core.envelope import Envelope
from dagger.core.events import (
    Event,
    MessageReceived,
    PlanRegistered,
    SignalReceived,
    StopRequested,
    Submitted,
    TaskFailed,
    TaskSucceeded,
    TimerDue,
)
from dagger.core.state import STATUSES
from dagger.core.step_rows import step_rows
from dagger.engine.clock import to_micros
from dagger.engine.records import StoredEntity, decode_stored, encode_stored
from dagger.errors import CodecError, kinds_of
from dagger.plan import Limits, Plan, compile
from dagger.plan.keys import keys_of
from dagger.plan.ops import Task
from dagger.testing.releases import with_a_step_more
from tests.core.invariants import check
from tests.model.pieces import NEVER, Sent, Stand
from tests.model.reference import Reference, View
from tests.model.schedule import Action, Advance, Case, Deliver, Finish, Lag, Release, Signal, Start, Stop
from tests.model.words import BUSINESS_KEY, LISTENED, PUBLISHED, START, Outcome, Work, plain

MICROSECOND = timedelta(microseconds=1)
WEEK_US = timedelta(days=7) // MICROSECOND


def refer(reference: Reference, case: Case, action: Action) -> None:
    """Carry an action out on the reference."""
    match action:
        case Start():
            reference.start(case.value)
        case Deliver(topic, note, id):
            reference.deliver(topic, note, id)
        case Signal(name, word):
            reference.signal(name, word)
        case Advance(by):
            reference.advance(by)
        case Lag(by):
            reference.lag(by)
        case Finish(which, outcome):
            keys = reference.task_keys
            if keys:
                reference.finish(keys[which % len(keys)], outcome)
        case Stop():
            reference.stop()
        case Release(knows):
            reference.release(knows == "it")


class Core:
    """The core, and the smallest loop that carries its effects out."""

    def __init__(self, case: Case, *, cold: bool = False) -> None:
        self.case = case
        self.cold = cold
        """Whether an entity is written and read again between two events."""
        self.plan = compile(case.template, Limits(case.early_limit, WEEK_US))
        self.registered: tuple[Plan, ...] = (self.plan,)
        """What the workers know."""
        self.now = to_micros(START)
        self.late = False
        self.entities: dict[str, Entity] = {}
        self.queue: deque[tuple[str, Event]] = deque()
        self.sent: dict[str, list[Sent]] = {}
        self.tasks: dict[str, RunTask] = {}
        self.deadlines: dict[int, int] = {}
        """When the tasks that have a timeout exceed it, by their frames, in the order of their calls."""
        self.published: Counter[str] = Counter()
        self.arrivals = 0

    def carry_out(self, action: Action) -> None:
        """Carry an action out, and all that follows from it now."""
        match action:
            case Start():
                self.append(self.case.id, self.submitted())
            case Deliver(topic, note, id):
                self.deliver(topic.name, topic.wire.encode(note), id)
            case Signal(name, word):
                payload = self.plan.signals[name].encode(word)
                self.append(self.case.id, SignalReceived(name, payload))
            case Advance(by):
                self.advance(by // MICROSECOND)
            case Lag(by):
                self.late, self.now = True, self.now + by // MICROSECOND
            case Finish(which, outcome):
                self.finish(which, outcome)
            case Stop():
                self.append(self.case.id, StopRequested())
            case Release(knows):
                self.release(knows)
        self.run_until_idle()

    def release(self, knows: str) -> None:
        """Workers that know other templates take over: whatever waits for one that they know goes on."""
        other = compile(with_a_step_more(self.case.template), self.plan.limits)
        found = {"it": (self.plan,), "another shape": (other,), "the next version": (next_version(other),)}
        self.registered = found.get(knows, ())
        self.tasks.clear()
        self.deadlines.clear()
        state = self.state
        if state is not None and self.plan in self.registered:
            for order in running(self.plan, state):
                self.run_task(order)
        for key, entity in list(self.entities.items()):
            if entity.parked:
                self.append(key, PlanRegistered())

    def submitted(self) -> Submitted:
        plan = self.plan
        raw = plan.takes.encode(self.case.value)
        return Submitted(plan.template, plan.version, self.case.id, BUSINESS_KEY, raw)

    def deliver(self, topic: str, payload: bytes, id: str | None) -> None:
        """A message from outside; one without an id is known by where it stood."""
        self.arrivals += 1
        self.route(topic, payload, f"{topic}/{id}" if id else f"{topic}@{self.arrivals}")

    def route(self, topic: str, payload: bytes, id: str) -> None:
        """To the entity of every key of every channel of the topic."""
        for channel in self.plan.channels.values():
            if channel.topic.name == topic:
                note = channel.topic.wire.decode(payload)
                for key in keys_of(channel.topic, note, channel.by):
                    self.append(key, MessageReceived(Envelope(channel.name, key, payload, id)))

    def finish(self, which: int, outcome: Outcome) -> None:
        if self.tasks:
            order = self.tasks.pop(sorted(self.tasks)[which % len(self.tasks)])
            self.deadlines.pop(order.frame, None)
            self.append(self.case.id, self.outcome(order, outcome))

    def outcome(self, order: RunTask, outcome: Outcome) -> Event:
        """What a task reports."""
        op = self.plan.ops[order.op]
        assert isinstance(op, Task)
        work: Any = op.fn
        assert isinstance(work, Work)
        try:
            result = work.outcome(op.shape.revive(order.value), order.attempt, outcome)
            return TaskSucceeded(order.frame, op.out.round_trip(result)[0])
        except CodecError as error:
            return TaskFailed(order.frame, "TypeError", str(error), kinds_of(TypeError))
        except Exception as error:
            return TaskFailed(order.frame, type(error).__name__, str(error), kinds_of(type(error)))

    def advance(self, by: int) -> None:
        target = self.now + by
        self.late = False
        self.run_until_idle()
        while (due := self.due()) is not None and due <= target:
            self.now = due
            self.run_until_idle()
        self.now = target

    def due(self) -> int | None:
        timers = [due for entity in self.entities.values() if (due := entity.wakeup()[0]) is not None]
        return min([*timers, *self.deadlines.values()], default=None)

    def expired(self) -> RunTask | None:
        """A task that has exceeded its timeout."""
        due = [(at, frame) for frame, at in self.deadlines.items() if at <= self.now and not self.late]
        if not due:
            return None
        frame = min(due, key=lambda one: one[0])[1]
        return next(order for order in self.tasks.values() if order.frame == frame)

    def append(self, to: str, event: Event) -> None:
        self.queue.append((to, event))

    def run_until_idle(self) -> None:
        """Ring what is due, then apply what was appended, until nothing is left to do now."""
        while True:
            ringing, expired = self.ringing(), self.expired()
            if expired is not None:
                self.tasks = {key: order for key, order in self.tasks.items() if order is not expired}
                del self.deadlines[expired.frame]
                kinds = kinds_of(TimeoutError)
                self.apply(self.case.id, TaskFailed(expired.frame, "TimeoutError", "", kinds, timed_out=True))
            elif ringing is not None:
                self.apply(ringing, TimerDue())
            elif self.queue:
                self.apply(*self.queue.popleft())
            else:
                return

    def ringing(self) -> str | None:
        """An entity of which a timer is due."""
        due = ((key, at) for key, entity in self.entities.items() if (at := entity.wakeup()[0]) is not None)
        return None if self.late else next((key for key, at in due if at <= self.now), None)

    def apply(self, to: str, event: Event) -> None:
        entity = self.entities.get(to, EMPTY)
        after, effects = receive(self.find, self.plan.limits, entity, event, self.now)
        self.entities[to] = decode_stored(stored(after)).entity if self.cold else after
        if after.state is not None:
            check(self.plan, after.state)
        for effect in effects:
            self.follow(effect)

    def find(self, template: str, version: int) -> Plan | None:
        known = {(plan.template, plan.version): plan for plan in self.registered}
        return known.get((template, version))

    def follow(self, effect: Effect) -> None:
        match effect:
            case Send(to, event):
                self.append(to, event)
            case Publish():
                self.publish(effect)
            case RunTask():
                self.run_task(effect)
            case StopTask(frame):
                self.tasks = {key: order for key, order in self.tasks.items() if order.frame != frame}
                self.deadlines.pop(frame, None)
            case _:
                pass

    def run_task(self, order: RunTask) -> None:
        key = order.key.removeprefix(f"{self.case.id}/")
        self.tasks[key] = order
        op = self.plan.ops[order.op]
        assert isinstance(op, Task)
        if op.after >= 0:
            self.deadlines[order.frame] = self.now + op.after

    def publish(self, message: Publish) -> None:
        self.published[message.id] += 1
        topic = self.topic(message.topic)
        sent = Sent(topic.wire.decode(message.payload), message.key, tuple(sorted(message.headers.items())))
        self.sent.setdefault(message.topic, []).append(sent)
        self.route(message.topic, message.payload, message.id)

    def topic(self, name: str) -> Any:
        return next(topic for topic in (*LISTENED, *PUBLISHED) if topic.name == name)

    @property
    def state(self) -> State | None:
        return self.entities.get(self.case.id, EMPTY).state

    @property
    def view(self) -> View:
        state = self.state
        if state is None:
            return View(Status.NOT_STARTED, None, None, self.sent, {})
        result = None if state.result is None else self.plan.gives.revive(state.result)
        error = (state.error.path, state.error.type) if state.error else None
        return View(STATUSES[state.status], plain(result), error, self.sent, stands(self.plan, state))


def next_version(plan: Plan) -> Plan:
    """The same, as the next version."""
    return msgspec.structs.replace(plan, version=plan.version + 1)


def stored(entity: Entity) -> bytes:
    """An entity as a store keeps it."""
    return encode_stored(StoredEntity(0, (), entity))


def stands(plan: Plan, state: State) -> dict[str, Stand]:
    """Each step that was begun; once nothing follows, the others are SKIPPED."""
    rows = step_rows(plan, state)
    known = {path: Stand(STATUSES[row[0]], row[1]) for path, row in zip(plan.paths, rows, strict=True) if row[1]}
    return known if state.is_live else {path: known.get(path, NEVER) for path in plan.paths}
