"""What is remembered of submissions that are not begun: the same answers within and beyond its bounds."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random

import anyio
import anyio.lowlevel
import pytest

from dagger import Dagger, Status, UnknownInstance, signal, template
from dagger.backends.memory import MemoryBackend, MemoryLog
from dagger.core.events import StopRequested, Submitted
from dagger.engine.client import queries, submissions
from dagger.engine.client.submissions import Submissions
from dagger.engine.ports import Append, LogRecord, Query
from dagger.engine.records import Record, encode_record

pytestmark = pytest.mark.anyio

asks = template("Asks", signal("go", bool), key=lambda id: id, takes=str)


@pytest.fixture(params=["remembered", "a few", "none", "by bytes"])
def bounds(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submissions, "READ_MAX", 4)
    monkeypatch.setattr(queries, "CHUNK", 3)
    match request.param:
        case "a few":
            monkeypatch.setattr(submissions, "REMEMBERED_MAX", 10)
        case "none":
            monkeypatch.setattr(submissions, "REMEMBERED_MAX", 0)
        case "by bytes":
            monkeypatch.setattr(submissions, "REMEMBERED_BYTES_MAX", 500)
        case _:
            pass


@asynccontextmanager
async def client(backend: MemoryBackend) -> AsyncIterator[Dagger]:
    engine = Dagger(backend=backend)
    engine.register(asks)
    async with engine.client():
        yield engine


async def all_pages(engine: Dagger, limit: int) -> list[str]:
    found = list[str]()
    while True:
        page = await engine.instances(limit=limit, after=found[-1] if found else None)
        found += [one.id for one in page]
        if len(page) < limit:
            return found


@pytest.mark.usefixtures("bounds")
async def test_a_backlog_is_known_whatever_is_remembered_of_it() -> None:
    backend = MemoryBackend()
    ids = [f"o-{number:03}" for number in range(100)]
    async with client(backend) as engine:
        shuffled = Random(7).sample(ids, len(ids))
        for start in range(0, len(ids), 10):
            await engine.start_all(asks, shuffled[start : start + 10])
            assert await engine.count() == start + 10
        assert await all_pages(engine, 7) == await all_pages(engine, 1000) == ids
        for id in ids:
            assert (await engine.get_instance(id)).status is Status.SUBMITTED
        with pytest.raises(UnknownInstance):
            await engine.get_instance("o-100")
    async with client(backend) as engine, engine:
        for _ in range(1000):
            if not await engine.count(status="SUBMITTED"):
                break
            await anyio.lowlevel.checkpoint()
        assert await all_pages(engine, 7) == ids
        assert await engine.count() == 100


@pytest.mark.usefixtures("bounds")
async def test_what_is_committed_is_forgotten_and_room_for_others() -> None:
    log = MemoryBackend().log
    known = Submissions(log)
    ids = [f"o-{number}" for number in range(40)]
    await log.append([submitted(id) for id in ids])
    assert set(await known.find(ids)) == set(ids)
    while records := (await log.poll(5)).records:
        await log.commit({}, last(records))
        left = set(ids) - done_of(log, ids)
        assert set(await known.find(ids)) == left
        assert {event.id async for part in known.matching(Query()) for event in part} == left
    assert sum(len(tail) for tail in known._tails.values()) == known._size == 0


@pytest.mark.usefixtures("bounds")
async def test_of_two_submissions_of_an_id_the_first_counts_until_it_is_committed() -> None:
    log = MemoryBackend().log
    known = Submissions(log)
    await log.append([submitted("o", "first"), submitted("other"), submitted("o", "second")])
    await log.append([Append(log.partition_of("o"), encode_record(Record("o", StopRequested())))])
    assert (await known.find(["o"]))["o"].template == "first"
    batch = await log.poll(1)
    while not any(record.partition == log.partition_of("o") for record in batch.records):
        await log.commit({}, last(batch.records))
        batch = await log.poll(1)
    await log.commit({}, last(batch.records))
    assert (await known.find(["o"]))["o"].template == "second"


async def test_those_who_ask_at_once_are_answered_by_one_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    log = MemoryBackend().log
    known = Submissions(log)
    await log.append([submitted(f"o-{number}") for number in range(50)])
    asked, backlog = list[object](), log.backlog

    async def counted(after: dict[int, int], limit: int) -> object:
        asked.append(after)
        await anyio.lowlevel.checkpoint()
        return await backlog(after, limit)

    monkeypatch.setattr(log, "backlog", counted)

    async def ask(id: str) -> None:
        assert id in await known.find([id])

    async with anyio.create_task_group() as group:
        for number in range(50):
            group.start_soon(ask, f"o-{number}")
    assert len(asked) <= 2


def submitted(id: str, template: str = "Asks") -> Append:
    return Append(MemoryLog().partition_of(id), encode_record(Record(id, Submitted(template, 1, id, id, b"x" * 20))))


def last(records: Sequence[LogRecord]) -> dict[tuple[str, int], int]:
    return {("", record.partition): record.offset for record in records}


def done_of(log: MemoryLog, ids: list[str]) -> set[str]:
    """Which of the ids, in the order in which they were appended, are committed."""
    seen = dict[int, int]()
    done = set[str]()
    for id in ids:
        partition = log.partition_of(id)
        seen[partition] = seen.get(partition, -1) + 1
        if seen[partition] <= log.committed.get(("", partition), -1):
            done.add(id)
    return done
