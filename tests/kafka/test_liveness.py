"""A task in the background that ends takes nobody with it: who waits for it is told, and another takes its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from dagger import Dagger, Status
from dagger.errors import BackendUnavailable
from dagger.testing.contract import shop
from dagger.testing.contract.harness import alone, in_loop, note
from tests.kafka.programs import exiting
from tests.kafka.requests import ownership
from tests.kafka.stage import OnKafka, consumer_of, kafka_of

pytestmark = [pytest.mark.slow, pytest.mark.kafka]

SOON_S_MAX = 20.0
"""A failure limit, far below the 30 s after which everything is given up that does not answer."""


def fetcher(engine: Dagger) -> asyncio.Task[Any]:
    """What asks brokers for records."""
    found: asyncio.Task[Any] = consumer_of(kafka_of(engine.backend))._fetcher._fetch_task
    return found


def coordination(engine: Dagger) -> asyncio.Task[Any]:
    """What keeps the membership of the group."""
    found: asyncio.Task[Any] = consumer_of(kafka_of(engine.backend))._coordinator._coordination_task
    return found


def senders(engine: Dagger) -> list[asyncio.Task[Any]]:
    """What sends all that a worker commits."""
    producer: Any = ownership(engine.backend).transactions._producer
    return [producer._sender._sender_task]


@asynccontextmanager
async def working(storage: OnKafka) -> AsyncGenerator[Dagger]:
    assert storage.store_url is not None
    engine = Dagger(storage.url, storage.store_url)
    engine.register(exiting)
    with anyio.fail_after(60):
        async with engine:
            await done(engine, "before")
            yield engine


async def done(engine: Dagger, id: str) -> None:
    """An order is started, and done."""
    run = await engine.start(exiting, shop.Order(id))
    await engine.publish(shop.NOTES, shop.Paid(id, "r-7"))
    assert (await engine.wait(run)).status is Status.COMPLETED


class TestWorker:
    """A worker whose clients have lost a task goes on."""

    @pytest.mark.parametrize("of", [fetcher, coordination])
    @in_loop
    async def test_has_another_consumer(self, storage: OnKafka, of: Callable[[Dagger], asyncio.Task[Any]]) -> None:
        async with working(storage) as engine:
            with anyio.fail_after(SOON_S_MAX):
                of(engine).cancel()
                await done(engine, "after")

    @in_loop
    async def test_has_other_producers(self, storage: OnKafka) -> None:
        async with working(storage) as engine:
            with anyio.fail_after(SOON_S_MAX):
                for sender in senders(engine):
                    sender.cancel()
                await done(engine, "after")

    @in_loop
    async def test_joins_again_after_an_error_nobody_expects(
        self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with working(storage) as engine:
            member = kafka_of(engine.backend).log._member
            assert member is not None
            coordinator = consumer_of(kafka_of(engine.backend))._coordinator

            async def fails(*_: object) -> None:
                raise RuntimeError("nobody expects this")

            monkeypatch.setattr(coordinator, "ensure_active_group", fails)
            ended = coordination(engine)
            member.subscribe(member.topics)
            with anyio.fail_after(SOON_S_MAX):
                await asyncio.wait([ended])
                await done(engine, "after")


class TestCaller:
    """Who waits for what has ended is told, and the next is served."""

    @in_loop
    async def test_hears_that_the_sender_has_ended(self, storage: OnKafka) -> None:
        async with alone(storage) as harness:
            appender = kafka_of(harness.backend).log._appender
            await harness.log.append([note("T", "k", b"1")])
            producer: Any = appender._producer
            with anyio.fail_after(SOON_S_MAX):
                producer._sender._sender_task.cancel()
                with pytest.raises(BackendUnavailable):
                    await harness.log.append([note("T", "k", b"2")])
                await harness.log.append([note("T", "k", b"3")])

    @in_loop
    async def test_hears_that_its_append_was_ended(self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
        async with alone(storage) as harness:
            appender = kafka_of(harness.backend).log._appender
            begun = anyio.Event()

            async def never(*_: object) -> None:
                begun.set()
                await anyio.sleep_forever()

            async def appends() -> None:
                with pytest.raises(BackendUnavailable, match="was ended"):
                    await harness.log.append([note("T", "k", b"1")])

            with anyio.fail_after(SOON_S_MAX):
                async with anyio.create_task_group() as group:
                    with monkeypatch.context() as patched:
                        patched.setattr(appender, "_send", never)
                        group.start_soon(appends)
                        await begun.wait()
                        running = appender._running
                        assert running is not None
                        running.cancel()
                        await asyncio.wait([running])
                await harness.log.append([note("T", "k", b"2")])

    @in_loop
    async def test_hears_that_its_reader_gets_nothing_any_more(self, storage: OnKafka) -> None:
        async with alone(storage) as harness:
            await harness.log.append([note("T", "k", b"1")])
            async with harness.log.reader("T", "readers") as found:
                reader: Any = found
                assert [one.payload for one in await reader.read(10)] == [b"1"]
                with anyio.fail_after(SOON_S_MAX):
                    reader._open_one[0]._fetcher._fetch_task.cancel()
                    with pytest.raises(BackendUnavailable, match="has ended"):
                        await reader.read(10)
                    await harness.log.append([note("T", "k", b"2")])
                    assert [one.payload for one in await reader.read(10)][-1] == b"2"
