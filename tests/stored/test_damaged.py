"""Bytes that are changed at random in what is stored: nothing stalls, nothing is lost silently, nothing is executed.

A record of the log is applied, parked, ignored with a count, or dead-lettered byte for byte. A stored row that cannot
be read, or that can be and is no state of an instance, stays as it is, and what comes for it is dead-lettered. Others
go on in either case.
"""

from __future__ import annotations

import logging
import random
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dagger import (
    BackendError,
    DaggerError,
    Status,
    Template,
    command,
    for_each,
    listener,
    pure,
    sleep,
    task,
    template,
)
from dagger.backends.memory import MemoryBackend
from dagger.backends.sqlite import SqliteBackend
from dagger.backends.sqlite.options import options_of
from dagger.core.state import STATUSES, Running, State
from dagger.dsl.topics import Topic
from dagger.engine.ports import Append, Listing, Write
from dagger.engine.records import StoredEntity, decode_stored, encode_stored, read_stored
from dagger.engine.worker.decoding import DEAD_LETTERS
from dagger.testing import TestEngine, hang
from dagger.testing.clock import VirtualClock
from dagger.testing.contract.driver import Driver
from tests.sqlite.shop import in_loop
from tests.stored.golden import golden

SEEDS = range(40)


@dataclass(frozen=True)
class Note:
    id: str


notes = Topic("NOTES", Note, key=lambda m: m.id)
done = Topic("DONE", Note, key=lambda m: m.id)
waits = template("Waits", listener(notes) >> command(done), key=lambda note: note.id, takes=Note)
RECORDS = [data for name, data in golden().items() if name.startswith("record: ")]


def damaged(data: bytes, luck: random.Random) -> bytes:
    """A few bytes are others, or the end is missing."""
    found = bytearray(data)
    for _ in range(luck.randint(1, 3)):
        found[luck.randrange(len(found))] = luck.randrange(256)
    return bytes(found[: luck.randrange(len(found))] if luck.random() < 0.2 else found)


@pytest.mark.unexplored("what is damaged is at random")
@pytest.mark.parametrize("seed", SEEDS)
async def test_damaged_records_of_the_log(seed: int, dagger_engine: TestEngine) -> None:
    luck, memory = random.Random(seed), dagger_engine.memory
    run = await dagger_engine.start(waits, Note("n-1"))
    given = [damaged(luck.choice(RECORDS), luck) for _ in range(12)]
    await memory.log.append([Append(luck.randrange(memory.log.partitions), data) for data in given])
    await dagger_engine.run_until_idle()
    await dagger_engine.deliver(notes, Note("n-1"))
    assert run.status is Status.COMPLETED
    assert dagger_engine.sent(done) == [Note("n-1")]
    letters = [record.payload for record in memory.log.history if record.topic == DEAD_LETTERS]
    assert len(letters) == dagger_engine.counts.get("poison", 0)
    assert set(letters) <= set(given), "a dead letter has the bytes of its record"


@pytest.mark.unexplored("what is damaged is at random")
@pytest.mark.parametrize("seed", SEEDS)
async def test_damaged_rows(seed: int, dagger_engine: TestEngine) -> None:
    luck, memory = random.Random(seed), dagger_engine.memory
    await TestEngine(backend=memory).start(waits, Note("broken"))
    row = (await memory.store.read(["broken"]))[0]
    assert row is not None
    data = damaged(row.data, luck)
    home = memory.log.partition_of("broken")
    assert await memory.store.write([Write("broken", home, row.version, row.version, data)]) == [True]
    dagger_engine.register(waits)
    await dagger_engine.crash()
    sound = await dagger_engine.start(waits, Note("sound"))
    for id in ("broken", "sound"):
        await dagger_engine.deliver(notes, Note(id))
    assert sound.status is Status.COMPLETED
    try:
        read_stored(data)
    except msgspec.MsgspecError:
        kept = (await memory.store.read(["broken"]))[0]
        assert kept is not None
        assert kept.data == data, "what cannot be read is written over"
        assert dagger_engine.counts["poison"] == 1
        letters = [record.payload for record in memory.log.history if record.topic == DEAD_LETTERS]
        assert len(letters) == 1


# Rows that decode, and are no state of an instance.


@task
async def never(note: Note) -> Note:
    await hang()
    return note


@task
async def at_once(note: Note) -> Note:
    return note


@pure
def given_up(note: Note) -> Note:
    raise ValueError(f"{note.id} is given up")


def two(note: Note) -> list[Note]:
    return [note, note]


def elsewhere(note: Note) -> str:
    return f"{note.id}-there"


def of(name: str, body: Any) -> Template[Any, Any]:
    return template(name, body, key=lambda note: note.id, takes=Note)


KINDS = {
    "running": of("Tasks", for_each(two, never)),
    "sleeping": of("Sleeps", for_each(two, sleep(timedelta(minutes=1)))),
    "children": of("Parents", for_each(two, of("Child", listener(notes) >> never))),
    "undoing": of("Undoes", at_once.compensate(never) >> given_up),
    "subscribed": of("Subscribes", for_each(two, listener(notes, on=elsewhere))),
}
ROWS = 60


async def under_way(kind: str, memory: MemoryBackend) -> list[tuple[str, StoredEntity, int]]:
    """Instances of a kind: the keys of their rows, what these hold, and their versions."""
    names = [f"n-{number}" for number in range(ROWS)]
    async with TestEngine(backend=memory) as engine:
        for name in names:
            await engine.start(KINDS[kind], Note(name))
        await engine.start(waits, Note("sound"))
        await engine.run_until_idle()
        children = [one.id for one in await engine.instances(template="Child", limit=1_000)]
    keys = [*names, *children]
    keys += [f"{name}-there" for name in names] if kind == "subscribed" else []
    rows = await memory.store.read(keys)
    found = [(key, decode_stored(row.data), row.version) for key, row in zip(keys, rows, strict=True) if row]
    assert len(found) == len(keys)
    return found


def rewritten(memory: MemoryBackend, key: str, cell: StoredEntity, version: int, data: bytes) -> Write:
    """Other bytes in a row: all else, such as whether it is busy, is as it was."""
    state, (due, busy) = cell.entity.state, cell.entity.wakeup()
    listing = None
    if state is not None:
        head = state.head
        listing = Listing(head.template, STATUSES[state.status], head.key, head.created)
    return Write(key, memory.log.partition_of(key), version, version, data, due, busy, listing)


async def look_at(engine: Any, key: str) -> None:
    """All that a client shows of an instance: a value, or a DaggerError."""
    with suppress(DaggerError):
        found = await engine.get_instance(key)
        found.tree()
        assert found.created <= found.updated or found.steps
        assert len(found.waiting_for) + len(found.children) >= 0
        assert found.input
        assert found.result is None or found.status is Status.COMPLETED


async def use(engine: TestEngine, keys: list[str]) -> None:
    """Take over all rows, and send all that an instance may get."""
    for one in (*KINDS.values(), waits):
        engine.register(one)
    await engine.crash()
    for key in keys:
        await look_at(engine, key)
        await engine.deliver(notes, Note(key))
        with suppress(DaggerError):
            await engine.stop(key)
    await engine.advance(timedelta(hours=1))
    with suppress(DaggerError):
        await engine.instances(limit=1_000)
    for key in keys:
        await look_at(engine, key)
    await engine.deliver(notes, Note("sound"))
    assert (await engine.get_instance("sound")).status is Status.COMPLETED


@pytest.mark.unexplored("what is damaged is at random")
@pytest.mark.parametrize("kind", KINDS)
async def test_damaged_rows_of_what_is_under_way(kind: str, dagger_engine: TestEngine) -> None:
    luck, memory = random.Random(kind), dagger_engine.memory
    rows = await under_way(kind, memory)
    writes = [rewritten(memory, *row, damaged(encode_stored(row[1]), luck)) for row in rows]
    assert all(await memory.store.write(writes))
    await use(dagger_engine, [key for key, _, _ in rows])


Change = Callable[[State], State]


def with_frame(number: int, **changes: Any) -> Change:
    """A state with another frame in the place of the last but so many."""

    def change(state: State) -> State:
        frames = dict(state.frames)
        last = max(frames) - number
        frames[last] = msgspec.structs.replace(frames[last], **changes)
        return msgspec.structs.replace(state, frames=frames)

    return change


def without_first(state: State) -> State:
    frames = dict(state.frames)
    del frames[min(frames)]
    return msgspec.structs.replace(state, frames=frames)


def changed(**changes: Any) -> Change:
    return lambda state: msgspec.structs.replace(state, **changes)


def renamed(state: State) -> State:
    return msgspec.structs.replace(state, head=msgspec.structs.replace(state.head, id="another"))


CHANGES: dict[str, Change] = {
    "a parent that is gone": without_first,
    "a parent that is later": with_frame(0, parent=1 << 40),
    "a frame in itself": lambda state: with_frame(0, parent=max(state.frames))(state),
    "an operation that does not exist": with_frame(0, op=10_000),
    "an operation of another kind": with_frame(0, op=0),
    "a number that is too large to be counted on": changed(next_frame=(1 << 64) - 1),
    "a status that does not exist": changed(status=77),
    "a time after all times": changed(now=(1 << 64) - 1),
    "a row of a status that does not exist": changed(rows=[(99, 1, 0, 0)]),
    "too many rows": changed(rows=[(2, 1, 0, 0)] * 20),
    "rows that cannot be read": changed(chunks=(b"\xc1",)),
    "another id": renamed,
}
TIMERS: dict[str, Change] = {"a timer that is due before all times": with_frame(0, due=-30)}
"""Those of an instance that sleeps."""


def change_of(cell: StoredEntity, change: Change) -> bytes:
    assert cell.entity.state is not None
    entity = msgspec.structs.replace(cell.entity, state=change(cell.entity.state))
    return encode_stored(msgspec.structs.replace(cell, entity=entity))


@pytest.mark.unexplored("its rows are of nobody")
@pytest.mark.parametrize("what", [*CHANGES, *TIMERS])
async def test_a_row_that_is_no_state_is_left_as_it_is(
    what: str, dagger_engine: TestEngine, caplog: pytest.LogCaptureFixture
) -> None:
    memory = dagger_engine.memory
    kind, change = ("running", CHANGES[what]) if what in CHANGES else ("sleeping", TIMERS[what])
    key, cell, version = (await under_way(kind, memory))[0]
    data = change_of(cell, change)
    decode_stored(data)
    assert all(await memory.store.write([rewritten(memory, key, cell, version, data)]))
    caplog.clear()
    for one in (KINDS[kind], waits):
        dagger_engine.register(one)
    await dagger_engine.crash()
    if kind == "running":
        assert any(f"{key}: " in one.getMessage() for one in caplog.records), "whose tasks do not run is logged at once"
    with pytest.raises(BackendError, match=f"'{key}'"):
        await dagger_engine.get_instance(key)
    await dagger_engine.deliver(notes, Note(key))
    said = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
    assert [line for line in said if line.startswith(f"{key}: ")], "an ERROR names the key"
    assert dagger_engine.counts["poison"] == 1
    assert [record.topic for record in memory.log.history].count(DEAD_LETTERS) == 1
    row = (await memory.store.read([key]))[0]
    assert row is not None
    assert row.data == data
    await dagger_engine.deliver(notes, Note("sound"))
    assert (await dagger_engine.get_instance("sound")).status is Status.COMPLETED


@in_loop
async def test_rows_that_were_damaged_in_a_file(tmp_path: Path) -> None:
    def engine() -> Driver:
        made = Driver(SqliteBackend(options_of(f"sqlite:///{tmp_path}/o.db")), VirtualClock())
        for one in (*KINDS.values(), waits):
            made.register(one)
        return made

    async with engine().working() as before:
        for kind, one in KINDS.items():
            for number in range(8):
                await before.start(one, Note(f"{kind}-{number}"))
        await before.start(waits, Note("sound"))
        await before.run_until_idle()
    luck = random.Random(4)
    with closing(sqlite3.connect(tmp_path / "o.db")) as file, file:
        rows = file.execute("SELECT key, data FROM record WHERE key <> 'sound' ORDER BY key").fetchall()
        for key, data in rows:
            cell = decode_stored(data)
            state = cell.entity.state
            tasks = state is not None and any(isinstance(one, Running) for one in state.frames.values())
            changes = list(CHANGES.values()) if tasks else []
            other = change_of(cell, luck.choice(changes)) if changes and luck.random() < 0.5 else damaged(data, luck)
            file.execute("UPDATE record SET data = ? WHERE key = ?", (other, key))
    assert len(rows) > 8 * len(KINDS)
    async with engine().working() as after:
        await after.run_until_idle()
        for key, _ in rows:
            await look_at(after, key)
            await after.publish(notes, Note(key))
        await after.publish(notes, Note("sound"))
        await after.run_until_idle()
        assert (await after.get_instance("sound")).status is Status.COMPLETED
