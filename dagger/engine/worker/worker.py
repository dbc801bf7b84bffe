"""The batch loop: poll many, read many, step each, write many, publish and commit once.

A log record is applied to an entity once: the entity's row holds the offset of the last one. When a record comes again
(its commit was lost), what its step ordered is still in the row's outbox, and is published again with the same
ids. Entries whose offset is known to be committed are dropped at the row's next write. Where the backend writes and
commits as one, no record comes again, and no outbox is kept.

What is known about a partition (rows in memory, timers, running tasks) is valid while the partition is owned. A poll
reports what is owned from then on.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from dagger.core.dispatch import receive
from dagger.core.effects import Effect, Failed
from dagger.core.entity import Entity
from dagger.core.events import Event, MessagesHandedOver, PlanRegistered, TimerDue, UnreadRecord
from dagger.core.state import EXECUTING, State
from dagger.engine.clock import Clock
from dagger.engine.directory import Directory
from dagger.engine.fanout import FANOUT_MIN, compacted
from dagger.engine.headers import headers_of
from dagger.engine.ports import (
    Append,
    Backend,
    Batch,
    Entry,
    LogRecord,
    Outgoing,
    Position,
)
from dagger.engine.records import (
    Outbox,
    Record,
    StoredEntity,
    encode_record,
    expanded,
)
from dagger.engine.registry import Registry
from dagger.engine.worker.busy import Busy
from dagger.engine.worker.conflicts import AlreadyApplied, TooLarge, UnreadRow
from dagger.engine.worker.decoding import DEAD_LETTERS, NewEntries, dead_letter_batch, decode_records
from dagger.engine.worker.dispatch import BatchResult, Dispatcher, LocalEffects
from dagger.engine.worker.failure_log import indented, log_parked, log_unread
from dagger.engine.worker.handover import Handover
from dagger.engine.worker.oversize import Oversized, answer, follow_up, split_batch
from dagger.engine.worker.router import Router
from dagger.engine.worker.rows import RowCache
from dagger.engine.worker.timers import Timers
from dagger.engine.worker.user_code import UserCode
from dagger.errors import in_line, message_of, reason_of, traceback_of

logger: Final = logging.getLogger("dagger")

BATCH: Final = 2048
"""How many records are polled at a time."""


class Worker:
    """Applies the log's records to the entities of the partitions that it owns. Each session has its own worker."""

    def __init__(
        self,
        backend: Backend,
        registry: Registry,
        clock: Clock,
        *,
        counts: Counter[str],
        directory: Directory,
        unmatched_topic: str | None,
        committed: Callable[[Sequence[LocalEffects], Sequence[State]], None],
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
        router = Router(registry, backend, keeps_originals=unmatched_topic is not None)
        self._handover = Handover(registry, directory, router, backend)
        self._dispatcher = Dispatcher(backend, unmatched_topic)
        self._committed = committed
        self._lost = lost
        self._owned: dict[int, int] = {}
        self._done: dict[int, int] = {}
        self._timers = Timers(backend.store)
        self._rows = RowCache(backend, self._timers.added, registry.plan_of)
        self._known: frozenset[tuple[str, int]] = frozenset()
        self._revision = -1
        """That of the registry when what waits for it was resumed last."""
        self._counts = counts
        self.user_code = UserCode(self._rows)

    async def run_once(self) -> bool:
        """Apply one batch; returns whether there was one."""
        batch = await self._log.poll(BATCH)
        try:
            if batch.owned is not None:
                await self._take_over(batch.owned)
                self._done.update(batch.committed)
            if batch:
                await self._apply_all(batch)
        except BaseException:
            self._rows.clear()
            raise
        return bool(batch) or batch.owned is not None

    async def fire_due_timers(self) -> int:
        """Fire the timers that are due now; returns how many."""
        now = self._clock.now()
        if self._registry.revision != self._revision:
            await self._resume_known()
        elif now >= self._handover.declare_at:
            await self._handover.declare(now)
        if not self._timers.are_due(now) or self._log.is_early:
            return 0
        return await self._timers.fire_due(self._owned, now, partial(self._order, event=TimerDue()))

    @property
    def next_due(self) -> int | None:
        """When the first timer that is not firing is due, in microseconds; None if there is none."""
        return self._timers.next_due

    async def due_after(self, time: int) -> int | None:
        """When the first timer of the owned partitions after a given time is due."""
        return await self._store.next_due(self._owned, time)

    async def rewind(self) -> None:
        """After a failure: drop what is known, and begin again with what is committed."""
        self._rows.clear()
        await self._log.rewind()

    async def _take_over(self, owned: Mapping[int, int]) -> None:
        """Take over the partitions that were assigned, and drop what is known about those that were lost."""
        before, self._owned = self._owned, dict(owned)
        self._rows.clear()
        self._known = frozenset[tuple[str, int]]()
        self._handover.taken_over()
        gone = {partition for partition, turn in before.items() if owned.get(partition) != turn}
        for partition in gone:
            self._done.pop(partition, None)
        if gone:
            self._lost(gone)
        await self._resume_known()

    async def _resume_known(self) -> None:
        """Apply what is parked for templates that are registered now."""
        known, self._known = self._known, self._registry.places
        self._revision = self._registry.revision
        self._rows.clear()  # they are checked with what is registered
        await self._handover.declare(self._clock.now())
        await self._timers.reset(self._owned)
        self._committed(await self.recover(self._owned, known), [])

    async def recover(
        self, partitions: Collection[int], known: Collection[tuple[str, int]] = ()
    ) -> Sequence[LocalEffects]:
        """The tasks that must run for the rows of partitions, after a start or a takeover; what is parked is applied.

        Nothing is repeated for templates that were known before.
        """
        keys = await self._store.busy(partitions)
        busy = Busy(self._registry, self._handover, known, self._known)
        for start in range(0, len(keys), BATCH):
            some = keys[start : start + BATCH]
            await self._rows.load(some)
            for key in some:
                busy.look_at(key, self._rows[key])
            self._rows.evict()
        log_unread(busy.unread)
        if busy.resumable:
            await self._order(sorted(busy.resumable), PlanRegistered())
        return busy.tasks

    async def _order(self, keys: Iterable[str], event: Event) -> None:
        """Append an event for each key."""
        await self._log.append(self._records([Record(key, event) for key in keys]))

    def _records(self, records: Iterable[Record]) -> list[Entry]:
        home = self._log.partition_of
        return [Append(home(record.to), encode_record(record)) for record in records]

    async def _apply_all(self, batch: Batch) -> None:
        """Apply a batch. It is applied again if a row would grow too large, in parts and then with an alternative;
        and if records were applied before and their rows have been deleted since: they are skipped."""
        self._oversized: dict[str, Oversized] = {}
        self._already_applied = frozenset[str]()
        waiting = [batch]
        while waiting:
            part = waiting[-1]
            try:
                await self._apply(part)
            except TooLarge as error:
                self._rows.clear()
                divided = split_batch(part, error.key)
                if divided is not None:
                    waiting[-1:] = reversed(divided)
                else:
                    tries = self._oversized[error.key].tries if error.key in self._oversized else 0
                    self._oversized[error.key] = Oversized(str(error), tries + 1)
            except AlreadyApplied as error:
                self._rows.clear()
                self._already_applied = self._already_applied.union(error.keys)
            else:
                waiting.pop()
                self._oversized, self._already_applied = {}, frozenset[str]()

    async def _apply(self, batch: Batch) -> None:
        offsets: dict[Position, int] = {}
        done: dict[int, int] = {}
        result = BatchResult()
        if batch.poison:
            orders, records = dead_letter_batch(batch, offsets, result.counts)
        else:
            orders = await self._route(batch, offsets, result)
            records = decode_records(batch.records, orders, result.counts)
        await self._rows.load([record.to for record in records])
        now = self._clock.now()

        def step_each() -> None:
            step, user_code = self._step, self.user_code
            for source, record in zip(batch.records, records, strict=True):
                partition = source.partition
                done[partition] = source.offset
                if record.to:
                    user_code.key = record.to
                    entries = step(source, record, now, result)
                    if entries:
                        orders.setdefault(("", partition), []).extend(entries)

        self.user_code.run(step_each)
        await self._rows.write(result.dirty)
        for partition, offset in done.items():
            offsets["", partition] = offset
        await self._log.commit(orders, offsets)
        for partition, offset in done.items():
            self._done[partition] = max(offset, self._done.get(partition, -1))
        self._finish(result)

    async def _route(self, batch: Batch, offsets: dict[Position, int], result: BatchResult) -> NewEntries:
        messages, now = batch.messages, self._clock.now()
        if not messages:
            return {}
        while True:
            aside = await self._handover.aside(messages, now)
            if self._registry.revision == self._revision:
                break
            await self._resume_known()  # something was registered meanwhile
        return self.user_code.run(lambda: self._handover.route(messages, aside, offsets, result.counts, now))

    def _finish(self, result: BatchResult) -> None:
        """Report what was committed."""
        self._counts.update(result.counts)
        states, ended = list[State](), list[str]()
        written = result.stored | result.dirty if result.stored else result.dirty
        for key, loaded in written.items():
            state = loaded.cell.entity.state
            if state is not None:
                states.append(state)
                if state.status != EXECUTING:  # hardly anything more comes for it
                    ended.append(key)
                    del self._rows[key]
        self._rows.evict()
        self._committed(result.local, states)
        if ended and self._backend.shared:
            self._backend.announce_ended(ended)
        log_parked(result.parked)

    def _step(self, source: LogRecord, record: Record, now: int, result: BatchResult) -> list[Entry]:
        """Apply one record to its entity, once; returns the entries of its step, now or when it was first applied."""
        to, event, offset = record.to, record.event, source.offset
        loaded = self._rows[to]
        cell = loaded.cell
        done = self._done.get(source.partition, -1)
        is_committed = offset <= done
        if offset <= cell.offset:
            if (
                not is_committed and to not in result.stored
            ):  # it was stored, but the commit failed before anybody saw it
                result.stored[to] = loaded
                state = cell.entity.state
                if state is not None and state.error is not None:
                    result.local.append(LocalEffects(to, state, (Failed(state.error),)))
            return [] if is_committed else self._ordered(cell.outbox, offset)
        if to in self._already_applied:
            return []
        if loaded.unread:
            return [] if is_committed else self._dead_letter(record, UnreadRow(loaded.unread), result)
        oversized = self._oversized.get(to) if self._oversized else None
        handed: list[Entry] = []
        try:
            if (found := self._handed_over(to, cell.entity, event, oversized, now, result)) is not None:
                entity, effects, handed = found
                if not (loaded.version or entity.parked):  # nothing is written that a crash could tear from the log
                    return [] if is_committed else [*self._dispatcher.dispatch(effects, to, None, result), *handed]
            elif oversized is None:
                entity, effects = receive(self._plan, self._limits, cell.entity, event, now)
            else:
                answered = answer(self._plan, self._limits, cell.entity, event, oversized, now)
                if answered is None:
                    return self._not_kept(record, oversized, result)
                entity, effects = answered
        except KeyboardInterrupt:  # not from a user's function: that would have failed its step
            raise
        except BaseException as error:  # whatever it is, the next record is still applied
            return self._dead_letter(record, error, result)
        if type(event) is TimerDue:
            self._timers.fired(to)
        outbox = cell.outbox
        if outbox:
            outbox = () if outbox[-1][0] <= done else self._uncommitted(outbox, done)
        entries = self._dispatcher.dispatch(effects, to, entity.state, result) if effects else []
        entries += handed
        if is_committed:  # read again, since the store has lost it: its entries are published
            entries = []
        if entries and not self._atomic:
            kept = entries if handed or len(entries) < FANOUT_MIN else compacted(entries, effects)
            outbox += tuple([(offset, one) for one in kept])
        loaded.cell = StoredEntity(offset, outbox, entity)
        loaded.partition = source.partition
        result.dirty[to] = loaded
        return entries

    def _handed_over(
        self, to: str, entity: Entity, event: Event, oversized: Oversized | None, now: int, result: BatchResult
    ) -> tuple[Entity, tuple[Effect, ...], list[Entry]] | None:
        """What comes of messages that were handed over, if the event or what is parked is that."""
        if type(event) is not MessagesHandedOver and not entity.parked:
            return None
        why = "" if oversized is None else oversized.text
        return self._handover.receive(to, entity, event, now, why, result.counts)

    def _not_kept(self, record: Record, oversized: Oversized, result: BatchResult) -> list[Entry]:
        """A record that makes the row of its key too large, whatever is tried."""
        follow = follow_up(record, oversized)
        return [
            *self._dead_letter(record, TooLarge(record.to, oversized.text), result),
            *self._records([follow] if follow else []),
        ]

    def _dead_letter(self, record: Record, error: BaseException, result: BatchResult) -> list[Entry]:
        """Dead-letter a record that cannot be applied. A timer stays due in the store, and is not lost."""
        result.counts["poison"] += 1
        says_enough = isinstance(error, TooLarge | UnreadRow)
        trace = "" if says_enough else indented(traceback_of(error))
        logger.error("%s: a record is dead-lettered: %s%s", in_line(record.to), in_line(message_of(error)), trace)
        if type(record.event) is TimerDue:
            self._timers.failed(record.to)
            return []
        headers = {"dagger-reason": reason_of(error).lstrip("_"), "dagger-to": record.to}
        data = record.event.data if isinstance(record.event, UnreadRecord) else encode_record(record)
        return [Outgoing(DEAD_LETTERS, record.to.encode(), data, headers_of(headers))]

    def _ordered(self, outbox: Outbox, offset: int) -> list[Entry]:
        """The entries that the step of a record has led to."""
        return [entry for at, kept in outbox if at == offset for entry in expanded(kept, self._log.partition_of)]

    def _uncommitted(self, outbox: Outbox, done: int) -> Outbox:
        """The rest of an outbox, if everything up to an offset is committed."""
        return tuple(kept for kept in outbox if kept[0] > done)
