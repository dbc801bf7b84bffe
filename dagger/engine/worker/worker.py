"""The batch loop: poll many, read many, step each, write many, publish and commit once.

A log record is applied to an entity once: the entity's row holds the offset of the last one. When a record comes again
(its commit was lost), what its step ordered is still in the row's outbox, and is published again with the same
ids. Entries whose offset is known to be committed are dropped at the row's next write. Where the backend writes and
commits as one, no record comes again, and no outbox is kept.

What is known of a partition, rows in memory, timers that were asked for and tasks that run, is known for as long as it
is owned. A poll tells what is owned from there on.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

import msgspec

from dagger.core.dispatch import receive
from dagger.core.effects import (
    Answered,
    Effect,
    Failed,
    Ignored,
    Notice,
    Parked,
    Publish,
    RunTask,
    Send,
    StopTask,
    TryFailed,
    Unmatched,
)
from dagger.core.events import Event, PlanRegistered, TimerDue
from dagger.core.rules.running import running
from dagger.core.state import State
from dagger.engine.clock import Clock
from dagger.engine.fanout import folded
from dagger.engine.headers import ID, header, headers_of, unpacked
from dagger.engine.ports import (
    Append,
    Backend,
    Batch,
    Entry,
    Headers,
    LogRecord,
    Outgoing,
    Position,
)
from dagger.engine.records import (
    Cell,
    Outbox,
    Record,
    encode_record,
    partition_of,
    unfolded,
)
from dagger.engine.registry import Registry
from dagger.engine.worker.conflicts import Passed, TooLarge
from dagger.engine.worker.decoding import DEAD_LETTERS, decoded, unread
from dagger.engine.worker.failure_log import below, tell_parked
from dagger.engine.worker.oversize import Grown, answer, follow_up, halves
from dagger.engine.worker.router import Router
from dagger.engine.worker.rows import Loaded, Rows
from dagger.engine.worker.timers import Timers
from dagger.engine.worker.user_code import Place
from dagger.errors import in_line, reason_of, traceback_of, words_of
from dagger.plan.names import topic_of

logger: Final = logging.getLogger("dagger")

BATCH: Final = 2048
"""How many records are polled at a time."""


class Local(msgspec.Struct, frozen=True):
    """What a commit means in this process: tasks to start and stop, and failures to tell of."""

    id: str
    state: State
    effects: tuple[RunTask | StopTask | Notice, ...]


class Worker:
    """Applies the log's records to the entities of the partitions that it owns. Each session has its own worker."""

    def __init__(
        self,
        backend: Backend,
        registry: Registry,
        clock: Clock,
        *,
        counts: Counter[str],
        unmatched_topic: str | None,
        committed: Callable[[Sequence[Local], Sequence[State]], None],
        lost: Callable[[Collection[int]], None],
    ) -> None:
        self._backend = backend
        self._log = backend.log
        self._atomic = backend.atomic
        self._store = backend.store
        self._registry = registry
        self._plan = registry.plan
        self._limits = registry.limits
        self._clock = clock
        self._router = Router(registry, backend, keeps_originals=unmatched_topic is not None)
        self._unmatched_topic = unmatched_topic
        self._committed = committed
        self._lost = lost
        self._owned: dict[int, int] = {}
        self._done: dict[int, int] = {}
        self._timers = Timers(backend.store)
        self._rows = Rows(backend, self._timers.expect)
        self._known: frozenset[tuple[str, int]] = frozenset()
        self._counts = counts
        self._parked: dict[str, list[str]] = {}
        """The keys of which the batch has parked something, by the reason."""
        self.place = Place(self._rows)

    async def run_once(self) -> bool:
        """Apply one batch; whether there was one."""
        batch = await self._log.poll(BATCH)
        try:
            if batch.owned is not None:
                await self._own(batch.owned)
                self._done.update(batch.committed)
            if batch:
                await self._apply_all(batch)
        except BaseException:
            self._rows.clear()
            raise
        return bool(batch) or batch.owned is not None

    async def ring(self) -> int:
        """Order the timers that are due now to fire; gives how many were ordered."""
        if self._registry.count != len(self._known):
            await self._learn()
        now = self._clock.now()
        if not self._timers.are_due(now) or self._log.is_early:
            return 0
        return await self._timers.ring(self._owned, now, partial(self._order, event=TimerDue()))

    @property
    def next_due(self) -> int | None:
        """When the first timer is due that was not ordered to fire, in microseconds; None if there is none."""
        return self._timers.next_due

    async def due_after(self, time: int) -> int | None:
        """When the first timer of the owned partitions is due that is later than a time."""
        return await self._store.next_due(self._owned, time)

    async def rewind(self) -> None:
        """After a failure: know nothing, and begin again with what is committed."""
        self._rows.clear()
        await self._log.rewind()

    async def _own(self, owned: Mapping[int, int]) -> None:
        """Take over what is owned now and was not before, and let go what no longer is."""
        before, self._owned = self._owned, dict(owned)
        self._rows.clear()
        self._known = frozenset[tuple[str, int]]()
        gone = {partition for partition, turn in before.items() if owned.get(partition) != turn}
        for partition in gone:
            self._done.pop(partition, None)
        if gone:
            self._lost(gone)
        await self._learn()

    async def _learn(self) -> None:
        """Go on with all that waits here for a worker that knows its template."""
        known, self._known = self._known, self._registry.places
        await self._timers.begin(self._owned)
        self._committed(await self.recover(self._owned, known), [])

    async def recover(self, partitions: Collection[int], known: Collection[tuple[str, int]] = ()) -> Sequence[Local]:
        """The tasks that must run for the rows of partitions, after a start or a take-over; what is parked goes on.

        Nothing is done again for templates that were known.
        """
        keys = await self._store.busy(partitions)
        found, parked = list[Local](), list[str]()
        for start in range(0, len(keys), BATCH):
            some = keys[start : start + BATCH]
            await self._rows.load(some)
            for key in some:
                entity = self._rows[key].cell.entity
                if entity.lacks in self._known:
                    parked.append(key)
                state = entity.state
                plan = None if state is None else self._registry.plan_of(state)
                if state is not None and plan is not None and (state.template, state.version) not in known:
                    found.append(Local(key, state, running(plan, state)))
            self._rows.trim()
        if parked:
            await self._order(parked, PlanRegistered())
        return found

    async def _order(self, keys: Iterable[str], event: Event) -> None:
        """Append an event for each key."""
        await self._log.append(self._records([Record(key, event) for key in keys]))

    def _records(self, records: Iterable[Record]) -> list[Entry]:
        count = self._log.partitions
        return [Append(partition_of(record.to, count), encode_record(record)) for record in records]

    async def _apply_all(self, batch: Batch) -> None:
        """Apply a batch; again where a row would grow too large, in parts and then otherwise, and where records had
        been applied before, and what they had made is deleted: they are done with."""
        self._grown: dict[str, Grown] = {}
        self._passed = frozenset[str]()
        waiting = [batch]
        while waiting:
            part, counts = waiting[-1], self._counts
            self._counts = Counter[str]()  # of what is not committed nothing is counted
            try:
                await self._apply(part)
            except TooLarge as error:
                self._rows.clear()
                divided = halves(part, error.key)
                if divided is not None:
                    waiting[-1:] = reversed(divided)
                else:
                    known = self._grown.get(error.key)
                    self._grown[error.key] = Grown(str(error)) if known is None else Grown(known.text, known.tries + 1)
            except Passed as error:
                self._rows.clear()
                self._passed = self._passed.union(error.keys)
            else:
                counts.update(self._counts)
                waiting.pop()
                self._grown, self._passed = {}, frozenset[str]()
            finally:
                self._counts = counts

    async def _apply(self, batch: Batch) -> None:
        offsets: dict[Position, int] = {}
        done: dict[int, int] = {}
        if batch.poison:
            orders, records = unread(batch, offsets, self._counts)
        else:
            orders = self._routed(batch, offsets)
            records = decoded(batch.records, orders, self._counts)
        await self._rows.load([record.to for record in records])
        local, dirty, self._stored = list[Local](), dict[str, Loaded](), dict[str, Loaded]()
        self._parked.clear()
        now = self._clock.now()

        def step_each() -> None:
            for source, record in zip(batch.records, records, strict=True):
                done[source.partition] = source.offset
                if record.to:
                    self.place.at = record.to
                    entries = self._step(source, record, now, dirty, local)
                    if entries:
                        orders.setdefault(("", source.partition), []).extend(entries)

        self.place.apart(step_each)
        await self._rows.write(dirty)
        for partition, offset in done.items():
            offsets["", partition] = offset
        await self._log.commit(orders, offsets)
        for partition, offset in done.items():
            self._done[partition] = max(offset, self._done.get(partition, -1))
        states = list[State]()
        for key, loaded in (self._stored | dirty).items():
            state = loaded.cell.entity.state
            if state is not None:
                states.append(state)
                if not state.is_live:  # hardly anything comes for it any more
                    del self._rows[key]
        self._rows.trim()
        self._committed(local, states)
        tell_parked(self._parked)

    def _routed(self, batch: Batch, offsets: dict[Position, int]) -> dict[Position, list[Entry]]:
        if not batch.messages:
            return {}
        return self.place.apart(lambda: self._router.route(batch.messages, offsets, self._counts))

    def _step(
        self, source: LogRecord, record: Record, now: int, dirty: dict[str, Loaded], local: list[Local]
    ) -> list[Entry]:
        """Apply one record to its entity, once; gives what its step ordered, now or when it was applied first."""
        to, event, offset = record.to, record.event, source.offset
        loaded = self._rows[to]
        cell = loaded.cell
        is_told = offset <= self._done.get(source.partition, -1)
        if offset <= cell.offset:
            if not is_told and to not in self._stored:  # it was stored, and what failed then has shown nobody
                self._stored[to] = loaded
                state = cell.entity.state
                if state is not None and state.error is not None:
                    local.append(Local(to, state, (Failed(state.error),)))
            return [] if is_told else self._ordered(cell.outbox, offset)
        if to in self._passed:
            return []
        grown = self._grown.get(to) if self._grown else None
        try:
            if grown is None:
                entity, effects = receive(self._plan, self._limits, cell.entity, event, now)
            else:
                result = answer(self._plan, self._limits, cell.entity, event, grown, now)
                if result is None:
                    return self._not_kept(record, grown)
                entity, effects = result
        except KeyboardInterrupt:  # none of a user's function, which would have failed its step
            raise
        except BaseException as error:  # whatever it is, the next record is applied
            return self._put_aside(record, error)
        if type(event) is TimerDue:
            self._timers.fired(to)
        outbox = self._uncommitted(cell.outbox, source.partition) if cell.outbox else ()
        entries = self._sorted(effects, to, entity.state, local) if effects else []
        if is_told:  # read again, for the store has lost it: what it ordered is out
            entries = []
        if entries and not self._atomic:
            outbox += tuple([(offset, kept) for kept in folded(entries, effects)])
        loaded.cell = Cell(offset, outbox, entity)
        loaded.partition = source.partition
        dirty[to] = loaded
        return entries

    def _not_kept(self, record: Record, grown: Grown) -> list[Entry]:
        """A record with which the row of its key would be too large, whatever is tried."""
        follow = follow_up(record, grown)
        return [*self._put_aside(record, TooLarge(record.to, grown.text)), *self._records([follow] if follow else [])]

    def _put_aside(self, record: Record, error: BaseException) -> list[Entry]:
        """A record that cannot be applied: to the dead letters. A timer stays due in the store, and is not lost."""
        self._counts["poison"] += 1
        trace = "" if isinstance(error, TooLarge) else below(traceback_of(error))  # what it says is enough
        logger.error("%s: a record is dead-lettered: %s%s", in_line(record.to), in_line(words_of(error)), trace)
        if type(record.event) is TimerDue:
            self._timers.failed(record.to)
            return []
        headers = {"dagger-reason": reason_of(error).lstrip("_"), "dagger-to": record.to}
        return [Outgoing(DEAD_LETTERS, record.to.encode(), encode_record(record), headers_of(headers))]

    def _ordered(self, outbox: Outbox, offset: int) -> list[Entry]:
        """What the step of a record has ordered."""
        return [entry for at, kept in outbox if at == offset for entry in unfolded(kept, self._log.partitions)]

    def _uncommitted(self, outbox: Outbox, partition: int) -> Outbox:
        done = self._done.get(partition, -1)
        if outbox[-1][0] <= done:
            return ()
        return tuple(kept for kept in outbox if kept[0] > done)

    def _sorted(self, effects: tuple[Effect, ...], id: str, state: State | None, local: list[Local]) -> list[Entry]:
        """What of a step's effects goes out through the log; what is carried out here after the commit is `local`."""
        entries: list[Entry] = []
        tasks: list[RunTask | StopTask | Notice] = []
        for effect in effects:
            match effect:
                case Publish():
                    headers: Headers = ((ID, effect.id.encode()),)
                    if effect.headers:
                        headers = headers_of({**effect.headers, ID: effect.id})
                    self._check_size(id, effect)
                    entries.append(Outgoing(effect.topic, effect.key.encode(), effect.payload, headers))
                case Send():
                    partition = partition_of(effect.to, self._log.partitions)
                    entries.append(Append(partition, encode_record(Record(effect.to, effect.event))))
                case Unmatched():
                    entries += self._unmatched(effect)
                case Parked():
                    self._counts["unreadable" if effect.unreadable else "plan_missing"] += 1
                    self._parked.setdefault(effect.reason, []).append(id)
                case Ignored():
                    self._counts["ignored"] += 1
                    logger.debug("ignored: %s", effect.reason)
                case RunTask() | StopTask() | TryFailed() | Answered() | Failed():
                    tasks.append(effect)
        if tasks and state is not None:
            local.append(Local(id, state, tuple(tasks)))
        return entries

    def _check_size(self, id: str, message: Publish) -> None:
        """Raises TooLarge for a message that is larger than any may be."""
        size, size_max = len(message.payload), self._backend.size_max
        if size > size_max:
            raise TooLarge(id, f"a message for topic '{message.topic}' has {size:,} bytes, and may have {size_max:,}")

    def _unmatched(self, effect: Unmatched) -> list[Entry]:
        self._counts[f"unmatched_{effect.reason.replace(' ', '_')}"] += 1
        message = effect.message
        topic = topic_of(message.channel)
        if self._unmatched_topic is None or self._unmatched_topic == topic:  # there it would come round for ever
            return []
        if message.original:
            key, came = unpacked(message.original)
        else:
            key, came = message.key.encode(), headers_of(message.headers)
        added = {"dagger-reason": effect.reason, "dagger-channel": message.channel}
        if message.id and not header(came, ID):
            added[ID] = message.id.removeprefix(f"{topic}/")
        return [Outgoing(self._unmatched_topic, key, message.payload, (*came, *headers_of(added)))]
