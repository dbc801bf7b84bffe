"""External topics: what is published is consumed by workers, in the order of each key."""

from __future__ import annotations

from collections.abc import Iterable

import anyio
import pytest

from dagger.engine.ports import Append, Outgoing, TopicRecord
from dagger.testing.contract.case import ContractCase
from dagger.testing.contract.harness import alone, in_loop, note, working
from dagger.testing.contract.log import IMPOSSIBLE
from dagger.testing.contract.readers import read
from dagger.testing.contract.storage import Storage

TOPIC = "CONTRACT"
OTHER = "CONTRACT.other"
TRACE = "trace"


class TopicContract(ContractCase):
    """The contract of external topics, as workers consume them."""

    @in_loop
    async def test_a_message_is_polled_as_it_was_published(self, storage: Storage) -> None:
        given = [
            note(TOPIC, "key", b"payload", trace="t-1"),
            note(TOPIC, "", b"no key"),
            note(TOPIC, "schlüssel 🗝", bytes(range(256)), **{"dagger-id": "ä", "empty": ""}),
            note(TOPIC, "no payload", b""),
            note(TOPIC, "long", b"x" * 300_000),
            *AS_OTHERS_WRITE,
        ]
        async with alone(storage, TOPIC) as harness:
            await harness.log.append(given)
            found = await harness.messages(len(given))
        assert as_written(found) == as_written(given)

    @in_loop
    async def test_messages_of_one_key_are_polled_in_their_order(self, storage: Storage) -> None:
        keys = [f"key-{number}" for number in range(10)]
        async with alone(storage, TOPIC) as harness:
            for number in range(3):
                await harness.log.append([note(TOPIC, key, b"%d" % number) for key in keys])
            found = await harness.messages(30, limit=7)
        for key in keys:
            own = [one for one in found if one.key == key.encode()]
            assert [one.payload for one in own] == [b"0", b"1", b"2"]
            assert len({one.partition for one in own}) == 1
            assert [one.offset for one in own] == sorted({one.offset for one in own})

    @in_loop
    async def test_a_message_is_read_as_it_was_published(self, storage: Storage) -> None:
        async with alone(storage) as harness:
            await harness.log.append(AS_OTHERS_WRITE)
            found = list[TopicRecord]()
            async with harness.log.reader(TOPIC, "group") as reader:
                while len(found) < len(AS_OTHERS_WRITE):
                    found += await reader.read(100)
        assert as_written(found) == as_written(AS_OTHERS_WRITE)

    @in_loop
    async def test_a_message_is_committed_as_it_was_polled(self, storage: Storage) -> None:
        async with alone(storage, TOPIC, OTHER) as harness:
            await harness.log.append(AS_OTHERS_WRITE)
            found = await harness.messages(len(AS_OTHERS_WRITE))
            await harness.commit(found, [Outgoing(OTHER, one.key, one.payload, one.headers) for one in found])
            again = await harness.messages(len(found))
        assert as_written(again) == as_written(found)

    @in_loop
    async def test_only_the_topics_that_are_consumed_are_polled(self, storage: Storage) -> None:
        async with alone(storage, TOPIC) as harness:
            await harness.log.append([note(OTHER, "k", b"no"), note(TOPIC, "k", b"yes"), note(OTHER, "k", b"no")])
            (found,) = await harness.messages(1)
            assert found.payload == b"yes"
            await harness.commit([found])
            await harness.nothing_is_left()

    @in_loop
    async def test_what_was_published_before_anybody_consumed_is_polled(self, storage: Storage) -> None:
        async with alone(storage, TOPIC) as harness:
            await harness.log.append([note(OTHER, "k", b"early")])
            await harness.nothing_is_left()
            harness.log.consume([OTHER, TOPIC])
            (found,) = await harness.messages(1)
            assert (found.topic, found.payload) == (OTHER, b"early")

    @in_loop
    async def test_a_message_is_polled_again_until_it_is_committed(self, storage: Storage) -> None:
        async with alone(storage, TOPIC) as harness:
            await harness.log.append([note(TOPIC, "k", b"%d" % number) for number in range(3)])
            first = await harness.messages(3)
            await harness.log.rewind()
            assert await harness.messages(3) == first
        async with working(storage, TOPIC) as harness:
            assert await harness.messages(3) == first
            await harness.commit(first[:1])
            await harness.log.rewind()
            assert await harness.messages(2) == first[1:]
        async with working(storage, TOPIC) as harness:
            assert await harness.messages(2) == first[1:]
            await harness.commit(first[1:])
        async with alone(storage, TOPIC) as harness:
            await harness.nothing_is_left()

    @in_loop
    async def test_records_and_messages_are_committed_at_once(self, storage: Storage) -> None:
        async with alone(storage, TOPIC) as harness:
            await harness.log.append([Append(0, b"record"), note(TOPIC, "k", b"message")])
            found = await harness.take(2)
            with pytest.raises(Exception, match=r"."):
                await harness.commit(found, [note(OTHER, "k", b"no"), IMPOSSIBLE])
            await harness.log.rewind()
            again = await harness.take(2)
            assert {type(one) for one in again} == {type(one) for one in found}
            await harness.commit(again, [note(OTHER, "k", b"yes")])
            await harness.log.rewind()
            await harness.nothing_is_left()
            assert await read(harness.log, 1, topic=OTHER) == [b"yes"]

    @in_loop
    async def test_wait_returns_when_something_is_published(self, storage: Storage) -> None:
        async with alone(storage, TOPIC) as harness, anyio.create_task_group() as group:

            async def wait() -> None:
                await harness.log.wait()
                (message,) = await harness.messages(1)
                await harness.commit([message])

            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            await harness.log.append([note(TOPIC, "k")])

    @in_loop
    async def test_wait_returns_when_more_is_consumed(self, storage: Storage) -> None:
        async with alone(storage, TOPIC) as harness, anyio.create_task_group() as group:
            await harness.log.append([note(OTHER, "k", b"early")])
            await harness.nothing_is_left()

            async def wait() -> None:
                await harness.log.wait()
                (message,) = await harness.messages(1)
                assert message.topic == OTHER

            group.start_soon(wait)
            await anyio.wait_all_tasks_blocked()
            harness.log.consume([OTHER])


AS_OTHERS_WRITE = [
    Outgoing(TOPIC, None, b"no key"),
    Outgoing(TOPIC, b"", b"an empty key"),
    Outgoing(TOPIC, b"\x00\x00\x00\x00\x00\x00\x01\xf4", b"a number", ((TRACE, b"\x80\xff"), (TRACE, b"\x00"))),
    Outgoing(TOPIC, b"\\xff", b"no escape"),
    Outgoing(TOPIC, b"\xff", b"", (("via", b"a"), ("via", b"b"), ("null", None), ("", b""), ("via", b"a"))),
    Outgoing(TOPIC, b"k", None, (("null", None),)),
    Outgoing(TOPIC, None, None),
]
"""Messages as no engine writes them, but other programs do."""


def as_written(messages: Iterable[TopicRecord | Outgoing]) -> list[str]:
    """Key, value and headers, whatever they are, in an order of their own."""
    return sorted(repr((one.key, one.payload, one.headers)) for one in messages)
