"""Nothing is inferred from a timeout: what is in doubt is read."""

from __future__ import annotations

import anyio
import pytest

from dagger.backends.aerospike import verified_write as verified_write
from dagger.engine.ports import Row, Write
from dagger.errors import BackendError, BackendUnavailable
from tests.aerospike.fake import InjectedFault, Servers

OLD = Write("key", 0, 0, 1, b"old")
NEW = Write("key", 0, 1, 2, b"new")


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified_write, "PAUSES_S", (0.0,) * 5)


def written(servers: Servers, *writes: Write) -> tuple[list[bool], Row | None]:
    """What the last write answers, after those before it, and what is there then."""

    async def run() -> tuple[list[bool], Row | None]:
        store = servers.store()
        faults, servers.faults = servers.faults, []
        async with store.open():
            for write in writes[:-1]:
                assert await store.write([write]) == [True]
            servers.faults, servers.tries = faults, 0
            answers = await store.write(writes[-1:])
            (row,) = await store.read([writes[-1].key])
            return list(answers), row

    return anyio.run(run)


@pytest.mark.parametrize("write", [OLD, Write("key", 0, 0, 1, None)])
@pytest.mark.parametrize("fault", [InjectedFault.LOST, InjectedFault.MUTE, InjectedFault.LATE, InjectedFault.BUSY])
def test_what_is_made_new_is_made_once(write: Write, fault: InjectedFault) -> None:
    servers = Servers()
    servers.faults = [fault]
    answers, row = written(servers, write)
    assert answers == [True]
    assert row == (None if write.data is None else Row(1, b"old"))


@pytest.mark.parametrize("fault", [InjectedFault.LOST, InjectedFault.MUTE, InjectedFault.LATE, InjectedFault.BUSY])
@pytest.mark.parametrize("data", [b"new", None])
def test_what_is_changed_is_changed_once(fault: InjectedFault, data: bytes | None) -> None:
    servers = Servers()
    servers.faults = [fault]
    answers, row = written(servers, OLD, Write("key", 0, 1, 2, data))
    assert answers == [True]
    assert row == (None if data is None else Row(2, data))


def test_what_was_made_without_an_answer_is_not_sent_again() -> None:
    servers = Servers()
    servers.faults = [InjectedFault.MUTE]
    assert written(servers, OLD, NEW) == ([True], Row(2, b"new"))
    assert servers.tries == 1


def test_a_late_arrival_makes_the_second_try_no_refusal() -> None:
    """The look finds nothing, the first try arrives, and the second is refused for what the first has written."""
    servers = Servers()
    servers.faults = [InjectedFault.LATE]
    assert written(servers, OLD, NEW) == ([True], Row(2, b"new"))
    assert servers.tries == 2


@pytest.mark.parametrize(
    "faults", [[], [InjectedFault.LOST], [InjectedFault.LOST, InjectedFault.LOST, InjectedFault.BUSY]]
)
def test_a_write_of_another_version_is_refused_with_or_without_doubt(faults: list[InjectedFault]) -> None:
    servers = Servers()
    servers.faults = faults
    assert written(servers, OLD, NEW, Write("key", 0, 1, 3, b"zombie")) == ([False], Row(2, b"new"))


def test_the_same_version_with_other_data_was_written_by_another() -> None:
    servers = Servers()
    servers.faults = [InjectedFault.LOST]
    assert written(servers, OLD, NEW, Write("key", 0, 1, 2, b"another's")) == ([False], Row(2, b"new"))


@pytest.mark.parametrize("fault", [InjectedFault.LOST, InjectedFault.BUSY])
def test_it_is_not_tried_for_ever(fault: InjectedFault) -> None:
    servers = Servers()
    servers.faults = [fault] * 100
    with pytest.raises(BackendUnavailable, match="1 of 1 records were not written"):
        written(servers, OLD, NEW)
    assert servers.tries == len(verified_write.PAUSES_S) + 1


def test_where_nothing_can_be_read_it_stays_in_doubt() -> None:
    servers = Servers()
    servers.faults = [InjectedFault.MUTE]

    async def run() -> None:
        store = servers.store()
        faults, servers.faults = servers.faults, []
        async with store.open():
            servers.faults, servers.deaf = faults, 1
            with pytest.raises(BackendUnavailable, match="nobody answers"):
                await store.write([OLD])
            assert await store.read(["key"]) == [Row(1, b"old")]

    anyio.run(run)


def test_no_room_is_told_at_once() -> None:
    servers = Servers()
    servers.faults = [InjectedFault.STUCK]
    with pytest.raises(BackendUnavailable, match="no room"):
        written(servers, OLD, NEW)
    assert servers.tries == 1


def test_what_no_repetition_mends_ends_the_worker() -> None:
    servers = Servers()
    servers.faults = [InjectedFault.WRONG]
    with pytest.raises(BackendError, match="too big") as raised:
        written(servers, OLD, NEW)
    assert not isinstance(raised.value, BackendUnavailable)


def test_each_of_a_batch_has_its_own_fate() -> None:
    servers = Servers()

    async def run() -> None:
        store = servers.store()
        async with store.open():
            assert await store.write([Write(key, 0, 0, 1, b"1") for key in "abcd"]) == [True] * 4
            servers.faults = [InjectedFault.LOST, InjectedFault.MUTE, InjectedFault.BUSY, InjectedFault.LATE]
            writes = [Write(key, 0, 1, 2, b"2") for key in "abcd"]
            assert await store.write([*writes, Write("e", 0, 7, 8, b"8")]) == [True] * 4 + [False]
            assert await store.read(list("abcde")) == [Row(2, b"2")] * 4 + [None]

    anyio.run(run)


@pytest.mark.parametrize("fault", [InjectedFault.LOST, InjectedFault.MUTE, InjectedFault.LATE, InjectedFault.BUSY])
def test_a_pin_in_doubt_is_read(fault: InjectedFault) -> None:
    servers = Servers()

    async def run() -> None:
        store, other = servers.store(), servers.store()
        async with store.open(), other.open():
            servers.faults = [fault]
            assert await store.pin("charter", b"1") == b"1"
            servers.faults = [fault]
            assert await store.repin("charter", b"1", b"2")
            servers.faults = [fault]
            assert not await other.repin("charter", b"1", b"2")  # another has done it
            assert await other.pin("charter", b"3") == b"2"

    anyio.run(run)
