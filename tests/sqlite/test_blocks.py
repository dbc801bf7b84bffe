"""An engine that is a client, a worker, both, or neither: it is connected for as long as somebody needs it."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from dagger import Dagger
from dagger.errors import RequestError
from tests.sqlite.shop import Order, Shop, ended, in_loop, orders, pay, until, waiting


def is_closed() -> bool:
    """Whether no file is open in this process: each has a thread."""
    return not any(thread.name.startswith("dagger-sqlite") for thread in threading.enumerate())


async def works(engine: Dagger, id: str) -> None:
    """See that it is a worker."""
    await engine.start(orders, Order(id))
    await pay(engine, id)
    await ended(engine, id)


@in_loop
async def test_a_client_inside_of_a_worker_leaves_it_at_work(tmp_path: Path) -> None:
    async with Shop(tmp_path).engine() as engine:
        async with engine.client() as client:
            await client.start(orders, Order("o-1"))
        await works(engine, "o-1")
    assert is_closed()


@in_loop
async def test_a_worker_inside_of_a_client_leaves_it_connected(tmp_path: Path) -> None:
    engine = Shop(tmp_path).engine()
    async with engine.client() as client:
        async with engine:
            await works(engine, "o-1")
        assert await client.count(status="COMPLETED") == 1
        async with engine:
            await works(engine, "o-2")
    assert is_closed()


@in_loop
async def test_an_engine_that_was_used_before_it_works_is_closed_when_it_has_worked(tmp_path: Path) -> None:
    engine = Shop(tmp_path).engine()
    await engine.start(orders, Order("o-1"))
    async with engine:
        await works(engine, "o-1")
    assert is_closed()
    assert await engine.count() == 1, "it connects again"
    await engine.aclose()
    assert is_closed()


@in_loop
async def test_clients_that_overlap_and_follow_each_other(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    await shop.fill("o-1")
    engine = shop.engine()

    async def client(turns: int) -> None:
        for _ in range(turns):
            async with engine.client():
                assert await engine.count() == 1
                await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as group:
        for number in range(8):
            group.start_soon(client, 5 + number)
    assert is_closed()


@in_loop
async def test_the_resources_of_a_worker_end_with_it(tmp_path: Path) -> None:
    story = list[str]()

    @asynccontextmanager
    async def lifespan(engine: Dagger) -> AsyncGenerator[str]:
        story.append(f"{await engine.count()} at the begin")
        yield "a resource"
        story.append(f"{await engine.count()} at the end")

    engine = Dagger(Shop(tmp_path).url, lifespan=lifespan)
    engine.register(orders)
    async with engine.client():
        assert story == []
        async with engine:
            await engine.start(orders, Order("o-1"))
            await until(partial(waiting, engine, 1))
        assert story == ["0 at the begin", "1 at the end"]
    assert is_closed()


async def begin(engine: Dagger) -> None:
    async with engine:
        raise AssertionError("it works twice")


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (begin, "this engine is a worker already; create another Dagger for another worker"),
        (Dagger.aclose, "this engine is a worker; it disconnects at the end of its `async with`, or of main()"),
    ],
)
@in_loop
async def test_a_worker_is_one_worker_until_its_end(
    tmp_path: Path, call: Callable[[Dagger], Awaitable[None]], told: str
) -> None:
    async with Shop(tmp_path).engine() as engine:
        with pytest.raises(RequestError) as found:
            await call(engine)
        assert str(found.value) == told
        await works(engine, "o-1")
    assert is_closed()


@in_loop
async def test_a_worker_that_could_not_begin_may_begin_again(tmp_path: Path) -> None:
    is_there = False

    @asynccontextmanager
    async def lifespan(engine: Dagger) -> AsyncGenerator[None]:
        if not is_there:
            raise ConnectionError("the payment service is not there")
        yield

    engine = Dagger(Shop(tmp_path).url, lifespan=lifespan)
    engine.register(orders)
    with pytest.raises(ConnectionError, match="the payment service is not there"):
        await begin(engine)
    assert is_closed()
    is_there = True
    async with engine:
        await works(engine, "o-1")
