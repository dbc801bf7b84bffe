"""An engine that works only when a test calls it, with a virtual clock: no loop of its own, and no real time."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Self

import anyio
from anyio.abc import TaskGroup
from typing_extensions import override

from dagger.dsl.topics import Topic
from dagger.engine.client.run import Run
from dagger.engine.clock import MICROSECOND
from dagger.engine.dagger import Dagger
from dagger.engine.headers import header_text, headers_of, text_of
from dagger.engine.ports import Backend, Outgoing, TopicRecord
from dagger.engine.worker.tasks import Tasks
from dagger.errors import BackendUnavailable, Fenced
from dagger.testing.clock import VirtualClock
from dagger.testing.contract.harness import REST_S
from dagger.testing.contract.storage import HasCaughtUp


class Driver(Dagger):
    """A `Dagger` on any backend; a test steps it."""

    def __init__(self, backend: Backend, clock: VirtualClock, **settings: Any) -> None:
        self.time = clock
        super().__init__(backend=backend, clock=clock, grace=timedelta(0), **settings)
        self._group: TaskGroup | None = None

    @asynccontextmanager
    async def connected(self) -> AsyncGenerator[Self]:
        """Be a process that does not work, until the end of the block."""
        try:
            await self._open()
            yield self
        finally:
            await self._close()

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[Self]:
        """Be a worker, until the end of the block; tasks that still run are cut off."""
        try:
            async with self.connected(), anyio.create_task_group() as group:
                await self._begin()
                self._reset_worker()
                self._group = group
                try:
                    async with self.backend.log.join():
                        yield self
                finally:
                    await self._tasks.end_all()
                    self._group = None
                    group.cancel_scope.cancel()
        except BaseExceptionGroup as found:
            if len(found.exceptions) == 1:  # the error of the block is raised as it is
                raise found.exceptions[0] from None
            raise

    @override
    def _new_tasks(self) -> Tasks:
        return self._make_tasks(Tasks, self.time)

    @override
    def _spawn(self, fn: Callable[[], Coroutine[Any, Any, None]], /) -> bool:
        if self._group is None:
            return False
        self._group.start_soon(fn)
        return True

    @property
    def owned(self) -> set[int]:
        """The partitions that it works on."""
        return set(self._worker._owned)  # pyright: ignore[reportPrivateUsage]  # nothing else tells

    @property
    def next_due(self) -> int | None:
        """When the next timer is due, of an instance or of a task that runs, in microseconds; None if there is none."""
        return min((at for at in (self._worker.next_due, self.time.next_due()) if at is not None), default=None)

    # Working.

    async def step(self) -> bool:
        """Let what is due fire, and apply a batch; whether there was something to do."""
        worker = self._worker
        if self.time.fire():
            return True
        try:
            rang = await worker.fire_due_timers()
            return await worker.run_once() or rang > 0
        except (Fenced, BackendUnavailable):
            await worker.rewind()
            return True

    async def until(self, done: Callable[[], Awaitable[bool]]) -> None:
        """Work until something is so. The clock stands still."""
        while not await done():
            if not await self.step():
                await self.rest()

    async def rest(self) -> None:
        """Let tasks and others have their turn, and see what was committed."""
        with anyio.move_on_after(REST_S):
            await self.backend.log.wait()
        await self._poll(self._watch.open_ids)

    async def run_until_idle(self) -> None:
        """Work until nothing is left to do at the time that the clock shows."""
        quiet = 0
        while quiet < 2 or self._tasks.paths:
            if await self.step():
                quiet = 0
            else:
                quiet = quiet + 1 if await self._caught_up() else 0
                await self.rest()

    async def _caught_up(self) -> bool:
        """Whether nothing is on its way that was not polled yet, nor due and held back until the time is known."""
        due = self._worker.next_due
        if due is not None and due <= self.time.now() and self.backend.log.is_early:
            return False
        return not isinstance(self.backend, HasCaughtUp) or await self.backend.caught_up()

    async def finish(self, *runs: Run[Any], hanging: bool = False) -> None:
        """Work, and let time pass whenever there is nothing else to do, until these runs have ended.

        Tasks are waited for, unless they are `hanging`: then time passes while they run.
        """
        while not all(run.status.is_end for run in runs):
            if await self.step():
                continue
            due = self.next_due
            if (self._tasks.paths and not hanging) or due is None or not await self._caught_up():
                await self.rest()
            else:
                await self._poll(self._watch.open_ids)
                self.time.move_to(due)

    def advance(self, by: timedelta) -> None:
        """Move the clock; nothing else happens."""
        self.time.move_to(self.time.now() + by // MICROSECOND)

    # Topics.

    async def put(self, topic: Topic[Any], payload: bytes, *, key: str = "") -> None:
        """Publish bytes to a topic, whether or not they can be decoded."""
        await self._open()
        await self.backend.log.append([Outgoing(topic.name, key.encode(), payload)])


async def messages_of(backend: Backend, topic: str, keys: set[str], group: str = "contract") -> list[TopicRecord]:
    """All messages of these keys that are on a topic, by an open backend: a marker behind each key shows its end."""
    marker = "contract-end"
    await backend.log.append([Outgoing(topic, key.encode(), b"", headers_of({marker: group})) for key in sorted(keys)])
    found = list[TopicRecord]()
    missing = set(keys)
    async with backend.log.reader(topic, group) as reader:
        while missing:
            for record in await reader.read(100):
                key, end = text_of(record.key or b""), header_text(record.headers, marker)
                if end == group:
                    missing.discard(key)
                elif end is None and key in keys:
                    found.append(record)
    return found
