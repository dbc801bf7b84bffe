"""A hot key: thousands of instances wait for its next message, or thousands of messages come for one instance.

All of them get what they wait for, no record grows beyond what a store takes, and other keys go on meanwhile. Without
`compacted` the row of a key with 10,000 subscribers would be twice as large as a store takes.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import anyio
import pytest

from dagger import Again, Dagger, Status, Topic, listener, template
from dagger.backends.memory import MemoryBackend
from dagger.backends.sqlite import SqliteBackend
from dagger.backends.sqlite.options import options_of as sqlite_options
from dagger.core.effects import Effect, Ignored, Send
from dagger.core.envelope import Envelope
from dagger.core.events import MessageForwarded, Unsubscribed
from dagger.engine.fanout import FANOUT_MIN, Fanout, compacted
from dagger.engine.ports import Append, Backend, Entry, Outgoing, Write
from dagger.engine.records import Record, encode_record, expanded
from dagger.engine.worker import worker as worker_module
from dagger.testing.contract import shop
from dagger.testing.contract.driver import messages_of
from tests.kafka.requests import Send as Sending
from tests.kafka.requests import instead
from tests.kafka.stage import OnKafka
from tests.kafka.test_doubt import aborted

LIMIT_S = 120.0
"""A failure limit."""
MANY = 10_000
KEYS = Topic("HOT", shop.Paid, key=lambda m: m.id)


@dataclass(frozen=True)
class Wish:
    id: str
    on: str


@dataclass(frozen=True)
class Tally:
    id: str
    left: int


def wished(wish: Wish) -> str:
    return wish.on


@listener(KEYS, on=wished)
def awaited(wish: Wish, message: shop.Paid) -> str:
    return message.receipt


@listener(KEYS)
def counted(tally: Tally, message: shop.Paid) -> Tally | Again[Tally]:
    """In their order, or it never ends."""
    left = tally.left - (int(message.receipt) == tally.left)
    return Again(Tally(tally.id, left)) if left else Tally(tally.id, left)


crowd = template("Crowd", awaited, key=lambda wish: wish.id)
stream = template("Stream", counted, key=lambda tally: tally.id)


class Sizes:
    """How large the records of a store become."""

    def __init__(self, backend: Backend) -> None:
        self._write = backend.store.write
        self.largest = 0
        store: Any = backend.store
        store.write = self

    async def __call__(self, writes: list[Write]) -> Any:
        self.largest = max([self.largest, *(len(write.data or b"") for write in writes)])
        return await self._write(writes)


@asynccontextmanager
async def working(backend: Backend) -> AsyncGenerator[Dagger]:
    engine = Dagger(backend=backend, early_limit=MANY)
    engine.register(crowd)
    engine.register(stream)
    with anyio.fail_after(LIMIT_S):
        async with engine:
            yield engine


async def until(engine: Dagger, status: Status, count: int) -> None:
    while await engine.count(template=crowd.name, status=status) < count:  # noqa: ASYNC110  # no event tells it
        await anyio.sleep(0.05)


async def many_wait(backend: Backend) -> None:
    sizes = Sizes(backend)
    async with working(backend) as engine:
        wishes = [Wish(str(UUID(int=1 << 127 | number)), "hot") for number in range(MANY)]
        await engine.start_all(crowd, wishes)
        await engine.start(crowd, Wish("other", "cold"))
        await until(engine, Status.EXECUTING, MANY + 1)
        await engine.publish_all(KEYS, [shop.Paid("hot", "r" * 100), shop.Paid("cold", "r")])
        await until(engine, Status.COMPLETED, MANY + 1)
        assert engine.counts == {}
        assert 0 < sizes.largest < backend.size_max


async def many_come(backend: Backend) -> None:
    sizes = Sizes(backend)
    async with working(backend) as engine:
        run = await engine.start(stream, Tally("hot", MANY))
        other = await engine.start(crowd, Wish("other", "cold"))
        messages = [shop.Paid("hot", str(number)) for number in range(MANY, 0, -1)]
        await engine.publish_all(KEYS, [*messages[: MANY // 2], shop.Paid("cold", "r"), *messages[MANY // 2 :]])
        assert (await engine.wait(run)).result == Tally("hot", 0)
        assert (await engine.wait(other)).result == "r"
        assert engine.counts == {}
        assert sizes.largest < backend.size_max


BOTH = pytest.mark.parametrize("test", [many_wait, many_come])


@pytest.mark.slow
class TestHere:
    @BOTH
    def test_in_memory(self, test: Any) -> None:
        anyio.run(test, MemoryBackend())

    @BOTH
    def test_on_sqlite(self, test: Any, tmp_path: Path) -> None:
        anyio.run(test, SqliteBackend(sqlite_options(f"sqlite:///{tmp_path / 'hot.db'}")))


@pytest.mark.slow
@pytest.mark.kafka
class TestOnKafka:
    @BOTH
    def test_all_are_served(self, test: Any, storage: OnKafka) -> None:
        anyio.run(test, storage.backend())

    def test_what_is_folded_is_published_after_a_commit_that_was_lost(
        self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        strikes = list[Any]()

        async def once(send: Sending, request: Any) -> Any:
            if strikes:
                return await send()
            strikes.append(request)
            return await aborted(send, request)

        def watched(entries: list[Entry], effects: tuple[Effect, ...]) -> Any:
            found = compacted(entries, effects)
            if any(isinstance(kept, Fanout) for kept in found) and not strikes:
                instead(monkeypatch, "EndTxnRequest", once)
            return found

        async def run() -> None:
            async with working(storage.backend()) as engine:
                await engine.start_all(crowd, [Wish(f"w-{number}", "hot") for number in range(50)])
                await until(engine, Status.EXECUTING, 50)
                await engine.publish(KEYS, shop.Paid("hot", "r"))
                await until(engine, Status.COMPLETED, 50)
                assert len(strikes) == 1
                assert len(await messages_of(engine.backend, KEYS.name, {"hot"})) == 1

        monkeypatch.setattr(worker_module, "compacted", watched)
        anyio.run(run)


class TestFolded:
    def test_many_records_of_one_event_are_kept_as_one(self) -> None:
        one = MessageForwarded(Envelope("C", "hot", b"payload", "id"), 1, True)
        other = Unsubscribed("me", ("C",))
        home = MemoryBackend().log.partition_of
        sends = [Send(f"w-{number}", one) for number in range(FANOUT_MIN * 4)] + [Send("last", other)]
        effects: tuple[Effect, ...] = (*sends, Ignored("no"))
        message = Outgoing("T", b"k", b"m")
        entries: list[Entry] = [Append(home(s.to), encode_record(Record(s.to, s.event))) for s in sends]
        entries.append(message)
        kept = compacted(entries, effects)
        assert [type(each) for each in kept] == [Fanout, Fanout, Outgoing]
        assert [entry for each in kept for entry in expanded(each, home)] == entries

    def test_a_few_are_kept_as_they_are(self) -> None:
        events = [Unsubscribed(f"me-{number}", ("C",)) for number in range(FANOUT_MIN * 2)]
        entries: list[Entry] = [Append(0, encode_record(Record("to", event))) for event in events]
        assert compacted(entries, [Send("to", event) for event in events]) == entries
        assert compacted(entries[:2], [Send("to", event) for event in events[:2]]) == entries[:2]
