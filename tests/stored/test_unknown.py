"""What a worker and a client do with a format that they do not know: nothing is lost, nothing stands still."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dagger import BackendError, Status, UnknownInstance, command, listener, template
from dagger.backends.memory import MemoryBackend
from dagger.backends.sqlite import SqliteBackend
from dagger.backends.sqlite.options import options_of
from dagger.core.events import Submitted, UnreadRecord
from dagger.core.format import FORMAT
from dagger.dsl.topics import Topic
from dagger.engine import records
from dagger.engine.headers import texts_of
from dagger.engine.ports import Append, Backend, Listing, Write
from dagger.engine.records import Record, decode_record, unread_record, why_unread
from dagger.engine.worker import decoding
from dagger.testing.clock import VirtualClock
from dagger.testing.contract.driver import Driver, messages_of
from tests.sqlite.shop import in_loop
from tests.stored import UNRELEASED_FILE, UNRELEASED_RECORDS

LATER = FORMAT + 1
LATER_SAYS = (
    f"it is of format {LATER}, and this release of dagger reads format {FORMAT}; use the release that has written it, "
    "or a later one"
)
UNNUMBERED_SAYS = (
    f"it is of format 1, from a build of dagger before its first release, and this release reads format {FORMAT}; let "
    "its instances end under that build, then begin anew with another file or application name"
)


def itself(text: str) -> str:
    return text


notes = Topic("NOTES", str, key=itself)
done = Topic("DONE", str, key=itself)
waits = template("Waits", listener(notes) >> command(done), key=itself, takes=str)

Opened = Callable[[], Backend]


@pytest.fixture(params=["memory", "sqlite"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    memory = MemoryBackend()
    if request.param == "memory":
        return lambda: memory
    return lambda: SqliteBackend(options_of(f"sqlite:///{tmp_path}/o.db"))


def engine_on(backend: Backend) -> Driver:
    engine = Driver(backend, VirtualClock())
    engine.register(waits)
    return engine


async def append(engine: Driver, key: str, data: bytes) -> None:
    """Put a record on the log, as another release does."""
    await engine.backend.log.append([Append(engine.backend.log.partition_of(key), data)])


async def dead_letters(engine: Driver) -> list[tuple[bytes | None, str]]:
    """The bytes of dead records, and why."""
    async with engine.backend.log.reader(decoding.DEAD_LETTERS, "test") as reader:
        found = await reader.read(100)
    return [(one.payload, texts_of(one.headers)["dagger-reason"]) for one in found]


@in_loop
async def test_a_record_of_a_later_format_waits_at_its_key_and_the_partition_goes_on(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    later = msgspec.msgpack.encode([LATER, "a", {"of": "another"}, "shape"])
    async with engine_on(opened()).working() as engine:
        await engine.start(waits, "a")
        await engine.start(waits, "b")
        await engine.run_until_idle()
        await append(engine, "a", later)
        await engine.publish(notes, "a")
        await engine.publish(notes, "b")
        await engine.run_until_idle()
        assert {one.id: one.status for one in await engine.instances()} == {
            "a": Status.EXECUTING,
            "b": Status.COMPLETED,
        }
        assert engine.counts == {"unreadable": 2}
        said = [one.getMessage() for one in caplog.records if one.levelno == logging.ERROR]
        assert said == [f"a: a record is parked until a worker can apply it: {LATER_SAYS}"] * len(said)
        assert said
    async with engine_on(opened()).working() as engine:  # neither is it lost by another that cannot read it
        await engine.run_until_idle()
        (row,) = await engine.backend.store.read(["a"])
        assert row is not None
        parked, _ = records.decode_stored(row.data).entity.parked
        assert parked == UnreadRecord(later, LATER_SAYS)


def before(patch: pytest.MonkeyPatch, kind: type[msgspec.Struct]) -> None:
    """Be a release that did not have an event yet."""

    def decode(data: bytes) -> Record:
        record = decode_record(data)
        if isinstance(record.event, kind):
            raise msgspec.ValidationError("Invalid value")
        return record

    patch.setattr(decoding, "decode_record", decode)
    patch.setattr(records, "decode_record", decode)
    patch.setattr(records, "_EVENTS", records._EVENTS - {kind.__struct_config__.tag})


@in_loop
async def test_a_record_that_waits_is_applied_in_its_order_by_a_release_that_reads_it(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        before(older, Submitted)
        async with engine_on(opened()).working() as engine:
            await engine.start(waits, "a")
            await engine.publish(notes, "a")
            await engine.run_until_idle()
            assert engine.counts == {"unreadable": 2}
            with pytest.raises(UnknownInstance):
                await engine.get_instance("a")
    async with engine_on(opened()).working() as engine:
        await engine.run_until_idle()
        assert (await engine.get_instance("a")).status is Status.COMPLETED
        assert [one.payload for one in await messages_of(engine.backend, "DONE", {"a"})] == [b'"a"']


@in_loop
async def test_a_row_of_a_later_format_stays_and_what_comes_for_it_is_dead_lettered(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    async with engine_on(opened()).working() as engine:
        await engine.start(waits, "a")
        await engine.start(waits, "b")
        await engine.run_until_idle()
        (row,) = await engine.backend.store.read(["a"])
        assert row is not None
        data = msgspec.msgpack.encode([LATER, *msgspec.msgpack.decode(row.data)[1:]])
        at = engine.backend.log.partition_of("a")
        write = Write("a", at, row.version, row.version + 1, data, listing=Listing("Waits", Status.EXECUTING, "a", 0))
        assert list(await engine.backend.store.write([write])) == [True]
        await engine.backend.log.commit({}, {})
    async with engine_on(opened()).working() as engine:
        await engine.publish(notes, "a")
        await engine.publish(notes, "b")
        await engine.run_until_idle()
        assert (await engine.get_instance("b")).status is Status.COMPLETED
        ((letter, reason),) = await dead_letters(engine)
        assert letter is not None
        assert decode_record(letter).to == "a"
        assert reason == f"UnreadRow: the record of its key cannot be read: {LATER_SAYS}"
        says = f"the record of 'a' cannot be read: {LATER_SAYS}"
        for ask in (engine.get_instance("a"), engine.start(waits, "a"), engine.wait("a"), engine.signal("a", "s", 1)):
            with pytest.raises(BackendError) as raised:
                await ask
            assert str(raised.value) == says
        assert await engine.count() == 2
        caplog.clear()
        assert [one.id for one in await engine.instances()] == ["b"]
        (said,) = [one.getMessage() for one in caplog.records if "left out" in one.getMessage()]
        assert said == f"1 instance is left out: its record cannot be read: {LATER_SAYS}"
        (row,) = await engine.backend.store.read(["a"])
        assert row is not None
        assert row.data == data


@in_loop
async def test_the_log_of_a_build_before_the_first_release(opened: Opened) -> None:
    """Its records cannot be applied here; they are dead-lettered as they are, with what to do."""
    async with engine_on(opened()).working() as engine:
        for data in UNRELEASED_RECORDS:
            await append(engine, "a", data)
        await engine.start(waits, "b")
        await engine.run_until_idle()
        found = await dead_letters(engine)
        assert [letter for letter, _ in found] == UNRELEASED_RECORDS
        assert {reason for _, reason in found} == {UNNUMBERED_SAYS}
        assert (await engine.get_instance("b")).status is Status.EXECUTING


def unreleased_rows() -> list[bytes]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(UNRELEASED_FILE.read_text(encoding="utf-8"))
        return [data for (data,) in connection.execute("SELECT data FROM record")]


def test_no_row_of_a_build_before_the_first_release_is_taken_for_one_of_today() -> None:
    rows = unreleased_rows()
    assert len(rows) == 7
    for data in rows:
        with pytest.raises(msgspec.MsgspecError) as raised:
            records.read_stored(data)
        assert why_unread(data, raised.value) == UNNUMBERED_SAYS


ODD: dict[str, Any] = {"no msgpack": b"\xc1", "no array": b"\x01", "an empty one": b"\x90", "text": b"\xa1a"}


@pytest.mark.parametrize("what", ODD)
def test_what_nobody_has_written_is_named_as_the_decoder_names_it(what: str) -> None:
    error = msgspec.ValidationError("as the decoder says")
    assert unread_record(ODD[what], error) == "as the decoder says"
    assert why_unread(ODD[what], error) == "as the decoder says"
