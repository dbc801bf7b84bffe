"""The engine of unit tests: in memory, on a virtual clock, idle whenever a call returns."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar, overload

import anyio
from typing_extensions import override

from dagger.backends.memory import MemoryBackend
from dagger.core.state import Status
from dagger.dsl.topics import Topic
from dagger.engine.client.instance import Instance
from dagger.engine.client.run import Run
from dagger.engine.client.validation import checked_message
from dagger.engine.clock import MICROSECOND
from dagger.engine.dagger import Lifespan, Unmatched
from dagger.engine.dead_letters import dead_letter_topic
from dagger.engine.headers import headers_of, texts_of
from dagger.engine.ports import Outgoing
from dagger.engine.worker.context import context
from dagger.errors import RequestError
from dagger.plan.plan import Plan
from dagger.testing.clock import VirtualClock
from dagger.testing.idle import IdleEngine

A = TypeVar("A")
B = TypeVar("B")
M = TypeVar("M")

PATIENCE: Final = timedelta(seconds=5)
"""How long, in real time, the kit waits for tasks before it reports them."""

_stages: list[Callable[[TestEngine], MemoryBackend]] = []


@contextmanager
def with_backend(memory_of: Callable[[TestEngine], MemoryBackend]) -> Generator[None]:
    """Within it, every engine without a backend of its own uses the memory that `memory_of` returns."""
    _stages.append(memory_of)
    try:
        yield
    finally:
        _stages.remove(memory_of)


class TestEngine(IdleEngine):
    """A `Dagger` in memory with a virtual clock.

    `start`, `deliver`, `signal`, `stop` and `advance` return when nothing is left to do at the current time of the
    clock, including tasks in threads. A task that still runs after `patience` of real time is reported with its path
    (TaskHangs). A task that awaits `dagger.testing.hang()` counts as idle.
    """

    __test__ = False

    def __init__(
        self,
        *,
        lifespan: Lifespan | None = None,
        tasks: int = 100,
        threads: int = 32,
        early_limit: int = 16,
        early_for: timedelta = timedelta(days=7),
        unmatched: Unmatched = "drop",
        unmatched_topic: str | None = None,
        patience: timedelta = PATIENCE,
        backend: MemoryBackend | None = None,
    ) -> None:
        self.clock = VirtualClock()
        self.memory = backend or (_stages[-1](self) if _stages else MemoryBackend())
        super().__init__(
            lifespan=lifespan,
            tasks=tasks,
            threads=threads,
            early_limit=early_limit,
            early_for=early_for,
            unmatched=unmatched,
            unmatched_topic=unmatched_topic,
            clock=self.clock,
            backend=self.memory,
        )
        self._patience_s = patience.total_seconds()
        self._spawned: set[asyncio.Task[None]] = set()
        self._opening = False

    @property
    @override
    def _is_working(self) -> bool:
        return True

    @property
    def is_closed(self) -> bool:
        """Whether nothing is open."""
        return self._connection is None

    @property
    def now(self) -> datetime:
        """The time of the virtual clock, which starts at 2030-01-01 UTC."""
        return self.clock.time

    # What tests do.

    _follows_requests = True

    @override
    async def _after_request(self) -> None:
        if _outside_tasks():
            await self.run_until_idle()

    async def deliver(
        self, topic: Topic[M], message: M, *, headers: Mapping[str, str] | None = None, id: str | None = None
    ) -> None:
        """Publish a message as an external service would; with the same `id` it can be sent again as a duplicate."""
        await self._open()
        await self.memory.log.deliver(checked_message(topic, message, headers, id))
        await self.run_until_idle()

    async def deliver_raw(
        self, topic: Topic[Any], payload: bytes, *, key: str = "", headers: dict[str, str] | None = None
    ) -> None:
        """Publish bytes to a topic, whether or not they can be decoded."""
        await self._open()
        await self.memory.log.deliver(Outgoing(topic.name, key.encode(), payload, headers_of(headers or {})))
        await self.run_until_idle()

    @overload
    async def wait(self, instance: Run[B]) -> Instance[B]: ...
    @overload
    async def wait(self, instance: str | uuid.UUID) -> Instance[Any]: ...
    @override
    async def wait(self, instance: str | uuid.UUID | Run[Any]) -> Instance[Any]:
        """Like `Dagger.wait`, but raises RequestError after `patience` of real time: the clock stands still, and no
        message comes by itself."""
        await self._back_to_this_release()
        with anyio.move_on_after(self._patience_s):
            return await super().wait(instance)
        found = await self.get_instance(instance)
        steps = ", ".join(step.path for step in found.steps if step.status is Status.EXECUTING)
        raise RequestError(
            f"wait: '{found.id}' is {found.status} after {self._patience_s:g} s of real time, at {steps or 'no step'}; "
            "deliver what it waits for, signal it, or advance the clock"
        )

    async def advance(self, by: timedelta) -> None:
        """Move the clock forward by `by`, from timer to timer; after each, run until idle."""
        target = self.clock.now() + _span(by)
        await self._open()
        await self.run_until_idle()
        await self._back_to_this_release()
        while True:
            due = await self._next_due()
            if due is None or due > target:
                break
            self.clock.move_to(due)
            await self.run_until_idle()
        self.clock.move_to(target)
        await self.run_until_idle()

    async def _next_due(self) -> int | None:
        """When the next timer is due, of an instance or of a task that runs."""
        found = await self._worker.due_after(self.clock.now()), self.clock.next_due()
        return min((due for due in found if due is not None), default=None)

    def sent(self, topic: Topic[M]) -> list[M]:
        """The messages that were published to a topic, in order, without those that the test delivered."""
        return [
            topic.wire.decode(record.payload or b"")
            for number, record in enumerate(self.memory.log.history)
            if record.topic == topic.name and number not in self.memory.log.delivered
        ]

    def plan(self, name: str, version: int) -> Plan | None:
        """The plan of a registered template."""
        return self._registry.plan(name, version)

    def dead_letters(self, topic: Topic[Any]) -> list[tuple[bytes | None, dict[str, str]]]:
        """The payloads of the dead letters of a topic, each with its headers as text (`dagger-reason`, ...).

        If a header is repeated, the last one counts.
        """
        name = dead_letter_topic(topic.name)
        return [(r.payload, texts_of(r.headers)) for r in self.memory.log.history if r.topic == name]

    @override
    async def __aenter__(self) -> TestEngine:
        await self._open()
        return self

    @override
    async def __aexit__(self, *exc: Any) -> None:
        await self.close()


def _outside_tasks() -> bool:
    try:
        context()
    except Exception:
        return True
    return False


def _span(by: object) -> int:
    """A timedelta of zero or more, in microseconds."""
    if isinstance(by, timedelta) and by >= timedelta(0):
        return by // MICROSECOND
    raise RequestError(f"advance: expects a timedelta of zero or more, got {by!r}")


async def hang() -> None:
    """For test doubles of tasks: never return, and report it, so that the test kit does not wait for this task."""
    context().hangs()
    await anyio.sleep_forever()
