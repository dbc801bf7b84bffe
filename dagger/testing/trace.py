"""A trace in words: what arrived, what was done, what was written and published, and where the fault struck."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, TypeAlias, TypeVar

from dagger.core import events
from dagger.core.entity import Entity
from dagger.core.events import (
    Event,
    MessageForwarded,
    MessageReceived,
    MessageReturned,
    SignalReceived,
    SizeLimitExceeded,
    StopRequested,
    Submitted,
    Subscribed,
    TaskFailed,
    TaskSucceeded,
    TimerDue,
    Unsubscribed,
)
from dagger.core.state import STATUSES, Frame, Running, Sleeping, State, Waiting
from dagger.engine.clock import to_datetime
from dagger.engine.headers import ID, header_text, text_of
from dagger.engine.ports import Batch, Entry, LogRecord, Outgoing, TopicRecord, Write
from dagger.engine.records import decode_record, decode_stored
from dagger.plan.names import quoted
from dagger.plan.plan import Plan
from dagger.testing.fault_points import (
    Accepted,
    Committed,
    FaultInjected,
    FaultPoint,
    How,
    Polled,
    Trace,
    TraceItem,
    WorkRestarted,
    Written,
)

FindPlan: TypeAlias = Callable[[str, int], Plan | None]
BEFORE: Final = 14
"""How many lines of a trace are shown before the fault."""
AFTER: Final = 26
"""How many are shown after it."""
_DOES: Final[Mapping[type[Frame], str]] = {Waiting: "waits at", Running: "runs", Sleeping: "sleeps at"}
_AGAIN: Final[Mapping[How, str]] = {
    "again": "arrives twice",
    "again when idle": "arrives again when nothing else is left to do",
    "again after the next": "arrives again after what the scenario does next",
    "again at the end": "arrives again at the end",
}

T = TypeVar("T")


class TraceFormatter:
    """Tells a trace. `find` gives the plan of a template's name and version."""

    def __init__(self, trace: Trace, find: FindPlan) -> None:
        self._trace = trace
        self._find = find
        self._paths = dict[tuple[str, int], str]()
        self._instances = set[str]()
        for row in (write for item in self._all(Written) for write in item.writes):
            self._learn(row)

    def _all(self, kind: type[T]) -> Iterator[T]:
        return (item for _, item in self._trace if isinstance(item, kind))

    def _learn(self, row: Write) -> None:
        """The paths of an instance's frames, and that it is one."""
        state = _entity(row).state
        plan = None if state is None else self._find(state.template, state.version)
        if state is None or plan is None:
            return
        self._instances.add(state.id)
        for number, frame in state.frames.items():
            self._paths[state.id, number] = plan.ops[frame.op].path

    # The fault.

    def fault(self, place: FaultPoint) -> str:
        """What goes wrong at a place of this trace."""
        match place.how:
            case "poll":
                return f"crash after a poll of {self._things(self._last(place, Polled).batch)}, before any write"
            case "torn write":
                rows = _keys(self._next(place, Written).writes)
                return f"crash within a write: of the rows {rows} only {_several(map(str, place.part))} was written"
            case "write":
                rows = _keys(self._last(place, Written).writes)
                return f"crash after the write of {rows}, before {self._commit(self._next(place, Committed))}"
            case "commit":
                return f"crash after {self._commit(self._last(place, Committed))}"
            case "refused":
                return f"{self._commit(self._next(place, Committed))} is refused; the same worker polls the batch again"
            case "overtaken write":
                rows = _keys(self._next(place, Written).writes)
                return f"another worker takes over before the write of {rows}, which comes too late"
            case "overtaken commit":
                commit = self._commit(self._next(place, Committed))
                return f"another worker takes over before {commit}, which comes too late"
            case "replaced":
                release, stay = place.part
                batch = self._things(self._last(place, Polled).batch)
                return f"after a poll of {batch}, a worker of a release {release} takes over until {stay}"
            case "timer":
                return f"crash after the {self._entry(self._last(place, Accepted).entry)} was asked to fire"
            case "result lost":
                return f"crash while a task runs: the {self._entry(self._next(place, Accepted).entry)} is lost"
            case "result kept":
                return f"crash after the {self._entry(self._last(place, Accepted).entry)} was accepted"
            case _:
                return self._disorder(place)

    def _disorder(self, place: FaultPoint) -> str:
        match place.how:
            case "held back":
                late, early = (self._entry(self._accepted(at)) for at in (place.at, int(place.part[1])))
                return f"the {late} arrives after the {early}"
            case "stalled":
                own = self._things(_of(self._next(place, Polled).batch, place))
                return f"{own} is polled after all that can be done without it"
            case "one at a time":
                return "records are polled one at a time"
            case _:
                return f"the {self._repeated(place)} {_AGAIN[place.how]}"

    def _repeated(self, place: FaultPoint) -> str:
        item = self._trace[place.at - 1][1]
        if isinstance(item, Committed):
            return self._entry(item.entries[int(place.part[0])])
        assert isinstance(item, Accepted)
        return self._entry(item.entry)

    def _accepted(self, at: int) -> Entry:
        item = self._trace[at][1]
        assert isinstance(item, Accepted)
        return item.entry

    def _last(self, place: FaultPoint, kind: type[T]) -> T:
        return next(item for _, item in reversed(self._trace[: place.at]) if isinstance(item, kind))

    def _next(self, place: FaultPoint, kind: type[T]) -> T:
        return next(item for _, item in self._trace[place.at :] if isinstance(item, kind))

    def _commit(self, item: Committed) -> str:
        orders = self._orders(item.entries)
        return f"the commit that {orders}" if orders else "the commit"

    # The lines.

    def lines(self, fault: str) -> list[str]:
        """What happened before the fault and after it; `fault` is what the place of this trace was called."""
        lines = list(self._all_lines(fault))
        struck = next((number for number, line in enumerate(lines) if line.startswith("***")), 0)
        first, last = max(0, struck - BEFORE), struck + AFTER
        head = [f"... {first} lines before"] if first else []
        tail = [f"... {len(lines) - last} lines more"] if len(lines) > last else []
        return [*head, *lines[first:last], *tail]

    def _all_lines(self, fault: str) -> Iterator[str]:
        shown = -1
        for time, item in self._trace:
            if time != shown:
                yield f"{to_datetime(time):%Y-%m-%d %H:%M:%S}"
                shown = time
            yield from ([f"*** {fault}"] if isinstance(item, FaultInjected) else self._line(item))

    def _line(self, item: TraceItem) -> Iterator[str]:
        match item:
            case Accepted():
                yield f"  arrived    {self._entry(item.entry)}{', late' if item.late else ''}"
            case Polled():
                yield f"  polled     {self._things(item.batch)}"
            case Written():
                yield from (f"  written    {self._row(row)}" for row in item.writes)
            case Committed():
                yield f"  committed  {self._orders(item.entries)}".rstrip()
            case WorkRestarted():
                by = f"by a worker of {item.release}: " if item.release else ""
                yield f"  resumed    {by}what was not committed is polled again, what should run runs again"
            case FaultInjected():
                pass

    def _row(self, row: Write) -> str:
        if row.data is None:
            return f"{row.key}: deleted"
        entity = _entity(row)
        words = [] if entity.state is None else [self._state(entity.state)]
        if entity.subscribers:
            words.append(f"subscribed by {_several({id for ids in entity.subscribers.values() for id in ids})}")
        if entity.held:
            words.append(f"holds {_several(f'{one.message.channel} {one.message.id}'.strip() for one in entity.held)}")
        if entity.parked:
            words.append(f"parks {_several(self._event(row.key, event) for event in entity.parked)}")
        return f"{row.key}: {'; '.join(words) or 'nothing'}"

    def _state(self, state: State) -> str:
        does = [
            f"{_DOES[type(frame)]} {self._path(state.id, number)}"
            for number, frame in state.frames.items()
            if type(frame) in _DOES
        ]
        held = [f"holds {one.message.channel} {one.message.id}".strip() for one in state.held]
        return ", ".join([STATUSES[state.status].value, *does, *held])

    # Things.

    def _things(self, batch: Batch) -> str:
        return _several([*map(self._message, batch.messages), *map(self._record, batch.records)])

    def _record(self, record: LogRecord) -> str:
        found = decode_record(record.data)
        return self._event(found.to, found.event)

    def _message(self, message: TopicRecord | Outgoing) -> str:
        id = header_text(message.headers, ID)
        return f"message {message.topic} of '{text_of(message.key or b'')}'" + (f" ({id})" if id else "")

    def _entry(self, entry: Entry) -> str:
        if isinstance(entry, Outgoing):
            return self._message(entry)
        found = decode_record(entry.data)
        return self._event(found.to, found.event)

    def _orders(self, entries: Sequence[Entry]) -> str:
        out = [self._published(entry) for entry in entries if isinstance(entry, Outgoing)]
        own = [self._entry(entry) for entry in entries if not isinstance(entry, Outgoing)]
        verbs = [f"publishes {_several(out)}"] if out else []
        return " and ".join([*verbs, *([f"sends on {_several(own)}"] if own else [])])

    def _published(self, message: Outgoing) -> str:
        path = (header_text(message.headers, ID) or "").rpartition("/")[0]
        for id in self._instances:
            run, _, place = path.removeprefix(quoted(id)).partition("/")
            if path.startswith(quoted(id)) and place and (not run or run.startswith("#")):
                return f"{message.topic} of '{text_of(message.key or b'')}' ({place} of {id}{run})"
        return self._message(message)

    def _path(self, id: str, frame: int) -> str:
        return self._paths.get((id, frame), f"step {frame}")

    def _event(self, to: str, event: Event) -> str:
        match event:
            case Submitted():
                return f"start of {to}"
            case MessageReceived(message=message):
                return f"message {message.channel} at '{to}'" + (f" ({message.id})" if message.id else "")
            case MessageForwarded(message=message):
                return f"message {message.channel} for {to}" + (f" ({message.id})" if message.id else "")
            case MessageReturned(message=message):
                return f"message {message.channel} back at '{to}', not taken by {event.by}"
            case SignalReceived():
                return f"signal '{event.name}' for {to}"
            case TaskSucceeded():
                return f"result of {self._path(to, event.frame)} of {to}"
            case TaskFailed():
                return f"failure of {self._path(to, event.frame)} of {to} ({event.kind}: {event.message})"
            case TimerDue():
                return f"timer of {to}"
            case StopRequested():
                return f"stop of {to}"
            case events.ChildEnded():
                return f"end of {event.child} for {to}"
            case events.CallGivenUp():
                return f"stop of {to} by {event.parent.id}"
            case SizeLimitExceeded():
                return f"end of {to}, which is too large"
            case events.MessagesHandedOver():
                offsets = ", ".join(str(one.offset) for one in event.messages)
                return f"messages {offsets} of {event.topic}/{event.partition}, handed over to {event.channel}"
            case events.UnreadRecord():
                return f"record for {to} that cannot be read here"
            case events.PlanRegistered():
                return f"going on with what is parked at '{to}'"
            case Subscribed():
                return f"subscription of {event.instance} at '{to}'"
            case Unsubscribed():
                return f"end of the subscription of {event.instance} at '{to}'"


def _entity(row: Write) -> Entity:
    return Entity() if row.data is None else decode_stored(row.data).entity


def _keys(writes: Sequence[Write]) -> str:
    return _several(write.key for write in writes)


def _of(batch: Batch, place: FaultPoint) -> Batch:
    topic, partition = place.part
    return Batch(
        [record for record in batch.records if not topic and record.partition == partition],
        [one for one in batch.messages if (one.topic, one.partition) == (topic, partition)],
    )


def _several(things: Iterable[str]) -> str:
    """At most four of them by name."""
    found = list(things)
    more = f" and {len(found) - 4} more" if len(found) > 4 else ""
    return ", ".join(found[:4]) + more
