"""A process on a file reports to the others which instances have ended; what is lost is noticed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from dagger import Dagger, Status
from dagger.backends.sqlite.signals import (
    BYTES_MAX,
    ENDED,
    IDS_MAX,
    SENDERS_MAX,
    WAKE,
    Datagram,
    Numbering,
    RemoteChanges,
    WakeSocket,
    chunks,
)
from dagger.engine.client import poller
from dagger.engine.ports import Outgoing
from tests.sqlite.shop import Order, Shop, file_of, in_loop, orders, pay, until, waiting

DATAGRAM_MAX = 65_507


async def listening() -> RemoteChanges:
    """What a process sees that has looked once; before that, anything may have changed."""
    changes = RemoteChanges()
    assert await changes.wait() is None
    return changes


def sent(*ids_of_each: Sequence[str], sender: str = "one") -> list[Datagram]:
    """What arrives of a process that reports these ends; one without ids is a commit that has ended nothing."""
    received = list[Datagram | None]()
    numbering, socket = Numbering(sender), WakeSocket(received.append)
    for ids in ids_of_each:
        socket.datagram_received(numbering.datagram(ENDED if ids else WAKE, ids), None)
    return [one for one in received if one is not None]


@in_loop
async def test_what_has_ended_is_reported_once() -> None:
    changes = await listening()
    for signal in sent("", "ab", "", "c"):
        changes.received(signal)
    assert await changes.wait() == {"a", "b", "c"}
    changes.received(sent("", sender="two")[0])
    assert await changes.wait() == set()


@in_loop
@pytest.mark.parametrize("lost", range(3))
async def test_a_datagram_that_is_lost_is_noticed_at_the_next(lost: int) -> None:
    """Also the first of a process: it may have sent it before it knew of this one."""
    changes = await listening()
    signals = sent("a", "b", "c", "")
    for signal in signals[:lost] + signals[lost + 1 :]:
        changes.received(signal)
    assert await changes.wait() is None
    changes.received(sent("", sender="two")[0])
    assert await changes.wait() == set()


@in_loop
async def test_anything_may_have_changed_after_a_commit_of_which_nothing_is_known() -> None:
    changes = await listening()
    changes.received(sent("a")[0])
    changes.anything()
    assert await changes.wait() is None


@in_loop
async def test_what_nobody_asks_for_is_not_kept_for_ever() -> None:
    changes = await listening()
    for number, signal in enumerate(sent(*[[f"{n}-{m}" for m in range(1_000)] for n in range(300)])):
        changes.received(signal)
        assert len(changes._ended) <= IDS_MAX + 1000, number
    assert await changes.wait() is None
    for number in range(2 * SENDERS_MAX):
        changes.received(sent("", sender=f"process {number}")[0])
        assert len(changes._numbers) <= SENDERS_MAX + 1


def test_ids_of_any_length_are_divided_into_datagrams() -> None:
    ids = ["x" * length for length in range(0, 3_000, 7)] + ["\N{GRINNING FACE}" * 1_000] * 20
    parts = list(chunks(ids))
    assert [id for part in parts for id in part] == ids
    assert max(len(Numbering("one").datagram(ENDED, part)) for part in parts) < DATAGRAM_MAX
    assert len(parts) < 2 * sum(4 * len(id) + 5 for id in ids) / BYTES_MAX + 1


@pytest.mark.parametrize("data", [b"", b"w", b"\xff" * 100, b"\x93\xa1x\x01\xa5other"])
def test_a_datagram_of_anybody_else_says_nothing(data: bytes) -> None:
    received = list[Datagram | None]()
    WakeSocket(received.append).datagram_received(data, None)
    assert received == [None]


@in_loop
async def test_a_wait_hears_of_an_end_by_its_report_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No tick, no round comes in time."""
    monkeypatch.setattr(poller, "ROUND_S_MAX", 3_600)
    monkeypatch.setattr(poller, "PROGRESS_S", 3_600)
    shop = Shop(tmp_path, "lease=4h")
    client, worker = shop.engine(), shop.engine()
    async with worker, client.client():
        run = await client.start(orders, Order("o-1"))
        await until(lambda: waiting(worker, 1))
        async with anyio.create_task_group() as group:
            group.start_soon(client.wait, run)
            await until(lambda: knows_others(worker))
            await pay(worker, "o-1")
        assert run.status is Status.COMPLETED


async def knows_others(engine: Dagger) -> bool:
    return bool(file_of(engine).processes._others)


@in_loop
async def test_a_process_that_has_come_is_woken_by_those_that_learn_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They may have committed something between its last look and the moment at which they learned of it."""
    shop = Shop(tmp_path, "lease=4h")
    first, second = shop.backend(), shop.backend()
    async with first.open():
        await first.file.database.transact(lambda connection: None)
        assert await first.changed() is None

        async def is_registered() -> bool:
            return first.file.processes.is_registered

        await until(is_registered)
        async with second.open():
            received = list[Datagram]()
            monkeypatch.setattr(second.file.remote_changes, "received", received.append)
            assert await second.changed() is None

            async def is_woken() -> bool:
                return bool(received)

            await until(is_woken)
            assert {signal.sender for signal in received} == {first.file.processes.id}


@in_loop
async def test_what_a_reader_has_committed_wakes_nobody(tmp_path: Path) -> None:
    shop = Shop(tmp_path, "lease=4h")
    backend = shop.backend()
    async with backend.open(), backend.log.reader("T", "group") as reader:
        await backend.log.append([Outgoing("T", b"k", b"first"), Outgoing("T", b"k", b"second")])
        assert [record.payload for record in await reader.read(1)] == [b"first"]
        notifier = backend.file.notifier
        await notifier.wait("test")  # who has never waited returns at once
        assert [record.payload for record in await reader.read(1)] == [b"second"]
        assert not notifier._events["test"].is_set()
        await backend.log.append([Outgoing("T", b"k", b"third")])
        await notifier.wait("test")


@in_loop
async def test_a_commit_of_which_no_datagram_has_come_is_worth_a_look() -> None:
    changes = await listening()
    changes.received(sent("a")[0])
    changes.something()
    assert await changes.wait() == {"a"}
    changes.something()
    assert await changes.wait() == set()
