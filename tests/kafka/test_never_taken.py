"""What a broker will never take goes to the dead letters with the reason; everything else of its transaction is sent.

With nothing known for a refusal for ever, or with topics not looked for first, the same tests fail: the lane would try
again for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from dagger import Topic, listener, template
from dagger.backends.kafka import batches
from dagger.backends.kafka import log as log_module
from dagger.engine.headers import headers_of, texts_of
from dagger.engine.ports import Append, Entry, Headers, Outgoing, TopicRecord
from dagger.errors import BackendError
from dagger.testing.clock import VirtualClock
from dagger.testing.contract.driver import Driver, messages_of
from dagger.testing.contract.harness import Harness, alone, datas, in_loop, note
from tests.kafka.stage import OnKafka, beside_sqlite, fails
from tests.servers.kafka import KafkaCluster

pytestmark = [pytest.mark.slow, pytest.mark.kafka]

DEAD = "contract.dead-letter"
ROOM = 2_000
"""How much the topic `small` takes at a time."""


async def make(kafka: KafkaCluster, topic: str, **configs: str) -> None:
    """A topic made by hand."""
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        named = {name.replace("_", "."): value for name, value in configs.items()}
        answer = await admin.create_topics([NewTopic(topic, 4, 1, None, named)])
        assert [error[1] for error in answer.topic_errors] == [0]
    finally:
        await admin.close()


async def payloads(harness: Harness, topic: str, *keys: str) -> list[bytes | None]:
    return [message.payload for message in await messages_of(harness.backend, topic, set(keys), f"read {topic}")]


async def letters(harness: Harness, *keys: str) -> list[TopicRecord]:
    return await messages_of(harness.backend, DEAD, set(keys), f"read {keys}")


async def ordered(harness: Harness, entries: Sequence[Entry]) -> None:
    """One record orders all that, and the lane goes on."""
    await harness.log.append([Append(0, b"record")])
    await harness.commit(await harness.records(1), entries)
    await harness.nothing_is_left()


async def too_large(kafka: KafkaCluster, storage: OnKafka, *, also_there: bool = False) -> None:
    await make(kafka, f"{storage.prefix}small", max_message_bytes=str(ROOM))
    if also_there:
        await make(kafka, f"{storage.prefix}small.dead-letter", max_message_bytes=str(ROOM))
    some = [note("small", "k", b"%d" % number + bytes(ROOM // 4), id=str(number)) for number in range(6)]
    value = b"large" + bytes(3 * ROOM)
    large = Outgoing("small", b"k", value, headers_of({"dagger-id": "x"}))
    async with alone(storage) as harness:
        await ordered(harness, [*some[:3], large, note("other", "k", b"other"), *some[3:]])
        assert await payloads(harness, "small", "k") == [entry.payload for entry in some]
        assert await payloads(harness, "other", "k") == [b"other"]
        assert harness.log.counts == {"too_large": 1, "dead_letters": 1}
        (letter,) = await messages_of(harness.backend, "small.dead-letter", {"k"})
        assert letter.payload == (None if also_there else value)
        headers = texts_of(letter.headers)
        assert "MessageSizeTooLarge" in headers.pop("dagger-reason")
        partition = (await messages_of(harness.backend, "small", {"k"}, "again"))[0].partition
        place = {"dagger-topic": "small", "dagger-partition": str(partition), "dagger-offset": "-1"}
        expected = {"dagger-id": "x", **place}
        assert headers == ({**expected, "dagger-size": str(len(value))} if also_there else expected)


async def too_large_as_it_came(kafka: KafkaCluster, storage: OnKafka) -> None:
    """Messages of others: one that no dead letter can hold, one that is no record, and one with a large header."""
    await make(kafka, f"{storage.prefix}large", max_message_bytes="5000000")
    topic = Topic("large", str, key=lambda text: text[0])
    headers: Headers = (("via", b"a"), ("via", b"b"), ("null", None))
    written = [
        Outgoing("large", b"k", b'"k%s"' % (b"x" * 2_000_000), headers),
        Outgoing("large", b"k", b'"k%s"' % (b"x" * 1_000_000), headers),
        Outgoing("large", b"k", b"?", (("large", bytes(1_500_000)),)),
    ]
    engine = Driver(storage.backend(), VirtualClock())
    run = await engine.start(template("Hears", listener(topic), key=lambda text: text[0], takes=str), "k")
    async with engine.working():
        await engine.run_until_idle()
        await engine.backend.log.append([*written, Outgoing("large", b"k", b'"k"')])
        await engine.finish(run)
        await engine.run_until_idle()
        assert run.result == "k"
        assert (engine.counts["too_large"], engine.counts["dead_letters"]) == (2, 3)
        gone, kept = await messages_of(engine.backend, "large.dead-letter", {"k"})
        assert (gone.payload, kept.payload) == (None, written[1].payload)
        for number, letter in enumerate([gone, kept]):
            assert letter.headers[:3] == headers
            assert texts_of(letter.headers)["dagger-topic"] == "large"
            assert texts_of(letter.headers)["dagger-partition"].isdecimal()
            assert texts_of(letter.headers)["dagger-offset"] == str(number)
        assert texts_of(gone.headers)["dagger-size"] == "2000003"
        (last,) = await messages_of(engine.backend, DEAD, {"k"})
        assert texts_of(last.headers)["dagger-headers"] == "6 are left out"


async def no_such_topic(storage: OnKafka) -> None:
    async with alone(storage) as harness:
        sent = [note("no such topic", "k", b"no"), note("other", "k", b"other"), note("nor/this", "k", b"neither")]
        await ordered(harness, sent)
        assert await payloads(harness, "other", "k") == [b"other"]
        first, second = await letters(harness, "k")
        assert (first.payload, second.payload) == (b"no", b"neither")
        assert "does not take that name" in texts_of(first.headers)["dagger-reason"]


class TestNeverTaken:
    @in_loop
    async def test_one_is_too_large_for_its_topic(self, kafka: KafkaCluster, storage: OnKafka) -> None:
        await too_large(kafka, storage)

    @in_loop
    async def test_one_is_too_large_for_the_dead_letters_too(self, kafka: KafkaCluster, storage: OnKafka) -> None:
        await too_large(kafka, storage, also_there=True)

    @in_loop
    async def test_what_others_have_written_is_too_large(self, kafka: KafkaCluster, storage: OnKafka) -> None:
        await too_large_as_it_came(kafka, storage)

    @in_loop
    async def test_a_reader_goes_on_behind_what_no_dead_letter_can_hold(
        self, kafka: KafkaCluster, storage: OnKafka
    ) -> None:
        await make(kafka, f"{storage.prefix}large", max_message_bytes="5000000")
        topic = Topic("large", str, key=lambda text: text)
        engine = Driver(storage.backend(), VirtualClock())
        async with engine.connected():
            large = Outgoing("large", b"k", bytes(2_000_000))
            await engine.backend.log.append([large, Outgoing("large", b"k", b"?"), Outgoing("large", b"k", b'"k"')])
            async with aclosing(engine.subscribe(topic, group=storage.prefix)) as messages:
                assert await anext(messages) == "k"
            first, second = await messages_of(engine.backend, "large.dead-letter", {"k"})
            assert (first.payload, second.payload) == (None, b"?")
            assert texts_of(first.headers)["dagger-size"] == "2000000"

    @in_loop
    async def test_would_be_tried_for_ever(
        self, kafka: KafkaCluster, storage: OnKafka, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(batches, "REFUSALS", ())
        await fails(too_large(kafka, storage), "MessageSizeTooLarge")

    @in_loop
    async def test_one_is_too_large_for_the_log(self, storage: OnKafka) -> None:
        huge = b"huge" + bytes(1_200_000)
        async with alone(storage) as harness:
            await harness.log.append([Append(0, b"record")])
            await harness.commit(await harness.records(1), [Append(1, b"a"), Append(1, huge), Append(1, b"b")])
            assert datas(await harness.records(2)) == [b"a", b"b"]
            (letter,) = await letters(harness, "")
            assert letter.payload == huge[: batches.ROOM]
            assert texts_of(letter.headers)["dagger-partition"] == "1"

    @in_loop
    async def test_one_that_is_appended_is_refused_and_others_are_not(self, storage: OnKafka) -> None:
        async with alone(storage) as harness:
            with pytest.raises(BackendError, match="MessageSizeTooLarge"):
                await harness.log.append([Append(0, bytes(1_200_000))])
            await harness.nothing_is_left()

    @in_loop
    async def test_its_topic_is_none(self, storage: OnKafka) -> None:
        await no_such_topic(storage)

    @in_loop
    async def test_would_stop_the_lane(self, storage: OnKafka, monkeypatch: pytest.MonkeyPatch) -> None:
        async def addressed(cluster: Any, entries: Sequence[Entry]) -> Sequence[Entry]:
            await cluster.need({cluster.options.prefix + one.topic for one in entries if isinstance(one, Outgoing)})
            return entries

        monkeypatch.setattr(log_module, "addressed", addressed)
        await fails(no_such_topic(storage), "does not take that name")

    @in_loop
    async def test_its_topic_may_not_be_made(self, kafka: KafkaCluster, storage: OnKafka) -> None:
        strict = beside_sqlite(kafka.bootstrap, storage.folder, "&create=no")
        with pytest.raises(BackendError, match=r"has no topic .*contract\.log'; create it"):
            async with alone(strict):
                raise AssertionError("its log is not there")
        for topic in ("contract.log", DEAD, "other"):
            await make(kafka, strict.prefix + topic)
        async with alone(strict) as harness:
            await ordered(harness, [note("unknown", "k", b"no"), note("other", "k", b"other")])
            assert await payloads(harness, "other", "k") == [b"other"]
            (letter,) = await letters(harness, "k")
            assert letter.payload == b"no"
            assert "has no topic" in texts_of(letter.headers)["dagger-reason"]
