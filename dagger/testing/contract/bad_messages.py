"""Guarantee 7: nothing that a user sends can stop a partition. What cannot be read becomes a dead letter."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from msgspec.structs import replace

from dagger.core.state import Status
from dagger.dsl import listener, template
from dagger.engine.dead_letters import dead_letter_topic
from dagger.engine.headers import header
from dagger.engine.ports import Outgoing, TopicRecord
from dagger.testing.clock import VirtualClock
from dagger.testing.contract import shop
from dagger.testing.contract.case import ContractCase
from dagger.testing.contract.driver import Driver, messages_of
from dagger.testing.contract.harness import in_loop
from dagger.testing.contract.storage import Storage
from dagger.testing.contract.topics import as_written

UNREADABLE = [
    Outgoing(
        shop.NOTES.name,
        b"\x00\x00\x00\x00\x00\x00\x01\xf4",
        b"?",
        (("trace", b"\x80\xff"), ("via", b"a"), ("via", b"b"), ("null", None), ("dagger-id", b"")),
    ),
    Outgoing(shop.NOTES.name, b"\xff", None, (("null", None),)),
    Outgoing(shop.NOTES.name, b"", b"\xff"),
    Outgoing(shop.NOTES.name, None, b"", (("dagger-reason", b"another"), ("dagger-offset", b"7"))),
]
"""Messages that the topic does not carry, as other programs may write them."""


class DeadLetterContract(ContractCase):
    """What becomes of messages that cannot be read, and of functions that raise."""

    @in_loop
    async def test_7_what_cannot_be_decoded_goes_to_the_dead_letters(self, storage: Storage) -> None:
        async with process(storage, VirtualClock()) as engine:
            run = await engine.start(shop.hears, shop.Heard("h-1"))
            for payload in (b"", b"\xff", b"{", b'{"id": 1}', b"null"):
                await engine.put(shop.NOTES, payload, key="h-1")
                await engine.put(shop.ORDERS, payload, key="h-1")
            await engine.publish(shop.NOTES, shop.Paid("h-1", "last"))
            await engine.finish(run)
            assert run.result == shop.Heard("h-1", ("last",))
            await engine.run_until_idle()
            for topic in (shop.NOTES, shop.ORDERS):
                letters = await messages_of(engine.backend, dead_letter_topic(topic.name), {"h-1"})
                assert [one.payload for one in letters] == [b"", b"\xff", b"{", b'{"id": 1}', b"null"]
                assert all(header(one.headers, "dagger-reason") for one in letters)

    @in_loop
    async def test_7_a_dead_letter_is_the_message_as_it_came(self, storage: Storage) -> None:
        async with process(storage, VirtualClock()) as engine:
            engine.register(shop.hears)
            await engine.run_until_idle()
            await engine.backend.log.append(UNREADABLE)
            await engine.run_until_idle()
            await expect_letters(engine)

    @in_loop
    async def test_7_a_dead_letter_of_a_reader_is_the_message_as_it_came(self, storage: Storage) -> None:
        async with process(storage, VirtualClock()) as engine:
            await engine.backend.log.append(UNREADABLE)
            reading = asyncio.ensure_future(anext(engine.subscribe(shop.NOTES, group="reads")))
            try:
                await expect_letters(engine)
            finally:
                reading.cancel()
                await asyncio.wait([reading])

    @in_loop
    async def test_7_a_message_whose_key_cannot_be_computed_goes_to_the_dead_letters(self, storage: Storage) -> None:
        def by_luck(message: shop.Paid) -> Any:
            if message.receipt == "none":
                return None
            raise shop.Jammed(message.receipt)

        lucky = template("ContractLucky", listener(shop.NOTES, by=by_luck), key=shop.by_id, takes=shop.Order)
        async with process(storage, VirtualClock()) as engine:
            engine.register(lucky)
            run = await engine.start(shop.hears, shop.Heard("h-1"))
            for receipt in ("none", "raises", "last"):
                await engine.publish(shop.NOTES, shop.Paid("h-1", receipt))
            await engine.finish(run)
            assert run.result == shop.Heard("h-1", ("none", "raises", "last"))
            await engine.run_until_idle()
            letters = await messages_of(engine.backend, dead_letter_topic(shop.NOTES.name), {"h-1"})
            assert len(letters) == 3

    @in_loop
    async def test_7_a_function_that_raises_fails_its_instance_and_no_other(self, storage: Storage) -> None:
        async with process(storage, VirtualClock()) as engine:
            ids = [f"h-{number}" for number in range(8)]
            runs = [await engine.start(shop.hears, shop.Heard(id)) for id in ids]
            for id in ids:
                await engine.publish(shop.NOTES, shop.Paid(id, "raise" if id == "h-3" else "last"))
            await engine.finish(*runs)
            assert [run.id for run in runs if run.status is Status.FAILURE] == ["h-3"]
            assert str(runs[3].error).endswith("Jammed: h-3")


@asynccontextmanager
async def process(storage: Storage, clock: VirtualClock) -> AsyncGenerator[Driver]:
    """A worker of its own, which knows the workflows of the suite."""
    engine = Driver(storage.backend(), clock)
    engine.start_on(shop.ORDERS, shop.order)
    engine.register(shop.hears)
    engine.register(shop.naps)
    async with engine.working():
        yield engine


async def expect_letters(engine: Driver) -> None:
    """What cannot be read is among the dead letters as it came; behind its own headers, why and where it stood."""
    found = list[TopicRecord]()
    async with engine.backend.log.reader(dead_letter_topic(shop.NOTES.name), "audit") as reader:
        while len(found) < len(UNREADABLE):
            found += await reader.read(100)
    added = [name for name, _ in found[0].headers[-4:]]
    assert added == ["dagger-reason", "dagger-topic", "dagger-partition", "dagger-offset"]
    assert as_written([replace(one, headers=one.headers[:-4]) for one in found]) == as_written(UNREADABLE)
    assert all(header(one.headers, "dagger-reason") != b"another" for one in found)
    assert all(header(one.headers, "dagger-topic") == shop.NOTES.name.encode() for one in found)
