"""Whatever offsets refer to is known by its identity: what was replaced is refused, and never taken for what it was.

Taken for it, what is read from 0 on would pass for duplicates. Two tests show that with the identities left out.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import anyio
import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from msgspec.structs import replace

from dagger.backends.kafka import KafkaBackend, binding
from dagger.backends.kafka.binding import Binding, Source, Sources, agreed
from dagger.backends.kafka.client import TopicInfo
from dagger.backends.kafka.notes import PinnedNote
from dagger.backends.kafka.options import options_of
from dagger.backends.kafka.poison import LaneNote, PoisonDetector
from dagger.backends.sqlite import store as sqlite_store
from dagger.core.format import FORMAT
from dagger.engine.ports import Append, Batch
from dagger.errors import BackendError
from dagger.testing.contract.harness import alone, in_loop, note, working
from tests.kafka.pins import pins
from tests.kafka.stage import OnKafka, consumer_of, kafka_of
from tests.servers.kafka import KafkaCluster
from tests.stored import UNRELEASED_NOTES

needs_kafka = [pytest.mark.slow, pytest.mark.kafka]

TOPIC = "ORDERS"
OPTIONS = options_of("kafka://h/app")
LOG = TopicInfo("app.log", "log-id", 4)
NOTES = TopicInfo("notes", "notes-id", 8)


@asynccontextmanager
async def admin_of(kafka: KafkaCluster) -> AsyncGenerator[Any]:
    from aiokafka.admin import AIOKafkaAdminClient

    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        yield admin
    finally:
        await admin.close()


async def remake(kafka: KafkaCluster, topic: str, partitions: int = 4) -> None:
    """Delete a topic, and make another of its name as soon as it is gone."""
    from aiokafka.admin import NewTopic

    async with admin_of(kafka) as admin:
        assert [error[1] for error in (await admin.delete_topics([topic])).topic_error_codes] == [0]
        while (await admin.create_topics([NewTopic(topic, partitions, 1)])).topic_errors[0][1]:  # noqa: ASYNC110  # so
            await anyio.sleep(0.05)


async def delete_group(kafka: KafkaCluster, group: str) -> None:
    from aiokafka.protocol.admin import DeleteGroupsRequest

    async with admin_of(kafka) as admin:
        node = await admin.find_coordinator(group)
        client: Any = admin._client
        while (await client.send(node, DeleteGroupsRequest([group]))).results[0][1]:  # noqa: ASYNC110  # so
            await anyio.sleep(0.05)


async def consumed(storage: OnKafka, count: int = 3) -> None:
    """A worker has read and committed some messages, and left."""
    async with alone(storage, TOPIC) as harness:
        await harness.log.append([note(TOPIC, "k", b"old %d" % number) for number in range(count)])
        await harness.commit(await harness.messages(count))


async def refused(storage: OnKafka, why: str) -> None:
    """Who comes is refused, when it opens or when it begins."""
    with pytest.raises(BackendError, match=why):
        async with alone(storage, TOPIC) as harness:
            await harness.messages(1)


async def group_deleted(kafka: KafkaCluster, storage: OnKafka) -> None:
    await consumed(storage)
    await delete_group(kafka, f"{storage.prefix}contract")
    await refused(storage, "the group's offset of partition .* is gone")


class TestReplaced:
    pytestmark = needs_kafka

    @in_loop
    async def test_a_group_whose_offsets_are_gone(self, kafka: KafkaCluster, storage: OnKafka) -> None:
        await group_deleted(kafka, storage)

    @in_loop
    async def test_would_be_a_group_that_begins(
        self, kafka: KafkaCluster, storage: OnKafka, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def begun(*_: Any) -> None:
            pass

        monkeypatch.setattr(binding.Sources, "begun", begun)
        with pytest.raises(BaseException, match=r"DID NOT RAISE|expected 1 messages, got"):
            await group_deleted(kafka, storage)

    @in_loop
    async def test_the_log_that_was_made_again(self, kafka: KafkaCluster, storage: OnKafka) -> None:
        await consumed(storage)
        await remake(kafka, storage.prefix + "contract.log")
        await refused(storage, "was deleted and made again since the records of the store")

    @in_loop
    async def test_the_log_with_more_partitions(self, kafka: KafkaCluster, storage: OnKafka) -> None:
        from aiokafka.admin.new_partitions import NewPartitions

        await consumed(storage)
        async with admin_of(kafka) as admin:
            await admin.create_partitions({storage.prefix + "contract.log": NewPartitions(6)})
        storage.url = storage.url.replace("&partitions=4", "")
        await refused(storage, r"contract\.log' had 4 partitions, and has 6")

    @in_loop
    async def test_a_store_that_was_emptied(self, storage: OnKafka) -> None:
        await consumed(storage)
        storage.empty_store()
        await refused(storage, "was committed beside another store")

    @in_loop
    async def test_two_applications_on_one_store(self, storage: OnKafka) -> None:
        await consumed(storage)
        assert storage.store_url is not None
        other = options_of(storage.url.replace("/contract?", "/other?"))
        backend = KafkaBackend(other, sqlite_store(storage.store_url, f"{storage.prefix}contract"))
        with pytest.raises(BackendError, match=r"has the records of application '.*contract', not '.*other'"):
            async with backend.open():
                raise AssertionError("it goes on")

    @in_loop
    async def test_partitions_that_are_added_to_a_topic_are_read(self, kafka: KafkaCluster, storage: OnKafka) -> None:
        from aiokafka.admin.new_partitions import NewPartitions

        async with alone(storage, TOPIC) as harness:
            await harness.log.append([note(TOPIC, "k", b"before")])
            await harness.commit(await harness.messages(1))
            async with admin_of(kafka) as admin:
                await admin.create_partitions({storage.prefix + TOPIC: NewPartitions(6)})
            await put(kafka, storage.prefix + TOPIC, 5, b"after")
            consumer = consumer_of(kafka_of(harness.backend))
            found, batch = list[bytes | None](), Batch((), ())
            while not found:
                await consumer._client.force_metadata_update()  # as happens every half minute
                batch = await harness.poll()
                found += [message.payload for message in batch.messages]
                await harness.rest()
            assert found == [b"after"]
            await harness.commit(batch.messages)
            await harness.nothing_is_left()
        async with working(storage, TOPIC) as again:
            await again.log.append([Append(0, b"record")])
            assert len(await again.records(1)) == 1


async def put(kafka: KafkaCluster, topic: str, partition: int, value: bytes) -> None:
    """A message of another program, that knows the new partitions."""
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all")
    await producer.start()
    try:
        batch = producer.create_batch()
        batch.append(timestamp=None, key=b"k", value=value)
        await (await producer.send_batch(batch, topic, partition=partition))
    finally:
        await producer.stop()


async def checked(sources: Sources, topic: TopicInfo, partition: int, note: str | None) -> None:
    """What a worker does with what stands beside an offset."""
    begun = await sources.look(topic, partition)
    assert begun is not None
    sources.check(topic.name, partition, note, begun)


class TestCharter:
    """What it compares, without a broker."""

    @pytest.mark.parametrize(
        ("changed", "why"),
        [
            ({"application": "other"}, "has the records of application 'app', not 'other'"),
            ({"cluster": "other"}, "the store belongs to the cluster 'one', and this is 'other'"),
            ({"log": replace(LOG, id="new")}, "'app.log' was deleted and made again"),
            ({"log": replace(LOG, partitions=6)}, "'app.log' had 4 partitions, and has 6"),
        ],
    )
    def test_what_does_not_belong_together_is_refused(self, changed: dict[str, Any], why: str) -> None:
        async def run() -> None:
            store = pins()
            first = await agreed(store, OPTIONS, "one", LOG)
            assert await agreed(store, OPTIONS, "one", LOG) == first
            options = replace(OPTIONS, application=changed.get("application", "app"))
            with pytest.raises(BackendError, match=why):
                await agreed(store, options, changed.get("cluster", "one"), changed.get("log", LOG))

        anyio.run(run)

    def test_a_log_that_was_divided_otherwise_is_refused(self) -> None:
        async def run() -> None:
            store = pins()
            ours = msgspec.to_builtins(await agreed(pins(), OPTIONS, "one", LOG))
            del ours["homes"]  # as builds wrote it that knew no other hash
            await store.pin("charter", msgspec.json.encode(ours))
            with pytest.raises(BackendError, match=r"the keys of 'app.log' are divided by crc32, .* by murmur2"):
                await agreed(store, OPTIONS, "one", LOG)

        anyio.run(run)

    @pytest.mark.parametrize("name", ["charter", "source/notes/3", "lane/0"])
    @pytest.mark.parametrize(
        ("kept", "why"),
        [
            (
                UNRELEASED_NOTES,
                "it is of format 1, from a build of dagger before its first release, .* then begin anew with",
            ),
            ({"format": FORMAT + 1, "shape": "another"}, f"it is of format {FORMAT + 1}, .*; use the release that has"),
            ({"format": FORMAT, "topic": 7, "id": 7, "at": 7}, "Expected `str`|missing required field"),
        ],
        ids=["before the first release", "later", "odd"],
    )
    def test_a_note_of_another_format_is_refused(self, name: str, kept: dict[str, Any], why: str) -> None:
        async def run() -> None:
            store = pins()
            await store.pin(name, msgspec.json.encode(kept.get(name, kept)))
            says = f"the note '{name}' of the store cannot be used: (?:{why})"
            if name == "charter":
                with pytest.raises(BackendError, match=f"{OPTIONS.place}: {says}"):
                    await agreed(store, OPTIONS, "one", LOG)
                return
            ours = await agreed(store, OPTIONS, "one", LOG)
            look = Sources(store, OPTIONS, ours).look(NOTES, 3)
            read = PoisonDetector(store, 0, "me").read()
            ask, other = (read, look) if name == "lane/0" else (look, read)
            await other
            with pytest.raises(BackendError, match=says):
                await ask

        anyio.run(run)

    @pytest.mark.parametrize("name", ["charter", "source/notes/3", "lane/0"])
    def test_a_note_with_a_field_of_a_later_release_is_read_and_replaced(self, name: str) -> None:
        async def run() -> None:
            store = pins()
            ours = await agreed(store, OPTIONS, "one", LOG)
            notes: dict[str, PinnedNote] = {
                "charter": ours,
                "source/notes/3": Source(topic=NOTES.id),
                "lane/0": LaneNote(),
            }
            data = msgspec.json.encode({**msgspec.to_builtins(notes[name]), "later": [1]})
            cast("Any", store).notes[name] = data
            assert await agreed(store, OPTIONS, "one", LOG) == ours
            sources, detector = Sources(store, OPTIONS, ours), PoisonDetector(store, 0, "me")
            await sources.look(NOTES, 3)
            await sources.begun(NOTES, 3)
            assert await Sources(store, OPTIONS, ours).look(NOTES, 3)
            await detector.read()
            await detector.taken({})
            await detector.caught_up("here")
            again = PoisonDetector(store, 0, "another")
            await again.read()
            assert again.incarnation == "here"

        anyio.run(run)

    @pytest.mark.parametrize(
        ("topic", "noted", "why"),
        [
            (NOTES, lambda _: None, "the group's offset of partition 3 of 'notes' is gone"),
            (NOTES, lambda _: "another", "the offset of partition 3 of 'notes' was committed beside another store"),
        ],
    )
    def test_what_offsets_no_longer_refer_to_is_refused(
        self, topic: TopicInfo, noted: Callable[[Binding], str | None], why: str
    ) -> None:
        async def run() -> None:
            store = pins()
            ours = await agreed(store, OPTIONS, "one", LOG)
            sources = Sources(store, OPTIONS, ours)
            await checked(sources, NOTES, 3, None)
            await sources.begun(NOTES, 3)
            for again in (sources, Sources(store, OPTIONS, ours)):
                await checked(again, NOTES, 3, ours.id)
                with pytest.raises(BackendError, match=why):
                    await checked(again, topic, 3, noted(ours))

        anyio.run(run)

    def test_a_topic_that_was_made_again_begins_anew_once(self) -> None:
        async def run() -> None:
            store, new = pins(), replace(NOTES, id="new")
            ours = await agreed(store, OPTIONS, "one", LOG)
            sources, other = Sources(store, OPTIONS, ours), Sources(store, OPTIONS, ours)
            for each in (sources, other):
                await each.look(NOTES, 3)
                await each.begun(NOTES, 3)
            assert await sources.look(new, 3) is None
            assert await sources.look(new, 3) is None, "nothing was begun"
            await sources.begun(new, 3)
            assert sources.made("notes", 3) == 1
            for each in (sources, other, Sources(store, OPTIONS, ours)):
                assert await each.look(new, 3)
                await checked(each, new, 3, ours.id)
                assert each.made("notes", 3) == 1
            assert await sources.look(new, 4) is False
            assert sources.made("notes", 4) == 0

        anyio.run(run)

    def test_partitions_that_are_new_begin(self) -> None:
        async def run() -> None:
            store = pins()
            ours = await agreed(store, OPTIONS, "one", LOG)
            sources = Sources(store, OPTIONS, ours)
            await checked(sources, NOTES, 3, None)
            await sources.begun(NOTES, 3)
            await checked(sources, replace(NOTES, partitions=12), 11, None)
            await sources.begun(NOTES, 11)

    def test_what_another_has_begun_is_seen_by_who_had_looked_before(self) -> None:
        async def run() -> None:
            store = pins()
            ours = await agreed(store, OPTIONS, "one", LOG)
            early, other = Sources(store, OPTIONS, ours), Sources(store, OPTIONS, ours)
            assert not await early.look(NOTES, 3)
            await checked(other, NOTES, 3, None)
            await other.begun(NOTES, 3)
            with pytest.raises(BackendError, match="is gone"):
                await checked(early, NOTES, 3, None)
            await early.begun(NOTES, 3)
            assert await early.look(NOTES, 3)

        anyio.run(run)
