"""One engine in one event loop after the other, as programs do that call `asyncio.run` more than once."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest

from dagger import Dagger, Status
from dagger.testing.contract import shop
from tests.kafka.programs import exiting
from tests.kafka.stage import OnKafka

pytestmark = [pytest.mark.slow, pytest.mark.kafka]


@pytest.fixture
def engine(storage: OnKafka) -> Iterator[Dagger]:
    assert storage.store_url is not None
    found = Dagger(storage.url, storage.store_url)
    found.register(exiting)
    yield found
    gc.collect()  # what was left open complains of it now


def test_a_client_is_used_in_one_loop_after_the_other(engine: Dagger) -> None:
    async def publishes(id: str) -> None:
        async with asyncio.timeout(60), engine.client():
            await engine.start(exiting, shop.Order(id))
            await engine.publish(shop.NOTES, shop.Paid(id, "r-7"))

    async def reads() -> list[str]:
        async with asyncio.timeout(60), engine.client():
            found = list[str]()
            async for message in engine.subscribe(shop.NOTES, group=engine_group):
                found.append(message.id)
                if len(found) == 2:
                    break
            return found

    engine_group = "second-loop"
    asyncio.run(publishes("o-1"))
    asyncio.run(publishes("o-2"))
    assert sorted(asyncio.run(reads())) == ["o-1", "o-2"]


def test_a_worker_works_in_one_loop_after_the_other(engine: Dagger) -> None:
    async def works(id: str) -> Status:
        async with asyncio.timeout(60), engine:
            run = await engine.start(exiting, shop.Order(id))
            await engine.publish(shop.NOTES, shop.Paid(id, "r-7"))
            return (await engine.wait(run)).status

    assert [asyncio.run(works(id)) for id in ("o-1", "o-2", "o-3")] == [Status.COMPLETED] * 3
