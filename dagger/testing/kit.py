"""The engine of unit tests: in memory, on a virtual clock, idle whenever a call returns."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Coroutine, Generator, Mapping
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
from dagger.engine.connection import Connection
from dagger.engine.dagger import Dagger, Lifespan, Unmatched
from dagger.engine.dead_letters import dead_letter_topic
from dagger.engine.headers import headers_of, texts_of
from dagger.engine.ports import Outgoing
from dagger.engine.worker.context import context
from dagger.engine.worker.tasks import Tasks
from dagger.errors import Fenced, RequestError, TaskHangs
from dagger.plan.plan import Plan
from dagger.testing.clock import VirtualClock
from dagger.testing.faults import CommitLost, FaultyMemory, WorkerDied
from dagger.testing.tasks import SequentialTasks

A = TypeVar("A")
B = TypeVar("B")
M = TypeVar("M")

PATIENCE: Final = timedelta(seconds=5)
"""How long, in real time, the kit waits for tasks before it reports them."""

TURNS: Final = 6
"""How many iterations of the loop pass, at most, until a task that can continue has its result on the log."""


_stages: list[Callable[[TestEngine], MemoryBackend]] = []


@contextmanager
def with_backend(memory_of: Callable[[TestEngine], MemoryBackend]) -> Generator[None]:
    """Within it, every engine without a backend of its own uses the memory that `memory_of` returns."""
    _stages.append(memory_of)
    try:
        yield
    finally:
        _stages.remove(memory_of)


class TestEngine(Dagger):
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

    async def crash(self) -> None:
        """Kill the worker, with everything in its memory, and let another take over; then run until idle.

        What was not committed is polled again, and running tasks are started again. Resources of `lifespan=` stay open.
        """
        await self._open()
        self._worker = self._new_worker()
        await self._begin_again()
        await self.run_until_idle()

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

    # Running to idle.

    @override
    async def _open(self) -> Connection:
        found = self._current()
        if found is not None:
            return found
        self._opening = True
        try:
            connection = await super()._open()
            self._tasks.leaving = False
            await self._begin()
        except BaseException:
            await self._close()
            raise
        finally:
            self._opening = False
        return connection

    async def run_until_idle(self) -> None:
        """Run until nothing is left to do at the current time of the clock. Raises TaskHangs."""
        await self._open()
        if self._opening:  # by the lifespan: what it starts runs once its resources are there
            return
        while True:
            if await self._ring_tasks() or await self._run_once():
                continue
            self._raise_spawned()
            await self._yield()
            if not self._tasks.paths and not self._work_left():
                return
            if not self._work_left():
                await self._wait_for_tasks()

    async def _yield(self) -> None:
        """Let tasks continue. One that has reported that it hangs may still end, but is not waited for."""
        for _ in range(TURNS if self._tasks.is_hanging else 1):
            await asyncio.sleep(0)

    async def _ring_tasks(self) -> bool:
        """End tasks whose timeouts are due, before any other timer fires; whether there were any."""
        fired = self.clock.fire()
        if fired:
            await self._tasks.obeyed()
        return fired

    async def _run_once(self) -> bool:
        """Fire timers that are due and apply a batch; whether there was one. A worker that dies is replaced."""
        worker = self._worker
        try:
            await worker.fire_due_timers()
            return await worker.run_once()
        except WorkerDied:
            self._worker = self._new_worker()
        except CommitLost:
            pass
        except Fenced:
            if worker is self._worker:
                raise
            return True
        await self._begin_again()
        return True

    async def _begin_again(self) -> None:
        """Poll again what was not committed, restart running tasks, and update runs from the store."""
        await self._worker.rewind()  # before anything else: others may be settling at the same time
        gone, self._tasks = self._tasks, self._new_tasks()
        await self._end(gone)
        states = [await self._state(id) for id in self._watch.ids]
        self._committed([], [state for state in states if state is not None])

    @override
    def _new_tasks(self) -> Tasks:
        return self._make_tasks(SequentialTasks if isinstance(self.memory, FaultyMemory) else Tasks, self.clock)

    def _work_left(self) -> bool:
        return self.memory.log.has_news()

    async def _wait_for_tasks(self) -> None:
        with anyio.move_on_after(self._patience_s) as scope:
            await self.memory.log.wait()
        if scope.cancelled_caught:
            paths = ", ".join(self._tasks.paths)
            raise TaskHangs(
                f"still running after {self._patience_s:g} s of real time: {paths}; a task that is meant to hang "
                "should await dagger.testing.hang(), a slow one needs TestEngine(patience=...)"
            )

    def _raise_spawned(self) -> None:
        for task in [task for task in self._spawned if task.done()]:
            self._spawned.discard(task)
            if not task.cancelled():
                task.result()

    @override
    def _spawn(self, fn: Callable[[], Coroutine[Any, Any, None]], /) -> bool:
        self._spawned.add(asyncio.get_running_loop().create_task(fn()))
        return True

    @override
    def _task_changed(self) -> None:
        self.memory.log.nudge()

    async def close(self) -> None:
        """Cancel what runs, and end the lifespan. The fixture of the plugin does this after the test."""
        await self._end(self._tasks)
        await self._close()

    async def _end(self, tasks: Tasks) -> None:
        spawned, self._spawned = self._spawned, set()
        await tasks.end_all()
        alive = [task for task in spawned if not task.done()]  # others may belong to a closed loop
        for task in alive:
            task.cancel()
        await asyncio.gather(*alive, return_exceptions=True)

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
