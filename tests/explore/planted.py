"""Engines with a bug each, of the kind that exploration is there to find."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
from typing_extensions import override

from dagger.core.events import PlanRegistered
from dagger.engine.ports import Backend, Batch, Entry, LogRecord, Write
from dagger.engine.records import Outbox, Record, StoredEntity, decode_stored, encode_stored
from dagger.engine.worker.dispatch import BatchResult, LocalEffects
from dagger.engine.worker.rows import LoadedRow, RowCache
from dagger.engine.worker.worker import Worker
from dagger.testing import TestEngine
from dagger.testing.explorer import MakeEngine


class Later(RowCache):
    """Writes when it is told to."""

    _later: Mapping[str, LoadedRow] = {}

    @override
    async def write(self, dirty: Mapping[str, LoadedRow]) -> None:
        self._later = dirty

    async def write_now(self) -> None:
        await super().write(self._later)


class Hasty(Worker):
    """Publishes and commits first, writes afterwards."""

    def __init__(self, backend: Backend, *others: Any, **settings: Any) -> None:
        super().__init__(backend, *others, **settings)
        self._rows: Later = Later(backend, self._timers.added, self._registry.plan_of)

    @override
    async def _apply(self, batch: Batch) -> None:
        await super()._apply(batch)
        await self._rows.write_now()


class Idle(Worker):
    """Starts no task again after a take-over."""

    @override
    async def recover(
        self, partitions: Collection[int], known: Collection[tuple[str, int]] = ()
    ) -> Sequence[LocalEffects]:
        return []


class Torn(RowCache):
    """Writes rows that lack something."""

    lacking: Callable[[StoredEntity], StoredEntity]

    @override
    def _write(self, key: str, loaded: LoadedRow) -> Write:
        write = super()._write(key, loaded)
        if write.data is None:
            return write
        return msgspec.structs.replace(write, data=encode_stored(self.lacking(decode_stored(write.data))))


class Careless(Worker):
    """Writes rows that lack something."""

    def __init__(self, backend: Backend, *others: Any, **settings: Any) -> None:
        super().__init__(backend, *others, **settings)
        self._rows: Torn = Torn(backend, self._timers.added, self._registry.plan_of)
        self._rows.lacking = self.lacking

    @staticmethod
    def lacking(cell: StoredEntity) -> StoredEntity:
        return cell


class Forgetful(Careless):
    """Keeps no outbox: what was written and not published is never published."""

    @override
    @staticmethod
    def lacking(cell: StoredEntity) -> StoredEntity:
        return StoredEntity(cell.offset, (), cell.entity)


class Repetitive(Careless):
    """Keeps no offset: what is polled again is applied again."""

    @override
    @staticmethod
    def lacking(cell: StoredEntity) -> StoredEntity:
        return StoredEntity(-1, cell.outbox, cell.entity)


class Trusting(Worker):
    """Takes what was polled for committed: drops from an outbox what may not be published yet."""

    @override
    def _uncommitted(self, outbox: Outbox, done: int) -> Outbox:
        return ()


class Oblivious(Worker):
    """Remembers no message: what comes again is taken again."""

    @override
    def _step(self, source: LogRecord, record: Record, now: int, result: BatchResult) -> list[Entry]:
        loaded = self._rows[record.to]
        entity = loaded.cell.entity
        if entity.state is not None:
            state = msgspec.structs.replace(entity.state, seen=())
            entity = msgspec.structs.replace(entity, state=state)
            loaded.cell = msgspec.structs.replace(loaded.cell, entity=entity)
        return super()._step(source, record, now, result)


class Dropping(Worker):
    """Drops what is parked when something else comes."""

    @override
    def _step(self, source: LogRecord, record: Record, now: int, result: BatchResult) -> list[Entry]:
        loaded = self._rows[record.to]
        entity = msgspec.structs.replace(loaded.cell.entity, parked=())
        loaded.cell = msgspec.structs.replace(loaded.cell, entity=entity)
        return super()._step(source, record, now, result)


class Turned(Worker):
    """Applies what is parked the other way round."""

    @override
    def _step(self, source: LogRecord, record: Record, now: int, result: BatchResult) -> list[Entry]:
        loaded = self._rows[record.to]
        entity = loaded.cell.entity
        first, rest = entity.parked[:1], entity.parked[1:]
        if isinstance(record.event, PlanRegistered):  # a submission stays the first, or nothing would begin
            entity = msgspec.structs.replace(entity, parked=(*first, *reversed(rest)))
            loaded.cell = msgspec.structs.replace(loaded.cell, entity=entity)
        return super()._step(source, record, now, result)


class Unaware(Worker):
    """Applies what comes to an instance that began with other steps."""

    @override
    def _step(self, source: LogRecord, record: Record, now: int, result: BatchResult) -> list[Entry]:
        loaded = self._rows[record.to]
        state = loaded.cell.entity.state
        plan = None if state is None else self._registry.plan(state.template, state.version)
        if state is not None and plan is not None and plan.signature != state.head.signature:
            head = msgspec.structs.replace(state.head, signature=plan.signature)
            entity = msgspec.structs.replace(loaded.cell.entity, state=msgspec.structs.replace(state, head=head))
            loaded.cell = msgspec.structs.replace(loaded.cell, entity=entity)
        return super()._step(source, record, now, result)


class Ringing(RowCache):
    """Writes when a timer is due whether it can fire or not."""

    @override
    def _write(self, key: str, loaded: LoadedRow) -> Write:
        write, state = super()._write(key, loaded), loaded.cell.entity.state
        if state is None:
            return write
        due, _ = state.wakeup()
        if due is not None:
            self._due(due)
        return msgspec.structs.replace(write, due=due)


class Impatient(Worker):
    """Lets timers fire of an instance for which something is parked."""

    def __init__(self, backend: Backend, *others: Any, **settings: Any) -> None:
        super().__init__(backend, *others, **settings)
        self._rows: Ringing = Ringing(backend, self._timers.added, self._registry.plan_of)


class Deaf(Worker):
    """Does not go on with what is parked until something comes."""

    @override
    async def recover(
        self, partitions: Collection[int], known: Collection[tuple[str, int]] = ()
    ) -> Sequence[LocalEffects]:
        self._known = frozenset[tuple[str, int]]()
        return await super().recover(partitions, known)


def engine_with(worker: type[Worker]) -> MakeEngine:
    """Makes an engine with such a worker."""

    class Planted(TestEngine):
        __test__ = False

        @override
        def _new_worker(self) -> Worker:
            return worker(
                self._backend,
                self._registry,
                self._clock,
                counts=self._counts,
                directory=self._directory,
                unmatched_topic=self._unmatched_topic,
                committed=self._committed,
                lost=self._lost,
            )

    return lambda memory: Planted(backend=memory)
