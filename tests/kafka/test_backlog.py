"""The backlog beside transactions: what is accepted is there while one is open, and nothing of one that was aborted."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import anyio
import pytest
from aiokafka import AIOKafkaProducer

from dagger.engine.ports import Append
from dagger.testing.contract.backlog import anew, whole
from dagger.testing.contract.harness import datas, in_loop
from tests.kafka.stage import OnKafka
from tests.servers.kafka import KafkaCluster

pytestmark = [pytest.mark.slow, pytest.mark.kafka]


@asynccontextmanager
async def transaction(kafka: KafkaCluster) -> AsyncGenerator[Any]:
    producer: Any = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, transactional_id=f"t{uuid4()}")
    await producer.start()
    await producer.begin_transaction()
    try:
        yield producer
    finally:
        await producer.stop()


@pytest.mark.parametrize("ends", ["commits", "aborts"])
def test_what_is_accepted_beside_an_open_transaction(kafka: KafkaCluster, storage: OnKafka, ends: str) -> None:
    @in_loop
    async def test(kafka: KafkaCluster) -> None:
        backend = storage.backend()
        async with backend.open(), transaction(kafka) as producer:
            log = backend.log
            await log.append([Append(0, b"before")])
            await producer.send_and_wait(f"{storage.prefix}contract.log", b"inside", partition=0)
            await log.append([Append(0, b"behind"), Append(1, b"beside")])

            first = await log.backlog(anew(log), 100)
            assert {b"before", b"behind", b"beside"} <= set(datas(first.records))
            behind = next(record for record in first.records if record.data == b"behind")
            assert first.settled[0] < behind.offset
            assert b"behind" in datas((await log.backlog(first.settled, 100)).records)

            await (producer.commit_transaction() if ends == "commits" else producer.abort_transaction())
            # The broker says that it is decided before readers see it.
            while (await log.backlog(first.settled, 100)).settled[0] < behind.offset:  # noqa: ASYNC110  # no event tells
                await anyio.sleep(0.01)
            found = datas(await whole(log, anew(log)))
            assert found == [b"before", *([b"inside"] if ends == "commits" else []), b"behind", b"beside"]
            last = await log.backlog(first.settled, 100)
            assert last.settled[0] >= behind.offset
            assert datas(last.records) == [*([b"inside"] if ends == "commits" else []), b"behind"]

    test(kafka)


def test_a_backlog_is_read_on_after_the_brokers_did_not_answer(storage: OnKafka) -> None:
    @in_loop
    async def test(storage: OnKafka) -> None:
        backend = storage.backend()
        async with backend.open():
            await backend.log.append([Append(0, b"one")])
            assert datas(await whole(backend.log, anew(backend.log))) == [b"one"]
            backend.log._backlog_reader.drop()  # as after any error
            await backend.log.append([Append(0, b"two")])
            assert datas(await whole(backend.log, anew(backend.log))) == [b"one", b"two"]

    test(storage)
