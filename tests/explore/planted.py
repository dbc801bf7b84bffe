"""Engines with a bug each, of the kind that exploration is there to find."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec
from typing_extensions import override

from dagger.engine.ports import Batch, Entry, LogRecord, Write
from dagger.engine.records import Cell, Outbox, Record, decode_cell, encode_cell
from dagger.engine.worker import Loaded, Local, Worker
from dagger.testing import TestEngine
from dagger.testing.explorer import MakeEngine


class Hasty(Worker):
    """Publishes and commits first, writes afterwards."""

    _later: Mapping[str, Loaded] = {}

    @override
    async def _write(self, dirty: Mapping[str, Loaded]) -> None:
        self._later = dirty

    @override
    async def _apply(self, batch: Batch) -> None:
        await super()._apply(batch)
        await super()._write(self._later)


class Idle(Worker):
    """Starts no task again after a take-over."""

    @override
    async def recover(self, partitions: Collection[int], known: Collection[tuple[str, int]] = ()) -> Sequence[Local]:
        return []


class Careless(Worker):
    """Writes rows that lack something."""

    @staticmethod
    def lacking(cell: Cell) -> Cell:
        return cell

    @override
    def _row(self, key: str, loaded: Loaded) -> Write:
        write = super()._row(key, loaded)
        if write.data is None:
            return write
        return msgspec.structs.replace(write, data=encode_cell(self.lacking(decode_cell(write.data))))


class Forgetful(Careless):
    """Keeps no outbox: what was written and not published is never published."""

    @override
    @staticmethod
    def lacking(cell: Cell) -> Cell:
        return Cell(cell.offset, (), cell.home)


class Repetitive(Careless):
    """Keeps no offset: what is polled again is applied again."""

    @override
    @staticmethod
    def lacking(cell: Cell) -> Cell:
        return Cell(-1, cell.outbox, cell.home)


class Trusting(Worker):
    """Takes what was polled for committed: drops from an outbox what may not be published yet."""

    @override
    def _uncommitted(self, outbox: Outbox, partition: int) -> Outbox:
        return ()


class Oblivious(Worker):
    """Remembers no message: what comes again is taken again."""

    @override
    def _step(
        self, source: LogRecord, record: Record, now: int, dirty: dict[str, Loaded], local: list[Local]
    ) -> list[Entry]:
        loaded = self._rows[record.to]
        home = loaded.cell.home
        if home.state is not None:
            state = msgspec.structs.replace(home.state, seen=())
            home = msgspec.structs.replace(home, state=state)
            loaded.cell = msgspec.structs.replace(loaded.cell, home=home)
        return super()._step(source, record, now, dirty, local)


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
                unmatched_topic=self._unmatched_topic,
                committed=self._committed,
                lost=self._lost,
            )

    return lambda memory: Planted(backend=memory)
