"""An engine that works only while it is asked to, until nothing is left to do at the time that its clock shows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from typing import Any, Final

import anyio
from typing_extensions import override

from dagger.backends.memory import MemoryBackend
from dagger.engine.connection import Connection
from dagger.engine.dagger import Dagger
from dagger.engine.registry import Registry
from dagger.engine.worker.dispatch import LocalEffects
from dagger.engine.worker.tasks import Tasks
from dagger.engine.worker.worker import Worker
from dagger.errors import Fenced, TaskHangs
from dagger.testing.clock import VirtualClock
from dagger.testing.faults import CommitLost, FaultyMemory, WorkerDied, WorkerReplaced
from dagger.testing.releases import Release
from dagger.testing.tasks import SequentialTasks

TURNS: Final = 6
"""How many iterations of the loop pass, at most, until a task that can continue has its result on the log."""


LONGEST_STAY_S: Final = 1.0
"""How long, in real time, the worker of another release stays where nobody moves the clock."""


class IdleEngine(Dagger):
    """What the test kit is built on."""

    clock: VirtualClock
    memory: MemoryBackend
    _patience_s: float
    _spawned: set[asyncio.Task[None]]
    _opening: bool

    _recalling: asyncio.Task[None] | None = None
    _elsewhere: Registry | None = None
    """What the worker has registered, if it is of another release; what starts and looks at instances is of this."""

    async def crash(self) -> None:
        """Kill the worker, with everything in its memory, and let another take over; then run until idle.

        What was not committed is polled again, and running tasks are started again. Resources of `lifespan=` stay open.
        """
        await self._open()
        self._worker = self._make_worker()
        await self._begin_again()
        await self.run_until_idle()

    async def replace_worker(self, registered: Callable[[Registry], Registry] | None) -> None:
        """Let a worker of another release take over, or one of this release again (None); then run to idle.

        `registered` gives what the other has registered; see `dagger.testing.releases`.
        """
        self._elsewhere = None if registered is None else registered(self._registry)
        await self.crash()

    def _make_worker(self) -> Worker:
        """A worker of the release that is at work."""
        with self._at_release():
            return self._new_worker()

    @contextmanager
    def _at_release(self) -> Generator[None]:
        """Within it, what is registered is what the worker knows."""
        own = self._registry
        self._registry = self._elsewhere or own
        try:
            yield
        finally:
            self._registry = own

    @override
    def _carry_out(self, change: LocalEffects) -> None:
        with self._at_release():
            super()._carry_out(change)

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
        except WorkerReplaced as replaced:
            self._replace(replaced.release)
        except WorkerDied:
            self._worker = self._make_worker()
        except CommitLost:
            pass
        except Fenced:
            if worker is self._worker:
                raise
            return True
        await self._begin_again()
        return True

    def _replace(self, release: Release | None) -> None:
        """A worker of another release takes over, or of this one again."""
        self._elsewhere = None if release is None else release.registered(self._registry)
        if isinstance(self.memory, FaultyMemory):
            other = self._elsewhere
            self.memory.log.heard = None if release is None or other is None else other.consumed
        self._worker = self._make_worker()
        if release is not None:
            self._recalling = asyncio.create_task(self._recall())

    async def _recall(self) -> None:
        """Bring back the worker of this release although the clock stands still: the scenario may wait for something
        that only this worker does. The delay decides only how many events are parked."""
        await asyncio.sleep(LONGEST_STAY_S)
        await self._back_to_this_release()

    async def _back_to_this_release(self) -> None:
        """Bring back the worker of this release, if another is there: before the clock moves, or somebody waits."""
        if isinstance(self.memory, FaultyMemory) and self.memory.log.recall():
            await self.run_until_idle()

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
        if self._recalling is not None:
            self._recalling.cancel()
            await asyncio.gather(self._recalling, return_exceptions=True)
        await self._end(self._tasks)
        await self._close()

    async def _end(self, tasks: Tasks) -> None:
        spawned, self._spawned = self._spawned, set()
        await tasks.end_all()
        alive = [task for task in spawned if not task.done()]  # others may belong to a closed loop
        for task in alive:
            task.cancel()
        await asyncio.gather(*alive, return_exceptions=True)
