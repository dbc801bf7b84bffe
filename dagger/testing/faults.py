"""A backend in memory in which one thing goes wrong, of all that the contracts of log and store allow to go wrong."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

import msgspec
from typing_extensions import override

from dagger.backends.memory import MemoryBackend, MemoryLog, MemoryStore
from dagger.core.events import (
    SignalReceived,
    StopRequested,
    Submitted,
    TaskFailed,
    TaskSucceeded,
    TimerDue,
)
from dagger.engine.headers import ID, header, text_of
from dagger.engine.ports import Batch, Entry, Orders, Outgoing, Position, Write, flat
from dagger.engine.records import decode_record
from dagger.errors import DaggerError, Fenced
from dagger.testing.fault_points import Accepted, Committed, FaultInjector, Polled, WorkRestarted, Written
from dagger.testing.releases import RELEASES, Release, Stay

NOTHING: Final = Batch((), ())


class WorkerDied(BaseException):
    """The worker dies here, with all that only it knew."""


class WorkerReplaced(BaseException):
    """The worker ends here, and one of another release follows; or one of the first again (None)."""

    def __init__(self, release: Release | None) -> None:
        super().__init__()
        self.release = release


class CommitLost(BaseException):
    """The log has refused a commit: nothing of it has happened, and the worker lives."""


class FaultyLog(MemoryLog):
    """A log that passes its places, and fails at one of them."""

    def __init__(self, injector: FaultInjector, polls_max: int, releases: Sequence[Release]) -> None:
        super().__init__()
        self._injector = injector
        self._polls_max = polls_max
        self._releases = releases
        self._stays: Stay | None = None
        """Until when the worker of another release stays, if there is one."""
        self._follows = ""
        """Of which release the worker is that takes over now, if it is another than before."""
        self.heard: Collection[str] | None = None
        """The topics that the worker hears; None for all."""
        self.polls = 0
        self._dead = False
        self._one_at_a_time = False
        self._stalled: Position | None = None
        self._behind = NOTHING
        self._held: list[Entry] = []
        """What arrives after something that came later."""
        self._late: list[Entry] = []
        """What arrives as soon as there is nothing else to do."""
        self._next: list[Entry] = []
        """What arrives after whatever the scenario does next."""
        self._last: list[Entry] = []
        """What arrives once the scenario is over."""
        self._deliveries = 0

    @property
    def holds_back(self) -> bool:
        """Whether something has not arrived yet that the scenario believes to have."""
        return bool(self._held) or self._stays is not None

    def finish(self) -> None:
        """The scenario is over: whatever was kept arrives now."""
        self.recall()
        self._late += [*self._held, *self._next, *self._last]
        self._held, self._next, self._last = [], [], []

    # What comes in.

    @override
    async def deliver(self, message: Outgoing) -> None:
        """A message from outside; one without an id gets one, so that its repetition is known for what it is."""
        self._deliveries += 1
        headers = ((ID, f"delivery-{self._deliveries}".encode()), *message.headers)
        named = msgspec.structs.replace(message, headers=headers)
        self._arrive(named, "message", (message.topic, text_of(message.key or b"")))

    @override
    async def append(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            if isinstance(entry, Outgoing):
                self._accept(entry)
                continue
            record = decode_record(entry.data)
            match record.event:
                case TimerDue():
                    self._timer(entry)
                case TaskFailed(timed_out=True):
                    self._result(entry, may_be_lost=False)  # the next worker would give the task all of its time again
                case TaskSucceeded() | TaskFailed():
                    self._result(entry)
                case Submitted():
                    self._arrive(entry, "start", (record.to,))
                case SignalReceived():
                    self._arrive(entry, "signal", (record.to,))
                case StopRequested():
                    self._arrive(entry, "stop", (record.to,))
                case _:
                    self._accept(entry)

    def _timer(self, entry: Entry) -> None:
        self._accept(entry)
        if self._injector.strikes("timer"):
            raise WorkerDied

    def _result(self, entry: Entry, *, may_be_lost: bool = True) -> None:
        """A task reports; the worker may die before it is heard, or just after."""
        if may_be_lost and self._injector.strikes("result lost"):
            self._die()
            return
        self._accept(entry)
        if self._injector.strikes("result kept"):
            self._die()

    def _die(self) -> None:
        self._dead = True
        self.nudge()

    def _arrive(self, entry: Entry, sort: str, key: tuple[str, ...]) -> None:
        if self._injector.holds_back(sort, key):
            self._held.append(entry)
            return
        self._late, self._next = [*self._late, *self._next], []
        self._accept(entry, outside=sort == "message")
        if self._held and self._injector.lets_go():
            self._late, self._held = [*self._late, *self._held], []

    def _accept(self, entry: Entry, *, outside: bool = False) -> None:
        self._injector.note(Accepted(entry))
        self._take(entry, outside=outside)
        self._repeat(entry)

    def _take(self, entry: Entry, *, outside: bool) -> None:
        if outside and isinstance(entry, Outgoing):
            self.delivered.add(len(self.history))
        self._put([entry])

    def _take_late(self, entry: Entry) -> None:
        self._injector.note(Accepted(entry, late=True))
        self._take(entry, outside=True)

    def _repeat(self, entry: Entry, number: int = 0) -> None:
        """Let something arrive twice, where a repetition can be known for what it is."""
        if not self._is_recognised(entry):
            return
        if self._injector.strikes("again", (number,)):
            self._take_late(entry)
        if self._injector.strikes("again when idle", (number,)):
            self._late.append(entry)
        if self._injector.strikes("again after the next", (number,)):
            self._next.append(entry)
        if self._injector.strikes("again at the end", (number,)):
            self._last.append(entry)

    def _is_recognised(self, entry: Entry) -> bool:
        if isinstance(entry, Outgoing):
            return entry.topic in self._polled_topics and bool(header(entry.headers, ID))
        return not isinstance(decode_record(entry.data).event, SignalReceived)

    def recall(self) -> bool:
        """Let the first release come back as soon as there is nothing else to do; whether it is away."""
        if self._stays is not None:
            self._stays = "nothing is left to do"
        return self._stays is not None

    # What goes out.

    @override
    def has_news(self) -> bool:
        with self._hearing():
            news = super().has_news()
        return news or self._dead or self._is_over or bool(self._behind) or bool(self._late)

    @property
    def _is_over(self) -> bool:
        """Whether the worker of another release leaves as soon as there is nothing to do."""
        return self._stays == "nothing is left to do"

    @contextmanager
    def _hearing(self) -> Generator[None]:
        """Within it, only what the worker hears is polled."""
        topics = self._polled_topics
        if self.heard is not None:
            self._polled_topics = {topic: positions for topic, positions in topics.items() if topic in self.heard}
        try:
            yield
        finally:
            self._polled_topics = topics

    @override
    async def poll(self, limit: int) -> Batch:
        self.polls += 1
        if self.polls > self._polls_max:
            raise DaggerError(f"the work does not end: it was polled {self.polls} times")
        if self._dead:
            raise WorkerDied
        batch = await self._now(limit)
        if batch:
            self._injector.note(Polled(batch))
            if self._injector.strikes("poll"):
                raise WorkerDied
            self._replace(batch)
        elif self._is_over and batch.owned is None:
            self._stays, self._follows = None, "the first release"
            raise WorkerReplaced(None)
        return batch

    def _replace(self, batch: Batch) -> None:
        """Let a worker of another release have the batch, unless it would begin an instance of its own."""
        events = [decode_record(record.data).event for record in batch.records]
        begun = [event for event in events if isinstance(event, Submitted)]
        for release in self._releases:
            if any(map(release.begins, begun)):
                continue
            for stay in release.stays:
                if self._injector.strikes("replaced", (release.name, stay)):
                    self._stays, self._follows = stay, f"a release {release.name}"
                    raise WorkerReplaced(release)

    async def _now(self, limit: int) -> Batch:
        if self.polls == 1:
            self._one_at_a_time = self._injector.strikes("one at a time")
        batch = self._without_stalled(await self._heard_now(1 if self._one_at_a_time else limit))
        if batch or batch.owned is not None or not self._late:
            return batch
        for entry in self._late:
            self._take_late(entry)
        self._late = []
        return await self._heard_now(limit)

    async def _heard_now(self, limit: int) -> Batch:
        with self._hearing():
            return await super().poll(limit)

    def _without_stalled(self, batch: Batch) -> Batch:
        """One partition stands still until nothing else is to be polled."""
        found = _positions(batch)
        if len(found) > 1:
            for position in found:
                if self._injector.strikes("stalled", position):
                    self._stalled = position
        if self._stalled is None:
            return batch
        others, own = _split(batch, self._stalled)
        self._behind = Batch([*self._behind.records, *own.records], [*self._behind.messages, *own.messages])
        if others:
            return others
        late, self._behind, self._stalled = self._behind, NOTHING, None
        return msgspec.structs.replace(late, owned=batch.owned)

    @override
    async def commit(self, entries: Orders, offsets: Mapping[Position, int]) -> None:
        if self._injector.strikes("refused"):
            raise CommitLost
        if self._injector.strikes("overtaken commit"):
            await self._injector.take_over()
            raise Fenced("another worker owns the partitions")
        await super().commit(entries, offsets)
        ordered = flat(entries)
        self._injector.note(Committed(ordered))
        for number, entry in enumerate(ordered):
            if isinstance(entry, Outgoing):
                self._repeat(entry, number)
        if self._injector.strikes("commit"):
            raise WorkerDied

    @override
    async def rewind(self) -> None:
        await super().rewind()
        self._dead, self._behind = False, NOTHING
        self._injector.note(WorkRestarted(self._follows))
        self._follows = ""


class FaultyStore(MemoryStore):
    """A store in whose writes the worker may die."""

    def __init__(self, injector: FaultInjector) -> None:
        super().__init__()
        self._injector = injector

    @override
    async def write(self, writes: Sequence[Write]) -> Sequence[bool]:
        for some in _parts(writes):
            if self._injector.strikes("torn write", tuple(write.key for write in some)):
                await super().write(some)
                self._injector.note(Written(some))
                raise WorkerDied
        late = self._injector.strikes("overtaken write")
        if late:
            await self._injector.take_over()
        answer = await super().write(writes)
        self._injector.note(Written([write for write, ok in zip(writes, answer, strict=True) if ok]))
        if late and all(answer):
            raise Fenced("the log would refuse the commit")
        if self._injector.strikes("write"):
            raise WorkerDied
        return answer


class FaultyMemory(MemoryBackend):
    """A log and a store with one injector. A test engine that is given one runs its tasks in turn."""

    log: FaultyLog

    def __init__(
        self, injector: FaultInjector, polls_max: int = 1_000_000, releases: Sequence[Release] = RELEASES
    ) -> None:
        super().__init__()
        self.injector = injector
        self.log = FaultyLog(injector, polls_max, releases)
        self.store = FaultyStore(injector)


def _positions(batch: Batch) -> list[Position]:
    found: list[Position] = [("", record.partition) for record in batch.records]
    found += [(message.topic, message.partition) for message in batch.messages]
    return list(dict.fromkeys(found))


def _split(batch: Batch, stalled: Position) -> tuple[Batch, Batch]:
    """What is not of a position, and what is."""
    topic, partition = stalled
    records, messages = list(batch.records), list(batch.messages)
    own = Batch(
        [record for record in records if not topic and record.partition == partition],
        [message for message in messages if (message.topic, message.partition) == stalled],
    )
    others = Batch(
        [record for record in records if record not in own.records],
        [message for message in messages if message not in own.messages],
        batch.owned,
    )
    return others, own


def _parts(writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
    """What may be written of several rows when the writer dies: one of them, or all but one."""
    if len(writes) < 2:
        return
    for write in writes:
        yield [write]
    if len(writes) > 2:
        for write in writes:
            yield [other for other in writes if other is not write]
