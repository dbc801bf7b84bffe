"""Bytes that are changed at random in what is stored: nothing stalls, nothing is lost silently, nothing is executed.

A record of the log is applied, parked, ignored with a count, or dead-lettered byte for byte. A stored row that cannot
be read stays as it is, and what comes for it is dead-lettered. Others go on in either case.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

import msgspec
import pytest

from dagger import Status, command, listener, template
from dagger.dsl.topics import Topic
from dagger.engine.ports import Append, Write
from dagger.engine.records import read_stored
from dagger.engine.worker.decoding import DEAD_LETTERS
from dagger.testing import TestEngine
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
