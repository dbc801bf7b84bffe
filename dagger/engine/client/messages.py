"""Sends and reads messages of external topics, for code outside any workflow."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing
from functools import partial
from typing import ClassVar, Final, TypeVar

from dagger.dsl.topics import Topic
from dagger.engine.backoff import retry_unavailable
from dagger.engine.client.validation import checked_group, checked_message, checked_several, checked_topic
from dagger.engine.connection import Connection, running_loop
from dagger.engine.dead_letters import decoded, without_value
from dagger.engine.ports import Backend, Outgoing, Reader
from dagger.errors import BackendError, EngineClosed, WrongInput

M = TypeVar("M")
logger: Final = logging.getLogger("dagger")


class Messenger:
    """Publishes messages, and reads them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._connection: Connection | None = None
        """The connection, even while it is being opened or closed."""

    def _is_open(self) -> bool:
        """Whether it is connected in this event loop, so that `_open` would do nothing."""
        connection = self._connection
        return connection is not None and connection.is_connected and connection.loop is running_loop()

    async def _open(self) -> Connection:
        """Connect, once. Gives what is connected in this event loop."""
        raise NotImplementedError

    _follows_requests: ClassVar = False
    """Whether `_after_request` does anything. Only the test kit's does, and a coroutine for each request costs time."""

    async def _after_request(self) -> None:
        """Called when a request was accepted. The test kit then runs until it is idle."""

    async def publish(
        self, topic: Topic[M], message: M, *, headers: dict[str, str] | None = None, id: str | None = None
    ) -> None:
        """Publish a message to a topic. With an `id`, a duplicate of it is recognised.

        Raises WrongInput for a message that does not fit the topic's type, or has no key.
        """
        entry = checked_message(topic, message, headers, id)
        self._fits("a message for topic", topic.name, entry.payload or b"")
        if not self._is_open():
            await self._open()
        await self._backend.log.append([entry])
        if self._follows_requests:
            await self._after_request()

    async def publish_all(
        self, topic: Topic[M], messages: Iterable[M], *, id: Callable[[M], str] | None = None
    ) -> None:
        """Publish messages to a topic, in order and in one call: all of them, or none.

        On Kafka some may have been published if it raises; give each an `id`, and publish all of them again.

        `id` computes the id of each, by which a duplicate is recognised. Raises the same errors as `publish`.
        """
        checked_several(messages)
        entries = [checked_message(topic, one, id=None if id is None else id(one)) for one in messages]
        for entry in entries:
            self._fits("a message for topic", topic.name, entry.payload or b"")
        await self._open()
        await self._backend.log.append(entries)
        if self._follows_requests:
            await self._after_request()

    async def subscribe(self, topic: Topic[M], *, group: str) -> AsyncGenerator[M]:
        """The messages of a topic, for code outside any workflow; a group gets each at least once.

        A message that can't be decoded is dead-lettered, with the reason. While the backend is unavailable, reading is
        retried. All subscriptions of a group share the messages. A subscription that ends, by `break`, `aclose()` or
        the end of its task, passes its share on, and its current batch is read again. It ends when the engine is
        closed, and raises EngineClosed when its worker ends with an error.
        """
        async with aclosing(self.subscribe_batches(topic, group=group)) as batches:
            async for messages in batches:
                for message in messages:
                    yield message

    async def subscribe_batches(self, topic: Topic[M], *, group: str, limit: int = 100) -> AsyncGenerator[list[M]]:
        """The same, as lists of at most `limit` messages: those that are available."""
        checked_topic(topic, "subscribe")
        name = checked_group(group)
        connection = await self._open()
        async with self._backend.log.reader(topic.name, name) as reader:
            while True:
                try:
                    with connection.waiting(f"what else is on '{topic.name}'"):
                        messages = await self._next(reader, topic, limit)
                except EngineClosed:
                    if connection.is_closing:
                        return
                    raise
                if messages:
                    yield messages

    async def _next(self, reader: Reader, topic: Topic[M], limit: int) -> list[M]:
        """The next messages; those that can't be decoded are dead-lettered."""
        found = await retry_unavailable(f"reading '{topic.name}'", lambda: reader.read(limit))
        messages, others = decoded(topic, found)
        if others:
            await self._publish_dead_letters(topic.name, others)
        return messages

    async def _publish_dead_letters(self, topic: str, letters: Sequence[Outgoing]) -> None:
        """Publish dead letters; if one is refused, for example because it is too large, without its value."""
        what = f"dead letters of '{topic}' are kept"
        try:
            await retry_unavailable(what, partial(self._backend.log.append, letters))
        except BackendError:
            for letter in letters:  # of several that were sent at once, some may have been published; they are repeated
                try:
                    await retry_unavailable(what, partial(self._backend.log.append, [letter]))
                except BackendError as error:
                    logger.error("%s: its value is left out: %s", letter.topic, error)
                    await retry_unavailable(what, partial(self._backend.log.append, [without_value(letter)]))

    def _fits(self, what: str, name: str, data: bytes) -> None:
        if len(data) > self._backend.size_max:
            raise WrongInput(f"{what} '{name}' has {len(data):,} bytes, and may have {self._backend.size_max:,}")
